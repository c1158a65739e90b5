"""Sources are archived, deleted, kept, or failed with a reason; every step can be repeated."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from aura_daemon.formats.sidecars.schema import FailureReport
from aura_daemon.jobs.lifecycle import SourceState
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox.source_policy import TWO_WAY_SYNC_MARKS, SourcePolicy, choose
from tests.conftest import Mount
from tests.support.house import PNG, PROMPT, Door, House, fail

FAILURE = Failure(kind=FailureKind.OUT_OF_MEMORY, message="it needs 9 GB", mend="draw it smaller")
BAD = b"prompt: x\nsteps: 0\n"
THREE = b"prompt: one\n---\nprompt: two\n---\nprompt: three\n"


class PowerCut(BaseException):
    """The process ends here."""


def taken(door: Door, name: str = "cat.yaml", content: bytes = PROMPT) -> tuple[Source, tuple[Job, ...]]:
    door.house.drop(name, content)
    source = door.claims.claim(name, SourceKind.JOB_FILE, settled_s=2.0)
    assert source is not None
    jobs = door.intake.admit(source)
    return door.journal.source(source.id), jobs


def done(door: Door, job: Job) -> None:
    row = door.journal.deliver(door.journal.start(job), stem=job.stem, payload_sha256="x")
    door.journal.finish(row, now=1.0, total_s=1.0)


def ended(door: Door, name: str = "cat.yaml", content: bytes = PROMPT, *, well: bool = True) -> Source:
    """A source whose jobs have all ended in one way."""
    source, jobs = taken(door, name, content)
    for job in jobs:
        if well:
            done(door, job)
        else:
            door.journal.fail(door.journal.start(job), FAILURE, now=1.0)
    return source


def report(door: Door, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((door.house.outbox / "failed" / name).read_bytes())
    jsonschema.validate(document, FailureReport.model_json_schema(by_alias=True))
    return document


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Disposes repeatedly, each time with a power cut one step later, until no cut comes."""
    steps = (
        (os, "link"),
        (os, "replace"),
        (os, "rename"),
        (os, "fsync"),
        (Path, "unlink"),
        (Path, "rmdir"),
    )

    def run(door: Door, source: Source, disposition: SourcePolicy) -> int:
        for number in range(200):
            left = [number]
            with monkeypatch.context() as patched:
                for owner, name in steps:
                    patched.setattr(owner, name, _cutting(getattr(owner, name), left))
                try:
                    door.disposal(disposition).dispose(source)
                except PowerCut:
                    pass
                else:
                    return number
            door.outbox.clear_temp()
            source = door.journal.source(source.id)
        raise AssertionError("it never comes through")

    return run


def _cutting(step: Any, left: list[int]) -> Any:
    def cut(*arguments: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise PowerCut
        return step(*arguments, **options)

    return cut


# -- what is done ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("disposition", "archived"), [(SourcePolicy.ARCHIVE, ["sub/cat.yaml"]), (SourcePolicy.DELETE, [])]
)
def test_a_source_that_is_done_goes_where_it_belongs(
    door: Door, disposition: SourcePolicy, archived: list[str]
) -> None:
    source = ended(door, "sub/cat.yaml")
    assert door.disposal(disposition).dispose(source)
    assert (door.house.archived(), door.house.waiting()) == (archived, [])
    assert list(door.claims.work.iterdir()) == []
    assert door.journal.source(source.id).state is SourceState.CLOSED


def test_a_source_with_a_job_to_come_stays_in_work(door: Door) -> None:
    source, jobs = taken(door, content=THREE)
    for job in jobs[:2]:
        done(door, job)
    assert not door.disposal().dispose(source)
    assert door.claims.file_of(source).exists()


def test_a_name_taken_in_the_archive_is_left_and_the_same_bytes_are_not_kept_twice(door: Door) -> None:
    for content in (PROMPT, b"prompt: another\n", PROMPT):
        source = ended(door, content=content)
        assert door.disposal().dispose(source)
    assert door.house.archived() == ["cat.r2.yaml", "cat.yaml"]
    assert (door.claims.done / "cat.yaml").read_bytes() == PROMPT


