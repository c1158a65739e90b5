"""Delivery: payload first, then sidecar; one stem for each job; no existing file is replaced."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from aura_daemon.formats.sidecars.schema import Sidecar
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import GenerateRequest, ImageFormat
from aura_daemon.jobs.results import Payload, Produced
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox.delivery import Delivered
from aura_daemon.outbox.result_document import JobTimes
from tests.conftest import Mount
from tests.support.house import PNG, PROMPT, Door, House, make, sha256

CLOCKED = JobTimes(waited_s=1.0, since_claim_s=2.0, attempt_s=0.5)


PUBLISHING: dict[str, Callable[..., None]] = {"link": os.link, "replace": os.replace}
"""The system calls that give a finished file its name in the outbox."""


class PowerCut(BaseException):
    """The process ends here."""


def running(
    door: Door, name: str = "cat.yaml", content: bytes = PROMPT, kind: SourceKind = SourceKind.JOB_FILE
) -> tuple[Source, Job]:
    """A job that has been started."""
    door.house.drop(name, content)
    source = door.claims.claim(name, kind, settled_s=2.0)
    assert source is not None
    (job,) = door.intake.admit(source)
    return door.journal.source(source.id), door.journal.start(job)


def result(door: Door, source: Source, job: Job) -> Produced:
    image = door.inputs.of(job, source).image
    outcome = make(Task(job_id=job.id, request=job.request, image=image.content if image else None))
    assert isinstance(outcome, Produced)
    return outcome


def deliver(door: Door, source: Source, job: Job) -> Delivered:
    """Delivers a result and journals it, as the daemon does."""
    delivered = door.outbox.deliver(job, source, result(door, source, job), CLOCKED)
    door.journal.finish(delivered.job, now=door.now(), total_s=delivered.total_s)
    return delivered


def restarted(door: Door, job: Job) -> Job:
    """The job as a new daemon starts it again."""
    door.outbox.clear_temp()
    for interrupted in door.journal.interrupted():
        door.journal.give_back(interrupted, count_attempt=False)
    return door.journal.start(door.journal.job(job.id))


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Ends the process at the n-th publishing of a file, before or after it."""

    def at(number: int, *, after: bool) -> None:
        seen = iter(range(1_000))

        def cutting(publish: Callable[..., None]) -> Callable[..., None]:
            def stop(*arguments: Any, **options: Any) -> None:
                is_it = next(seen) == number
                if is_it and not after:
                    raise PowerCut
                publish(*arguments, **options)
                if is_it:
                    raise PowerCut

            return stop

        for name, publish in PUBLISHING.items():
            monkeypatch.setattr(os, name, cutting(publish))

    yield at
    monkeypatch.undo()


def test_a_result_is_its_payload_and_a_sidecar_that_speaks_the_truth_about_it(door: Door) -> None:
    source, job = running(door, "sub/cat.yaml")
    delivered = deliver(door, source, job)
    assert door.house.results() == ["sub/cat.json", "sub/cat.png"]
    document = door.house.sidecar("sub/cat.json")
    jsonschema.validate(document, Sidecar.model_json_schema(by_alias=True))
    content = (door.house.outbox / "sub" / "cat.png").read_bytes()
    (output,) = document["outputs"]
    assert (output["name"], output["bytes"], output["sha256"]) == ("cat.png", len(content), sha256(content))
    assert document["source"] == {
        "name": "sub/cat.yaml",
        "sha256": sha256(PROMPT),
        "bytes": len(PROMPT),
        "document": None,
    }
    assert document["attempts"] == 1
    assert document["timing_s"]["settled"] == 2.0
    assert delivered.total_s >= 4.0
    assert list(door.outbox.temp_folder.iterdir()) == []


