"""Copies with their captions in them: what exiftool finds in them, and that all else is as it was."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.captioned_copy import with_copy
from aura_daemon.engines.images.decode import ReadPicture, read_picture
from aura_daemon.jobs.requests import CaptionRequest, MatchRequest
from aura_daemon.jobs.resolved import ResolvedCaption
from aura_daemon.jobs.results import CANCELLED, Payload, Produced
from aura_daemon.jobs.tasks import Task
from tests.support.deadline import DEADLINE_S
from tests.support.image_files import encoded
from tests.support.outcomes import produced

EXIFTOOL = shutil.which("exiftool")
needs_exiftool = pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed (libimage-exiftool-perl)")
PHOTOS = Path(__file__).parents[3] / "corpus" / "photos"

CAPTION = 'a <red> circle & a "café" 猫 🦊'


def captioned(image: bytes | None, *, embed: bool = True, caption: str = CAPTION) -> Produced:
    resolved = ResolvedCaption(image=None, prompt="", max_new_tokens=20, embed=embed)
    outcome = produced(Payload(extension=".txt", content=caption.encode()), resolved, text=caption)
    found = with_copy(outcome, Task(job_id="a", request=CaptionRequest(), image=image, image_name="a.jpg"))
    assert isinstance(found, Produced)
    return found


def test_of_texts_that_were_compared_with_a_picture_the_best_stands_in_its_copy() -> None:
    for embed in (True, False):
        match = MatchRequest(texts=("a dog", "a cat", "a"), embed=embed)
        outcome = replace(produced(Payload(extension="", content=b""), match), scores=(0.2, 0.9, 0.1))
        found = with_copy(outcome, Task(job_id="a", request=match, image=FILES["plain.png"]))
        assert isinstance(found, Produced)
        assert (found.copy is not None) is embed
        assert found.copy is None or b"a cat" in found.copy.made_of(FILES["plain.png"])


def copied(image: bytes) -> bytes:
    copy = captioned(image).copy
    assert copy is not None
    assert copy.original_sha256 == hashlib.sha256(image).hexdigest()
    made = copy.made_of(image)
    again = captioned(made)
    assert again.copy is not None
    assert again.copy.made_of(made) == made
    return made


GRADIENT = Image.linear_gradient("L").convert("RGB")

FILES = {
    "plain.jpg": encoded(GRADIENT, "JPEG", progressive=True),
    "plain.png": encoded(GRADIENT, "PNG"),
    "lossy.webp": encoded(GRADIENT, "WEBP"),
    "scan.tif": encoded(GRADIENT, "TIFF", compression="tiff_lzw"),
    "phone.heic": encoded(GRADIENT, "HEIC"),
    "phone.avif": encoded(GRADIENT, "AVIF"),
    "lossless.webp": encoded(GRADIENT, "WEBP", lossless=True),
}

OURS = {
    "XMP-dc:Description",
    "XMP-iptcCore:AltTextAccessibility",
    "XMP-x:XMPToolkit",
    "IPTC:CodedCharacterSet",
    "IPTC:ApplicationRecordVersion",
    "IPTC:Caption-Abstract",
    "Photoshop:IPTCDigest",
    "QuickTime:MediaDataOffset",
    "RIFF:WebP_Flags",
}
"""What may differ."""


def exiftool(*arguments: str | Path) -> str:
    assert EXIFTOOL is not None
    return subprocess.run(
        [EXIFTOOL, *arguments], capture_output=True, text=True, check=False, timeout=DEADLINE_S
    ).stdout


def told(place: Path) -> dict[str, Any]:
    """All that exiftool says of a file, complaints too, but for what every file has another."""
    (found,) = json.loads(exiftool("-j", "-a", "-G1", "-validate", "-warning", "-error", "-all", place))
    return {key: value for key, value in found.items() if not key.startswith(("System:", "SourceFile", "File:"))}


def enriched(place: Path) -> None:
    """Writes what a photo of somebody's may hold, in encodings of old programs."""
    exiftool(
        *("-overwrite_original", "-charset", "iptc=latin1", "-EXIF:Artist=Me", "-EXIF:Orientation#=6"),
        *("-XMP-dc:Creator=Me", "-XMP-dc:Description-de=Katze", "-XMP-dc:Description=a dog", "-XMP-xmp:Rating=4"),
        *("-IPTC:Keywords=Straße", "-IPTC:Keywords=b", "-IPTC:Caption-Abstract=a dog", "-IPTCDigest=new"),
        place,
    )