def test_the_archives_size_is_known_from_the_start_and_grows(door: Door) -> None:
    source = ended(door)
    first = door.disposal()
    assert first.archive_bytes == 0
    first.dispose(source)
    assert first.archive_bytes == door.disposal().archive_bytes == len(PROMPT)


def test_an_archive_on_another_disk_works(door: Door, mount: Mount) -> None:
    source = ended(door)
    door.claims.done.mkdir(parents=True)
    mount(door.claims.done, "-t", "tmpfs", "-o", "size=64k", "tmpfs")
    assert door.disposal().dispose(source)
    assert door.house.archived() == ["cat.yaml"]
    assert list(door.claims.work.iterdir()) == []


@pytest.mark.parametrize("disposition", [SourcePolicy.ARCHIVE, SourcePolicy.DELETE])
def test_a_crash_between_any_two_steps_of_putting_away_is_made_good(
    door: Door, tries: Any, disposition: SourcePolicy
) -> None:
    source = ended(door, "sub/cat.yaml")
    assert tries(door, source, disposition) > 2
    assert door.house.archived() == (["sub/cat.yaml"] if disposition is SourcePolicy.ARCHIVE else [])
    assert door.house.waiting() == []
    assert door.journal.unfinished_sources() == []
    assert door.house.failed() == []


# -- what failed -------------------------------------------------------------------------------------------------------


def test_a_file_that_asks_for_nothing_good_goes_to_failed_with_every_reason(door: Door) -> None:
    source = ended(door, "sub/bad.yaml", BAD)
    door.disposal().dispose(source)
    assert door.house.failed() == ["sub/bad.yaml", "sub/bad.yaml.json"]
    assert (door.house.outbox / "failed" / "sub" / "bad.yaml").read_bytes() == BAD
    document = report(door, "sub/bad.yaml.json")
    assert document["job_id"] == source.id
    assert "steps" in " ".join(document["problems"])
    assert "1 to 150" in document["reason"]
    assert document["mend"]
    assert (door.house.waiting(), door.house.archived()) == ([], [])


def test_a_job_that_failed_takes_its_file_to_failed(door: Door) -> None:
    door.disposal().dispose(ended(door, well=False))
    assert door.house.failed() == ["cat.yaml", "cat.yaml.json"]
    document = report(door, "cat.yaml.json")
    assert (document["reason"], document["mend"], document["attempts"]) == ("it needs 9 GB", "draw it smaller", 1)


def test_of_several_documents_only_those_that_failed_go_to_failed_as_files_of_their_own(door: Door) -> None:
    source, jobs = taken(door, content=THREE)
    done(door, jobs[0])
    door.journal.fail(door.journal.start(jobs[1]), FAILURE, now=1.0)
    done(door, jobs[2])
    door.disposal().dispose(source)
    assert door.house.failed() == ["cat-2.yaml", "cat-2.yaml.json"]
    assert report(door, "cat-2.yaml.json")["source"]["document"] == 2
    assert door.house.archived() == ["cat.yaml"]
    retried = door.house.outbox / "failed" / "cat-2.yaml"
    _, (job,) = taken(door, "cat-2.yaml", retried.read_bytes())
    assert (job.stem, job.request.prompt) == ("cat-2", "two")


@pytest.mark.parametrize(
    ("name", "content"), [("cat.txt", b"one\ntwo --steps 8\nthree\n"), ("cat.jsonl", b'"one 1 x"\n"two x --steps 8"\n')]
)
def test_a_failed_line_of_a_list_becomes_a_job_file_of_its_own(door: Door, name: str, content: bytes) -> None:
    source, jobs = taken(door, name, content)
    done(door, jobs[0])
    door.journal.fail(door.journal.start(jobs[1]), FAILURE, now=1.0)
    for job in jobs[2:]:
        done(door, job)
    assert door.disposal().dispose(source)
    failed = door.house.outbox / "failed"
    assert sorted(file.name for file in failed.iterdir()) == ["cat-2.yaml", "cat-2.yaml.json"]
    assert b"steps: 8\n" in (failed / "cat-2.yaml").read_bytes()
    assert report(door, "cat-2.yaml.json")["source"]["document"] == 2
    assert door.house.archived() == [name]