@pytest.mark.parametrize(
    "taken", ["cat.png", "cat.json", "cat.txt", "cat.caption", "cat.jpg", "cat.webp", "cat.avif", "cat.md", "cat.svg"]
)
def test_a_name_that_is_taken_is_left_and_the_stem_changes_for_payload_and_sidecar(door: Door, taken: str) -> None:
    (door.house.outbox / taken).write_bytes(b"theirs")
    deliver(door, *running(door))
    assert door.house.results() == sorted([taken, "cat.r2.json", "cat.r2.png"])
    assert (door.house.outbox / taken).read_bytes() == b"theirs"


def test_a_prompt_and_an_image_of_one_stem_get_two(door: Door) -> None:
    image = running(door, "cat.png", PNG)
    prompt = running(door, "cat.yaml")
    deliver(door, *prompt)
    deliver(door, *image)
    assert door.house.results() == ["cat.json", "cat.png", "cat.r2.json", "cat.r2.txt"]


def test_names_that_some_file_system_takes_for_the_same_get_two(door: Door) -> None:
    for name in ("Cat.yaml", "cat.yaml", "caf\u00e9.yaml", "cafe\u0301.yaml"):
        deliver(door, *running(door, name))
    assert len(door.house.results()) == 8
    assert {"Cat.png", "cat.r2.png", "caf\u00e9.png", "cafe\u0301.r2.png"} <= set(door.house.results())


@pytest.mark.parametrize("name", ["health", "Health", "index", "INDEX"])
def test_names_of_our_own_pages_are_not_given_away(door: Door, name: str) -> None:
    deliver(door, *running(door, f"{name}.yaml"))
    deliver(door, *running(door, f"sub/{name}.yaml"))
    assert door.house.results() == [f"{name}.r2.json", f"{name}.r2.png", f"sub/{name}.json", f"sub/{name}.png"]


@pytest.mark.parametrize(
    "name", ["caf\udce9.yaml", "new\nline.yaml", "-rf.yaml", "x" * 250 + ".yaml", "猫" * 83 + ".yaml"]
)
def test_any_name_gets_its_results_and_json_that_can_be_read(door: Door, name: str) -> None:
    delivered = deliver(door, *running(door, name))
    json.loads(delivered.sidecar.read_bytes())
    assert delivered.payload.exists()


def test_sources_whose_results_get_the_same_name_on_windows_do_not_collide(door: Door) -> None:
    for name in (
        "what?.yaml",
        "what*.yaml",
        "what-.yaml",
        "CON.yaml",
        "con_.yaml",
        "trips./cat.yaml",
        "trips/cat.yaml",
    ):
        deliver(door, *running(door, name))
    assert [name for name in door.house.results() if name.endswith(".png")] == [
        "CON_.png", "con_.r2.png", "trips/cat.png", "trips/cat.r2.png", "what-.png", "what-.r2.png", "what-.r3.png",
    ]  # fmt: skip
    assert door.house.sidecar("what-.json")["source"]["name"] == "what?.yaml"


def test_a_payload_is_there_before_its_sidecar(door: Door, cut: Any) -> None:
    source, job = running(door)
    cut(1, after=False)
    with pytest.raises(PowerCut):
        deliver(door, source, job)
    assert door.house.results() == ["cat.png"]