def image_data(content: bytes) -> bytes:
    """What a decoder makes pixels of."""
    if content.startswith(b"\xff\xd8"):
        return content[content.index(b"\xff\xda") :]
    if content.startswith((b"II", b"MM")):
        with Image.open(BytesIO(content)) as scan:
            places, lengths = scan.tag_v2[273], scan.tag_v2[279]  # type: ignore[attr-defined]
        return b"".join(content[at : at + length] for at, length in zip(places, lengths, strict=True))
    if content[4:8] == b"ftyp":
        return content[content.rindex(b"mdat") :]
    is_png, found = content.startswith(b"\x89PNG"), b""
    place = 8 if is_png else 12
    while place < len(content):
        first, second = content[place : place + 4], content[place + 4 : place + 8]
        kind, length = (second, int.from_bytes(first)) if is_png else (first, int.from_bytes(second, "little"))
        found += content[place : place + 8 + length] * (kind in (b"IDAT", b"VP8 ", b"VP8L"))
        place += 12 + length if is_png else 8 + length + length % 2
    return found


def pixels(content: bytes) -> bytes:
    read = read_picture(content, "a.jpg", EngineSettings())
    assert isinstance(read, ReadPicture)
    return read.image.tobytes()


@needs_exiftool
@pytest.mark.parametrize(
    ("name", "is_rich"), [*((name, True) for name in FILES), ("plain.jpg", False), ("lossless.webp", False)]
)
def test_exiftool_finds_the_caption_nothing_wrong_and_all_else_as_it_was(
    tmp_path: Path, name: str, is_rich: bool
) -> None:
    place = tmp_path / name
    place.write_bytes(FILES[name])
    if is_rich:
        enriched(place)
    before, original = told(place), place.read_bytes()
    made = copied(original)
    place.write_bytes(made)
    after = told(place)
    assert hashlib.sha256(image_data(made)).digest() == hashlib.sha256(image_data(original)).digest()
    assert pixels(made) == pixels(original)
    expected = {"XMP-dc:Description": CAPTION, "XMP-iptcCore:AltTextAccessibility": CAPTION}
    if name.endswith("jpg"):
        expected |= {"IPTC:Caption-Abstract": CAPTION, "IPTC:CodedCharacterSet": "UTF8"}
    assert expected.items() <= after.items()
    others = {key: value for key, value in after.items() if key not in OURS}
    assert others == {key: value for key, value in before.items() if key not in OURS}
    assert after.get("XMP-dc:Description-de") == ("Katze" if is_rich else None)


@pytest.mark.parametrize("name", ["ultrahdr.jpg", "samsung-20240101_120000.jpg", "two pictures"])
def test_the_photos_of_phones_keep_their_gain_maps_films_and_further_pictures(name: str) -> None:
    second = Image.radial_gradient("L").convert("RGB")
    two = name == "two pictures"
    original = encoded(GRADIENT, "MPO", save_all=True, append_images=[second]) if two else (PHOTOS / name).read_bytes()
    made = copied(original)
    assert image_data(made) == image_data(original)
    with Image.open(BytesIO(made)) as one, Image.open(BytesIO(original)) as other:
        assert getattr(one, "n_frames", 1) == getattr(other, "n_frames", 1)
        for frame in range(getattr(one, "n_frames", 1)):
            one.seek(frame)
            other.seek(frame)
            assert one.tobytes() == other.tobytes()


def test_where_there_is_no_copy_the_caption_comes_with_the_reason() -> None:
    found = captioned(encoded(GRADIENT, "GIF"))
    reason = "captions are written into JPEG, PNG, WebP, HEIC, AVIF and TIFF, and this is GIF"
    assert found.copy is None
    assert found.warnings == (f"a.jpg: no copy with the caption in it is made: {reason}",)


def test_another_description_that_gives_way_is_told() -> None:
    first = captioned(FILES["plain.jpg"], caption="a dog").copy
    assert first is not None
    found = captioned(first.made_of(FILES["plain.jpg"]))
    assert found.warnings == ("a.jpg: in the copy the caption stands in place of another description",)


def test_nothing_is_copied_that_nobody_asked_for() -> None:
    assert captioned(FILES["plain.jpg"], embed=False).copy is None
    assert captioned(None).copy is None
    task = Task(job_id="a", request=CaptionRequest(embed=True), image=FILES["plain.jpg"])
    assert with_copy(CANCELLED, task) is CANCELLED
