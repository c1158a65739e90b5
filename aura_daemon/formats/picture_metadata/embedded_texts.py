"""The texts that programs write into their pictures. In: the bytes of a file. Out: keyword -> text.

Reads PNG text chunks, and EXIF of JPEG, WebP and AVIF, without decoding the image. The bytes may come from anyone:
every loop is bounded, and a slice beyond the end of the file is short, not an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from aura_daemon.formats.image_signatures import ImageSignature, format_of

PARAMETERS: Final = "parameters"
"""Keyword of the text chunk that A1111 writes; in other formats it is the EXIF user comment."""

GRAPH: Final = "prompt"
"""Keyword under which ComfyUI writes the graph of the run; in EXIF it stands before the graph, with a colon."""

WORKFLOW: Final = "workflow"
"""Keyword under which ComfyUI writes the graph as its editor shows it."""

KEYWORDS: Final = frozenset(
    {PARAMETERS, GRAPH, WORKFLOW, "Comment", "Description", "Dream", "Software", "fooocus_scheme", "invokeai_graph"}
    | {"invokeai_metadata", "sd-metadata"}
)
"""Keywords of the texts that are read; the others are passed over."""

MOST_BYTES: Final = 1 << 20
"""Bytes of a text, both as stored and unpacked."""

_MOST_PARTS: Final = 100_000
"""Chunks, segments, boxes or entries that are read."""

_EXIF_HEADER: Final = b"Exif\0\0"
_EXIF_FOLDER: Final = 0x8769
_USER_COMMENT: Final = 0x9286
_EXIF_TEXTS: Final = (0x010E, 0x010F, 0x0110)
"""Description, make and model: where ComfyUI has no text chunks, it writes its graphs there."""

Span: TypeAlias = tuple[int, int]
"""Start and end in the file."""


def embedded_texts(content: bytes) -> Mapping[str, str]:
    """The texts under KEYWORDS, of each the first; a text that is broken or longer than 1 MiB is empty."""
    if (signature := format_of(content[:4096])) is ImageSignature.PNG:
        return _png_texts(content)
    span = exif_span(content) if signature is not ImageSignature.HEIC else None
    return _exif_texts(content, span) if span is not None else {}


def exif_span(content: bytes) -> Span | None:
    """Where the TIFF structure with the EXIF of a picture lies that is not itself a TIFF."""
    match format_of(content[:4096]):
        case ImageSignature.PNG:
            spans = _png_exif(content)
        case ImageSignature.JPEG:
            spans = _jpeg_exif(content)
        case ImageSignature.WEBP:
            spans = _webp_exif(content)
        case ImageSignature.AVIF | ImageSignature.HEIC:
            spans = _avif_exif(content)
        case _:
            return None
    return next(spans, None)  # only the first: a file with very many could keep us busy


def _png_texts(content: bytes) -> dict[str, str]:
    """The texts of a PNG (PNG specification, section 11.3.3)."""
    texts: dict[str, str] = {}
    place = 8
    for _ in range(_MOST_PARTS):
        length, kind = _number(content, place, 4), content[place + 4 : place + 8]
        if len(kind) < 4:
            break
        keyword = content[place + 8 : place + 8 + 80].partition(b"\0")[0]
        name = keyword.decode("latin-1")
        if kind in _UNPACKED and name in KEYWORDS and name not in texts:
            is_short = length <= MOST_BYTES + 200
            body = content[place + 9 + len(keyword) : place + 8 + length] if is_short else b""
            texts[name] = _UNPACKED[kind](body) or ""
        place += 12 + length
    return texts


def _plain(body: bytes) -> str | None:
    return _latin_or_utf8(body) if len(body) <= MOST_BYTES else None


def _packed(body: bytes) -> str | None:
    unpacked = _inflated(body[1:])
    return _latin_or_utf8(unpacked) if unpacked is not None else None


def _latin_or_utf8(text: bytes) -> str:
    """The standard says Latin-1; many programs write UTF-8, which is hardly ever Latin-1 that makes sense."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _international(body: bytes) -> str | None:
    is_packed = body[:1] == b"\x01"
    text = body[2:].split(b"\0", 2)[-1]  # after the language and the keyword in that language
    unpacked = _inflated(text) if is_packed else text
    return unpacked.decode("utf-8", "replace") if unpacked is not None and len(unpacked) <= MOST_BYTES else None


_UNPACKED: Final = {b"tEXt": _plain, b"zTXt": _packed, b"iTXt": _international}


def _inflated(packed: bytes) -> bytes | None:
    """Inflates a text; None if it is broken or longer than MOST_BYTES."""
    try:
        unpacked = zlib.decompressobj().decompress(packed, MOST_BYTES + 1)
    except zlib.error:
        return None
    return unpacked if len(unpacked) <= MOST_BYTES else None


def _png_exif(content: bytes) -> Iterator[Span]:
    """The chunk `eXIf` (PNG specification, section 11.3.4.6)."""
    place = 8
    for _ in range(_MOST_PARTS):
        if place >= len(content):
            return
        length = _number(content, place, 4)
        if content[place + 4 : place + 8] == b"eXIf":
            yield place + 8, place + 8 + length
        place += 12 + length


def _jpeg_exif(content: bytes) -> Iterator[Span]:
    """EXIF in the application segments before the image data."""
    place = 2
    for _ in range(_MOST_PARTS):
        marker, length = content[place : place + 2], _number(content, place + 2, 2)
        if marker[:1] != b"\xff" or marker == b"\xff\xda" or length < 2:
            return
        if marker == b"\xff\xe1" and content.startswith(_EXIF_HEADER, place + 4):
            yield place + 4 + len(_EXIF_HEADER), place + 2 + length
        place += 2 + length