@pytest.mark.parametrize(("step", "after"), [(0, False), (0, True), (1, False), (1, True)])
@pytest.mark.parametrize("overwrites", [False, True])
def test_a_killed_delivery_of_a_caption_that_has_the_name_of_its_drawn_text_is_taken_up_under_it(
    house: House, cut: Any, step: int, after: bool, overwrites: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(house, overwrites=overwrites)
    deliver(door, *running(door, "set001.txt", b"photo of sks dog", kind=SourceKind.PROMPT_TEXT))
    drawn = (house.outbox / "set001.json").read_bytes()
    source, job = running(door, "set001.webp", PNG, kind=SourceKind.IMAGE)
    cut(step, after=after)
    with pytest.raises(PowerCut):
        deliver(door, source, job)
    monkeypatch.undo()
    delivered = deliver(door, source, restarted(door, job))
    assert house.results() == ["set001.json", "set001.png", "set001.txt", "set001.txt.json"]
    assert (house.outbox / "set001.json").read_bytes() == drawn
    assert delivered.sidecar == house.outbox / "set001.txt.json"
    assert house.sidecar("set001.txt.json")["outputs"][0]["name"] == "set001.txt"
    door.close()


@pytest.mark.parametrize("changed", [False, True], ids=["same", "other-bytes"])
@pytest.mark.parametrize(("step", "after"), [(0, False), (0, True), (1, False), (1, True)])
def test_a_killed_delivery_is_taken_up_under_the_same_name(
    door: Door, cut: Any, step: int, after: bool, changed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, job = running(door)
    cut(step, after=after)
    with pytest.raises(PowerCut):
        deliver(door, source, job)
    monkeypatch.undo()
    sidecar = (door.house.outbox / "cat.json").read_bytes() if (step, after) == (1, True) else None
    job = restarted(door, job)
    if changed and isinstance(job.request, GenerateRequest):  # another machine, other pixels
        job = replace(job, request=replace(job.request, seed=12345))
    delivered = deliver(door, source, job)
    assert door.house.results() == ["cat.json", "cat.png"]
    document = door.house.sidecar("cat.json")
    assert document["outputs"][0]["sha256"] == sha256(delivered.payload.read_bytes())
    assert sidecar is None or (door.house.outbox / "cat.json").read_bytes() == sidecar
    assert list(door.outbox.temp_folder.iterdir()) == []
    assert door.journal.job(job.id).state is JobState.DONE


@pytest.mark.parametrize("image_format", list(ImageFormat))
@pytest.mark.parametrize("now", list(ImageFormat))
@pytest.mark.parametrize("step", [0, 1])
def test_a_killed_delivery_is_taken_up_in_every_format_and_leaves_none_of_another(
    door: Door, cut: Any, step: int, image_format: ImageFormat, now: ImageFormat
) -> None:
    source, job = running(door)
    content = b"a picture"

    def delivered(ending: ImageFormat) -> Delivered:
        payload = Payload(extension=f".{ending}", content=content, width=64, height=64)
        return door.outbox.deliver(job, source, replace(result(door, source, job), payloads=(payload,)), CLOCKED)

    cut(step, after=False)
    with pytest.raises(PowerCut):
        delivered(image_format)
    assert door.house.results() == ([f"cat.{image_format}"] if step else [])
    cut(99, after=False)
    job = restarted(door, job)
    assert delivered(now).payload.read_bytes() == content
    assert door.house.results() == sorted(["cat.json", f"cat.{now}"])
    assert door.house.sidecar("cat.json")["outputs"][0]["name"] == f"cat.{now}"


def pages(*contents: bytes) -> tuple[Payload, ...]:
    """The payloads of a benchmark."""
    return tuple(
        Payload(extension=extension, content=content)
        for extension, content in zip((".md", ".svg"), contents, strict=True)
    )


def test_several_payloads_are_there_before_their_sidecar_which_names_them_all(door: Door, cut: Any) -> None:
    source, job = running(door)
    produced = replace(result(door, source, job), payloads=pages(b"# table", b"<svg/>"))
    cut(2, after=False)
    with pytest.raises(PowerCut):
        door.outbox.deliver(job, source, produced, CLOCKED)
    assert door.house.results() == ["cat.md", "cat.svg"]
    cut(99, after=False)
    delivered = door.outbox.deliver(restarted(door, job), source, produced, CLOCKED)
    assert delivered.payload == door.house.outbox / "cat.md"
    outputs = door.house.sidecar("cat.json")["outputs"]
    assert [(one["name"], one["sha256"]) for one in outputs] == [
        ("cat.md", sha256(b"# table")),
        ("cat.svg", sha256(b"<svg/>")),
    ]


@pytest.mark.parametrize("changed", [False, True], ids=["same", "other-bytes"])
@pytest.mark.parametrize(("step", "after"), [(step, after) for step in range(3) for after in (False, True)])
def test_a_killed_delivery_of_several_payloads_is_taken_up_under_the_same_name(
    door: Door, cut: Any, step: int, after: bool, changed: bool
) -> None:
    source, job = running(door)
    produced = replace(result(door, source, job), payloads=pages(b"# table", b"<svg/>"))
    cut(step, after=after)
    with pytest.raises(PowerCut):
        door.outbox.deliver(job, source, produced, CLOCKED)
    cut(99, after=False)
    again = replace(produced, payloads=pages(b"# another", b"<svg>2</svg>")) if changed else produced
    delivered = door.outbox.deliver(restarted(door, job), source, again, CLOCKED)
    assert door.house.results() == ["cat.json", "cat.md", "cat.svg"]
    for output in door.house.sidecar("cat.json")["outputs"]:
        assert output["sha256"] == sha256((door.house.outbox / output["name"]).read_bytes())
    assert delivered.sidecar.name == "cat.json"


@pytest.mark.parametrize("overwrites", [False, True])
def test_of_several_payloads_one_whose_name_is_taken_meanwhile_moves_them_all(
    house: House, overwrites: bool, cut: Any
) -> None:
    door = Door(house, overwrites=overwrites)
    source, job = running(door)
    produced = replace(result(door, source, job), payloads=pages(b"# table", b"<svg/>"))
    cut(1, after=False)
    with pytest.raises(PowerCut):
        door.outbox.deliver(job, source, produced, CLOCKED)
    cut(99, after=False)
    (house.outbox / "cat.svg").write_bytes(b"theirs")
    door.outbox.deliver(restarted(door, job), source, produced, CLOCKED)
    if overwrites:
        assert house.results() == ["cat.json", "cat.md", "cat.svg"]
        assert (house.outbox / "cat.svg").read_bytes() == b"<svg/>"
    else:
        assert house.results() == ["cat.r2.json", "cat.r2.md", "cat.r2.svg", "cat.svg"]
        assert (house.outbox / "cat.svg").read_bytes() == b"theirs"
    door.close()


def test_of_several_payloads_all_are_taken_back_where_the_job_fails_in_the_end(door: Door, cut: Any) -> None:
    source, job = running(door)
    cut(2, after=False)
    with pytest.raises(PowerCut):
        door.outbox.deliver(
            job, source, replace(result(door, source, job), payloads=pages(b"# table", b"<svg/>")), CLOCKED
        )
    door.outbox.retract(door.journal.job(job.id))
    assert door.house.results() == []


def test_a_payload_of_any_format_whose_job_fails_in_the_end_is_taken_back(door: Door, cut: Any) -> None:
    source, job = running(door)
    payload = Payload(extension=".webp", content=b"x", width=64, height=64)
    cut(1, after=False)
    with pytest.raises(PowerCut):
        door.outbox.deliver(job, source, replace(result(door, source, job), payloads=(payload,)), CLOCKED)
    door.outbox.retract(door.journal.job(job.id))
    assert door.house.results() == []


def test_a_crash_between_the_new_name_and_the_file_leaves_no_orphan(door: Door, cut: Any) -> None:
    source, job = running(door)
    cut(1, after=False)
    with pytest.raises(PowerCut):
        deliver(door, source, job)
    job = restarted(door, job)
    assert isinstance(job.request, GenerateRequest)
    job = replace(job, request=replace(job.request, seed=12345))
    cut(0, after=False)
    with pytest.raises(PowerCut):
        deliver(door, source, job)
    job = restarted(door, job)
    cut(99, after=False)
    deliver(door, source, job)
    assert door.house.results() == ["cat.json", "cat.png"]


def test_a_strangers_file_that_comes_in_between_keeps_its_name(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def race(temp: Path, target: Path, **options: Any) -> None:
        if target.name == "cat.json":
            target.write_bytes(b"theirs")
        PUBLISHING["link"](temp, target, **options)

    monkeypatch.setattr(os, "link", race)
    deliver(door, *running(door))
    assert door.house.results() == ["cat.json", "cat.r2.json", "cat.r2.png"]
    assert (door.house.outbox / "cat.json").read_bytes() == b"theirs"


def test_overwriting_where_it_is_configured_replaces_payload_and_sidecar(house: House, cut: Any) -> None:
    door = Door(house, overwrites=True)
    (house.outbox / "cat.png").write_bytes(b"old")
    (house.outbox / "cat.json").write_bytes(b"old")
    source, job = running(door)
    cut(1, after=False)
    with pytest.raises(PowerCut):
        deliver(door, source, job)
    assert house.results() == ["cat.png"]  # never a sidecar beside a payload it does not speak of
    cut(99, after=False)
    deliver(door, source, restarted(door, job))
    assert house.results() == ["cat.json", "cat.png"]
    assert house.sidecar("cat.json")["job_id"] == job.id
    door.close()


def test_overwriting_never_takes_the_place_of_a_folder_or_of_our_pages(house: House) -> None:
    door = Door(house, overwrites=True)
    (house.outbox / "cat.png").mkdir()
    deliver(door, *running(door))
    deliver(door, *running(door, "health.yaml"))
    assert house.results() == ["cat.r2.json", "cat.r2.png", "health.r2.json", "health.r2.png"]
    door.close()


def test_what_is_known_to_be_published_needs_no_second_run(door: Door, cut: Any) -> None:
    source, job = running(door)
    assert door.outbox.published(job) is None
    cut(1, after=True)
    with pytest.raises(PowerCut):
        deliver(door, source, job)
    total_s = door.outbox.published(door.journal.job(job.id))
    assert total_s == door.house.sidecar("cat.json")["timing_s"]["total"]


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"prompt: x\ncount: 2\ngrid: true\n", "plot-grid.json"), (b'images: "**"\n', "plot/metadata.json")],
)
def test_a_sheet_or_set_that_is_known_to_be_published_needs_no_second_run(
    door: Door, cut: Any, content: bytes, name: str
) -> None:
    door.house.drop("a.png", PNG)
    door.house.drop("plot.yaml", content)
    source = door.claims.claim("plot.yaml", SourceKind.JOB_FILE, settled_s=2.0)
    assert source is not None
    job = door.journal.start(door.intake.admit(source)[-1])
    produced = make(Task(job_id=job.id, request=job.request))
    assert isinstance(produced, Produced)
    cut(1, after=True)
    with pytest.raises(PowerCut):
        door.outbox.deliver(job, door.journal.source(source.id), produced, CLOCKED)
    job = door.journal.job(job.id)
    assert door.outbox.published(job) == door.house.sidecar(name)["timing_s"]["total"]
    found = door.outbox.sidecar_of(job)
    assert found is not None
    assert found[0] == door.house.outbox / name


