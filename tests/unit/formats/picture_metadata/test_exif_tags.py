"""EXIF tags of a picture, as Pillow and others write them."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from aura_daemon.formats.picture_metadata.exif_tags import exif_tags, tag_named

SAID = {
    "Model": "X100V é",
    "Artist": "Ann",
    "LensModel": "23mm",
    "ExposureTime": "1/125",
    "FNumber": "2.8",
    "ISO": "400",
    "FocalLength": "23",
    "DateTimeOriginal": "2026:11:28 10:00:00",
    "Make": "F",
}


def picture(kind: str, *, says: bool = True) -> bytes:
    exif = Image.Exif()
    if says:
        exif.update({0x0110: "X100V é".encode(), 0x013B: "Ann", 0x010F: "F"})
        exif.get_ifd(0x8769).update(
            {0xA434: "23mm", 0x829A: IFDRational(1, 125), 0x829D: IFDRational(28, 10), 0x8827: 400}
            | {0x920A: IFDRational(23), 0x9003: "2026:11:28 10:00:00"}
        )
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind, exif=exif) if says else Image.new("RGB", (8, 8)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_what_a_camera_wrote_is_read(kind: str) -> None:
    expected = SAID if kind != "TIFF" else {key: SAID[key] for key in ("Model", "Artist", "Make")}  # as Pillow saves it
    assert exif_tags(picture(kind)) == expected
    assert set(exif_tags(picture(kind, says=False))) == set()


def test_a_phones_heic_is_read() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0110] = "Phone"
    file = BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 64))).save(file, exif=exif.tobytes())
    assert exif_tags(file.getvalue()) == {"Model": "Phone"}


def test_a_tag_may_be_written_in_any_case() -> None:
    assert tag_named("lensmodel") == "LensModel"
    assert tag_named("Lens") == ""


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_picture_says_less_and_breaks_nothing(place: int, byte: int) -> None:
    content = bytearray(JPEG)
    content[place % len(content)] = byte
    assert exif_tags(bytes(content)).keys() <= set(SAID) | {"Software", "Copyright", "DateTime"} | set(NAMED)
    exif_tags(bytes(JPEG[:place]))


JPEG = picture("JPEG")
NAMED = (
    "ImageDescription",
    "DateTimeDigitized",
    "FocalLengthIn35mmFilm",
    "CameraOwnerName",
    "BodySerialNumber",
    "LensMake",
)


@pytest.mark.parametrize(
    ("above", "below", "words"), [(1, 0, ""), (0, 5, ""), (10, 4, "2.5"), (3, 10, "0.3"), (10, 1250, "1/125")]
)
def test_fractions_are_as_photographers_write_them(above: int, below: int, words: str) -> None:
    head = b"MM\0*\0\0\0\x08\0\x01" + (0x829A).to_bytes(2) + b"\0\x05\0\0\0\x01\0\0\0\x1a\0\0\0\0"
    assert exif_tags(head + above.to_bytes(4) + below.to_bytes(4)).get("ExposureTime", "") == words
