"""Pictures whose captions are written beside them stay where they are; one that has its text may be left alone."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.config.housekeeping import KeptFor
from aura_daemon.daemon.explain import explain
from aura_daemon.daemon.history import history
from aura_daemon.housekeeping.journal_sweep import JournalSweep
from aura_daemon.jobs.caption_files import ExistingText
from aura_daemon.jobs.results import FailureKind, Outcome, Payload, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.watch.caption_texts import has_text
from tests.support.house import PNG, House, fail, make, sha256

ROOT = Path(__file__).parents[3]
BESIDE = b"caption: {place: beside, trigger_word: sks}\n"
ONE, OTHER = PNG, PNG[:-12] + b"other" + PNG[-12:]


def caption(picture: bytes) -> str:
    return f"an image of {sha256(picture)}\n"


class Asked:
    """A worker's script that remembers what it was asked."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, task: Task) -> Outcome:
        self.names.append(task.image_name)
        return make(task)


def drained(house: House, **changes: Any) -> list[str]:
    """Runs what is to be run; the pictures that the captioner was asked about."""
    asked = Asked()
    house.drain(asked, **changes)
    return sorted(asked.names)


def why(house: House, name: str) -> str:
    return explain(Path(name), house.settings(), None).text


@pytest.mark.parametrize("sources", ["archive", "delete", "keep"])
def test_a_set_is_captioned_where_it_lies_and_stays_whole(house: House, sources: str) -> None:
    house.drop("set/_defaults.yaml", BESIDE)
    house.drop("set/a.png", ONE)
    house.drop("set/b.png", OTHER)
    house.drop("other.png", ONE)
    assert drained(house, sources=sources) == ["other.png", "set/a.png", "set/b.png"]
    whole = ["set/_defaults.yaml", "set/a.png", "set/a.txt", "set/b.png", "set/b.txt"]
    assert house.waiting() == (["other.png", *whole] if sources == "keep" else whole)
    assert house.archived() == (["other.png"] if sources == "archive" else [])
    assert (house.inbox / "set/a.txt").read_text() == f"sks, {caption(ONE)}"
    assert house.results() == ["other.json", "other.txt", "set/a.json", "set/b.json"]
    assert why(house, "set/a.png").startswith(f"set/a.png: done, see {house.outbox / 'set/a.json'}")
    assert house.temporary() == []


def test_pictures_that_stayed_are_done_however_often_the_daemon_starts_and_whatever_the_folder_says_then(
    house: House,
) -> None:
    defaults = house.drop("set/_defaults.yaml", BESIDE)
    picture = house.drop("set/a.png", ONE)
    assert drained(house) == ["set/a.png"]
    assert drained(house) == []
    defaults.unlink()
    assert drained(house) == []
    assert house.waiting() == ["set/a.png", "set/a.txt"]
    assert house.archived() == []
    picture.write_bytes(OTHER)
    assert drained(house) == ["set/a.png"]
    assert house.waiting() == ["set/a.txt"]


def test_what_is_written_beside_pictures_is_no_job_even_when_the_picture_is_gone(house: House) -> None:
    settings = {"caption": {"place": "beside"}}
    picture = house.drop("a.png", ONE)
    drained(house, **settings)
    drained(house, **settings)
    picture.unlink()
    assert drained(house, **settings) == []
    house.drop("b.png", OTHER)
    assert drained(house, caption={"place": "beside", "extension": ".caption"}) == ["b.png"]
    assert drained(house, caption={"place": "beside", "extension": ".caption"}) == []
    assert house.waiting() == ["a.txt", "b.caption", "b.png"]
    assert why(house, "b.caption") == "b.caption: left alone: the caption of a picture"


@pytest.mark.parametrize("place", ["outbox", "beside"])
def test_a_picture_that_has_its_text_is_not_captioned_where_such_are_skipped(house: House, place: str) -> None:
    settings = {"caption": {"existing": "skip", "place": place}}
    for name, text in (("a", b"a cat"), ("b", b""), ("c", b" \n")):
        house.drop(f"{name}.png", ONE + name.encode())
        house.drop(f"{name}.txt", text)
    assert drained(house, **settings) == ["b.png", "c.png"]
    assert (house.inbox / "a.txt").read_bytes() == b"a cat"
    assert "a.png" in house.waiting()
    assert "left alone: its text lies beside it" in explain(Path("a.png"), house.settings(**settings), None).text
    (house.inbox / "a.txt").unlink()
    assert drained(house, **settings) == ["a.png"]


def test_a_job_file_captions_a_picture_where_it_lies(house: House) -> None:
    house.drop("set/a.png", ONE)
    house.drop("job.yaml", b"task: caption\nimage: set/a.png\ncaption: {place: beside, extension: caption}\n")
    assert len(drained(house)) == 1
    assert drained(house) == []
    assert house.waiting() == ["set/a.caption", "set/a.png"]
    assert house.archived() == ["job.yaml"]
    assert house.sidecar("job.json")["text"]["name"] == "set/a.caption"
    assert why(house, "set/a.png") == "set/a.png: left alone: it belongs to job.yaml, which is done"


def test_a_job_file_does_not_ask_for_the_caption_of_a_picture_that_has_its_text(house: House) -> None:
    for name in ("a", "b"):
        house.drop(f"{name}.png", ONE)
    house.drop("a.txt", b"a cat")
    ask = "task: caption\nimage: {}.png\ncaption: {{existing: skip}}\n"
    house.drop("job.yaml", ask.format("a").encode())
    house.drop("both.yaml", "---\n".join(map(ask.format, "ab")).encode())
    assert drained(house) == ["both.yaml"]
    assert drained(house) == []
    assert house.results() == ["both-2.json", "both-2.txt"]
    assert "every picture that it names has its text" in why(house, "job.yaml")
    assert "a.txt" in house.waiting()