def test_a_payload_whose_job_fails_in_the_end_is_taken_back(door: Door, cut: Any) -> None:
    source, job = running(door)
    cut(1, after=False)
    with pytest.raises(PowerCut):
        deliver(door, source, job)
    door.outbox.retract(door.journal.job(job.id))
    assert door.house.results() == []
    (door.house.outbox / "cat.png").write_bytes(b"theirs")
    door.outbox.retract(door.journal.job(job.id))
    assert door.house.results() == ["cat.png"]


def test_a_full_outbox_shows_nothing_and_takes_the_result_when_there_is_room(house: House, mount: Mount) -> None:
    mount(house.outbox, "-t", "tmpfs", "-o", "size=64k", "tmpfs")
    door = Door(house)
    source, job = running(door)
    filler = house.outbox / ".filler"
    with pytest.raises(OSError) as full:
        filler.write_bytes(b"x" * 1_000_000)
    assert full.value.errno == errno.ENOSPC
    with pytest.raises(OSError) as full:
        deliver(door, source, job)
    assert full.value.errno == errno.ENOSPC
    assert house.results() == []
    assert list(door.outbox.temp_folder.iterdir()) == []
    filler.unlink()
    deliver(door, source, door.journal.job(job.id))
    assert house.results() == ["cat.json", "cat.png"]
    door.close()


