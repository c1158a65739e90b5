"""A captioned set, put together: thumbnails, what looks alike, and a folder that Hugging Face's loader reads."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageEnhance

from aura_daemon.config.engine import Device, EngineSettings
from aura_daemon.config.workers.services import FaultyConversion, Services, WantedConversion, WantedModel
from aura_daemon.engines.images.dataset import MOST_TOLD
from aura_daemon.engines.session import Session
from aura_daemon.formats.sidecars.requests import DatasetRecord
from aura_daemon.jobs.caption_files import CaptionFile, CaptionPlace
from aura_daemon.jobs.requests import DatasetRequest
from aura_daemon.jobs.resolved import ResolvedDataset
from aura_daemon.jobs.results import CANCELLED, Failure, Outcome, Produced
from aura_daemon.jobs.tasks import PictureState, SetPicture, Task
from tests.support.image_files import encoded
from tests.support.listening import Listener

BESIDE, OUTBOX = (CaptionFile(place=place) for place in (CaptionPlace.BESIDE, CaptionPlace.OUTBOX))


def photo(colour: str, at: int = 60, size: tuple[int, int] = (400, 300)) -> Image.Image:
    """Something with shades and edges."""
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    ImageDraw.Draw(image).ellipse((at, 50, at + 150, 220), fill=colour)
    return image


def in_set(folder: Path, name: str, content: bytes | None, **fields: str) -> SetPicture:
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    if content is not None:
        place.write_bytes(content)
    values = {"state": PictureState.CAPTIONED, "text": f"this is {name}", **fields}
    return SetPicture(file_name=name, image=f"set/{name}", place=str(place), **values)  # type: ignore[arg-type]


def run(
    pictures: list[SetPicture],
    file: CaptionFile = OUTBOX,
    listener: Listener | None = None,
    services: Services | None = None,
) -> Outcome:
    listener = listener or Listener()
    request = DatasetRequest(images=("set/**",), base="set", file=file)
    session = Session(EngineSettings(device=Device.CPU), services=services)
    session.run([Task(job_id="job", request=request, pictures=tuple(pictures))], listener)
    return listener.results["job"].outcome


def test_the_folder_is_what_hugging_faces_loader_reads(tmp_path: Path) -> None:
    import datasets  # takes seconds, which no other process needs to wait

    folder = tmp_path / "set"
    pictures = [
        in_set(folder, "a.png", encoded(photo("red"), "PNG")),
        in_set(folder, "in/b.jpeg", encoded(photo("blue", 200), "JPEG")),
        in_set(folder, "broken.png", b"\x89PNG\r\n\x1a\nbroken", state=PictureState.FAILED, reason="it is broken"),
    ]
    outcome = run(pictures)
    assert isinstance(outcome, Produced)
    for name, payload in zip(
        ("metadata.jsonl", "metadata-table.csv", "metadata-sheet.html"), outcome.payloads, strict=True
    ):
        assert payload.extension == name.removeprefix("metadata")
        (folder / name).write_bytes(payload.content)
    (folder / "broken.png").unlink()
    for name in ("a.txt", "a.json", "in/b.txt", "metadata.json"):  # lie beside the pictures
        (folder / name).write_text("{}", encoding="utf-8")
    loaded = datasets.load_dataset(
        "imagefolder", data_dir=str(folder), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded["text"][:] == ["this is a.png", "this is in/b.jpeg"]
    assert [image.size for image in loaded["image"][:]] == [(400, 300), (400, 300)]
    rows = list(csv.DictReader(StringIO(outcome.payloads[1].content.decode())))
    assert [(row["state"], row["width"], row["reason"]) for row in rows] == [
        *(("captioned", "400", ""), ("captioned", "400", ""), ("failed", "", "it is broken"))
    ]
    assert outcome.payloads[2].content.count(b"data:image/webp") == 2
    assert outcome.warnings == ("1 of 3 pictures have no caption: the table says why",)


def test_a_process_that_may_not_read_the_inbox_is_given_the_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    pictures = [
        in_set(folder, "a.png", encoded(photo("red"), "PNG")),
        in_set(folder, "gone.png", None),
        in_set(folder, "failed.png", b"", state=PictureState.FAILED, reason="refused"),
    ]
    asked: list[int] = []

    class Given:
        def fetch(self, wanted: WantedModel) -> Failure | None:
            raise AssertionError(wanted)

        def picture(self, job_id: str, number: int) -> bytes | None:
            asked.append(number)
            assert job_id == "job"
            return (folder / "a.png").read_bytes() if number == 0 else None

        def convert(self, conversion: WantedConversion) -> None:
            raise AssertionError(conversion)

        def report_faulty(self, fault: FaultyConversion) -> None:
            raise AssertionError(fault)

        def note_used(self, place: str) -> None:
            raise AssertionError(place)

    by_path = run(pictures)
    nowhere = [replace(picture, place="") for picture in pictures]
    given = run(nowhere, services=Given())
    assert isinstance(given, Produced)
    assert isinstance(by_path, Produced)
    assert given.payloads == by_path.payloads
    assert asked == [0, 1]


ALIKE: dict[str, Callable[[Image.Image], bytes]] = {
    "copied": lambda image: encoded(image, "PNG"),
    "compressed": lambda image: image_in(image, quality=30),
    "smaller": lambda image: image_in(image.resize((160, 120)), quality=70),
    "brighter": lambda image: image_in(ImageEnhance.Brightness(image).enhance(1.05), quality=80),
    "turned by EXIF": lambda image: turned(image),
}


def image_in(image: Image.Image, quality: int) -> bytes:
    content = BytesIO()
    image.save(content, "JPEG", quality=quality)
    return content.getvalue()


def turned(image: Image.Image) -> bytes:
    """Stored lying on its side."""
    exif, content = Image.Exif(), BytesIO()
    exif[0x0112] = 6
    image.rotate(90, expand=True).save(content, "JPEG", quality=90, exif=exif)
    return content.getvalue()


@pytest.mark.parametrize("how", ALIKE)
def test_pictures_that_look_alike_are_named_and_others_are_not(tmp_path: Path, how: str) -> None:
    contents = {
        "a.png": encoded(photo("red"), "PNG"),
        "b.jpg": ALIKE[how](photo("red")),
        "other colour.png": encoded(photo("blue"), "PNG"),
        "other place.png": encoded(photo("red", 200), "PNG"),
    }
    outcome = run([in_set(tmp_path, name, content) for name, content in contents.items()])
    assert isinstance(outcome, Produced)
    assert isinstance(outcome.resolved, ResolvedDataset)
    assert outcome.resolved.near_duplicates == (("a.png", "b.jpg"),)
    rows = list(csv.DictReader(StringIO(outcome.payloads[1].content.decode())))
    assert [(row["width"], row["height"]) for row in rows[:2]] == [
        ("400", "300"),
        ("160", "120") if how == "smaller" else ("400", "300"),
    ]


def test_a_set_that_stays_lists_what_had_its_text(tmp_path: Path) -> None:
    content = encoded(photo("red"), "PNG")
    kept = in_set(tmp_path, "k.png", content, state=PictureState.KEPT)
    gone = in_set(tmp_path, "gone.png", None)
    for file, lines in ((BESIDE, 2), (OUTBOX, 1)):
        outcome = run([gone, kept], file)
        assert isinstance(outcome, Produced)
        assert outcome.payloads[0].content.count(b"\n") == lines
        assert (b"href=" in outcome.payloads[2].content) == (file is OUTBOX)


def test_a_set_without_a_caption_fails_and_a_cancelled_one_stops(tmp_path: Path) -> None:
    failed = in_set(tmp_path, "a.png", None, state=PictureState.FAILED, reason="it is broken")
    outcome = run([failed])
    assert isinstance(outcome, Failure)
    assert outcome.message == "none of the 1 pictures of the set has a caption"
    listener = Listener()
    listener.cancelled_after["job"] = 1
    pictures = [in_set(tmp_path, f"{number}.png", encoded(photo("red"), "PNG")) for number in range(3)]
    assert run(pictures, listener=listener) == CANCELLED
    assert listener.steps == [(1, 3)]


def test_the_sidecar_names_no_more_than_a_hundred(tmp_path: Path) -> None:
    pictures = [in_set(tmp_path, f"{number}.png", None, state=PictureState.FAILED) for number in range(MOST_TOLD + 5)]
    outcome = run([in_set(tmp_path, "a.png", None), *pictures])
    assert isinstance(outcome, Produced)
    assert isinstance(outcome.resolved, ResolvedDataset)
    assert (outcome.resolved.failed, len(outcome.resolved.left_out)) == (MOST_TOLD + 5, MOST_TOLD)


def test_however_long_its_names_are_the_sidecar_stays_one(tmp_path: Path) -> None:
    file = str(in_set(tmp_path, "a.png", encoded(photo("red"), "PNG")).place)
    names = [f"{number:05}" + "\u00e9" * 200 + ".png" for number in range(200)]
    alike = [replace(in_set(tmp_path, "a.png", None), file_name=name, place=file) for name in names]
    failed = [
        replace(in_set(tmp_path, "a.png", None, state=PictureState.FAILED), image=name, reason="b" * 9_000)
        for name in names
    ]
    outcome = run([*alike, *failed])
    assert isinstance(outcome, Produced)
    made = outcome.resolved
    assert isinstance(made, ResolvedDataset)
    assert 0 < len(made.left_out) < MOST_TOLD
    assert len(DatasetRecord.model_validate(made).model_dump_json(indent=2)) < 1 << 19
    assert all(name.encode() in outcome.payloads[1].content for name in names)


@pytest.mark.parametrize(("pictures", "size"), [(1, (100, 100)), (6, (400, 200)), (20, (400, 300))])
def test_the_gallery_shows_the_first_pictures_of_a_set(tmp_path: Path, pictures: int, size: tuple[int, int]) -> None:
    content = encoded(photo("red"), "PNG")
    members = tuple(in_set(tmp_path, f"{number}.png", content) for number in range(pictures))
    listener = Listener()
    request = DatasetRequest(images=("set/**",), base="set", file=OUTBOX)
    session = Session(EngineSettings(device=Device.CPU, thumbnails=True))
    session.run([Task(job_id="job", request=request, pictures=members)], listener)
    outcome = listener.results["job"].outcome
    assert isinstance(outcome, Produced)
    assert Image.open(BytesIO(outcome.thumbnail)).size == size


def test_what_was_refused_is_not_shown(tmp_path: Path) -> None:
    content = encoded(photo("red"), "PNG")
    shown = in_set(tmp_path, "a.png", content)
    refused = in_set(tmp_path, "b.png", content, state=PictureState.FAILED, reason="it is somebody else's")
    outcome = run([shown, refused])
    assert isinstance(outcome, Produced)
    assert outcome.payloads[2].content.count(b"data:image") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_hard_link_to_a_picture_of_somebody_else_is_not_shown(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(encoded(photo("red"), "PNG"))
    os.chown(secret, 4242, 4242)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    os.link(secret, inbox / "k.png")
    outcome = run([replace(in_set(inbox, "k.png", None, state=PictureState.KEPT), below=str(inbox))], BESIDE)
    assert isinstance(outcome, Produced)
    assert b"data:image" not in outcome.payloads[2].content


def test_a_picture_that_has_become_too_large_is_not_read(tmp_path: Path) -> None:
    large = in_set(tmp_path, "a.png", encoded(photo("red"), "PNG"))
    os.truncate(large.place, EngineSettings().max_image_bytes + 2)
    outcome = run([large])
    assert isinstance(outcome, Produced)
    assert b"data:image" not in outcome.payloads[2].content


def test_no_link_leads_to_a_picture_elsewhere(tmp_path: Path) -> None:
    in_set(tmp_path / "elsewhere", "a.png", encoded(photo("red"), "PNG"))
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "set").symlink_to(tmp_path / "elsewhere")
    astray = replace(in_set(inbox / "set", "a.png", None), below=str(inbox))
    outcome = run([astray])
    assert isinstance(outcome, Produced)
    assert b"data:image" not in outcome.payloads[2].content


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("at", "byte"), [(17, 0), (19, 5), (43, 1)], ids=["struct.error", "attribute", "type"])
def test_a_picture_with_damaged_exif_is_in_no_others_way(tmp_path: Path, at: int, byte: int) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A] = 6, "Canon", (300, 1)
    exif[0x8769] = {0x829A: (1, 125), 0x9003: "2026:01:01 00:00:00"}
    content = BytesIO()
    photo("red").save(content, "JPEG", exif=exif)
    damaged = bytearray(content.getvalue())
    damaged[damaged.index(b"Exif\0\0") + at] = byte
    pictures = [in_set(tmp_path, "a.jpg", bytes(damaged)), in_set(tmp_path, "b.png", encoded(photo("blue"), "PNG"))]
    outcome = run(pictures)
    assert isinstance(outcome, Produced)
    rows = list(csv.DictReader(StringIO(outcome.payloads[1].content.decode())))
    assert [(row["state"], row["width"]) for row in rows] == [("captioned", ""), ("captioned", "400")]
