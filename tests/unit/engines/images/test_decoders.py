"""What each of Pillow's decoders needs: long texts, ends that are missing, pages and frames."""

from __future__ import annotations

import struct
import sys
import zlib
from io import BytesIO

import numpy
import pillow_heif
import pytest
from PIL import Image, PngImagePlugin

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.decode import ReadPicture, read_picture
from aura_daemon.engines.images.decoders import MOST_TEXT_BYTES, Opened
from aura_daemon.jobs.results import Failure
from tests.support.icc_profiles import rgb_profile
from tests.support.image_files import encoded

SAMSUNG = b"\0\0\1\x0a\x0e\0\0\0Image_UTC_Data1704110400000SEFHk\0\0\0\1\0\0\0\0\0\1\x0a#\0\0\0#\0\0\0\x18\0\0\0SEFT"


def read(content: bytes) -> ReadPicture:
    picture = read_picture(content, "p.png", EngineSettings())
    assert isinstance(picture, ReadPicture), picture
    return picture


def noise(width: int = 100, height: int = 75) -> Image.Image:
    pixels = numpy.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=numpy.uint8)
    return Image.fromarray(pixels)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def with_chunk(content: bytes, added: bytes, *, last: bool = False) -> bytes:
    """A PNG with a further chunk behind its header, or before its end."""
    place = content.index(b"IEND") - 4 if last else 33
    return content[:place] + added + content[place:]


# -- texts and profiles in a PNG ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("length", [2_000_000, MOST_TEXT_BYTES + 1])
@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"tEXt"])
def test_a_long_text_is_no_damage(kind: bytes, length: int, last: bool) -> None:
    text = b"x" * length
    start = {b"zTXt": b"workflow\0\0", b"iTXt": b"workflow\0\1\0\0\0", b"tEXt": b"workflow\0"}[kind]
    added = chunk(kind, start + (text if kind == b"tEXt" else zlib.compress(text)))
    picture = noise()
    got = read(with_chunk(encoded(picture, "PNG", icc_profile=rgb_profile()), added, last=last))
    assert got.image.tobytes() == read(encoded(picture, "PNG", icc_profile=rgb_profile())).image.tobytes()
    assert got.warnings == ()


def test_a_long_profile_is_read_and_a_profile_without_end_is_told() -> None:
    for length, warnings in ((2_000_000, ()), (MOST_TEXT_BYTES, 1)):
        profile = rgb_profile()
        profile = struct.pack(">I", len(profile) + length) + profile[4:] + bytes(length)
        got = read(encoded(Image.new("RGB", (4, 4), (200, 40, 40)), "PNG", icc_profile=profile))
        if warnings:
            assert got.image.getpixel((0, 0)) == (200, 40, 40)
            assert "its colour profile is too long" in got.warnings[0]
        else:
            assert got.image.getpixel((0, 0))[0] > 210  # type: ignore[index]


def test_the_limits_of_pillow_are_as_they_were_afterwards() -> None:
    before = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
    read(encoded(noise(), "PNG"))
    read_picture(b"rubbish", "p.png", EngineSettings())
    assert before == (Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY)


# -- what lies behind a picture, and ends that are missing -------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIC"])
@pytest.mark.parametrize("behind", [SAMSUNG, bytes(5000), b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 500])
def test_what_lies_behind_a_picture_changes_nothing(kind: str, behind: bytes) -> None:
    content = encoded(noise(), kind)
    got = read(content + behind)
    assert got.image.tobytes() == read(content).image.tobytes()
    assert got.warnings == ()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("missing", [b"\xff\xd9", b"\xd9"])
def test_a_jpeg_that_lacks_its_end_marker_alone_is_read(progressive: bool, subsampling: str, missing: bytes) -> None:
    content = encoded(noise(), "JPEG", progressive=progressive, subsampling=subsampling)
    got = read(content.removesuffix(missing))
    assert got.image.tobytes() == read(content).image.tobytes()
    assert got.warnings == ("p.png: the mark of its end is missing, but all of the picture is there",)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("lost", [12, 100, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("filled", [False, True])
def test_a_jpeg_whose_data_is_cut_is_refused(progressive: bool, lost: float, filled: bool) -> None:
    content = encoded(noise(), "JPEG", progressive=progressive)
    cut = content[: -int(lost if lost >= 1 else lost * len(content))]
    cut += bytes(len(content) - len(cut)) if filled else b""
    refused = read_picture(cut, "p.png", EngineSettings())
    assert isinstance(refused, Failure), lost
    assert "cut short or damaged" in refused.message


def test_a_large_jpeg_without_its_end_is_read_smaller_too() -> None:
    content = encoded(Image.linear_gradient("L").resize((10_000, 7_000)), "JPEG")
    got = read(content[:-2])
    assert got.image.size == (5_000, 3_500)
    assert len(got.warnings) == 2


# -- pages and frames --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("TIFF", "it has 3 pages; only the first is read"),
        ("GIF", "it is an animation; only its first frame is read"),
        ("WEBP", "it is an animation; only its first frame is read"),
        ("PNG", "it is an animation; only its first frame is read"),
        ("AVIF", "it is an animation; only its first frame is read"),
    ],
)
def test_pages_and_frames_beyond_the_first_are_told(kind: str, told: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]
    got = read(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert got.image.getpixel((8, 8)) == pytest.approx((255, 0, 0), abs=4)
    assert got.warnings == (f"p.png: {told}",)


def test_of_a_burst_in_a_heic_the_main_picture_is_read_and_the_others_are_told() -> None:
    burst = pillow_heif.HeifFile()
    for colour in ("green", "red"):
        burst.add_from_pillow(Image.new("RGB", (64, 64), colour))
    content = BytesIO()
    burst.save(content, primary_index=1, quality=90)
    got = read(content.getvalue())
    assert got.image.getpixel((8, 8)) == pytest.approx((255, 0, 0), abs=4)
    assert got.warnings == ("p.png: it holds 2 pictures; only the main one is read",)


def test_the_previews_and_gain_maps_behind_a_photo_are_no_pages() -> None:
    content = encoded(noise(), "MPO", save_all=True, append_images=[noise(32, 24)])
    assert read(content).warnings == ()


def test_a_heic_picture_with_transparent_parts_is_seen_on_white() -> None:
    clear = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    clear.paste((0, 0, 255, 255), (16, 16, 48, 48))
    got = read(encoded(clear, "HEIC", quality=95))
    assert got.image.getpixel((2, 2)) == pytest.approx((255, 255, 255), abs=4)
    assert got.warnings == ("p.png: its transparent parts are read as white",)


def test_without_its_decoder_a_heic_picture_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    refused = read_picture(encoded(noise(), "HEIC"), "IMG_1.HEIC", EngineSettings())
    assert isinstance(refused, Failure)
    assert refused.message == "IMG_1.HEIC is a HEIC picture, and pi-heif, which reads it, is not installed"
    assert "pip install pi-heif" in refused.mend


@pytest.mark.parametrize(("subsampling", "bytes_a_pixel"), [("4:2:0", 3), ("4:4:4", 6)])
def test_all_coefficients_of_a_progressive_jpeg_count_as_memory(subsampling: str, bytes_a_pixel: int) -> None:
    large = Image.new("RGB", (10_000, 7_000), "teal")
    plain, progressive = (
        Opened(encoded(large, "JPEG", progressive=so, subsampling=subsampling), most_pixels=64_000_000)
        for so in (False, True)
    )
    assert plain.needed_bytes() == 5_000 * 3_500 * 8
    assert progressive.needed_bytes() - plain.needed_bytes() == 10_000 * 7_000 * bytes_a_pixel