def _webp_exif(content: bytes) -> Iterator[Span]:
    place = 12
    for _ in range(_MOST_PARTS):
        kind, length = content[place : place + 4], _number(content, place + 4, 4, is_little=True)
        if len(kind) < 4:
            return
        if kind == b"EXIF":
            header = len(_EXIF_HEADER) * content.startswith(_EXIF_HEADER, place + 8)
            yield place + 8 + header, place + 8 + length
        place += 8 + length + length % 2


def _avif_exif(content: bytes) -> Iterator[Span]:
    """Items of type `Exif` in the `meta` box (ISO 14496-12): `iinf` lists the items, `iloc` says where they are."""
    for kind, start, end in _boxes(content, (0, len(content))):
        if kind == b"meta":
            inner = {name: (first, last) for name, first, last in _boxes(content, (start + 4, end))}
            exif_items = set(_exif_items(content, inner.get(b"iinf", (0, 0))))
            for item, place, length in _item_places(content, inner.get(b"iloc", (0, 0))):
                if item in exif_items:
                    yield place + 4 + _number(content, place, 4), place + length


def _boxes(content: bytes, span: Span) -> Iterator[tuple[bytes, int, int]]:
    """Type of each box, and start and end of its body."""
    place, end = span
    for _ in range(_MOST_PARTS):
        if place + 8 > min(end, len(content)):
            return
        length, header = _number(content, place, 4), 8
        if length == 1:
            length, header = _number(content, place + 8, 8), 16
        if length == 0:
            length = end - place
        yield content[place + 4 : place + 8], place + header, min(place + length, end)
        place += max(length, 8)


def _exif_items(content: bytes, span: Span) -> Iterator[int]:
    start, end = span
    entries = start + 4 + (4 if content[start : start + 1] > b"\0" else 2)
    for kind, place, _ in _boxes(content, (entries, end)):
        width = 4 if content[place : place + 1] > b"\x02" else 2
        if kind == b"infe" and content[place + 6 + width : place + 10 + width] == b"Exif":
            yield _number(content, place + 4, width)


def _item_places(content: bytes, span: Span) -> Iterator[tuple[int, int, int]]:
    """Id of each item, with place in the file and length of its first extent."""
    place, end = span
    version, sizes = _number(content, place, 1), _number(content, place + 4, 2)
    offset_width, length_width, base_width, index_width = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    index_width *= version > 0
    number_width = 4 if version > 1 else 2
    place += 6 + number_width
    for _ in range(_MOST_PARTS):
        if place >= min(end, len(content)):
            return
        item = _number(content, place, number_width)
        place += number_width + 2 * (version > 0) + 2
        base = _number(content, place, base_width)
        place += base_width
        extents = _number(content, place, 2)
        place += 2
        first = place + index_width
        offset = base + _number(content, first, offset_width)
        yield item, offset, _number(content, first + offset_width, length_width)
        place += extents * (index_width + offset_width + length_width)


def _exif_texts(content: bytes, span: Span) -> dict[str, str]:
    """The user comment of a TIFF structure (EXIF 2.32, section 4.6.5), and ComfyUI's graphs."""
    start, end = span
    if end - start > 2 * MOST_BYTES:
        return {}
    tiff = content[start:end]
    is_little = tiff[:2] == b"II"
    first = _number(tiff, 4, 4, is_little)
    texts: dict[str, str] = {}
    for tag in _EXIF_TEXTS:
        stored = _value(tiff, _entry(tiff, first, tag, is_little), is_little)
        keyword, _, text = stored.decode("utf-8", "replace").strip("\0 ").partition(":")
        if keyword.casefold() in (GRAPH, WORKFLOW):
            texts.setdefault(keyword.casefold(), text)
    folder = _entry(tiff, first, _EXIF_FOLDER, is_little)
    comment = _entry(tiff, _number(tiff, folder + 8, 4, is_little), _USER_COMMENT, is_little) if folder else 0
    text = _comment_text(_value(tiff, comment, is_little))
    return {**texts, PARAMETERS: text} if text else texts


def _value(tiff: bytes, entry: int, is_little: bool) -> bytes:
    """The bytes that an entry of more than 4 bytes stands for; none for a value that is too long."""
    if not entry:
        return b""
    length, place = (_number(tiff, entry + offset, 4, is_little) for offset in (4, 8))
    return tiff[place : place + length] if length <= MOST_BYTES else b""


def _comment_text(stored: bytes) -> str:
    """The text of a user comment, which begins with the name of its encoding."""
    code, text = stored[:8], stored[8:]
    if code == b"UNICODE\0":
        # The standard does not fix the byte order. The text holds ASCII, whose upper bytes are zero.
        is_little = text[1::2].count(0) > text[::2].count(0)
        comment_text = text.decode("utf-16-le" if is_little else "utf-16-be", "replace")
    else:
        comment_text = text.decode("utf-8", "replace")
    return comment_text.strip("\0")


def _entry(tiff: bytes, folder: int, tag: int, is_little: bool) -> int:
    """Offset of the entry of a tag; 0 if there is none."""
    count = _number(tiff, folder, 2, is_little)
    places = range(folder + 2, min(folder + 2 + 12 * count, len(tiff)), 12)
    return next((place for place in places if _number(tiff, place, 2, is_little) == tag), 0)


def _number(content: bytes, place: int, width: int, is_little: bool = False) -> int:
    return int.from_bytes(content[place : place + width], "little" if is_little else "big")