def test_a_failed_file_that_is_moved_back_and_fails_again_has_one_report(door: Door) -> None:
    first = ended(door, "bad.yaml", BAD)
    door.disposal().dispose(first)
    (door.house.outbox / "failed" / "bad.yaml").unlink()
    second = ended(door, "bad.yaml", BAD)
    door.disposal().dispose(second)
    assert door.house.failed() == ["bad.yaml", "bad.yaml.json"]
    assert report(door, "bad.yaml.json")["job_id"] == second.id


def test_a_failed_file_of_another_content_keeps_its_name_and_its_report(door: Door) -> None:
    first, second = ended(door, "bad.yaml", BAD), ended(door, "bad.yaml", BAD + b"# again\n")
    for source in (first, second, ended(door, "bad.yaml", BAD)):
        door.disposal().dispose(source)
    expected = ["bad.r2.yaml", "bad.r3.yaml", "bad.yaml"]
    assert door.house.failed() == sorted([*expected, *(name + ".json" for name in expected)])
    assert report(door, "bad.yaml.json")["job_id"] == first.id
    assert report(door, "bad.r2.yaml.json")["job_id"] == second.id


def test_somebody_elses_file_is_not_taken_for_a_report(door: Door) -> None:
    theirs = door.house.outbox / "failed" / "bad.yaml.json"
    theirs.parent.mkdir()
    theirs.write_bytes(b'{"mine": true}')
    door.disposal().dispose(ended(door, "bad.yaml", BAD))
    assert door.house.failed() == ["bad.r2.yaml", "bad.r2.yaml.json", "bad.yaml.json"]
    assert theirs.read_bytes() == b'{"mine": true}'


@pytest.mark.parametrize("kind", ["whole", "documents", "cancelled", "partly cancelled"])
def test_a_crash_between_any_two_steps_of_failing_is_made_good(door: Door, tries: Any, kind: str) -> None:
    if kind == "whole":
        source, expected = ended(door, "cat.yaml", BAD), ["cat.yaml", "cat.yaml.json"]
    elif kind.endswith("cancelled"):
        source, jobs = taken(door, content=THREE)
        if kind != "cancelled":
            done(door, jobs[0])
        for job in jobs[kind != "cancelled" :]:
            door.journal.fail(job, CANCELLED, now=1.0)
        expected = (
            ["cat.yaml", "cat.yaml.json"] if kind == "cancelled" else ["cat-cancelled.yaml", "cat-cancelled.yaml.json"]
        )
    else:
        source = ended(door, "cat.yaml", b"prompt: one\n---\nprompt: two\n", well=False)
        expected = ["cat-1.yaml", "cat-1.yaml.json", "cat-2.yaml", "cat-2.yaml.json"]
    assert tries(door, source, SourcePolicy.ARCHIVE) > 3
    assert door.house.failed() == expected
    assert door.journal.unfinished_sources() == []
    assert door.house.waiting() == []


@pytest.mark.parametrize(
    "name", ["x" * 250 + ".yaml", "猫" * 83 + ".yaml", "caf\udce9.yaml", "new\nline.yaml", "-rf.yaml"]
)
def test_any_name_fails_with_a_report_that_can_be_read(door: Door, name: str) -> None:
    for content in (BAD, BAD + b"# another\n"):
        door.disposal().dispose(ended(door, name, content))
    reports = [name for name in door.house.failed() if name.endswith(".json")]
    assert len(door.house.failed()) == 4
    for found in reports:
        report(door, found)


