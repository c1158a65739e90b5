"""The text in a picture's bytes: found where programs put it, and never more than can be borne."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from functools import cache
from io import BytesIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from aura_daemon.formats.picture_metadata.embedded_texts import (
    GRAPH,
    MOST_BYTES,
    PARAMETERS,
    WORKFLOW,
    embedded_texts,
    exif_span,
)

TEXT = "a cat, 猫 🦊\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x512"
HEAD = b"\x89PNG\r\n\x1a\n"


def embedded_text(content: bytes) -> str | None:
    """What A1111 calls the parameters."""
    return embedded_texts(content).get(PARAMETERS) or None


def exif(comment: bytes, order: str = ">") -> bytes:
    """EXIF with an orientation, a pointer and a user comment, in either order of bytes."""
    start = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(order + "I", 8)
    folder = struct.pack(order + "HHHIHHHHIII", 2, 0x0112, 3, 1, 1, 0, 0x8769, 4, 1, 38, 0)
    inner = struct.pack(order + "HHHIII", 1, 0x9286, 7, len(comment), 56, 0)
    return b"Exif\0\0" + start + folder + inner + comment


def saved(image_format: str, **options: object) -> bytes:
    file = BytesIO()
    Image.new("RGB", (16, 16), "red").save(file, image_format, **options)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes) -> bytes:
    return HEAD + b"".join(chunks) + chunk(b"IEND", b"")


def webp(body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def box(kind: bytes, body: bytes, *, wide: bool = False) -> bytes:
    if wide:
        return struct.pack(">I", 1) + kind + struct.pack(">Q", 16 + len(body)) + body
    return struct.pack(">I", 8 + len(body)) + kind + body


def png_text(**texts: str) -> bytes:
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    return saved("PNG", pnginfo=info)


def test_a_png_tells_its_parameters_and_nothing_else() -> None:
    assert embedded_text(png_text(other="x", parameters=TEXT)) == TEXT  # iTXt
    assert embedded_text(png_text(parameters="caf\u00e9")) == "caf\u00e9"  # tEXt
    assert embedded_text(png_text(other="x")) is None
    info = PngInfo()
    info.add_text("parameters", "caf\u00e9", zip=True)
    info.add_text("Comment", TEXT)
    assert embedded_text(saved("PNG", pnginfo=info)) == "caf\u00e9"  # zTXt
    info = PngInfo()
    info.add_itxt("parameters", TEXT, "en", "Parameter", zip=True)
    assert embedded_text(saved("PNG", pnginfo=info)) == TEXT


@pytest.mark.parametrize(
    ("written", "text"),
    [("猫 café".encode(), "猫 café"), ("café".encode("latin-1"), "café"), (b"a cat", "a cat")],
)
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt"])
def test_utf_8_where_the_standard_says_latin_1_is_read_as_it_was_meant(kind: bytes, written: bytes, text: str) -> None:
    body = b"\0" + zlib.compress(written) if kind == b"zTXt" else written
    assert embedded_text(png(chunk(kind, b"parameters\0" + body))) == text


def test_the_first_text_of_each_known_keyword_is_read() -> None:
    texts = {"prompt": '{"3": {}}', "workflow": "{}", "Software": "NovelAI", "Title": "x"}
    assert embedded_texts(png_text(**texts)) == {name: text for name, text in texts.items() if name != "Title"}
    twice = png(chunk(b"tEXt", b"parameters\0one"), chunk(b"tEXt", b"parameters\0two"))
    assert embedded_texts(twice) == {PARAMETERS: "one"}


@pytest.mark.parametrize("image_format", ["WEBP", "JPEG"])
def test_comfyui_s_graphs_are_found_in_the_make_and_the_model(image_format: str) -> None:
    tags = Image.Exif()
    tags[0x010F], tags[0x0110], tags[0x010E] = 'Workflow:{"a": 1}', 'Prompt: {"b": 2}', "a photo"
    content = saved(image_format, exif=tags.tobytes())
    assert embedded_texts(content) == {WORKFLOW: '{"a": 1}', GRAPH: ' {"b": 2}'}


def test_a_text_behind_the_pixels_is_found() -> None:
    content = saved("PNG")
    end = content.index(b"IEND") - 4
    assert embedded_text(content[:end] + chunk(b"tEXt", b"parameters\0late") + content[end:]) == "late"


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize(
    ("order", "encoding"), [(">", "utf-16-be"), ("<", "utf-16-le"), ("<", "utf-16-be"), (">", "utf-16-le")]
)
def test_a_user_comment_is_read_in_either_order_of_bytes(image_format: str, order: str, encoding: str) -> None:
    content = saved(image_format, exif=exif(b"UNICODE\0" + TEXT.encode(encoding), order))
    assert embedded_text(content) == TEXT


@pytest.mark.parametrize("code", [b"ASCII\0\0\0", b"\0" * 8])
def test_a_comment_in_another_encoding_is_read(code: bytes) -> None:
    assert embedded_text(saved("JPEG", exif=exif(code + b"a cat\0"))) == "a cat"


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "AVIF", "PNG", "GIF", "BMP"])
def test_a_picture_without_a_text_has_none(image_format: str) -> None:
    assert embedded_text(saved(image_format)) is None


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "AVIF"])
def test_exif_without_a_comment_has_none(image_format: str) -> None:
    assert embedded_text(saved(image_format, exif=exif(b"UNICODE\0"))) is None
    other = Image.Exif()
    other[0x0112] = 1
    assert embedded_text(saved(image_format, exif=other.tobytes())) is None
    other.get_ifd(0x8769)[0x9003] = "2026:01:01 00:00:00"
    assert embedded_text(saved(image_format, exif=other.tobytes())) is None


def test_a_jpeg_is_looked_through_up_to_its_pixels() -> None:
    jfif = b"\xff\xe0" + struct.pack(">H", 4) + b"ab"
    segment = exif(b"UNICODE\0" + "x".encode("utf-16-be"))
    exif_segment = b"\xff\xe1" + struct.pack(">H", 2 + len(segment)) + segment
    assert embedded_text(b"\xff\xd8" + jfif + exif_segment) == "x"
    assert embedded_text(b"\xff\xd8\xff\xda\0\x04ab" + exif_segment) is None
    assert embedded_text(b"\xff\xd8\xff\xe1\0\0" + exif_segment) is None


def test_webp_exif_may_come_without_its_header() -> None:
    body = exif(b"UNICODE\0" + "xy".encode("utf-16-be"))
    for one in (body, body.removeprefix(b"Exif\0\0")):
        odd = b"ICCP" + struct.pack("<I", 3) + b"abc\0"
        assert embedded_text(webp(odd + b"EXIF" + struct.pack("<I", len(one)) + one)) == "xy"


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("wide", [False, True])
def test_an_avif_may_list_its_items_in_every_way_of_the_standard(version: int, wide: bool) -> None:
    text = bytes(4) + exif(b"UNICODE\0" + "xy".encode("utf-16-be")).removeprefix(b"Exif\0\0")
    number = "I" if version == 2 else "H"
    entry = box(b"infe", bytes([3 if version == 2 else 2, 0, 0, 0]) + struct.pack(f">{number}H", 7, 0) + b"Exif")
    colour = box(b"infe", b"\x02\0\0\0" + struct.pack(">HH", 6, 0) + b"av01")
    count = struct.pack(">I" if version == 2 else ">H", 2)
    iinf = box(b"iinf", bytes([1 if version == 2 else 0, 0, 0, 0]) + count + colour + entry)
    method = b"\0\0" if version else b""
    index = b"\0\0\0\x01" if version else b""

    def place(item: int, offset: int) -> bytes:
        extent = index + struct.pack(">II", offset, len(text))
        return struct.pack(f">{number}", item) + method + struct.pack(">HIH", 0, 0, 1) + extent

    sizes = b"\x44\x44" if version else b"\x44\x40"
    start = b"\0\0\0\x14ftypavif\0\0\0\0avif"

    def whole(offset: int) -> bytes:
        iloc = box(b"iloc", bytes([version, 0, 0, 0]) + sizes + count + place(6, 0) + place(7, offset))
        return start + box(b"meta", bytes(4) + iinf + iloc, wide=wide) + struct.pack(">I", 0) + b"mdat" + text

    assert embedded_text(whole(len(whole(0)) - len(text))) == "xy"
    assert embedded_text(start + box(b"meta", bytes(4) + iinf)) is None
    assert embedded_text(whole(1 << 31)) is None


# -- what is too much --------------------------------------------------------------------------------------------------


def peak_of(content: bytes) -> tuple[str | None, int]:
    """What is read, and the bytes that took beyond the file's own."""
    tracemalloc.start()
    try:
        return embedded_text(content), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@cache