def test_a_sidecar_dropped_in_writes_beside_the_picture_as_before(house: House) -> None:
    house.drop("set/a.png", ONE)
    drained(house, caption={"place": "beside"})
    (house.inbox / "set/a.txt").unlink()
    house.drop("again.json", (house.outbox / "set/a.json").read_bytes())
    assert len(drained(house)) == 1
    assert (house.inbox / "set/a.txt").read_text() == caption(ONE)
    assert house.results() == ["again.json", "set/a.json"]


def test_a_picture_that_fails_stays_and_its_copy_says_why(house: House) -> None:
    house.drop("a.png", ONE)
    house.drain(fail(FailureKind.BAD_INPUT), caption={"place": "beside"})
    assert house.waiting() == ["a.png"]
    assert house.failed() == ["a.png", "a.png.json"]
    assert drained(house, caption={"place": "beside"}) == []


def test_history_names_the_text_beside_the_picture(house: House) -> None:
    house.drop("a.png", ONE)
    house.drain(caption={"place": "beside"})
    (entry,) = history(house.settings(), most=1)
    assert (entry.output, entry.is_there, entry.text) == (house.inbox / "a.txt", True, caption(ONE).strip())
    assert json.loads((house.outbox / "a.json").read_bytes())["text"]["name"] == "a.txt"


def test_a_link_or_a_folder_under_the_name_of_a_text_counts_as_one(house: House) -> None:
    (house.inbox / "a.txt").symlink_to("nowhere")
    (house.inbox / "b.txt").mkdir()
    assert has_text(house.inbox, "a.txt")
    assert has_text(house.inbox, "b.txt")
    assert not has_text(house.inbox, "c.txt")


TABLE = re.compile(r"^\| `(\w+)` \| (.+) \| (.+) \|$", re.MULTILINE)


@pytest.mark.parametrize("place", ["beside", "outbox"])
@pytest.mark.parametrize("existing", list(ExistingText))
def test_the_table_of_texts_that_are_there_is_true(house: House, existing: ExistingText, place: str) -> None:
    page = (ROOT / "docs/jobs.md").read_text(encoding="utf-8").partition("| `existing` | `place: beside`")[2]
    beside, outbox = next(row[1:] for row in TABLE.findall(page) if row[0] == existing)
    said = outbox if place == "outbox" else beside

    def play(task: Task) -> Outcome:
        assert existing is not ExistingText.SKIP
        made = make(task)
        assert isinstance(made, Produced)
        return replace(made, text="a dog", payloads=(Payload(extension=".txt", content=b"a dog\n"),))

    house.drop("a.png", ONE)
    house.drop("a.txt", b"snow, tree\n")
    house.drain(play, caption={"place": place, "existing": existing})
    in_inbox = (house.inbox / "a.txt").read_text().strip()
    in_outbox = (house.outbox / "a.txt").read_text().strip() if "a.txt" in house.results() else ""
    if existing is ExistingText.SKIP:
        assert (in_inbox, in_outbox, house.waiting()) == ("snow, tree", "", ["a.png", "a.txt"])
    elif place == "outbox":
        assert said == f"`{in_outbox}`; the text beside the picture stays"
        assert in_inbox == "snow, tree"
    elif existing is ExistingText.KEEP:
        assert said == f"the text stays, and `{in_outbox}` goes to the outbox"
        assert in_inbox == "snow, tree"
    else:
        assert (said, in_outbox) == (f"`{in_inbox}`", "")


def test_a_picture_that_was_captioned_beside_a_job_file_is_known_for_as_long_as_it_lies_there(house: House) -> None:
    house.drop("a.png", ONE)
    house.drop("job.yaml", b"task: caption\nimage: a.png\ncaption: {place: beside}\n")
    drained(house)
    house.drop("later.yaml")
    drained(house)
    for _ in range(2):
        with closing(Journal(house.state / FILE_NAME)) as journal:
            sweep = JournalSweep(
                journal=journal, inbox=house.inbox, outbox=house.outbox, kept=KeptFor(age="1s"), now=time.time() + 9
            )
            list(sweep.steps())
        assert sweep.deleted == 0
        assert drained(house) == []
    assert house.waiting() == ["a.png", "a.txt"]


def test_a_picture_that_is_refused_where_it_lies_is_refused_once(house: House) -> None:
    settings: dict[str, Any] = {"caption": {"place": "beside"}, "limits": {"image_bytes": 1000}}
    house.drop("big.png", ONE[:-12] + bytes(2000) + ONE[-12:])
    assert house.drain(**settings).failed == 1
    assert house.drain(**settings).failed == 0
    assert house.waiting() == ["big.png"]
    assert house.failed() == ["big.png", "big.png.json"]


def test_a_picture_that_is_captioned_again_finds_its_caption_there_and_writes_no_other(house: House) -> None:
    picture = house.drop("a.png", ONE)
    drained(house, caption={"place": "beside"})
    os.utime(picture, (5, 5))
    assert drained(house, caption={"place": "beside"}, redelivery="run") == ["a.png"]
    assert house.results() == ["a.json", "a.r2.json"]
    assert house.sidecar("a.r2.json")["text"]["is_kept"] is False
    assert (house.inbox / "a.txt").read_text() == caption(ONE)
