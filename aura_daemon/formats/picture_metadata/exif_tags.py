"""What a camera wrote into a picture: EXIF tags by name. In: the bytes of a file. Out: name -> text.

Of JPEG, PNG, WebP, AVIF, HEIC and TIFF. The bytes may come from anyone: every loop is bounded, and what is damaged is
not there. The daemon reads them in its own process, so this is our own code and no library's.
EXIF 2.32, section 4.6; TIFF 6.0, section 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aura_daemon.formats.image_signatures import ImageSignature, format_of
from aura_daemon.formats.picture_metadata.embedded_texts import exif_span

_TAGS: Final = {
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x0132: "DateTime",
    0x013B: "Artist",
    0x8298: "Copyright",
    0x829A: "ExposureTime",
    0x829D: "FNumber",
    0x8827: "ISO",
    0x9003: "DateTimeOriginal",
    0x9004: "DateTimeDigitized",
    0x920A: "FocalLength",
    0xA405: "FocalLengthIn35mmFilm",
    0xA430: "CameraOwnerName",
    0xA431: "BodySerialNumber",
    0xA433: "LensMake",
    0xA434: "LensModel",
}
"""Number -> name, of the first page's list and of the list of EXIF's own."""

NAMES: Final = tuple(sorted(_TAGS.values()))

_EXIF_LIST: Final = 0x8769
_MOST_TAGS: Final = 1000
"""Of one list."""
_MOST_CHARACTERS: Final = 1000
"""Of a text."""


def tag_named(name: str) -> str:
    """The name of a tag that is read, however its letters are written; empty where it is none."""
    return next((tag for tag in NAMES if tag.casefold() == name.casefold()), "")


def exif_tags(content: bytes) -> Mapping[str, str]:
    """The tags of a picture that say something."""
    if format_of(content[:4096]) is ImageSignature.TIFF:
        tiff = content
    elif (span := exif_span(content)) is not None:
        tiff = content[span[0] : span[1]]
    else:
        return {}
    read = _Tiff(tiff)
    first = read.tags(read.number(4, 4))
    own = read.tags(int(first[_EXIF_LIST])) if first.get(_EXIF_LIST, "").isdigit() else {}
    return {name: text for number, name in _TAGS.items() if (text := own.get(number) or first.get(number) or "")}


class _Tiff:
    """A TIFF structure; what lies beyond its end is zero."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._is_little = content[:2] == b"II"

    def number(self, place: int, width: int) -> int:
        return int.from_bytes(self._content[place : place + width], "little" if self._is_little else "big")

    def tags(self, place: int) -> dict[int, str]:
        """The values in a list of tags as texts, the first of each tag."""
        found: dict[int, str] = {}
        for index in range(min(self.number(place, 2), _MOST_TAGS)):
            entry = place + 2 + 12 * index
            tag = self.number(entry, 2)
            if tag in _TAGS or tag == _EXIF_LIST:
                found.setdefault(tag, self._text(entry))
        return found

    def _text(self, entry: int) -> str:
        """The value of an entry; of several numbers the first."""
        kind, count, place = self.number(entry + 2, 2), self.number(entry + 4, 4), self.number(entry + 8, 4)
        match kind:
            case 2 if count:  # ASCII
                start = entry + 8 if count <= 4 else place
                stored = self._content[start : start + min(count, _MOST_CHARACTERS)].partition(b"\0")[0]
                text = stored.decode("utf-8", "replace")
                return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
            case 3 if count:  # SHORT
                return str(self.number(entry + 8, 2))
            case 4 | 13 if count:  # LONG, or the place of a list
                return str(place)
            case 5 if count:  # RATIONAL
                return _fraction(self.number(place, 4), self.number(place + 4, 4))
            case _:
                return ""


def _fraction(above: int, below: int) -> str:
    """A number as photographers write it: `1/125`, `2.8`, `50`."""
    if not above or not below:
        return ""
    if above < below and below % above == 0:
        return f"1/{below // above}"
    return f"{above / below:.10g}" if above % below else str(above // below)
