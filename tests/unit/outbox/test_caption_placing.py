"""A text beside a picture: written once whatever is cut off, never over somebody's text unless that was asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.intake.claims import ClaimableFile
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox.delivery import Delivered
from tests.support.house import PNG, Door, House, make, sha256
from tests.support.plain_user import as_a_plain_user
from tests.unit.outbox.test_delivery import CLOCKED, PowerCut, cut, restarted

__all__ = ["cut"]

CAPTION = f"an image of {sha256(PNG)}"
THEIRS = b"1girl, solo\n"


@contextmanager
def doors(house: House, **caption: str) -> Iterator[Door]:
    """The parts of a daemon whose captions are meant for files beside the pictures."""
    door = Door(house, caption={"place": "beside", **caption})
    try:
        yield door
    finally:
        door.close()


def running(door: Door, name: str = "set/cat.png") -> tuple[Source, Job]:
    """The job of a picture that stays where it is, started."""
    door.house.drop(name, PNG)
    (claim,) = door.claims.claim_all([ClaimableFile(path=name, kind=SourceKind.IMAGE, settled_s=2.0, stays=True)])
    assert isinstance(claim.end, Source)
    (job,) = door.intake.admit(claim.end)
    return door.journal.source(claim.end.id), door.journal.start(job)


def deliver(door: Door, source: Source, job: Job, text: str = "") -> Delivered:
    """Delivers a caption and journals it, as the daemon does."""
    produced = make(Task(job_id=job.id, request=job.request, image=PNG))
    assert isinstance(produced, Produced)
    delivered = door.outbox.deliver(job, source, produced, CLOCKED)
    door.journal.finish(delivered.job, now=door.now(), total_s=delivered.total_s)
    return delivered


def test_a_caption_lies_beside_its_picture_and_its_sidecar_in_the_outbox_says_so(house: House) -> None:
    with doors(house, trigger_word="sks", extension=".caption") as door:
        source, job = running(door)
        delivered = deliver(door, source, job)
        assert door.disposal().dispose(source)
    content = f"sks, {CAPTION}\n".encode()
    assert (house.inbox / "set/cat.caption").read_bytes() == content
    assert delivered.payload == house.inbox / "set/cat.caption"
    assert house.results() == ["set/cat.json"]
    document = house.sidecar("set/cat.json")
    assert document["outputs"] == []
    assert document["caption"] == CAPTION
    expected = {"name": "set/cat.caption", "bytes": len(content), "sha256": sha256(content), "is_kept": False}
    assert document["text"] == expected
    assert (document["request"]["caption"]["place"], document["warnings"]) == ("beside", [])
    assert (house.waiting(), house.archived(), house.temporary()) == (["set/cat.caption", "set/cat.png"], [], [])


KINDS = {
    "": (None, f"{CAPTION}\n"),
    "append": (THEIRS, f"1girl, solo, {CAPTION}\n"),
    "prepend": (THEIRS, f"{CAPTION}, 1girl, solo\n"),
    "replace": (THEIRS, f"{CAPTION}\n"),
    "keep": (THEIRS, THEIRS.decode()),
    "skip": (THEIRS, THEIRS.decode()),
    "keep-an-empty-one": (b" \n", f"{CAPTION}\n"),
}
"""What the configuration says, what was there, what is there then."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("step", "after"), [(0, False), (0, True), (1, False), (1, True)])
def test_a_killed_delivery_writes_nothing_twice_and_loses_nothing(
    house: House, cut: Any, monkeypatch: pytest.MonkeyPatch, kind: str, step: int, after: bool
) -> None:
    before, expected = KINDS[kind]
    if before is not None:
        house.drop("set/cat.txt", before)
    with doors(house, existing=kind.partition("-")[0] or "keep") as door:
        source, job = running(door)
        cut(step, after=after)
        with pytest.raises(PowerCut):
            deliver(door, source, job)
        text = (house.inbox / "set/cat.txt").read_bytes() if (house.inbox / "set/cat.txt").exists() else None
        assert text in (before, expected.encode())
        monkeypatch.undo()
        deliver(door, source, restarted(door, job))
        assert door.disposal().dispose(source)
        assert door.journal.job(job.id).state is JobState.DONE
    is_kept = kind in ("keep", "skip")
    assert (house.inbox / "set/cat.txt").read_text() == expected
    assert house.results() == ["set/cat.json", "set/cat.txt"] if is_kept else ["set/cat.json"]
    assert not is_kept or (house.outbox / "set/cat.txt").read_text() == f"{CAPTION}\n"
    document = house.sidecar("set/cat.json")
    assert document["text"]["is_kept"] is is_kept
    assert document["text"]["sha256"] == sha256(expected.encode())
    assert (house.waiting(), house.temporary()) == (["set/cat.png", "set/cat.txt"], [])


