"""What ended is found again, the latest first, by kind, outcome, time and text."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aura_daemon.daemon import history as module
from aura_daemon.daemon.history import Ending, HistoryEntry, HistoryFilter, history
from aura_daemon.errors import UserError
from aura_daemon.jobs.requests import (
    JobKind,
)
from aura_daemon.jobs.results import FailureKind, Outcome
from aura_daemon.jobs.tasks import Task
from tests.support.house import PNG, House, fail, is_caption, make, sha256


@pytest.fixture
def lived_in(house: House) -> House:
    """A house in which one thing after the other happened."""
    house.drop("cat.yaml", b"prompt: a Black Cat\nformat: webp\n")
    house.drain()
    house.drop("photo.png", PNG)
    house.drain()
    house.drop("dog.yaml", b"prompt: a dog\n")
    house.drain(fail(FailureKind.UNEXPECTED, "it broke"))
    house.drop("bad.yaml", b"steps: 0\nprompt: x\n")
    house.drain()
    return house


def found(house: House, *, most: int = 100, **wanted: Any) -> list[str]:
    return [entry.source for entry in history(house.settings(), HistoryFilter(**wanted), most=most)]


def entry_of(house: House, source: str) -> HistoryEntry:
    return next(entry for entry in history(house.settings(), most=100) if entry.source == source)


@pytest.mark.parametrize(
    ("wanted", "sources"),
    [
        ({}, ["bad.yaml", "dog.yaml", "photo.png", "cat.yaml"]),
        ({"ending": Ending.DONE}, ["photo.png", "cat.yaml"]),
        ({"ending": Ending.FAILED}, ["bad.yaml", "dog.yaml"]),
        ({"kind": JobKind.CAPTION}, ["photo.png"]),
        ({"kind": JobKind.GENERATE}, ["dog.yaml", "cat.yaml"]),
        ({"kind": JobKind.GENERATE, "ending": Ending.FAILED}, ["dog.yaml"]),
        ({"text": "black CAT"}, ["cat.yaml"]),
        ({"text": "it broke"}, ["dog.yaml"]),
        ({"text": "steps: must"}, ["bad.yaml"]),
        ({"text": "unicorn"}, []),
        ({"text": "Cat.Png"}, ["cat.yaml"]),
        ({"text": "png"}, ["photo.png", "cat.yaml"]),
        ({"text": ".txt"}, ["photo.png"]),
        ({"text": "\\"}, []),
        ({"text": "Dog.yaml"}, ["dog.yaml"]),
    ],
)
def test_filters_find(lived_in: House, wanted: dict[str, Any], sources: list[str]) -> None:
    assert found(lived_in, **wanted) == sources


def test_the_text_of_a_caption_is_searched_and_told(lived_in: House) -> None:
    photo = entry_of(lived_in, "photo.png")
    assert photo.text == (lived_in.outbox / "photo.txt").read_text().strip()
    assert found(lived_in, text=photo.text) == ["photo.png"]
    (lived_in.outbox / "photo.txt").unlink()
    assert (entry_of(lived_in, "photo.png").text, entry_of(lived_in, "photo.png").is_there) == ("", False)


def test_a_prompt_is_told_and_found_with_the_caption_that_was_drawn(house: House) -> None:
    house.drop("photo.png", PNG)
    house.drop("art.yaml", b"prompt: oil painting of {caption}\nimage: photo.png\n")
    house.drain()
    entry = entry_of(house, "art.yaml")
    assert entry.text == f"oil painting of an image of {sha256(PNG)}"
    assert found(house, text="painting of an image") == ["art.yaml"]
    assert found(house, text="{caption}") == []


def test_sheets_and_sets_are_told_by_what_they_hold(house: House) -> None:
    house.drop("plot.yaml", b"prompt: x\ncount: 2\ngrid: true\n")
    house.drop("photo.png", PNG)
    house.drop("echo.yaml", b"task: reflect\nrounds: 2\nimage: photo.png\n")
    house.drain()
    house.drop("set/a.png", PNG)
    house.drop("set/all.yaml", b'images: "**"\n')
    house.drain()
    entries = history(house.settings(), most=100)
    told = {entry.text for entry in entries if entry.kind in (JobKind.GRID, JobKind.DATASET)}
    assert told == {"a sheet of 2 pictures", "a sheet of 2 pictures from photo.png", "a set of 1 picture"}
    assert found(house, text="set of 1 picture") == ["set/all.yaml"]


def test_a_time_splits_what_came_before_from_what_came_after(lived_in: House) -> None:
    middle = entry_of(lived_in, "dog.yaml").ended_at - timedelta(microseconds=1)
    # The journal has more digits than a moment has.
    assert found(lived_in, since=middle) == ["bad.yaml", "dog.yaml"]
    assert found(lived_in, until=middle) == ["photo.png", "cat.yaml"]
    assert found(lived_in, since=datetime.now(UTC) + timedelta(days=1)) == []


def test_entries_name_results_and_reports(lived_in: House) -> None:
    cat, dog, bad = (entry_of(lived_in, f"{name}.yaml") for name in ("cat", "dog", "bad"))
    assert (cat.ending, cat.kind, cat.text) == (Ending.DONE, JobKind.GENERATE, "a Black Cat")
    assert cat.sidecar == lived_in.outbox / "cat.json"
    assert cat.total_s is not None
    assert dog.failure is not None
    assert (dog.output, dog.failure.message) == (None, "it broke")
    assert dog.sidecar == lived_in.outbox / "failed" / "dog.yaml.json"
    assert (bad.kind, bad.is_there, bad.sidecar) == (None, True, lived_in.outbox / "failed" / "bad.yaml.json")


def test_an_entry_is_json_on_one_line(lived_in: House) -> None:
    for entry in history(lived_in.settings(), most=100):
        line = json.dumps(entry.document())
        assert "\n" not in line
        assert json.loads(line)["outcome"] in ("done", "failed")


def test_all_jobs_are_found_over_many_pages(house: House) -> None:
    house.drop("many.yaml", b"prompt: x\nseed: 1-120\n")
    house.drain(batch=1)
    assert len(found(house, most=1000)) == 120
    assert len({entry.id for entry in history(house.settings(), most=1000)}) == 120
    assert len(found(house, most=7)) == 7
    assert module.PAGE < 120


def test_a_caption_beside_a_picture_of_its_name_has_its_own_sidecar(house: House) -> None:
    house.drop("cat.txt", b"a cat")
    house.drain()
    house.drop("cat.png", PNG)
    house.drain()
    caption = next(entry for entry in history(house.settings(), most=9) if entry.kind is JobKind.CAPTION)
    assert caption.output is not None
    assert caption.is_there


def test_where_nothing_has_run_it_says_so(house: House) -> None:
    with pytest.raises(UserError, match="nothing has run here yet"):
        history(house.settings(), most=1)


def test_captions_and_pictures_of_one_file_are_both_there(house: House) -> None:
    def play(task: Task) -> Outcome:
        return fail(FailureKind.BAD_INPUT)(task) if is_caption(task) else make(task)  # type: ignore[return-value]

    house.drop("photo.png", PNG)
    house.drop("cat.yaml")
    house.drain(play)
    assert sorted(found(house)) == ["cat.yaml", "photo.png"]
