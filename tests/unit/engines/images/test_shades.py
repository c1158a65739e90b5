"""Grey of more than 8 bits keeps its shades, or the user is told what became of them."""

from __future__ import annotations

import struct

import numpy
import pytest
from numpy.typing import NDArray
from PIL import Image

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.decode import ReadPicture, read_picture
from aura_daemon.jobs.results import Failure
from tests.support.image_files import encoded


def read(content: bytes) -> ReadPicture:
    picture = read_picture(content, "scan.tif", EngineSettings())
    assert isinstance(picture, ReadPicture), picture
    return picture


def greys(numbers: NDArray[numpy.generic]) -> list[int]:
    image = read(encoded(Image.fromarray(numbers), "TIFF")).image
    return [image.getpixel((x, 0))[0] for x in range(image.width)]  # type: ignore[index]


def warnings(numbers: NDArray[numpy.generic]) -> tuple[str, ...]:
    return read(encoded(Image.fromarray(numbers), "TIFF")).warnings


def row(*numbers: float, dtype: str) -> NDArray[numpy.generic]:
    return numpy.array([numbers], dtype=dtype)


def tiff(data: bytes, width: int, bits: int, kind: int, channels: int = 1) -> bytes:
    """A TIFF of one row of numbers that Pillow does not write; `kind`: 1 unsigned, 2 signed, 3 floating-point."""
    entries = [(256, (width,)), (257, (1,)), (258, (bits,) * channels), (259, (1,)), (262, (2 if channels > 2 else 1,))]
    entries += [(273, (0,)), (277, (channels,)), (278, (1,)), (279, (len(data),)), (339, (kind,) * channels)]
    behind, place = b"", 8 + 2 + 12 * len(entries) + 4
    directory = struct.pack("<H", len(entries))
    for tag, numbers in entries:
        packed = struct.pack(f"<{len(numbers)}H", *numbers)
        if len(packed) > 4:
            packed, behind = struct.pack("<I", place + len(behind)), behind + packed
        directory += struct.pack("<HHI", tag, 3, len(numbers)) + packed.ljust(4, b"\0")
    start = struct.pack("<HHIHH", 273, 3, 1, place + len(behind), 0)
    directory = directory.replace(struct.pack("<HHII", 273, 3, 1, 0), start)
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + behind + data


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bits_reach_from_black_to_white(order: str) -> None:
    numbers = numpy.arange(65_536, dtype=order + "u2").reshape(256, 256)
    image = read(encoded(Image.fromarray(numbers), "TIFF")).image.getchannel(0)
    numpy.testing.assert_array_equal(numpy.asarray(image), (numbers >> 8).astype("uint8"))


def test_twelve_bits_reach_from_black_to_white() -> None:
    image = read(tiff(bytes.fromhex("000 800 fff fff".replace(" ", "")), 4, 12, 1)).image
    assert [image.getpixel((x, 0))[0] for x in range(4)] == [0, 128, 255, 255]  # type: ignore[index]


def test_numbers_from_0_to_1_reach_from_black_to_white() -> None:
    assert greys(row(0, 0.25, 0.5, 1, dtype="f4")) == [0, 64, 128, 255]
    assert warnings(row(0, 0.25, 0.5, 1, dtype="f4")) == ()


@pytest.mark.parametrize(
    ("numbers", "expected", "told"),
    [
        ((-10, 0, 30), [0, 64, 255], "from -10 to 30"),
        ((0, 127.5, 255), [0, 128, 255], "from 0 to 255"),
        ((0, 1, 4), [0, 64, 255], "from 0 to 4"),
        ((7, 7, 7), [0, 0, 0], "from 7 to 7"),
    ],
)
def test_other_numbers_are_stretched_and_the_user_is_told(
    numbers: tuple[float, ...], expected: list[int], told: str
) -> None:
    assert greys(row(*numbers, dtype="f4")) == expected
    (warning,) = warnings(row(*numbers, dtype="f4"))
    assert told in warning
    assert "the smallest is read as black" in warning


def test_what_is_no_number_is_black_and_told() -> None:
    numbers = row(float("nan"), float("inf"), float("-inf"), 0.5, 1, dtype="f4")
    assert greys(numbers) == [0, 0, 0, 128, 255]
    assert warnings(numbers) == ("scan.tif: 3 of its pixels hold no number and are read as black",)
    assert greys(row(float("nan"), float("nan"), dtype="f4")) == [0, 0]
    assert len(warnings(row(float("nan"), -5, 5, dtype="f4"))) == 1