def test_a_text_that_somebody_writes_meanwhile_is_kept_or_joined_and_not_written_over(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def late(source: Any, target: Any, **options: Any) -> None:
        if Path(target) == house.inbox / "set/cat.txt" and not Path(target).exists():
            Path(target).write_bytes(THEIRS)
        link(source, target, **options)

    for existing, expected in (("keep", THEIRS), ("append", f"1girl, solo, {CAPTION}\n".encode())):
        (house.inbox / "set/cat.txt").unlink(missing_ok=True)
        with doors(house, existing=existing) as door, monkeypatch.context() as patched:
            source, job = running(door)
            patched.setattr(os, "link", late)
            deliver(door, source, job)
        assert (house.inbox / "set/cat.txt").read_bytes() == expected
    assert house.results() == ["set/cat.json", "set/cat.r2.json", "set/cat.txt"]


def test_a_text_that_is_edited_between_crash_and_start_keeps_the_edit_and_the_caption_once(
    house: House, cut: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = house.drop("set/cat.txt", THEIRS)
    with doors(house, existing="append") as door:
        source, job = running(door)
        cut(0, after=True)
        with pytest.raises(PowerCut):
            deliver(door, source, job)
        monkeypatch.undo()
        text.write_text(f"2girls, {CAPTION}")
        deliver(door, source, restarted(door, job))
    assert text.read_text() == f"2girls, {CAPTION}\n"


OBSTACLES: dict[str, Any] = {
    "is not in the inbox any more": lambda house: (house.inbox / "set/cat.png").unlink(),
    "and no regular file": lambda house: (house.inbox / "set/cat.txt").symlink_to("elsewhere"),
    "is no text in UTF-8": lambda house: (house.inbox / "set/cat.txt").write_bytes(b"caf\xe9"),
    "is longer than 1,048,576 bytes": lambda house: (house.inbox / "set/cat.txt").write_bytes(b"a" * (1 << 20 | 1)),
}


@pytest.mark.parametrize("why", OBSTACLES)
def test_where_nothing_can_be_written_beside_it_the_caption_is_in_the_outbox_and_log_and_sidecar_say_why(
    house: House, why: str
) -> None:
    with doors(house, existing="append") as door:
        source, job = running(door)
        OBSTACLES[why](house)
        there = sorted((house.inbox / "set").iterdir())
        delivered = deliver(door, source, job)
    assert sorted((house.inbox / "set").iterdir()) == there
    assert (house.outbox / "set/cat.txt").read_text() == f"{CAPTION}\n"
    assert delivered.payload == house.outbox / "set/cat.txt"
    document = house.sidecar("set/cat.json")
    (warning,) = document["warnings"]
    assert warning in delivered.warnings
    assert why in warning
    assert "text" not in document


@pytest.mark.parametrize("existing", ["keep", "replace"])
def test_a_folder_that_takes_no_files_has_its_captions_in_the_outbox_with_what_to_do(
    place_for_all: Path, existing: str
) -> None:
    house = House(place_for_all)
    house.drop("set/cat.txt", THEIRS)
    if existing == "keep":
        (house.inbox / "set/cat.txt").unlink()
    with doors(house, existing=existing) as door:
        source, job = running(door)
        (house.inbox / "set").chmod(0o555)
        try:
            with as_a_plain_user(owning=house.root):
                delivered = deliver(door, source, job)
        finally:
            (house.inbox / "set").chmod(0o755)
    assert (house.outbox / "set/cat.txt").read_text() == f"{CAPTION}\n"
    assert existing == "keep" or (house.inbox / "set/cat.txt").read_bytes() == THEIRS
    (warning,) = delivered.warnings
    assert "the text lies in the outbox, not beside the picture: set/cat.txt cannot be written" in warning
    assert "runs as" in warning


@pytest.mark.parametrize(("existing", "expected"), [("append", "1girl, solo, {}\n"), ("replace", "{}\n")])
def test_in_the_outbox_a_caption_can_be_joined_with_the_text_of_its_picture_which_stays(
    house: House, existing: str, expected: str
) -> None:
    text = house.drop("set/cat.caption", THEIRS)
    with doors(house, existing=existing, place="outbox", extension=".caption") as door:
        delivered = deliver(door, *running(door))
    assert delivered.payload == house.outbox / "set/cat.caption"
    assert delivered.payload.read_text() == expected.format(CAPTION)
    assert text.read_bytes() == THEIRS
    assert house.sidecar("set/cat.json")["outputs"][0]["name"] == "cat.caption"


def test_a_caption_file_takes_no_name_that_is_taken(house: House) -> None:
    house.outbox.mkdir(exist_ok=True)
    (house.outbox / "cat.caption").write_bytes(b"theirs")
    with doors(house, place="outbox", extension=".caption") as door:
        deliver(door, *running(door, "cat.png"))
    assert house.results() == ["cat.caption", "cat.r2.caption", "cat.r2.json"]
