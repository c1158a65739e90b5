"""Job files and the images they name: found, waited for, and put away together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_daemon.cli.run import exit_code
from aura_daemon.intake.image_lookup import AmbiguousImage, FoundImage
from aura_daemon.intake.triage import ReadyToClaim
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobs.results import FailureKind
from aura_daemon.watch.decisions import Leave, Wait
from aura_daemon.watch.settling import WaitsFor
from tests.support.house import PNG, Door, House, fail, sha256
from tests.support.programs import Program
from tests.support.steps import CAPTION, admit, finish, judge

OTHER = PNG[:8] + b"another" + PNG[8:]
NAMESAKE = b"task: caption\nprompt: a photo of\n"


def found_at(door: Door, job: str, name: str | None) -> str:
    found = door.references.find(job, name)
    assert isinstance(found, FoundImage), found
    return found.path


# -- where an image is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "name", "places"),
    [
        ("a/job.yaml", "beach.png", ["a/beach.png", "beach.png", "b/beach.png"]),
        ("a/job.yaml", "sub/beach.png", ["a/sub/beach.png", "sub/beach.png"]),
        ("a/b/job.yaml", "beach.png", ["a/b/assets/beach.png", "a/assets/beach.png", "assets/beach.png"]),
        ("a/job.yaml", "beach.png", ["assets/beach.png", "beach.png", "z/beach.png"]),
        ("a/job.yaml", "c/beach.png", ["x/y/c/beach.png"]),
        ("job.yaml", "beach.png", ["x/y/beach.png"]),
    ],
)
def test_the_nearest_image_is_meant(door: Door, job: str, name: str, places: list[str]) -> None:
    for place in reversed(places):
        door.house.drop(place, PNG)
        assert found_at(door, job, name) == place


@pytest.mark.parametrize("hidden", [".git/beach.png", "failed/beach.png", ".aura/tmp/beach.png", "a/.x/beach.png"])
def test_nothing_is_found_where_nothing_is_looked_for(door: Door, hidden: str) -> None:
    door.house.drop(hidden, PNG)
    assert door.references.find("a/job.yaml", "beach.png") is None


def test_several_images_far_away_are_for_their_owner_to_tell_apart(door: Door) -> None:
    for place in ("x/beach.png", "y/beach.png"):
        door.house.drop(place, PNG)
    door.house.drop("a/job.yaml", CAPTION)
    assert door.references.find("a/job.yaml", "beach.png") == AmbiguousImage(paths=("x/beach.png", "y/beach.png"))
    assert isinstance(judge(door, "a/job.yaml"), ReadyToClaim)
    source, jobs = admit(door, "a/job.yaml")
    assert jobs == ()
    assert source.failure is not None
    assert source.failure.message == "several images are called beach.png: x/beach.png, y/beach.png"


def test_an_image_that_was_archived_elsewhere_is_found_by_its_name(door: Door) -> None:
    door.house.drop("x/beach.png", PNG)
    taken, jobs = admit(door, "x/beach.png")
    assert found_at(door, "a/job.yaml", "beach.png") == "x/beach.png"
    finish(door, jobs)
    door.disposal().dispose(taken)
    assert found_at(door, "a/job.yaml", "x/beach.png") == "x/beach.png"
    assert found_at(door, "a/job.yaml", "beach.png") == "x/beach.png"
    assert door.references.find("a/job.yaml", "each.png") is None


def test_a_caption_job_without_a_name_means_the_image_that_is_called_like_it(house: House) -> None:
    house.drop("sub/beach.yaml", NAMESAKE)
    house.drop("sub/beach.JPG", PNG)
    assert exit_code(house.drain(pair_wait=0.5)) == 0
    assert house.results() == ["sub/beach.json", "sub/beach.txt"]
    assert house.sidecar("sub/beach.json")["request"]["image"] == "beach.JPG"
    assert house.archived() == ["sub/beach.JPG", "sub/beach.yaml"]


def test_of_several_images_that_are_called_like_it_none_is_guessed(house: House) -> None:
    house.drop("beach.yaml", NAMESAKE)
    for ending in ("jpg", "png"):
        house.drop(f"beach.{ending}", PNG)
    house.drain()
    reason = house.sidecar("failed/beach.yaml.json")["reason"]
    assert reason == "several images are called beach: beach.jpg, beach.png"


# -- waiting -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keeps", [False, True])
def test_the_image_of_a_refused_file_is_released_once_that_file_has_ended(house: House, keeps: bool) -> None:
    door = Door(house, keeps=keeps)
    house.drop("beach.png", PNG)
    house.drop("job.yaml", b"prompt: x\nimage: beach.png\nseed: 1-101\ngrid: true\n")
    assert isinstance(judge(door, "job.yaml"), ReadyToClaim)
    assert isinstance(held := judge(door, "beach.png"), Wait)
    assert held.waits_for is WaitsFor.OTHER_JOBS
    assert door.judging.released("job.yaml") == set()
    source, jobs = admit(door, "job.yaml")
    assert jobs == ()
    door.disposal().dispose(source)
    assert door.judging.released("job.yaml") == {"beach.png"}
    assert door.judging.released("job.yaml") == set()
    assert isinstance(judge(door, "beach.png"), ReadyToClaim)
    door.close()


def test_an_image_that_another_file_names_by_now_stays_with_that(door: Door) -> None:
    door.house.drop("beach.png", PNG)
    for job in ("one.yaml", "two.yaml"):
        door.house.drop(job, CAPTION)
        judge(door, job)
    (door.house.inbox / "one.yaml").unlink()
    assert door.judging.released("one.yaml") == set()
    assert isinstance(judge(door, "beach.png"), Wait)
    (door.house.inbox / "two.yaml").unlink()
    assert isinstance(judge(door, "beach.png"), ReadyToClaim)
    assert door.judging.released("two.yaml") == set()


def test_an_image_that_is_still_written_is_waited_for(door: Door) -> None:
    door.house.drop("job.yaml", CAPTION)
    with (door.house.inbox / "beach.png").open("wb") as writer:
        writer.write(PNG)
        writer.flush()
        assert judge(door, "job.yaml") == Wait(unchanged_s=3.0, reason="it waits for beach.png: a writer has it open")
    (door.house.inbox / "beach.png").write_bytes(PNG[:30])
    assert judge(door, "job.yaml") == Wait(unchanged_s=3.0, reason="it waits for beach.png: its end is missing")
    door.clock_s += 60
    assert isinstance(judge(door, "job.yaml"), ReadyToClaim)


def test_where_nobody_tells_of_writers_an_image_must_have_settled(door: Door, no_leases: None) -> None:
    door.house.drop("job.yaml", CAPTION)
    door.house.drop("beach.png", PNG)
    assert judge(door, "job.yaml") == Wait(unchanged_s=3.0, reason="it waits for beach.png: it may not be complete yet")
    door.clock_s += 2
    assert isinstance(judge(door, "job.yaml"), ReadyToClaim)


def test_the_inbox_is_looked_through_once_for_all_the_images_of_a_file(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk, walks = os.walk, []

    def noted(root: str) -> Iterator[tuple[str, list[str], list[str]]]:
        walks.append(root)
        return walk(root)

    monkeypatch.setattr(os, "walk", noted)
    door.house.drop("far/away/0.png", PNG)
    door.house.drop("job.yaml", "---\n".join(f"task: caption\nimage: {n}.png\n" for n in range(200)).encode())
    decision = judge(door, "job.yaml")
    assert isinstance(decision, Wait)
    assert decision.reason == "it waits for 1.png"
    assert len(walks) == 1
    for number in range(1, 200):
        door.house.drop(f"other/{number}.png", PNG)
    assert isinstance(judge(door, "job.yaml"), ReadyToClaim)
    _, jobs = admit(door, "job.yaml")
    assert len(jobs) == 200
    assert len(walks) == 3


def test_it_is_looked_for_less_and_less_often(door: Door) -> None:
    door.house.drop("job.yaml", CAPTION)
    again = [judge(door, "job.yaml", unchanged_s=unchanged_s) for unchanged_s in (2.0, 100.0, 590.0)]
    assert again == [
        Wait(unchanged_s=unchanged_s, reason="it waits for beach.png") for unchanged_s in (3.0, 110.0, 600.0)
    ]


def test_a_name_that_is_not_allowed_is_told_before_the_images_are_there(house: House) -> None:
    known = ["canny"]
    door = Door(house, catalogue=lambda: Catalogue(models=("aura-mini",), controlnets=tuple(known)))
    house.drop("job.yaml", b"prompt: a cat\ncontrol: {image: pose.png, model: cany}\n")
    house.drop("right.yaml", b"prompt: a cat\ncontrol: {image: pose.png, model: canny}\n")
    assert isinstance(judge(door, "job.yaml"), ReadyToClaim)
    assert judge(door, "right.yaml") == Wait(unchanged_s=3.0, reason="it waits for pose.png")
    known.clear()  # its file is taken out of the folder while the job waits
    assert isinstance(judge(door, "right.yaml"), ReadyToClaim)
    source, jobs = admit(door, "right.yaml")
    assert jobs == ()
    assert source.failure is not None
    assert "control: is none of the ControlNets that the configuration allows" in source.failure.message
    door.close()


def test_an_image_that_comes_wakes_the_job_that_waits_for_it(house: House) -> None:
    program = Program(house, AURA_PAIR_WAIT="5", AURA_SCAN_INTERVAL="3600")
    program.start("run")
    try:
        house.drop("job.yaml", CAPTION)
        program.until(lambda: "it waits for beach.png" in program.log())
        house.drop("sub/deep/beach.png.tmp", PNG).rename(house.inbox / "sub" / "deep" / "beach.png")
        program.until(lambda: house.archived() == ["job.yaml", "sub/deep/beach.png"])
    finally:
        program.close()
    assert house.results() == ["job.json", "job.txt"]


# -- whose an image is -------------------------------------------------------------------------------------------------


def test_an_image_waits_a_while_for_a_job_file_and_is_then_a_job_of_its_own(door: Door) -> None:
    door.house.drop("beach.png", PNG)
    assert judge(door, "beach.png", 0.5) == Wait(unchanged_s=2.0, reason="a job file may follow that names it")
    assert isinstance(judge(door, "beach.png", 2.0), ReadyToClaim)


def test_an_image_belongs_to_the_job_file_that_names_it_until_that_has_ended(door: Door) -> None:
    door.house.drop("job.yaml", CAPTION + b"---\nimage: missing.png\n")
    door.house.drop("beach.png", PNG)
    assert isinstance(judge(door, "job.yaml"), Wait)
    held = judge(door, "beach.png", 100.0)
    assert held == Wait(unchanged_s=110.0, reason="it belongs to job.yaml", waits_for=WaitsFor.OTHER_JOBS)
    door.house.drop("missing.png", PNG)
    source, jobs = admit(door, "job.yaml")
    assert judge(door, "beach.png", 100.0) == held
    finish(door, jobs)
    door.disposal().dispose(source)
    assert isinstance(judge(door, "beach.png", 100.0), ReadyToClaim)
    put_away, none = admit(door, "beach.png")
    assert none == ()
    assert put_away.failure is None
    door.disposal().dispose(put_away)
    assert door.house.archived() == ["beach.png", "job.yaml"]
    door.house.drop("beach.png", OTHER)  # another one is a job of its own
    assert len(admit(door, "beach.png")[1]) == 1


def test_a_job_file_taken_away_again_lets_its_image_go(door: Door) -> None:
    place = door.house.drop("job.yaml", CAPTION + b"---\nimage: missing.png\n")
    door.house.drop("beach.png", PNG)
    judge(door, "job.yaml")
    assert isinstance(judge(door, "beach.png"), Wait)
    place.unlink()
    assert isinstance(judge(door, "beach.png"), ReadyToClaim)


@pytest.mark.parametrize("disposition", ["archive", "delete", "keep"])
@pytest.mark.parametrize("image_first", [True, False])
def test_job_file_and_image_become_one_result_and_are_put_away_alike(
    house: House, disposition: str, image_first: bool
) -> None:
    files = [("a/job.yaml", CAPTION), ("a/beach.png", PNG)]
    for name, content in reversed(files) if image_first else files:
        house.drop(name, content)
    for _ in range(2):
        assert exit_code(house.drain(pair_wait=0.5, sources=disposition)) == 0
        assert house.results() == ["a/job.json", "a/job.txt"]
    assert (house.outbox / "a/job.txt").read_text() == f"an image of {sha256(PNG)}"
    both = ["a/beach.png", "a/job.yaml"]
    assert house.archived() == (both if disposition == "archive" else [])
    assert house.waiting() == (both if disposition == "keep" else [])
    assert house.temporary() == []


def test_nothing_is_deleted_before_the_result_of_the_job_that_names_it(house: House) -> None:
    house.drop("job.yaml", CAPTION)
    house.drop("beach.png", PNG)
    down = fail(FailureKind.MODEL_UNAVAILABLE)
    assert exit_code(house.drain(down, pair_wait=0.3, sources="delete", retry_first=3600)) == 3
    assert house.waiting() == ["beach.png"]
    assert exit_code(house.drain(pair_wait=0.3, sources="delete")) == 0
    assert house.waiting() == []
    assert house.results() == ["job.json", "job.txt"]


def test_the_image_of_a_failed_job_stays_for_its_next_try(house: House) -> None:
    house.drop("job.yaml", CAPTION)
    house.drop("beach.png", PNG)
    assert house.drain(fail(FailureKind.UNEXPECTED), pair_wait=0.3).failed == 1
    assert house.waiting() == ["beach.png"]
    assert house.failed() == ["job.yaml", "job.yaml.json"]
    (house.outbox / "failed" / "job.yaml").rename(house.inbox / "job.yaml")
    assert exit_code(house.drain(pair_wait=0.3)) == 0
    assert house.results() == ["job.json", "job.txt"]
    assert house.archived() == ["beach.png", "job.yaml"]


# -- companion folders -------------------------------------------------------------------------------------------------


def test_an_image_in_a_companion_folder_is_no_job_and_never_moves(house: House) -> None:
    house.drop("assets/beach.png", PNG)
    house.drop("trip/assets/hills.png", OTHER)
    house.drop("one.yaml", CAPTION)
    house.drop("trip/two.yaml", b"image: hills.png\n---\nimage: beach.png\n")
    assert exit_code(house.drain(pair_wait=0.3)) == 0
    assert house.results() == [
        "one.json", "one.txt", "trip/two-1.json", "trip/two-1.txt", "trip/two-2.json", "trip/two-2.txt",
    ]  # fmt: skip
    assert (house.outbox / "trip/two-1.txt").read_text() == f"an image of {sha256(OTHER)}"
    assert house.waiting() == ["assets/beach.png", "trip/assets/hills.png"]


def test_companion_folders_are_configured(house: House) -> None:
    house.drop("assets/beach.png", PNG)
    house.drop("stills/hills.png", PNG)
    house.drain(companions=["stills"])
    assert house.results() == ["assets/beach.json", "assets/beach.txt"]
    assert house.waiting() == ["stills/hills.png"]


def test_a_companion_folder_holds_job_files_too(house: House) -> None:
    house.drop("assets/cat.yaml")
    house.drain()
    assert house.results() == ["assets/cat.json", "assets/cat.png"]


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to give files away")
@pytest.mark.parametrize("owner", [os.geteuid(), 65534])
def test_a_hard_link_to_somebody_elses_file_is_not_read_for_a_job(door: Door, tmp_path: Path, owner: int) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(PNG)
    os.chown(secret, owner, -1)
    (door.house.inbox / "beach.png").hardlink_to(secret)
    left = judge(door, "beach.png")
    door.house.drop("job.yaml", CAPTION)
    source, _ = admit(door, "job.yaml")
    if owner == os.geteuid():
        assert (isinstance(left, ReadyToClaim), source.failure) == (True, None)
        return
    assert isinstance(left, Leave)
    assert source.failure is not None
    assert source.failure.message == "beach.png is a hard link to a file of somebody else"
