"""Reflections: a picture is described and drawn, round after round, and a sheet shows the way."""

from __future__ import annotations

from contextlib import closing

import pytest

from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, GridRequest
from aura_daemon.jobs.results import Failure, FailureKind, Outcome
from aura_daemon.jobs.tasks import Task
from tests.support.house import PNG, House, make, sha256

REFLECT = b"task: reflect\nimage: photo.png\nrounds: 3\nseed: 7\n"


class Mirror:
    """Plays the models, and remembers what each task was about."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.fails_at = ""

    def __call__(self, task: Task) -> Outcome | None:
        self.tasks.append(task)
        if self.fails_at and task.job_id.endswith(self.fails_at):
            return Failure(kind=FailureKind.BAD_INPUT, message="it cannot be drawn", mend="draw it")
        return make(task)

    def of(self, kind: type[CaptionRequest | GenerateRequest | GridRequest]) -> list[Task]:
        return [task for task in self.tasks if isinstance(task.request, kind)]


def start(house: House, text: bytes = REFLECT) -> Mirror:
    house.drop("photo.png", PNG)
    house.drop("mirror.yaml", text)
    return Mirror()


def test_each_round_describes_the_picture_before_and_the_sheet_shows_all_of_them(house: House) -> None:
    mirror = start(house)
    assert house.drain(mirror).done == 4
    pictures = [(house.outbox / f"mirror-{number}.png").read_bytes() for number in (1, 2, 3)]
    assert [task.image for task in mirror.of(CaptionRequest)] == [PNG, *pictures[:2]]
    captions = [house.sidecar(f"mirror-{number}.json")["parts"][0]["caption"] for number in (1, 2, 3)]
    assert [task.request.prompt for task in mirror.of(GenerateRequest)] == captions  # type: ignore[union-attr]
    assert [task.image for task in mirror.of(GenerateRequest)] == [None] * 3
    assert [house.sidecar(f"mirror-{number}.json")["request"]["seed"] for number in (1, 2, 3)] == [7, 8, 9]
    (sheet,) = mirror.of(GridRequest)
    assert sheet.cells == (PNG, *pictures)
    assert house.sidecar("mirror-grid.json")["request"]["cell_labels"] == ["photo.png", *captions]
    assert house.temporary() == []
    assert house.archived() == ["mirror.yaml", "photo.png"]


def test_with_a_strength_each_round_draws_upon_the_picture_before(house: House) -> None:
    mirror = start(house, REFLECT + b"strength: 0.5\n")
    house.drain(mirror)
    first, second = ((house.outbox / f"mirror-{number}.png").read_bytes() for number in (1, 2))
    assert [task.image for task in mirror.of(GenerateRequest)] == [PNG, first, second]
    assert [task.request.image for task in mirror.of(GenerateRequest)] == [  # type: ignore[union-attr]
        "photo.png", "mirror-1.png", "mirror-2.png",
    ]  # fmt: skip


def test_a_picture_that_is_taken_from_the_outbox_at_once_is_gone_on_from_all_the_same(house: House) -> None:
    mirror = start(house)

    def play(task: Task) -> Outcome | None:
        for taken in house.outbox.glob("mirror-*"):
            taken.unlink()
        return mirror(task)

    assert house.drain(play).done == 4
    assert None not in mirror.of(GridRequest)[0].cells
    assert house.temporary() == []


@pytest.mark.parametrize(("fails_at", "made", "failed"), [("-001", [], 3), ("-002", ["mirror-1"], 2)])
def test_a_round_that_fails_ends_the_reflection_which_is_handed_back_once(
    fails_at: str, made: list[str], failed: int, house: House
) -> None:
    mirror = start(house)
    mirror.fails_at = fails_at
    assert house.drain(mirror).failed == failed
    assert [name for name in house.results() if name in {f"{stem}.png" for stem in made}] == [
        f"{stem}.png" for stem in made
    ]
    documents = [name for name in house.failed() if name.endswith(".yaml")]
    assert len(documents) == 1
    assert (house.outbox / "failed" / documents[0]).read_bytes() == REFLECT
    assert house.temporary() == []
    with closing(house.journal()) as journal:
        told = [job.failure.message for job in journal.recent(9) if job.failure is not None]
    assert "the picture of the round before is not there" in told


def test_two_reflections_of_a_file_have_a_sheet_each(house: House) -> None:
    mirror = start(house, REFLECT + b"---\n" + REFLECT.replace(b"rounds: 3", b"rounds: 1"))
    assert house.drain(mirror).done == 6
    assert sorted(len(task.cells) for task in mirror.of(GridRequest)) == [2, 4]
    assert len({sha256(file.read_bytes()) for file in house.outbox.glob("*grid*.json")}) == 2


def test_a_sheet_of_other_pictures_in_the_file_holds_those_alone(house: House) -> None:
    mirror = start(house, REFLECT + b"---\nprompt: x\nseed: 1-2\ngrid: true\n---\n" + REFLECT)
    assert house.drain(mirror).done == 11
    sheets = {task.job_id[-3:]: task for task in mirror.of(GridRequest)}
    assert {number: len(task.cells) for number, task in sheets.items()} == {"009": 2, "010": 4, "011": 4}
    assert sheets["009"].request.cells == tuple(f"{sheets['009'].job_id[:-3]}{n}" for n in ("004", "005"))  # type: ignore[union-attr]
