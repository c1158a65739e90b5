"""Sets of pictures that one job file names: found, waited for, captioned, put together and put away."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from aura_daemon.config.settings import CaptionConfig
from aura_daemon.daemon.explain import explain
from aura_daemon.dispatch.ended_parts import EndedParts
from aura_daemon.engines.images.captioned_copy import with_copy
from aura_daemon.intake.sets import expanding
from aura_daemon.intake.triage import ReadyToClaim
from aura_daemon.jobfile.keys import image_patterns
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import CaptionRequest, DatasetRequest, GenerateRequest
from aura_daemon.jobs.results import CaptionCandidate, FailureKind, Outcome, Produced
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.jobs.tasks import Task
from aura_daemon.outbox.result_document import JobTimes, Unpublished
from aura_daemon.watch.decisions import Leave, Wait
from tests.support.house import PNG, Door, House, fail, make, sha256
from tests.support.steps import admit, claim, judge

JOB = b"task: caption\nimages: set/**\n"
BESIDE = b"task: caption\nimages: set\ncaption: {place: beside, existing: skip}\n"


def picture(number: int) -> bytes:
    return PNG[:8] + b"%d" % number + PNG[8:]


def play(task: Task) -> Outcome:
    """A worker with copies of the pictures, as the engines make them."""
    return with_copy(make(task), task)


def text_of(content: bytes) -> str:
    return f"an image of {sha256(content)}"


def dropped(house: House, *names: str) -> None:
    for number, name in enumerate(names):
        house.drop(name, picture(number))


def lines(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


# -- what lies in the outbox -------------------------------------------------------------------------------------------


def test_a_set_becomes_a_folder_with_its_pictures_their_captions_and_a_list(house: House) -> None:
    dropped(house, "set/b.png", "set/in/a.jpeg", "set/B.txt")
    (house.inbox / "set/B.txt").unlink()
    house.drop("cats.yaml", JOB)
    assert house.drain(play).done == 3
    assert [name for name in house.results() if name.endswith((".png", ".jpeg", ".txt", ".jsonl"))] == [
        *("cats/b.png", "cats/b.txt", "cats/in/a.jpeg", "cats/in/a.txt", "cats/metadata.jsonl")
    ]
    assert (house.outbox / "cats/b.png").read_bytes() == picture(0)
    assert lines(house.outbox / "cats/metadata.jsonl") == [
        {"file_name": "b.png", "text": text_of(picture(0))},
        {"file_name": "in/a.jpeg", "text": text_of(picture(1))},
    ]
    assert house.archived() == ["cats.yaml", "set/b.png", "set/in/a.jpeg"]
    assert house.waiting() == house.temporary() == []
    request = house.sidecar("cats/metadata.json")["request"]
    assert (request["pictures"], request["captioned"], request["kept"], request["failed"]) == (2, 2, 0, 0)
    assert house.sidecar("cats/b.json")["request"]["image"] == "set/b.png"


def test_another_set_of_that_name_gets_another_folder(house: House) -> None:
    for _ in range(2):
        dropped(house, "set/metadata.png")
        house.drop("cats.yaml", JOB)
        house.drain(play, redelivery="run")
    assert {name.partition("/")[0] for name in house.results()} == {"cats", "cats.r2"}
    assert lines(house.outbox / "cats.r2/metadata.jsonl")[0]["file_name"] == "metadata_.png"


@pytest.mark.parametrize("existing", ["keep", "overwrite"])
def test_pictures_that_differ_by_their_extensions_have_results_of_their_own(house: House, existing: str) -> None:
    for again in range(2):
        dropped(house, *(f"set/{number:03}.png" for number in range(31)), "set/a.jpg", "set/a.png")
        house.drop("cats.yaml", JOB + b"#" * again)
        assert house.drain(play, existing=existing, redelivery="run").done == 34
        folder = "cats.r2" if again and existing == "keep" else "cats"
        of_a = [name for name in house.results() if name.startswith(f"{folder}/a.")]
        names = ("a.jpg", "a.json", "a.r2.json", "a.r2.png", "a.r2.txt", "a.txt")
        assert of_a == [f"{folder}/{name}" for name in names]
        rows = {row["file_name"]: row["text"] for row in lines(house.outbox / folder / "metadata.jsonl")}
        assert (rows["a.jpg"], rows["a.r2.png"]) == (text_of(picture(31)), text_of(picture(32)))


def test_a_picture_that_fails_is_in_no_others_way_and_can_be_tried_alone(house: House) -> None:
    dropped(house, "set/a.png", "set/b.png")
    house.drop("cats.yaml", b"images: set\ncaption: {trigger_word: sks}\n")

    def one_fails(task: Task) -> Outcome:
        is_bad = isinstance(task.request, CaptionRequest) and task.request.image == "set/b.png"
        return fail(FailureKind.BAD_INPUT, "it is broken")(task) if is_bad else play(task)

    summary = house.drain(one_fails)
    assert (summary.done, summary.failed) == (2, 1)
    assert [row["file_name"] for row in lines(house.outbox / "cats/metadata.jsonl")] == ["a.png"]
    assert house.sidecar("cats/metadata.json")["request"]["failed"] == 1
    assert house.waiting() == ["set/b.png"]
    assert house.archived() == ["cats.yaml", "set/a.png"]
    (job,) = [name for name in house.failed() if name.endswith(".yaml")]
    text = (house.outbox / "failed" / job).read_bytes()
    assert text == b"caption:\n  trigger_word: sks\nimage: set/b.png\n"
    house.drop("again.yaml", text)
    assert house.drain(play).done == 1
    assert "again.txt" in house.results()


@pytest.mark.parametrize("image", ["start.png", "set/a.png"])
def test_a_start_image_stays_whose_drawing_failed_beside_a_set(house: House, image: str) -> None:
    dropped(house, "set/a.png", "set/b.png", "start.png")
    house.drop("mixed.yaml", f"prompt: a cat\nimage: {image}\nstrength: 0.5\n---\nimages: set\n".encode())

    def drawing_fails(task: Task) -> Outcome:
        is_drawn = isinstance(task.request, GenerateRequest)
        return fail(FailureKind.UNEXPECTED)(task) if is_drawn else play(task)

    assert house.drain(drawing_fails, sources="delete").failed == 1
    house.drain(drawing_fails, sources="delete")
    assert image in house.waiting()
    assert "set/b.png" not in house.waiting()


@pytest.mark.parametrize("image", ["start.png", "set/a.png"])
def test_a_start_image_goes_whose_drawing_is_done_beside_a_set(house: House, image: str) -> None:
    dropped(house, "set/a.png", "start.png")
    house.drop("mixed.yaml", f"prompt: a cat\nimage: {image}\nstrength: 0.5\n---\nimages: set\n".encode())
    assert house.drain(play, sources="delete").failed == 0
    assert image not in house.waiting()


def test_the_pictures_of_a_set_that_cannot_be_put_together_stay_where_they_are(house: House) -> None:
    dropped(house, "set/a.png")
    house.drop("cats.yaml", JOB)

    def joining_fails(task: Task) -> Outcome:
        is_joined = isinstance(task.request, DatasetRequest)
        return fail(FailureKind.UNEXPECTED)(task) if is_joined else play(task)

    assert house.drain(joining_fails, sources="delete").failed == 1
    assert house.waiting() == ["set/a.png"]
    assert "cats/a.txt" in house.results()


def test_of_a_large_set_why_tells_numbers_and_what_failed(house: House) -> None:
    dropped(house, *(f"set/{number:02}.png" for number in range(25)))
    house.drop("cats.yaml", JOB)
    house.drain(
        lambda task: fail(FailureKind.BAD_INPUT, "it is broken")(task) if "03" in task.image_name else play(task)
    )
    answer = explain(Path("cats.yaml"), house.settings(), None).text
    assert answer.startswith("cats.yaml: 25 pictures: 24 done, 1 failed; 4: failed: it is broken (see ")
    assert "; the set: done, see " in answer
    assert answer.count(";") == 2
    picture = explain(Path("set/07.png"), house.settings(), None).text
    assert picture == "set/07.png: put away with cats.yaml, to which it belongs"


def test_a_picture_that_comes_later_is_captioned_by_itself(house: House) -> None:
    dropped(house, "set/a.png")
    house.drop("cats.yaml", JOB)
    assert house.drain(play).done == 2
    house.drop("set/later.png", picture(7))
    assert house.drain(play).done == 1
    assert "set/later.txt" in house.results()


# -- a set that stays --------------------------------------------------------------------------------------------------


def test_a_set_that_stays_is_listed_where_it_is_and_only_what_is_new_is_captioned_again(house: House) -> None:
    dropped(house, "set/a.png", "set/b.png")
    house.drop("set/a.txt", b"my own words\n")
    house.drop("cats.yaml", BESIDE)
    assert house.drain(play).done == 2
    whole = [{"file_name": "a.png", "text": "my own words"}, {"file_name": "b.png", "text": text_of(picture(1))}]
    assert lines(house.inbox / "set/metadata.jsonl") == lines(house.outbox / "cats/metadata.jsonl") == whole
    stays = ["set/a.png", "set/a.txt", "set/b.png", "set/b.txt", "set/metadata.jsonl"]
    assert house.waiting() == stays
    house.drop("set/c.png", picture(3))
    house.drop("cats.yaml", BESIDE + b"# again\n")
    assert house.drain(play).done == 2
    assert lines(house.inbox / "set/metadata.jsonl") == [*whole, {"file_name": "c.png", "text": text_of(picture(3))}]
    assert house.drain(play).done == 0
    assert house.waiting() == sorted([*stays, "set/c.png", "set/c.txt"])


@pytest.mark.parametrize("existing", ["keep", "replace"])
def test_a_list_of_somebody_elses_is_replaced_only_where_that_is_asked_for(house: House, existing: str) -> None:
    dropped(house, "set/a.png")
    own = b'{"file_name": "a.png", "text": "mine", "class": 3}\n'
    house.drop("set/metadata.jsonl", own)
    house.drop("cats.yaml", f"images: set\ncaption: {{place: beside, existing: {existing}}}\n".encode())
    assert house.drain(play).done == 2
    is_kept = (house.inbox / "set/metadata.jsonl").read_bytes() == own
    assert is_kept == (existing == "keep")
    warnings = house.sidecar("cats/metadata.json")["warnings"]
    assert any("was written by somebody else" in warning for warning in warnings) == is_kept


# -- which pictures ----------------------------------------------------------------------------------------------------


def test_what_is_no_job_belongs_to_no_set_and_the_order_is_that_of_the_names(door: Door) -> None:
    dropped(door.house, "set/b.png", "set/a.png", "set/.hidden.png", "set/a (conflicted copy 2026-01-01).png")
    dropped(door.house, "set/.aura/x.png", "set/assets/mask.png", "set/note.txt", "other/c.png", "set/a.png.part")
    (door.house.inbox / "set/link.png").symlink_to(door.house.inbox / "other/c.png")
    door.house.drop("job.yaml", b"images: [set/**, set/a.png]\n")
    _, jobs = admit(door, "job.yaml")
    assert [job.request.image for job in jobs if isinstance(job.request, CaptionRequest)] == ["set/a.png", "set/b.png"]
    assert isinstance(jobs[-1].request, DatasetRequest)
    assert set(jobs[-1].waits_for) == {job.id for job in jobs[:-1]}
    door.house.drop("named.yaml", b"images: set/assets/*\n")
    assert len(admit(door, "named.yaml")[1]) == 2


def test_patterns_count_from_the_job_file_else_from_the_top(door: Door) -> None:
    dropped(door.house, "a/set/x.png", "set/y.png", "b/z.png")
    for folder, image in (("a", "a/set/x.png"), ("b", "set/y.png")):
        door.house.drop(f"{folder}/job.yaml", JOB)
        assert admit(door, f"{folder}/job.yaml")[1][0].request.image == image  # type: ignore[union-attr]
    door.house.drop("empty/job.yaml", b'images: "**"')
    source, jobs = admit(door, "empty/job.yaml")
    assert (jobs, source.failure is not None) == ((), True)


@pytest.mark.parametrize("folder", ["", "jobs/"])
def test_patterns_that_match_nothing_are_waited_for_and_then_refused(door: Door, folder: str) -> None:
    door.house.drop(f"{folder}job.yaml", b"images: [set/**, more/*.jpg]\n")
    dropped(door.house, "set/a.png")
    decision = judge(door, f"{folder}job.yaml")
    assert isinstance(decision, Wait)
    assert decision.reason == "it waits for pictures that match more/*.jpg"
    assert isinstance(judge(door, f"{folder}job.yaml", 600.0), ReadyToClaim)
    source, jobs = admit(door, f"{folder}job.yaml")
    assert jobs == ()
    assert source.failure is not None
    where = "below jobs/ or the inbox" if folder else "below the inbox"
    assert source.failure.message == f"no picture matches `images: more/*.jpg`, {where}"
    assert source.failure.mend.startswith("Correct the pattern")


def test_more_pictures_than_one_file_may_name_are_refused_at_once_in_one_line(door: Door) -> None:
    folder = door.house.inbox / "set"
    folder.mkdir()
    first = door.house.drop("set/0.png", PNG)
    for number in range(1, image_patterns.MOST_PICTURES + 1):
        os.link(first, folder / f"{number}.png")
    door.house.drop("job.yaml", JOB)
    assert isinstance(judge(door, "job.yaml"), ReadyToClaim)
    source, jobs = admit(door, "job.yaml")
    assert jobs == ()
    assert source.failure is not None
    assert source.failure.message == "`images` match 10,001 pictures; a file names at most 10,000"
    assert source.failure.mend.startswith("Split the set")


# -- while they arrive -------------------------------------------------------------------------------------------------


def test_a_set_is_waited_for_until_none_of_its_pictures_has_come_or_changed_for_a_while(door: Door) -> None:
    door.house.drop("cats/job.yaml", b'images: "**"\n')
    dropped(door.house, "cats/a.png")

    def reason() -> str:
        decision = judge(door, "cats/job.yaml", 5.0)
        return decision.reason if isinstance(decision, Wait) else ""

    assert reason() == "it waits for its pictures, of which 1 are there"
    held = judge(door, "cats/a.png", 100.0)
    assert held == Wait(unchanged_s=110.0, reason="it belongs to cats/job.yaml", waits_for=held.waits_for)  # type: ignore[union-attr]
    door.clock_s += 3
    dropped(door.house, "cats/b.png")
    assert isinstance(judge(door, "cats/b.png", 100.0), Wait)  # though the job file has not been looked at since
    assert reason() == "it waits for its pictures, of which 2 are there"
    door.clock_s += 3
    (door.house.inbox / "cats/c.png").write_bytes(PNG[:40])
    assert reason() == "it waits for its pictures, of which 3 are there"
    door.clock_s += 3
    assert reason() == "it waits for cats/c.png: its end is missing"
    (door.house.inbox / "cats/.d.png.Ab12Cd").write_bytes(PNG[:40])
    assert reason() == "it waits for cats/.d.png.Ab12Cd, which is still being copied"
    door.clock_s += 100
    assert isinstance(judge(door, "cats/job.yaml", 100.0), ReadyToClaim)
    assert len(admit(door, "cats/job.yaml")[1]) == 4
    assert judge(door, "cats/a.png", 100.0) == Leave(reason="it belongs to cats/job.yaml", is_usual=True)


def test_pictures_that_were_claimed_by_themselves_just_before_are_taken_into_the_set(door: Door) -> None:
    dropped(door.house, "set/a.png", "set/b.png", "set/old.png", "x/c.png")
    old = claim(door, "set/old.png", SourceKind.IMAGE)
    door.intake.admit(old)
    door.clock_s += 1000
    queued, begun = (claim(door, f"set/{name}.png", SourceKind.IMAGE) for name in "ab")
    door.intake.admit(queued)
    (running,) = door.intake.admit(begun)
    door.journal.start(running)
    door.house.drop("job.yaml", JOB)
    judge(door, "job.yaml", 5.0)
    door.clock_s += 3
    assert isinstance(judge(door, "job.yaml", 5.0), ReadyToClaim)
    source, jobs = admit(door, "job.yaml")
    assert source.failure is None
    assert [job.request.image for job in jobs[:-1]] == ["set/a.png", "set/b.png"]  # type: ignore[union-attr]
    assert door.intake.withdrawn() == [door.journal.source(queued.id)]
    assert door.intake.withdrawn() == []
    assert door.journal.jobs_of(queued.id) == []
    assert (door.house.inbox / "set/a.png").exists()
    contents = [door.inputs.of(job, source).image for job in jobs[:-1]]
    assert [content.content for content in contents if content is not None] == [picture(0), picture(1)]
    assert door.journal.job(running.id).state is JobState.RUNNING


def test_a_picture_that_was_put_back_before_a_crash_has_no_job_of_its_own(door: Door) -> None:
    dropped(door.house, "set/a.png", "set/gone.png")
    images = [claim(door, f"set/{name}.png", SourceKind.IMAGE) for name in ("a", "gone")]
    for image in images:
        door.intake.admit(image)
    door.claims.put_back(door.claims.file_of(images[0]), "set/a.png")
    door.claims.file_of(images[1]).unlink()
    door.house.drop("job.yaml", JOB)
    (door.house.inbox / "set/other.png").write_bytes(PNG)
    admit(door, "job.yaml")
    assert [image.id for image in door.intake.withdrawn()] == [images[0].id]
    assert door.journal.jobs_of(images[0].id) == []
    assert len(door.journal.jobs_of(images[1].id)) == 1  # which fails, and says that its file has gone


def test_what_is_kept_for_the_job_of_a_picture_goes_with_it(house: House) -> None:
    door = Door(house, caption=CaptionConfig(matching_model="blip-itm-base"))
    try:
        house.drop("set/_defaults.yaml", b"candidates: 3\n")
        dropped(house, "set/a.png")
        source = claim(door, "set/a.png", SourceKind.IMAGE)
        (job,) = door.intake.admit(source)
        made = make(Task(job_id=job.id, request=job.runs, image=PNG))
        assert isinstance(made, Produced)
        told = tuple(CaptionCandidate(text=text, score=-1.0) for text in ("a cat", "a dog"))
        times = JobTimes(waited_s=0, since_claim_s=0, attempt_s=0)
        parts = EndedParts(journal=door.journal, kept_parts=door.kept_parts)
        produced = replace(made, candidates=told)
        job = door.journal.start(job)
        assert parts.deliverable(Unpublished(job=job, source=source, produced=produced, times=times)) is None
        assert f"{job.id}.part0" in house.temporary()
        house.drop("job.yaml", JOB)
        admit(door, "job.yaml")
        assert len(door.intake.withdrawn()) == 1
        assert not [name for name in house.temporary() if ".part" in name]
    finally:
        door.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file, elsewhere: file.unlink(),
        lambda file, elsewhere: (file.unlink(), file.symlink_to(elsewhere)),
        lambda file, elsewhere: (
            file.parent.rename(elsewhere.parent / "away"),
            file.parent.symlink_to(elsewhere.parent),
        ),
    ],
)
def test_a_picture_is_read_where_it_lies_and_nothing_else_in_its_place(
    house: House, tmp_path: Path, spoil: Callable[[Path, Path], object]
) -> None:
    elsewhere = tmp_path / "elsewhere" / "a.png"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(b"a secret")
    door = Door(house)
    try:
        dropped(house, "set/a.png")
        house.drop("job.yaml", JOB)
        source, (job, _) = admit(door, "job.yaml")
        spoil(house.inbox / "set/a.png", elsewhere)
        with pytest.raises(OSError, match=r"No such file|not a regular file|a link leads there"):
            door.inputs.of(job, source)
    finally:
        door.close()


def test_a_picture_that_is_too_large_is_refused_by_itself(house: House) -> None:
    dropped(house, "set/a.png", "set/large.png")
    os.truncate(house.inbox / "set/large.png", 3_000_000_000)
    house.drop("cats.yaml", JOB)
    assert house.drain(play, limits={"image_bytes": 1000}).failed == 1
    (report,) = [name for name in house.failed() if name.endswith(".json")]
    told = json.loads((house.outbox / "failed" / report).read_text())
    assert (told["kind"], told["reason"]) == ("bad_input", "set/large.png is larger than 1,000 bytes")
    assert [row["file_name"] for row in lines(house.outbox / "cats/metadata.jsonl")] == ["a.png"]


def test_an_image_that_a_job_names_and_that_is_too_large_is_not_copied(door: Door) -> None:
    dropped(door.house, "start.png")
    os.truncate(door.house.inbox / "start.png", 3_000_000_000)
    door.house.drop("job.yaml", b"prompt: a cat\nimage: start.png\nstrength: 0.5\n")
    source, jobs = admit(door, "job.yaml")
    assert jobs == ()
    assert source.failure is not None
    assert source.failure.message == "start.png is larger than 1,000,000 bytes"
    assert door.house.waiting() == ["start.png"]
    assert door.house.temporary() == [f"{source.id}/job.yaml"]


@pytest.mark.parametrize("is_first", [True, False])
def test_what_is_no_picture_is_refused_by_itself_whatever_its_name_is(house: House, is_first: bool) -> None:
    dropped(house, *([] if is_first else ["set/a.png"]))
    house.drop("set/text.jpg", b"this is no picture, whatever its name says\n" * 9)
    if is_first:
        house.drain(play)
        dropped(house, "set/a.png")
    house.drop("cats.yaml", JOB)
    house.drain(play)
    request = house.sidecar("cats/metadata.json")["request"]
    assert (request["captioned"], request["failed"]) == (1, 0 if is_first else 1)
    assert "set/text.jpg" in house.failed()


def test_ids_of_a_large_set_sort_as_its_pictures_do(door: Door) -> None:
    dropped(door.house, *(f"set/{number:04}.png" for number in range(1001)))
    door.house.drop("job.yaml", JOB)
    _, jobs = admit(door, "job.yaml")
    assert sorted(jobs, key=lambda job: job.id) == list(jobs)
    assert jobs[-1].stem == expanding.STEM