def test_a_read_only_outbox_keeps_the_job_for_later(house: House, mount: Mount) -> None:
    door = Door(house)
    source, job = running(door)
    mount(house.outbox, "--bind", str(house.outbox))
    mount(house.outbox, "-o", "remount,ro,bind")
    with pytest.raises(OSError) as refused:
        deliver(door, source, job)
    assert refused.value.errno == errno.EROFS
    mount(house.outbox, "-o", "remount,rw,bind")
    deliver(door, source, door.journal.job(job.id))
    assert house.results() == ["cat.json", "cat.png"]
    door.close()


def test_an_outbox_that_is_away_is_not_made_anew(door: Door) -> None:
    source, job = running(door)
    door.house.outbox.rename(door.house.root / "unmounted")
    with pytest.raises(FileNotFoundError, match="away"):
        deliver(door, source, job)
    with pytest.raises(FileNotFoundError, match="away"):
        door.outbox.write_page("health.json", b"{}")
    assert not door.house.outbox.exists()


def test_a_file_called_like_the_jobs_folder_is_an_obstacle(door: Door) -> None:
    (door.house.outbox / "cat.png").write_bytes(b"theirs")
    source, job = running(door, "cat.png/deep/dog.yaml")
    assert door.outbox.obstacle(job) == f"a file is called {door.house.outbox}/cat.png"
    with pytest.raises(NotADirectoryError):
        deliver(door, source, job)
    (door.house.outbox / "cat.png").unlink()
    assert door.outbox.obstacle(job) == ""


