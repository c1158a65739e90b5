"""Which bytes are read as a picture, and what a user is told of the others."""

from __future__ import annotations

import struct
import zlib

import numpy
import pytest
from PIL import Image

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.decode import FORMATS, ReadPicture, read_picture
from aura_daemon.jobs.results import Failure, FailureKind
from tests.support.image_files import encoded

SETTINGS = EngineSettings()


def noise(width: int = 64, height: int = 48) -> Image.Image:
    pixels = numpy.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=numpy.uint8)
    return Image.fromarray(pixels)


def picture(content: bytes, settings: EngineSettings = SETTINGS) -> Image.Image:
    read = read_picture(content, "beach.jpg", settings)
    assert isinstance(read, ReadPicture), read
    return read.image


def refusal(content: bytes, settings: EngineSettings = SETTINGS) -> Failure:
    read = read_picture(content, "beach.jpg", settings)
    assert isinstance(read, Failure), read
    assert read.kind is FailureKind.BAD_INPUT
    assert read.message.startswith("beach.jpg ")
    assert read.mend
    return read


@pytest.mark.parametrize("kind", FORMATS)
def test_every_allowed_format_is_read_as_rgb(kind: str) -> None:
    read = picture(encoded(noise(), kind))
    assert (read.mode, read.size) == ("RGB", (64, 48))


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_truncated_picture_is_refused_as_cut_short(kind: str, share: float) -> None:
    content = encoded(noise(), kind)
    cut = content[: max(12, int(len(content) * share))]
    assert "cut short or damaged" in refusal(cut).message


def test_a_picture_is_turned_as_its_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    assert picture(encoded(noise(), "JPEG", exif=exif)).size == (48, 64)


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "GIF"), ("RGBA", "WEBP")])
def test_transparency_becomes_white(mode: str, kind: str) -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0)).convert(mode)
    assert picture(encoded(clear, kind)).getpixel((4, 4)) == (255, 255, 255)


def test_sixteen_bits_of_grey_keep_their_shades() -> None:
    levels = numpy.array([[0, 32768, 65535]], dtype=numpy.uint16)
    read = picture(encoded(Image.fromarray(levels), "PNG"))
    assert [read.getpixel((x, 0))[0] for x in range(3)] == [0, 128, 255]  # type: ignore[index]


def test_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert picture(content).getpixel((4, 4)) == (255, 0, 0)


def test_an_empty_file_is_refused() -> None:
    assert "is empty" in refusal(b"").message


def test_a_text_file_named_as_a_picture_is_refused_with_what_is_allowed() -> None:
    refused = refusal(b"a lighthouse at dawn")
    assert "no picture of a kind that is read here" in refused.message
    assert "PNG, JPEG" in refused.mend
    assert "HEIC" in refused.mend


def test_a_format_that_is_not_on_the_list_is_refused_though_pillow_reads_it() -> None:
    assert "no picture of a kind" in refusal(encoded(noise(), "PPM")).message


def test_too_many_bytes_are_refused_with_the_limit() -> None:
    content = encoded(noise(), "PNG")
    refused = refusal(content, EngineSettings(max_image_bytes=100))
    assert "more than the 100 that are allowed" in refused.message
    assert "raise limits.image_bytes" in refused.mend


def test_a_decompression_bomb_is_refused_before_it_is_unpacked() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    content += encoded(noise(), "PNG")[33:]
    assert "250,000,000 pixels" in refusal(content).message
    assert "raise limits.image_pixels" in refusal(content).mend


def test_one_pixel_more_than_allowed_is_refused() -> None:
    content = encoded(noise(65, 48), "PNG")
    assert "more than the 3,119 pixels" in refusal(content, EngineSettings(max_image_pixels=65 * 48 - 1)).message
    assert picture(content, EngineSettings(max_image_pixels=65 * 48)).size == (65, 48)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_picture_that_does_not_fit_into_memory_now_is_not_begun(kind: str) -> None:
    content = encoded(Image.new("L", (10_000, 7_000), 128), kind)
    refused = read_picture(content, "big.png", SETTINGS, free_bytes=lambda: 99_000_000)
    assert isinstance(refused, Failure)
    assert refused.kind is FailureKind.OUT_OF_MEMORY
    assert "MB of memory, and 99 MB are free" in refused.message
    assert isinstance(read_picture(content, "big.png", SETTINGS, free_bytes=lambda: 1_000_000_000), ReadPicture)


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "L"), ("TIFF", "1")])
def test_a_very_large_picture_is_read_smaller_and_says_so(kind: str, mode: str) -> None:
    large = Image.linear_gradient("L").resize((10_001, 7_001)).convert(mode)
    read = read_picture(encoded(large, kind), "big.png", SETTINGS)
    assert isinstance(read, ReadPicture)
    assert (read.image.size, read.image.mode) == ((5_001, 3_501), "RGB")
    assert read.warnings == ("big.png: it has 70,017,001 pixels (10001x7001) and is read as 5001x3501",)
    top, bottom = read.image.getpixel((9, 9)), read.image.getpixel((9, 3_490))
    assert sorted([top[0], bottom[0]]) == pytest.approx([0, 255], abs=9)  # type: ignore[index]


@pytest.mark.parametrize("orientation", [6, 8])
def test_a_heic_picture_is_turned_once(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    wide = Image.new("RGB", (64, 32), "red")
    wide.paste("blue", (0, 0, 32, 32))
    sideways = encoded(wide, "HEIC", exif=exif.tobytes(), quality=90)
    upright = encoded(wide, "JPEG", exif=exif.tobytes(), quality=90)
    difference = numpy.asarray(picture(sideways), int) - numpy.asarray(picture(upright), int)
    assert abs(difference).mean() < 5
    assert picture(sideways).size == (32, 64)


def test_the_name_of_the_file_stands_before_what_is_told_of_it() -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    clear.putpixel((1, 1), (0, 0, 255, 255))
    read = read_picture(encoded(clear, "PNG"), "logo.png", SETTINGS)
    assert isinstance(read, ReadPicture)
    assert read.warnings == ("logo.png: its transparent parts are read as white",)