@pytest.mark.parametrize(
    ("numbers", "expected", "told"),
    [
        ((0, 100, 255), [0, 100, 255], "32 bits of grey, from 0 to 255; 255 is read as white"),
        ((0, 256, 65_535), [0, 1, 255], "65,280 is read as white"),
        ((0, 2**30, 2**31 - 1), [0, 128, 255], "from 0 to 2.14748e+09"),
        ((-100, 0, 100), [0, 128, 255], "from -100 to 100"),
    ],
)
def test_whole_numbers_of_32_bits_keep_their_shades(numbers: tuple[int, ...], expected: list[int], told: str) -> None:
    assert greys(row(*numbers, dtype="i4")) == expected
    assert told in warnings(row(*numbers, dtype="i4"))[0]


def test_numbers_without_a_sign_are_not_read_as_negative() -> None:
    image = read(tiff(row(0, 2**31, 2**32 - 1, dtype="u4").tobytes(), 3, 32, 1)).image
    assert [image.getpixel((x, 0))[0] for x in range(3)] == [0, 128, 255]  # type: ignore[index]


def test_a_large_picture_is_stretched_as_a_whole() -> None:
    numbers = numpy.linspace(-1, 3, 600 * 8, dtype="f4").reshape(600, 8)
    image = read(encoded(Image.fromarray(numbers), "TIFF")).image
    assert (image.getpixel((0, 0)), image.getpixel((7, 599))) == ((0, 0, 0), (255, 255, 255))


def test_colours_of_sixteen_bits_are_read() -> None:
    content = tiff(numpy.array([65_535, 32_768, 0], dtype="<u2").tobytes(), 1, 16, 1, channels=3)
    assert read(content).image.getpixel((0, 0)) == (255, 128, 0)


@pytest.mark.parametrize(
    ("bits", "kind", "channels", "named"),
    [
        (64, 3, 3, "a TIFF of 3 channels of 64-bit floating-point numbers"),
        (32, 3, 2, "a TIFF of 2 channels of 32-bit floating-point numbers"),
        (16, 3, 1, "a TIFF of 1 channel of 16-bit floating-point numbers"),
        (64, 2, 1, "a TIFF of 1 channel of 64-bit whole numbers with a sign"),
    ],
)
def test_a_tiff_that_is_not_read_is_named_by_its_numbers(bits: int, kind: int, channels: int, named: str) -> None:
    refused = read_picture(tiff(bytes(bits * channels // 8), 1, bits, kind, channels), "scan.tif", EngineSettings())
    assert isinstance(refused, Failure)
    assert refused.message == f"scan.tif is {named}, which is not read here"
    assert "8 or 16 bits" in refused.mend


def coloured(numbers: NDArray[numpy.generic], kind: int) -> ReadPicture:
    return read(tiff(numbers.tobytes(), numbers.shape[0], 32, kind, channels=numbers.shape[1]))


def colours(picture: ReadPicture) -> list[object]:
    return [picture.image.getpixel((x, 0)) for x in range(picture.image.width)]


def test_colours_in_floating_point_numbers_are_read_as_grey_is() -> None:
    numbers = numpy.array([[1, 0.5, 0], [0, 0, 0.25]], dtype="<f4")
    assert colours(coloured(numbers, 3)) == [(255, 128, 0), (0, 0, 64)]
    assert coloured(numbers, 3).warnings == ()


def test_a_fourth_channel_is_left_out() -> None:
    numbers = numpy.array([[1, 0.5, 0, 1], [0, 0, 0.25, 1]], dtype="<f4")
    assert colours(coloured(numbers, 3)) == [(255, 128, 0), (0, 0, 64)]


def test_colours_of_other_numbers_are_stretched_together_and_told() -> None:
    read_so = coloured(numpy.array([[3, 0, -1], [1, 1, 1]], dtype="<f4"), 3)
    assert colours(read_so) == [(255, 64, 0), (128, 128, 128)]
    assert "from -1 to 3" in read_so.warnings[0]
    whole = coloured(numpy.array([[2**32 - 1, 2**31, 0]], dtype="<u4"), 1)
    assert colours(whole) == [(255, 128, 0)]


@pytest.mark.parametrize(("tag", "content"), [(284, 2), (317, 3)])
def test_channels_that_do_not_lie_side_by_side_are_refused_by_name(tag: int, content: int) -> None:
    file = tiff(bytes(12), 1, 32, 3, channels=3)
    changed = file.replace(struct.pack("<HHIHH", 278, 3, 1, 1, 0), struct.pack("<HHIHH", tag, 3, 1, content, 0))
    assert changed != file
    refused = read_picture(changed, "scan.tif", EngineSettings())
    assert isinstance(refused, Failure)
    assert "a TIFF of 3 channels of 32-bit floating-point numbers" in refused.message