def test_a_link_that_leads_out_of_the_outbox_is_an_obstacle_and_one_within_is_none(door: Door) -> None:
    (door.house.outbox / "out").symlink_to(door.house.inbox)
    (door.house.outbox / "album").mkdir()
    (door.house.outbox / "in").symlink_to("album")
    _, out = running(door, "out/deep/cat.yaml")
    assert door.outbox.obstacle(out) == f"{door.house.outbox}/out/deep is a link that leads out of it"
    source, within = running(door, "in/cat.yaml")
    assert door.outbox.obstacle(within) == ""
    deliver(door, source, within)
    assert (door.house.outbox / "album" / "cat.png").is_file()


def test_a_page_of_our_own_replaces_the_one_before(door: Door) -> None:
    for content in (b"1", b"2"):
        door.outbox.write_page("health.json", content)
    assert (door.house.outbox / "health.json").read_bytes() == b"2"


def test_what_a_killed_daemon_was_writing_is_cleared(door: Door) -> None:
    door.outbox.clear_temp()
    door.outbox.temp_folder.mkdir(parents=True)
    (door.outbox.temp_folder / "1-x.tmp").write_bytes(b"half")
    door.outbox.clear_temp()
    assert list(door.outbox.temp_folder.iterdir()) == []


def test_a_sidecar_run_again_on_another_machine_says_what_is_different(door: Door) -> None:
    source, job = running(door)
    deliver(door, source, job)
    again = (door.house.outbox / "cat.json").read_bytes()
    source, job = running(door, "again.json", again)
    outcome = replace(result(door, source, job), device="cuda:0", payloads=(Payload(extension=".png", content=b"x"),))
    door.outbox.deliver(job, source, outcome, CLOCKED)
    (warning,) = door.house.sidecar("again.json")["warnings"]
    assert "another device" in warning


def test_what_is_no_sidecar_under_its_name_stays_and_holds_no_caption_up(door: Door, house: House) -> None:
    deliver(door, *running(door, "set001.txt", b"photo of sks dog", kind=SourceKind.PROMPT_TEXT))
    (house.outbox / "set001.json").unlink()
    (house.outbox / "set001.json").mkdir()
    deliver(door, *running(door, "set001.webp", PNG, kind=SourceKind.IMAGE))
    assert house.results() == ["set001.png", "set001.txt", "set001.txt.json"]