@pytest.mark.parametrize("name", ["x" * 250 + ".yaml", "猫" * 83 + ".yaml"])
def test_long_names_collide_in_the_archive_without_harm(door: Door, name: str) -> None:
    for content in (PROMPT, b"prompt: another\n"):
        door.disposal().dispose(ended(door, name, content))
    assert len(door.house.archived()) == 2


@pytest.mark.parametrize("well", [True, False])
def test_a_folder_called_like_a_file_put_away_before_is_no_obstacle(door: Door, well: bool) -> None:
    for name in ("cat.yaml", "cat.yaml/dog.yaml"):
        assert door.disposal().dispose(ended(door, name, well=well))
    assert (door.house.archived() if well else door.house.failed())[0] == "cat.yaml"
    assert "dog.yaml" in (door.house.archived() if well else door.house.failed())


def test_a_full_disk_keeps_the_source_until_there_is_room(house: House, mount: Mount) -> None:
    mount(house.outbox, "-t", "tmpfs", "-o", "size=64k", "tmpfs")
    door = Door(house, limits={"image_bytes": 50_000})
    source = ended(door, "big.png", PNG + b"x" * 60_000, well=False)
    (house.outbox / ".filler").write_bytes(b"x" * 20_000)
    with pytest.raises(OSError) as full:
        door.disposal().dispose(source)
    assert full.value.errno == errno.ENOSPC
    assert house.failed() == []
    assert door.claims.file_of(source).stat().st_size > 60_000
    (house.outbox / ".filler").unlink()
    mount(house.outbox, "-o", "remount,size=1m")
    assert door.disposal().dispose(source)
    assert house.failed() == ["big.png", "big.png.json"]
    door.close()


def test_a_failed_source_crosses_file_systems_whole(house: House, mount: Mount) -> None:
    mount(house.outbox, "-t", "tmpfs", "-o", "size=8m", "tmpfs")
    door = Door(house)
    content = PNG + os.urandom(2_000_000)
    door.disposal().dispose(ended(door, "big.png", content))
    assert (house.outbox / "failed" / "big.png").read_bytes() == content
    assert "larger than" in report(door, "big.png.json")["reason"]
    door.close()


def test_under_keep_a_failed_source_is_copied_and_stays(house: House) -> None:
    door = Door(house, keeps=True)
    place = house.drop("bad.yaml", BAD)
    door.disposal().dispose(ended(door, "bad.yaml", BAD))
    assert place.read_bytes() == BAD
    assert house.failed() == ["bad.yaml", "bad.yaml.json"]
    assert (house.outbox / "failed" / "bad.yaml").stat().st_mtime_ns != place.stat().st_mtime_ns
    assert house.visible(door.claims.work) == []
    door.close()


# -- the choice --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", TWO_WAY_SYNC_MARKS)
def test_auto_keeps_where_a_sync_tool_would_delete_everywhere(house: House, mark: str) -> None:
    assert choose("auto", house.inbox).disposition is SourcePolicy.ARCHIVE
    (house.inbox / mark).mkdir()
    choice = choose("auto", house.inbox)
    assert choice.disposition is SourcePolicy.KEEP
    assert TWO_WAY_SYNC_MARKS[mark] in choice.reason
    assert choose("delete", house.inbox).disposition is SourcePolicy.DELETE


def test_auto_keeps_where_the_inbox_is_read_only(house: House, mount: Mount) -> None:
    mount(house.inbox, "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs")
    assert choose("auto", house.inbox).disposition is SourcePolicy.KEEP
    assert choose("auto", house.inbox).reason == "the inbox is read-only"


def test_a_failure_whose_reason_is_no_text_is_reported_all_the_same(house: House) -> None:
    house.drop("cat.yaml")
    house.drain(fail(FailureKind.UNEXPECTED, "cannot open caf\udce9"))
    assert house.sidecar("failed/cat.yaml.json")["reason"] == "cannot open caf?"
    assert house.archived() == []
