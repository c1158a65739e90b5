"""Copies of captioned pictures on their way into the outbox."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from PIL import Image

from aura_daemon.dispatch.captioned_copies import with_written_copy
from aura_daemon.engines.images.captioned_copy import with_copy
from aura_daemon.health.document import Status
from aura_daemon.health.listener import Event, HealthWritten, JobDelivered
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.resolved import ResolvedCaption
from aura_daemon.jobs.results import Outcome, Produced
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.jobs.tasks import Task
from aura_daemon.outbox.result_document import JobTimes, Unpublished
from aura_daemon.workers.protocol import Placed
from tests.conftest import Mount
from tests.support.house import Door, House, make, sha256
from tests.support.image_files import encoded
from tests.support.scripted_worker import ScriptedWorker

JPEG, PNG = (encoded(Image.new("RGB", (40, 30), "red"), kind) for kind in ("JPEG", "PNG"))
TIMES = JobTimes(waited_s=1.0, since_claim_s=2.0, attempt_s=0.5)


def embed(task: Task) -> Outcome:
    """A caption as the engines give it, with what a copy takes where the job asks for one."""
    outcome = make(task)
    if isinstance(outcome, Produced) and isinstance(outcome.resolved, ResolvedCaption):
        assert isinstance(task.request, CaptionRequest)
        outcome = replace(outcome, resolved=replace(outcome.resolved, embed=task.request.embed is True))
    return with_copy(outcome, task)


def running(door: Door, name: str, content: bytes, kind: SourceKind = SourceKind.IMAGE) -> Unpublished:
    """The result of a caption that is not published yet."""
    door.house.drop(name, content)
    source = door.claims.claim(name, kind, settled_s=2.0)
    assert source is not None
    (job,) = door.intake.admit(source)
    image = door.inputs.of(job, source).image
    request = replace(job.request, embed=True) if kind is SourceKind.IMAGE else job.request  # type: ignore[type-var]
    produced = embed(Task(job_id=job.id, request=request, image=image.content if image else None))
    assert isinstance(produced, Produced)
    return Unpublished(job=door.journal.start(job), source=source, produced=produced, times=TIMES)


def written(door: Door, result: Unpublished) -> Produced:
    assert result.produced.copy is not None
    return with_written_copy(result, result.produced.copy, door.inputs)


def test_a_picture_dropped_where_the_folder_says_so_lies_beside_its_caption_with_the_caption_in_it(
    house: House,
) -> None:
    house.drop("set/_defaults.yaml", b"embed: true")
    house.drop("set/Beach.JPEG", JPEG)
    house.drop("set/drawn.jfif", PNG)  # a PNG, whatever it is called
    house.drop("alone.png", PNG)
    house.drop("asked.yaml", b"image: alone.png\nembed: true\n")
    house.drain(embed)
    stems = {"set/Beach": "jpg", "set/drawn": "png", "asked": "png"}
    expected = [f"{stem}.{end}" for stem, extension in stems.items() for end in (extension, "json", "txt")]
    assert house.results() == sorted(expected)
    document = house.sidecar("set/Beach.json")
    text, copy = document["outputs"]
    content = (house.outbox / "set" / "Beach.jpg").read_bytes()
    assert (text["name"], copy["name"], copy["width"], copy["height"]) == ("Beach.txt", "Beach.jpg", 40, 30)
    assert (copy["bytes"], copy["sha256"]) == (len(content), sha256(content))
    assert document["caption"].encode() in content
    assert content.endswith(JPEG[JPEG.index(b"\xff\xda") :])
    assert document["request"]["embed"] is True
    assert (house.inbox / ".aura" / "done" / "set" / "Beach.JPEG").read_bytes() == JPEG


def test_a_picture_that_was_changed_or_taken_away_meanwhile_has_its_caption_without_a_copy(door: Door) -> None:
    result = running(door, "cat.jpg", JPEG)
    assert [payload.extension for payload in written(door, result).payloads] == [".txt", ".jpg"]
    file = door.claims.file_of(result.source)
    file.write_bytes(PNG)
    changed = written(door, result)
    assert [payload.extension for payload in changed.payloads] == [".txt"]
    assert changed.warnings == ("no copy with the caption in it is made: the picture was changed meanwhile",)
    file.unlink()
    assert "cannot be read any more" in written(door, result).warnings[0]


def test_a_picture_of_a_set_that_has_become_too_large_has_its_caption_without_a_copy(door: Door) -> None:
    door.house.drop("set/cat.jpg", JPEG)
    door.house.drop("job.yaml", b"images: set\n")
    source = door.claims.claim("job.yaml", SourceKind.JOB_FILE, settled_s=2.0)
    assert source is not None
    job, _ = door.intake.admit(source)
    produced = embed(Task(job_id=job.id, request=job.request, image=JPEG))
    assert isinstance(produced, Produced)
    os.truncate(door.house.inbox / "set/cat.jpg", 3_000_000_000)
    made = written(door, Unpublished(job=door.journal.start(job), source=source, produced=produced, times=TIMES))
    reason = "set/cat.jpg is larger than 1,000,000 bytes"
    assert made.warnings == (f"no copy with the caption in it is made: {reason}",)


@pytest.mark.parametrize("overwrites", [False, True])
def test_a_copy_does_not_take_the_place_of_what_was_drawn_from_the_text_of_its_picture(
    house: House, overwrites: bool
) -> None:
    door = Door(house, overwrites=overwrites)
    for name, content, kind in (
        ("set001.txt", b"photo of sks dog", SourceKind.PROMPT_TEXT),
        ("set001.png", PNG, SourceKind.IMAGE),
    ):
        result = running(door, name, content, kind)
        produced = written(door, result) if result.produced.copy is not None else result.produced
        door.journal.finish(door.outbox.deliver(result.job, result.source, produced, TIMES).job, now=1.0, total_s=1.0)
    drawn = ["set001.json", "set001.png"]
    assert house.results() == sorted([*drawn, "set001.r2.json", "set001.r2.png", "set001.r2.txt"])
    door.close()


def test_an_outbox_that_is_full_gets_caption_and_copy_when_there_is_room(house: House, mount: Mount) -> None:
    mount(house.outbox, "-t", "tmpfs", "-o", "size=256k", "tmpfs")
    filler = house.outbox / ".filler"
    house.drop("asked.yaml", b"image: photo.jpg\nembed: true\n")
    house.drop("photo.jpg", JPEG + bytes(100_000))

    class Cleaner:
        def on_event(self, event: Event) -> None:
            if isinstance(event, Placed):
                with pytest.raises(OSError, match="No space left"):
                    filler.write_bytes(bytes(1_000_000))
            elif isinstance(event, HealthWritten) and event.document.status is Status.DEGRADED:
                filler.unlink(missing_ok=True)
            elif isinstance(event, JobDelivered):
                daemon.stop()

    worker = ScriptedWorker(embed)
    with house.daemon(worker, listeners=[Cleaner()], drain=False, retry_first=0.3) as daemon:
        daemon.run()
    assert house.results() == ["asked.jpg", "asked.json", "asked.txt"]
    assert len(worker.batches) == 1  # the result was kept, not made again
