"""A text beside a picture is its caption, whatever comes first, however both are spelled."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aura_daemon.daemon.explain import explain
from aura_daemon.formats.file_types import PICTURE_EXTENSIONS
from aura_daemon.intake.companions import COMPANION_S, LEAST_PAIRS, MAY_FOLLOW, OF_A_SET
from aura_daemon.intake.late_pictures import LatePictures
from aura_daemon.intake.triage import Leave, ReadyToClaim, Wait
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.results import FailureKind
from tests.support.house import PNG, Door, House, fail, make
from tests.support.plain_user import as_a_plain_user
from tests.support.programs import Program
from tests.support.steps import SIDECAR, admit, judge

BESIDE = Leave(reason="it lies beside an image, film or document of the same name")
COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("text", "picture"),
    [
        ("set001.txt", "set001.webp"),
        ("mixed.txt", "mixed.Jpg"),
        ("gallery.jpg.txt", "gallery.jpg"),
        ("gallery.JPG.txt", "Gallery.jpg"),
        (f"{COMPOSED}.txt", f"{DECOMPOSED}.png"),
        (f"{DECOMPOSED}.txt", f"{COMPOSED}.png"),
        (f"{DECOMPOSED}.jpg.txt", f"{COMPOSED}.jpg"),
        ("Straße.txt", "STRASSE.PNG"),
        ("caf\udce9.txt", "caf\udce9.png"),
        ("cat.TXT", "Cat.png"),
    ],
)
@pytest.mark.parametrize("folder", ["", "album/"])
def test_a_text_beside_a_picture_is_no_job(door: Door, folder: str, text: str, picture: str) -> None:
    door.house.drop(folder + text, b"photo of sks dog")
    door.house.drop(folder + picture, PNG)
    assert judge(door, folder + text) == BESIDE


def test_a_text_beside_a_picture_of_any_format_is_no_job(door: Door) -> None:
    assert {".heic", ".jfif", ".jxl", ".psd", ".cr2", ".mp4"} < PICTURE_EXTENSIONS
    for extension in sorted(PICTURE_EXTENSIONS):
        stem = extension.strip(".")
        for text, picture in ((f"{stem}.txt", f"{stem}{extension.upper()}"), (f"x{extension}.txt", f"x{extension}")):
            door.house.drop(picture, PNG)
            door.house.drop(text, b"photo of sks dog")
            door.judging.look()
            assert judge(door, text) == BESIDE, picture


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".json"])
def test_a_list_of_prompts_beside_a_picture_or_in_a_set_is_no_job(door: Door, ending: str) -> None:
    content = b"prompt\na red circle\n" if ending == ".csv" else b'{"prompt": "a red circle"}\n'
    for name in (f"cat{ending}", f"cat.png{ending}", f"alone/cat{ending}", f"set/metadata{ending}"):
        door.house.drop(name, content)
    door.house.drop("cat.png", PNG)
    drop_pairs(door, LEAST_PAIRS)
    assert judge(door, f"cat{ending}") == judge(door, f"cat.png{ending}") == BESIDE
    assert isinstance(judge(door, f"alone/cat{ending}"), ReadyToClaim)
    assert judge(door, f"set/metadata{ending}") == Leave(reason=OF_A_SET)


@pytest.mark.parametrize("picture", ["cats.png", "ca.png", "cat.yaml", "album/cat.png", "cat.png.zip", ".cat.png"])
def test_other_files_make_no_text_a_caption(door: Door, picture: str) -> None:
    door.house.drop("cat.txt", b"a red circle")
    door.house.drop(picture, PNG)
    assert isinstance(judge(door, "cat.txt"), ReadyToClaim)


@pytest.mark.parametrize("name", ["set001.txt", "set001.json"])
def test_a_text_alone_waits_for_a_picture_and_then_it_is_a_job(door: Door, name: str) -> None:
    door.house.drop(name, SIDECAR)
    assert judge(door, name, 0.5) == Wait(unchanged_s=2.0, reason=MAY_FOLLOW)
    assert isinstance(judge(door, name, 2.0), ReadyToClaim)
    door.house.drop("set001.webp", PNG)
    assert judge(door, name, 2.0) == BESIDE


@pytest.mark.parametrize(
    "unfinished",
    [
        ".set001.webp.Ab3xYz",
        ".syncthing.set001.webp.tmp",
        "~syncthing~set001.webp.tmp",
        "set001.webp.1a2b3c4d.partial",
        "Set001.JPG.crdownload",
        "set001.webp.filepart",
    ],
)
def test_a_picture_that_is_still_copied_is_waited_for(house: House, unfinished: str) -> None:
    place = house.drop(unfinished, b"half")
    house.drop("set001.txt", b"photo of sks dog")
    door = Door(house, pair_wait=0)
    door.clock_s = place.lstat().st_ctime + 30
    waiting = judge(door, "set001.txt", 30.0)
    assert isinstance(waiting, Wait)
    assert (waiting.unchanged_s, unfinished in waiting.reason) == (31.0, True)
    door.clock_s += 60  # nobody goes on with it: it was left behind
    assert isinstance(judge(door, "set001.txt", 90.0), ReadyToClaim)
    place.rename(house.inbox / "set001.webp")
    assert judge(door, "set001.txt", 0.0) == BESIDE
    door.close()


def test_a_text_that_waited_while_its_picture_was_copied_belongs_to_it_the_moment_it_is_there(door: Door) -> None:
    place = door.house.drop(".set001.webp.Ab3xYz", b"half")
    door.house.drop("set001.txt", b"photo of sks dog")
    for unchanged_s in (5.0, 6.0):
        assert isinstance(judge(door, "set001.txt", unchanged_s), Wait)
        door.clock_s += 1.0
        door.judging.look()
    place.rename(door.house.inbox / "set001.webp")
    assert judge(door, "set001.txt", 7.0) == BESIDE


def test_a_text_that_comes_after_its_picture_was_taken_belongs_to_it_however_it_is_spelled(door: Door) -> None:
    door.house.drop(f"{DECOMPOSED}.JPG", PNG)
    admit(door, f"{DECOMPOSED}.JPG")
    for name in (f"{COMPOSED}.txt", f"{COMPOSED}.jpg.txt"):
        door.house.drop(name, b"late")
        assert judge(door, name) == BESIDE
    door.house.drop(f"{COMPOSED}.png.txt", b"of another picture")
    assert isinstance(judge(door, f"{COMPOSED}.png.txt"), ReadyToClaim)


# -- sets --------------------------------------------------------------------------------------------------------------


def drop_pairs(door: Door, count: int, folder: str = "set/") -> None:
    for number in range(count):
        door.house.drop(f"{folder}{number}.txt", b"photo of sks dog")
        door.house.drop(f"{folder}{number}.png", PNG)


@pytest.mark.parametrize("folder", ["", "set/"])
def test_where_most_texts_have_pictures_a_text_alone_is_left_alone_and_that_is_said(door: Door, folder: str) -> None:
    drop_pairs(door, LEAST_PAIRS, folder)
    door.house.drop(f"{folder}late.txt", b"photo of sks dog")
    assert judge(door, f"{folder}late.txt", 0.5) == Wait(unchanged_s=2.0, reason=MAY_FOLLOW)
    assert judge(door, f"{folder}late.txt") == Leave(reason=OF_A_SET)
    door.house.drop("elsewhere/late.txt", b"a red circle")
    assert isinstance(judge(door, "elsewhere/late.txt"), ReadyToClaim)


def test_a_set_is_one_when_its_pictures_have_been_taken(door: Door) -> None:
    drop_pairs(door, LEAST_PAIRS)
    for number in range(LEAST_PAIRS):
        assert judge(door, f"set/{number}.txt") == BESIDE
        admit(door, f"set/{number}.png")
    os.utime(door.house.drop("set/late.txt", b"photo of sks dog"), (door.now(),) * 2)
    assert judge(door, "set/late.txt") == Leave(reason=OF_A_SET)


@pytest.mark.parametrize("folder", ["", "set/"])
def test_captions_whose_pictures_were_taken_long_ago_keep_no_prompt_from_being_drawn(door: Door, folder: str) -> None:
    drop_pairs(door, LEAST_PAIRS, folder)
    for number in range(LEAST_PAIRS):
        assert judge(door, f"{folder}{number}.txt") == BESIDE
        admit(door, f"{folder}{number}.png")
    for name, later_s in (("late", COMPANION_S - 1), ("cat", COMPANION_S + 1)):
        os.utime(door.house.drop(f"{folder}{name}.txt", b"a red circle"), (door.now() + later_s,) * 2)
    door.house.drop(f"{folder}below/dog.png", PNG)
    door.clock_s += COMPANION_S + 1
    admit(door, f"{folder}below/dog.png")
    assert judge(door, f"{folder}late.txt") == Leave(reason=OF_A_SET)
    assert isinstance(judge(door, f"{folder}cat.txt"), ReadyToClaim)


def test_captions_that_are_left_of_an_earlier_set_do_not_stop_prompts(door: Door) -> None:
    drop_pairs(door, LEAST_PAIRS)
    for number in range(LEAST_PAIRS):
        assert judge(door, f"set/{number}.txt") == BESIDE
        admit(door, f"set/{number}.png")
    door.house.drop("set/late.txt", b"a red circle")
    door.clock_s += COMPANION_S
    assert isinstance(judge(door, "set/late.txt"), ReadyToClaim)
    assert judge(door, "set/0.txt") == BESIDE


def test_a_text_alone_is_a_prompt_when_its_folder_is_no_set_any_more(door: Door) -> None:
    drop_pairs(door, LEAST_PAIRS)
    door.house.drop("set/late.txt", b"a red circle")
    assert isinstance(judge(door, "set/late.txt"), Leave)
    for number in range(LEAST_PAIRS):
        (door.house.inbox / "set" / f"{number}.txt").unlink()
    assert isinstance(judge(door, "set/late.txt"), ReadyToClaim)


@pytest.mark.parametrize(("pairs", "alone"), [(LEAST_PAIRS - 1, 1), (LEAST_PAIRS, LEAST_PAIRS), (0, 5)])
def test_few_pairs_among_prompts_make_no_set(door: Door, pairs: int, alone: int) -> None:
    drop_pairs(door, pairs)
    for number in range(alone):
        door.house.drop(f"set/alone{number}.txt", b"a red circle")
    assert isinstance(judge(door, "set/alone0.txt"), ReadyToClaim)


def test_the_user_can_have_a_text_in_a_set_drawn(house: House) -> None:
    door = Door(house, take=["prompt*.txt"])
    drop_pairs(door, LEAST_PAIRS)
    for name in ("set/prompt1.txt", "set/other.txt", "set/job.yaml"):
        house.drop(name, b"prompt: a red circle")
    drawn = [
        name
        for name in ("prompt1.txt", "other.txt", "job.yaml")
        if isinstance(judge(door, f"set/{name}"), ReadyToClaim)
    ]
    door.close()
    assert drawn == ["prompt1.txt", "job.yaml"]


def test_of_a_set_with_one_late_picture_nothing_is_drawn(house: House) -> None:
    for number in range(10):
        house.drop(f"set/{number}.txt", b"photo of sks dog")
        if number != 7:
            house.drop(f"set/{number}.webp", PNG)
    house.drain(pair_wait=0.2)
    house.drop("set/7.webp", PNG)
    house.drain(pair_wait=0.2)
    assert house.results() == sorted(f"set/{number}.{ending}" for number in range(10) for ending in ("json", "txt"))
    assert house.waiting() == [f"set/{number}.txt" for number in range(10)]


def test_the_log_says_once_how_many_texts_of_a_set_have_no_picture_and_what_to_do(house: House, log: list[str]) -> None:
    for number in range(4):
        house.drop(f"{number}.txt", b"photo of sks dog")
        house.drop(f"{number}.png", PNG)
    for name in ("late.txt", "later.txt"):
        house.drop(name, b"photo of sks dog")
    house.drain(pair_wait=0.2)
    told = [line for line in log if OF_A_SET in line and line.startswith("INFO")]
    assert len(told) == 1
    assert "left alone: 2 files: " in told[0]
    assert "name it in `take`" in told[0]


def test_a_sidecar_in_a_set_is_a_job(door: Door) -> None:
    drop_pairs(door, LEAST_PAIRS)
    door.house.drop("set/again.json", SIDECAR)
    assert isinstance(judge(door, "set/again.json"), ReadyToClaim)


# -- large folders -----------------------------------------------------------------------------------------------------


def test_a_folder_is_listed_once_for_all_its_texts_that_are_due(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir, listed = os.scandir, []

    def noted(place: str) -> Iterator[os.DirEntry[str]]:
        listed.append(place)
        return scandir(place)

    for number in range(200):
        door.house.drop(f"{number}.txt", b"a red circle")
    monkeypatch.setattr(os, "scandir", noted)
    door.judging.look()
    assert all(isinstance(judge(door, f"{number}.txt", 2.0 + number / 100), ReadyToClaim) for number in range(200))
    assert len(listed) == 1


def test_a_text_in_a_folder_that_takes_long_to_list_waits_for_the_next_listing(house: House) -> None:
    class SlowDoor(Door):
        def now(self) -> float:
            self.clock_s += 0.1
            return self.clock_s

    door = SlowDoor(house)
    house.drop("first.txt", b"a red circle")
    house.drop("second.txt", b"a blue circle")
    assert isinstance(judge(door, "first.txt"), ReadyToClaim)
    waiting = judge(door, "second.txt")
    assert isinstance(waiting, Wait)
    assert waiting.reason == MAY_FOLLOW
    assert 2.0 < waiting.unchanged_s < 3.0
    door.clock_s += 1.0
    assert isinstance(judge(door, "second.txt", 3.0), ReadyToClaim)
    door.close()


# -- the daemon --------------------------------------------------------------------------------------------------------


def test_a_caption_that_comes_before_its_picture_is_not_drawn_and_the_picture_takes_its_name(house: House) -> None:
    program = Program(house, AURA_PAIR_WAIT="1.5")
    program.start("run")
    try:
        text = house.drop("set001.txt", b"photo of sks dog")
        program.until(lambda: MAY_FOLLOW in program.log())
        house.drop(".set001.webp.a1B2c3", PNG).rename(house.inbox / "set001.webp")
        program.until(lambda: house.archived() == ["set001.webp"])
    finally:
        program.close()
    assert house.results() == ["set001.json", "set001.txt"]
    assert house.waiting() == ["set001.txt"]
    assert text.read_bytes() == b"photo of sks dog"


@pytest.mark.parametrize(("text", "picture"), [("mixed.txt", "mixed.Jpg"), ("gallery.jpg.txt", "gallery.jpg")])
def test_a_caption_beside_its_picture_is_not_drawn_when_the_inbox_is_drained(
    house: House, text: str, picture: str
) -> None:
    house.drop(text, b"photo of sks dog")
    house.drop(picture, PNG)
    house.drain()
    assert house.waiting() == [text]
    assert house.archived() == [picture]


def test_a_text_alone_is_drawn_when_the_inbox_is_drained(house: House) -> None:
    house.drop("cat.txt", b"a red circle")
    house.drain(pair_wait=0.2)
    assert house.results() == ["cat.json", "cat.png"]


# -- pictures that come late -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sources", ["archive", "delete", "keep"])
@pytest.mark.parametrize("text", ["set001.txt", "set001.webp.txt"])
def test_a_text_that_waits_for_its_turn_as_a_prompt_goes_back_to_its_picture(
    house: House, sources: str, text: str, log: list[str]
) -> None:
    house.drop(text, b"photo of sks dog")
    down = fail(FailureKind.MODEL_UNAVAILABLE)
    with house.daemon(down, sources=sources, retry_first=3600) as daemon:
        daemon.run()
        assert daemon.journal.counts()[JobState.QUEUED] == 1
    house.drop("set001.webp", PNG)
    house.drain(sources=sources)
    assert house.results() == ["set001.json", "set001.txt"]
    assert text in house.waiting()
    assert (house.inbox / text).read_bytes() == b"photo of sks dog"
    assert house.temporary() == []
    with closing(house.journal()) as journal:
        assert journal.counts() == dict.fromkeys(JobState, 0) | {JobState.DONE: 1}
    assert any(f"{text} is no prompt: its picture set001.webp has come" in line for line in log)
    house.drain(sources=sources)
    assert house.results() == ["set001.json", "set001.txt"]


def test_a_text_that_was_put_back_is_no_prompt_of_a_daemon_that_is_started_much_later(door: Door) -> None:
    door.house.drop("set001.txt", b"photo of sks dog")
    text, _ = admit(door, "set001.txt")
    door.house.drop("set001.webp", PNG)
    image, _ = admit(door, "set001.webp")
    assert LatePictures(door.claims, door.journal).came(image) == [text]
    door.clock_s += COMPANION_S + 1
    assert judge(door, "set001.txt", 1000.0) == BESIDE


def test_where_its_claim_cannot_be_looked_at_the_text_stays_a_prompt(place_for_all: Path) -> None:
    door = Door(House(place_for_all))
    door.house.drop("set001.txt", b"photo of sks dog")
    admit(door, "set001.txt")
    door.house.drop("set001.webp", PNG)
    image, _ = admit(door, "set001.webp")
    door.claims.copied_claims.mkdir(mode=0o000)
    with as_a_plain_user(owning=door.house.root):
        assert LatePictures(door.claims, door.journal).came(image) == []
    assert door.journal.counts()[JobState.QUEUED] == 2
    door.close()


def test_a_picture_that_comes_when_its_text_was_drawn_still_takes_its_name(house: House, log: list[str]) -> None:
    house.drop("set001.txt", b"photo of sks dog")
    house.drain()
    assert house.results() == ["set001.json", "set001.png"]
    house.drop("set001.webp", PNG)
    house.drain()
    assert house.results() == ["set001.json", "set001.png", "set001.txt", "set001.txt.json"]
    assert house.archived() == ["set001.txt", "set001.webp"]
    outputs = [house.sidecar(name)["outputs"][0]["name"] for name in ("set001.json", "set001.txt.json")]
    assert outputs == ["set001.png", "set001.txt"]
    assert any("set001.webp came when set001.txt had been taken for a prompt" in line for line in log)
    text = explain(house.inbox / "set001.webp", house.settings(), None).text
    assert f"done, see {house.outbox}/set001.txt.json" in text
    second = House(house.root / "second")
    for name in house.results():
        second.drop(name, (house.outbox / name).read_bytes())
    second.drain(accept=["prompt", "sidecar"])
    assert second.results() == []  # an outbox can be an inbox
    house.drop("set001.jpg", PNG + b"another")
    house.drain()
    assert {"set001.r2.txt", "set001.r2.json"} <= set(house.results())


@pytest.mark.parametrize("first", ["cat.txt", "cat.yaml", "cat.csv", "cat.json"])
@pytest.mark.parametrize("content", [b"", b"\0" * 100, PNG])
def test_a_refused_file_that_is_no_picture_makes_no_text_a_caption(house: House, first: str, content: bytes) -> None:
    house.drop(first, content)
    house.drain()
    house.drop("cat.txt", b"a red circle")
    house.drain(make)
    assert "cat.txt" not in house.waiting()
    assert "cat.png" in house.results()
