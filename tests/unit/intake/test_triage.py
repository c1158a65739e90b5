"""What is to become of a file: claimed, waited for or left alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator

import pytest
from PIL import Image

from aura_daemon.intake.companions import COMPANION_S
from aura_daemon.intake.triage import UNREAD_HEIC, ReadyToClaim
from aura_daemon.jobs.sources import Accept, SourceKind
from aura_daemon.watch.decisions import Leave, Wait
from aura_daemon.watch.settling import WaitsFor
from tests.support.house import PNG, PROMPT, Door, House
from tests.support.image_files import encoded
from tests.support.steps import CAPTION, SIDECAR, admit, finish, judge


@pytest.fixture
def keeping(house: House) -> Iterator[Door]:
    opened = Door(house, keeps=True)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("cat.yaml", PROMPT, SourceKind.JOB_FILE),
        ("cat.YML", PROMPT, SourceKind.JOB_FILE),
        ("cat.txt", b"a red circle", SourceKind.PROMPT_TEXT),
        ("cat.png", PNG, SourceKind.IMAGE),
        ("cat.jpg", PNG, SourceKind.IMAGE),  # the bytes say it is an image all the same
        ("cat.json", SIDECAR, SourceKind.SIDECAR),
        ("cat.png", b"this is text", SourceKind.IMAGE),  # admission says what is wrong with it
    ],
)
def test_a_whole_file_of_a_known_kind_is_ready(door: Door, name: str, content: bytes, expected: SourceKind) -> None:
    door.house.drop(name, content)
    assert judge(door, name) == ReadyToClaim(kind=expected)


def test_a_file_waits_as_long_as_aria2_notes_what_it_lacks(door: Door) -> None:
    mark = door.house.drop("cat.png.aria2", b"\0\1")
    door.house.drop("cat.png", PNG)
    judgement = judge(door, "cat.png", unchanged_s=1e6)
    assert isinstance(judgement, Wait)
    assert judgement.reason == "a download goes on, or was broken off: .aria2 lies beside it"
    assert judgement.waits_for is WaitsFor.REPAIR  # a drain does not wait for it
    mark.unlink()
    assert judge(door, "cat.png", unchanged_s=1e6) == ReadyToClaim(kind=SourceKind.IMAGE)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("notes.md", b"x", "not a kind of file it knows (.md)"),
        ("README", b"x", "no extension"),
        ("health.json", b'{"schema": "aura-daemon/health/1"}', "our own health documents"),
        ("bad.yaml.json", b'{\n  "schema": "aura-daemon/failure/1"}', "failure reports"),
        ("data.json", b"[1, 2]", "not one of our sidecars"),
        ("cat.yaml.filepart", b"x", "temporary"),
        ("~$cat.yaml", PROMPT, "temporary"),
        ("cat.sync-conflict-20260101-120000-ABCDEFG.yaml", PROMPT, "conflict copy (Syncthing)"),
    ],
)
def test_what_is_no_job_is_left_alone_with_a_reason(door: Door, name: str, content: bytes, reason: str) -> None:
    door.house.drop(name, content)
    judgement = judge(door, name)
    assert isinstance(judgement, Leave)
    assert reason in judgement.reason
    assert (door.house.inbox / name).read_bytes() == content


@pytest.mark.parametrize("name", ["fifo.yaml", "link.png", "folder.txt"])
@pytest.mark.timeout(60)
def test_what_is_no_regular_file_is_left_alone_unopened(door: Door, name: str) -> None:
    place = door.house.inbox / name
    makers: dict[str, Callable[[], None]] = {
        "fifo.yaml": lambda: os.mkfifo(place),
        "link.png": lambda: place.symlink_to("/etc/passwd"),
        "folder.txt": place.mkdir,
    }
    makers[name]()
    judgement = judge(door, name)
    assert isinstance(judgement, Leave)
    assert "only regular files are opened" in judgement.reason


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cat.yaml", b"", "empty"),
        ("cat.txt", b"\0" * 10_000, "empty"),
        ("cat.png", b"", "empty"),
        ("cat.png", PNG[:-12], "the end of the image is missing"),
        ("cat.jpg", b"\xff\xd8\xff" + b"x" * 100, "the end of the image is missing"),
    ],
)
def test_what_looks_incomplete_waits_for_so_long_and_then_is_taken(
    door: Door, name: str, content: bytes, reason: str
) -> None:
    door.house.drop(name, content)
    judgement = judge(door, name)
    assert isinstance(judgement, Wait)
    assert judgement.unchanged_s == 60.0
    assert reason in judgement.reason
    assert isinstance(judge(door, name, unchanged_s=60.0), ReadyToClaim)


SAMSUNG = b"\0\0\1\x0a\x0e\0\0\0Image_UTC_Data1704110400000SEFHk\0\0\0\1\0\0\0\0\0\1\x0a#\0\0\0#\0\0\0\x18\0\0\0SEFT"
FILM = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(100_000)
PHOTO = encoded(Image.effect_noise((64, 48), 90), "JPEG")


@pytest.mark.parametrize("behind", [b"", SAMSUNG, FILM], ids=["nothing", "samsung", "film"])
@pytest.mark.parametrize("name", ["photo.jpg", "photo.JPE", "photo.jfif"])
def test_a_photo_is_taken_whatever_its_phone_wrote_behind_it(door: Door, name: str, behind: bytes) -> None:
    door.house.drop(name, PHOTO + behind)
    assert judge(door, name) == ReadyToClaim(kind=SourceKind.IMAGE)


@pytest.mark.parametrize("name", ["photo.heic", "photo.HEIF", "photo.jpg"])
def test_a_heic_picture_is_taken_where_there_is_a_decoder_and_else_left_alone(house: House, name: str) -> None:
    house.drop(name, encoded(Image.effect_noise((64, 48), 90).convert("RGB"), "HEIC"))
    for reads_heic, expected in ((True, ReadyToClaim(kind=SourceKind.IMAGE)), (False, Leave(reason=UNREAD_HEIC))):
        door = Door(house, reads_heic=reads_heic)
        assert judge(door, name) == expected
        door.close()


@pytest.mark.parametrize(
    ("accept", "left"),
    [(Accept.PROMPT, {"a.png", "c.json"}), (Accept.IMAGE, {"a.yaml", "b.txt", "c.json"})],
)
def test_kinds_that_are_not_accepted_are_left_alone(house: House, accept: Accept, left: set[str]) -> None:
    door = Door(house, accept=(accept,))
    for name, content in {"a.yaml": PROMPT, "b.txt": PROMPT, "a.png": PNG, "c.json": SIDECAR}.items():
        house.drop(name, content)
    found = {name for name in ("a.yaml", "b.txt", "a.png", "c.json") if isinstance(judge(door, name), Leave)}
    door.close()
    assert found == left


# -- companions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cat.txt", "cat.json", "album/cat.txt"])
@pytest.mark.parametrize("extension", [".png", ".PNG", ".jpeg", ".webp"])
def test_text_and_sidecars_beside_an_image_of_their_name_are_no_jobs(door: Door, name: str, extension: str) -> None:
    door.house.drop(name, SIDECAR)
    door.house.drop(name.rpartition(".")[0] + extension, PNG)
    assert judge(door, name) == Leave(reason="it lies beside an image, film or document of the same name")


def test_a_companion_stays_one_when_its_image_has_been_taken_also_over_a_restart(house: House) -> None:
    door = Door(house)
    house.drop("cat.png", PNG)
    admit(door, "cat.png")
    house.drop("cat.txt", b"late")
    assert isinstance(judge(door, "cat.txt"), Leave)
    door.clock_s += COMPANION_S * 10
    assert isinstance(judge(door, "cat.txt"), Leave)
    door.close()
    door = Door(house)
    door.clock_s += COMPANION_S * 20
    assert isinstance(judge(door, "cat.txt"), Leave)
    door.close()


def test_a_companion_that_is_edited_long_after_its_image_was_taken_stays_one(door: Door) -> None:
    door.house.drop("cat.png", PNG)
    admit(door, "cat.png")
    door.house.drop("cat.txt", b"late")
    assert isinstance(judge(door, "cat.txt"), Leave)
    for wording in (b"edited in place", b"edited by rename"):
        door.clock_s += COMPANION_S * 10
        door.judging.gone("cat.txt")
        door.house.drop("cat.txt", wording)
        assert judge(door, "cat.txt") == Leave(reason="it lies beside an image, film or document of the same name")
    door.judging.gone("cat.txt")
    door.clock_s += COMPANION_S
    door.house.drop("cat.txt", b"a prompt of its own, long after")
    assert isinstance(judge(door, "cat.txt"), ReadyToClaim)


def test_a_caption_beside_its_sidecar_is_a_result_and_each_alone_is_a_job(door: Door) -> None:
    told = json.loads(SIDECAR)
    told["outputs"] = [{"name": "cat.txt", "bytes": 1, "sha256": "", "width": None, "height": None}]
    result = Leave(reason="a result of a daemon's, with its sidecar")
    door.house.drop("cat.txt", b"an image of a cat")
    assert isinstance(judge(door, "cat.txt"), ReadyToClaim)
    door.house.drop("cat.json", json.dumps(told).encode())
    assert judge(door, "cat.txt") == judge(door, "cat.json") == result
    (door.house.inbox / "cat.txt").unlink()
    assert isinstance(judge(door, "cat.json"), ReadyToClaim)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"schema": 1}', b'{"schema": "aura-daemon/sidecar/1", "outputs": 3}']
)
def test_other_json_makes_no_text_a_result(door: Door, content: bytes) -> None:
    door.house.drop("cat.txt", b"a cat")
    door.house.drop("cat.json", content)
    assert isinstance(judge(door, "cat.txt"), ReadyToClaim)


@pytest.mark.parametrize("image", ["cat.png", "cat.PNG", "cat.JPG"])
def test_what_comes_after_its_image_was_taken_belongs_to_it_however_that_was_spelled(door: Door, image: str) -> None:
    door.house.drop(image, PNG)
    admit(door, image)
    door.house.drop("cat.txt", b"late")
    assert isinstance(judge(door, "cat.txt"), Leave)


@pytest.mark.parametrize("name", ["x" * 251 + ".txt", "x" * 250 + ".json"])
def test_a_name_too_long_for_an_image_beside_it_is_judged_like_any_other(door: Door, name: str) -> None:
    door.house.drop(name, SIDECAR)
    assert isinstance(judge(door, name), ReadyToClaim)


def test_a_companion_dated_beyond_all_reason_is_one(door: Door) -> None:
    door.journal.add_companion("cat.txt", 1, 10**19)
    assert door.journal.is_companion("cat.txt", 1, 10**19)
    assert not door.journal.is_companion("cat.txt", 1, 10**19 + 1)


# -- references --------------------------------------------------------------------------------------------------------


def test_a_job_file_waits_for_the_image_it_names_and_then_goes_on_without_an_end(door: Door) -> None:
    door.house.drop("sub/job.yaml", CAPTION)
    door.house.drop("other/beach.jpg", PNG)
    judgement = judge(door, "sub/job.yaml")
    assert judgement == Wait(unchanged_s=3.0, reason="it waits for beach.png (did you mean other/beach.jpg?)")
    assert isinstance(judge(door, "sub/job.yaml", unchanged_s=600.0), ReadyToClaim)
    door.house.drop("sub/beach.png", PNG)
    assert isinstance(judge(door, "sub/job.yaml"), ReadyToClaim)


def test_a_table_of_prompts_waits_for_its_images_and_beside_an_image_of_its_name_is_no_job(door: Door) -> None:
    door.house.drop("cat.csv", b"prompt,image\na red circle,beach.png\n")
    waits = judge(door, "cat.csv")
    assert isinstance(waits, Wait)
    assert "it waits for beach.png" in waits.reason
    door.house.drop("beach.png", PNG)
    assert judge(door, "cat.csv") == ReadyToClaim(kind=SourceKind.PROMPT_TABLE)
    door.house.drop("cat.png", PNG)
    assert isinstance(judge(door, "cat.csv"), Leave)


def test_a_named_image_is_said_on_one_line(door: Door) -> None:
    door.house.drop("job.yaml", b'image: "a\\nb.png"\n')
    assert judge(door, "job.yaml") == Wait(unchanged_s=3.0, reason=r"it waits for a\nb.png")


# -- keep --------------------------------------------------------------------------------------------------------------


def test_under_keep_a_file_stays_and_is_remembered_by_path_and_content(keeping: Door, log: list[str]) -> None:
    place = keeping.house.drop("cat.yaml")
    source, jobs = admit(keeping, "cat.yaml")
    assert isinstance(judge(keeping, "cat.yaml"), Leave)  # at once, and not only when it is done
    finish(keeping, jobs)
    keeping.disposal().dispose(source)
    assert place.read_bytes() == PROMPT
    assert keeping.house.visible(keeping.house.inbox) == ["cat.yaml"]
    assert not (keeping.house.inbox / ".aura").exists()
    assert isinstance(judge(keeping, "cat.yaml"), Leave)
    os.utime(place, ns=(9, 9))
    assert isinstance(judge(keeping, "cat.yaml"), Leave)  # touched: the same content
    keeping.house.drop("cat.yaml", b"prompt: a new one!!\n\n")
    assert isinstance(judge(keeping, "cat.yaml"), ReadyToClaim)


def test_under_keep_a_touched_file_that_failed_is_tried_again(keeping: Door) -> None:
    place = keeping.house.drop("cat.yaml", b"nonsense: 1\n")
    source, jobs = admit(keeping, "cat.yaml")
    assert jobs == ()
    keeping.disposal().dispose(source)
    assert isinstance(judge(keeping, "cat.yaml"), Leave)
    os.utime(place, ns=(9, 9))
    assert isinstance(judge(keeping, "cat.yaml"), ReadyToClaim)


def test_under_keep_a_clock_that_jumps_back_makes_no_loop(keeping: Door) -> None:
    keeping.house.drop("cat.yaml")
    admit(keeping, "cat.yaml")
    keeping.clock_s -= 86_400
    keeping.house.drop("cat.yaml", b"prompt: the second version\n")
    assert isinstance(judge(keeping, "cat.yaml"), ReadyToClaim)
    admit(keeping, "cat.yaml")
    assert isinstance(judge(keeping, "cat.yaml"), Leave)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to give files to others")
def test_a_hard_link_of_another_owner_is_left_alone_and_a_plain_file_of_theirs_is_not(door: Door) -> None:
    secret = door.house.root / "secret.txt"
    secret.write_bytes(b"a red circle")
    os.chown(secret, 12345, 12345)
    os.link(secret, door.house.inbox / "stolen.txt")
    plain = door.house.drop("plain.txt", b"a red circle")
    os.chown(plain, 12345, 12345)
    own = door.house.drop("own.txt", b"a blue circle")
    os.link(own, door.house.root / "second name")
    for name, kind in (("stolen.txt", Leave), ("plain.txt", ReadyToClaim), ("own.txt", ReadyToClaim)):
        judgement = judge(door, name)
        assert isinstance(judgement, kind), name