def half_a_gigabyte() -> bytes:
    """Packed into half a mebibyte."""
    packer = zlib.compressobj(9)
    first, again = (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    checksum = (((500 << 20) % 65521) << 16) + 1  # Adler-32 of so many zeros
    return first + again * 499 + packer.flush()[:-4] + checksum.to_bytes(4)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_a_text_that_unpacks_to_gigabytes_is_left_alone(kind: bytes) -> None:
    packed = half_a_gigabyte()
    header = b"parameters\0" + (b"\x01\0\0\0" if kind == b"iTXt" else b"\0")
    text, peak_bytes = peak_of(png(*[chunk(kind, header + packed)] * 3))
    assert text is None
    assert peak_bytes < 8 * MOST_BYTES


@pytest.mark.parametrize("kind", [b"tEXt", b"iTXt"])
def test_a_text_of_more_than_a_mebibyte_is_left_alone(kind: bytes) -> None:
    header = b"parameters\0" + b"\0\0\0\0" * (kind == b"iTXt")
    assert embedded_text(png(chunk(kind, header + b"x" * MOST_BYTES))) == "x" * MOST_BYTES
    for more in (1, 1_000_000):
        text, peak_bytes = peak_of(png(chunk(kind, header + b"x" * (MOST_BYTES + more))))
        assert text is None
        assert peak_bytes < 4 * MOST_BYTES


@pytest.mark.parametrize("length", [MOST_BYTES + 1, 3 * MOST_BYTES])
def test_a_comment_of_more_than_a_mebibyte_is_left_alone(length: int) -> None:
    body = exif(b"UNICODE\0" + bytes(length))
    text, peak_bytes = peak_of(webp(b"EXIF" + struct.pack("<I", len(body)) + body))
    assert text is None
    assert peak_bytes < 8 * MOST_BYTES


def test_packed_text_that_is_damaged_is_none() -> None:
    assert embedded_text(png(chunk(b"zTXt", b"parameters\0\0damaged"))) is None
    assert embedded_text(png(chunk(b"iTXt", b"parameters\0\x01\0\0\0damaged"))) is None
    assert embedded_texts(png(chunk(b"iTXt", b"parameters\0"))) == {PARAMETERS: ""}


def test_parts_without_end_are_not_looked_at_without_end() -> None:
    assert embedded_text(HEAD + chunk(b"abCd", b"") * 100_001 + chunk(b"tEXt", b"parameters\0x")) is None
    assert exif_span(HEAD + chunk(b"abCd", b"") * 100_001) is None
    assert embedded_text(b"\xff\xd8" + b"\xff\xe0\0\x02" * 100_001) is None
    assert embedded_text(webp((b"ABCD" + bytes(4)) * 100_001)) is None
    start = b"\0\0\0\x14ftypavif\0\0\0\0avif"
    assert embedded_text(start + box(b"free", b"") * 100_001) is None
    iloc = box(b"iloc", bytes(4) + b"\0\0\xff\xff" + bytes(6) * 100_002)
    assert embedded_text(start + box(b"meta", bytes(4) + iloc)) is None


WHOLE = [
    png_text(parameters=TEXT),
    png_text(parameters="x"),
    *(saved(image_format, exif=exif(b"UNICODE\0" + TEXT.encode("utf-16-be"))) for image_format in ("JPEG", "WEBP")),
    saved("AVIF", exif=exif(b"UNICODE\0" + TEXT.encode("utf-16-be"))),
]


@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=9)), max_size=6), st.data())
@settings(deadline=None)
def test_damage_never_breaks_the_reader(content: bytes, damage: list[tuple[int, bytes]], data: st.DataObject) -> None:
    for place, other in damage:
        content = content[: place % len(content)] + other + content[place % len(content) + len(other) :]
    text, peak_bytes = peak_of(content[: data.draw(st.integers(0, len(content)))])
    assert text is None or isinstance(text, str)
    assert peak_bytes < 8 * MOST_BYTES


@given(st.sampled_from([HEAD, b"\xff\xd8\xff", webp(b""), b"\0\0\0\x14ftypavif\0\0\0\0avif", b""]), st.binary())
@example(b"\0\0\0\x14ftypavif\0\0\0\0avif", b"\0\0\0\0meta")
@settings(deadline=None)
def test_no_bytes_break_the_reader(head: bytes, rest: bytes) -> None:
    embedded_text(head + rest)
