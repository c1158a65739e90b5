"""Captions in IPTC's older records (IIM 4.2). In: the records of a picture. Out: the same with Caption-Abstract.

Records say in 1:90 how their texts are encoded; UTF-8 is `ESC % G`. Texts of a picture that says nothing, or Latin-1,
are taken over into UTF-8, else they would be read wrong beside the caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold

MOST_CAPTION_BYTES: Final = 2000
"""As the standard allows."""

_MOST_RECORDS: Final = 50_000
_MARK: Final = b"\x1c"
_CHARACTER_SET, _VERSION, _CAPTION = (1, 90), (2, 0), (2, 120)
_UTF8: Final = b"\x1b%G"
_LATIN_1: Final = frozenset({b"", b"\x1b,A", b"\x1b-A", b"\x1b.A", b"\x1b/A"})
"""Latin-1 in any of the four sets of ISO 2022; empty: the picture does not say."""

_LATEST_VERSION: Final = b"\0\4"
_TEXT_RECORD: Final = 2
_BINARY: Final = frozenset({(2, 0), (2, 125), (2, 200), (2, 201), (2, 202)})
"""Version, a caption as a bitmap, a preview."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _IptcRecord:
    key: tuple[int, int]
    """Record and dataset."""
    stored: bytes
    """With its header."""
    value: bytes


def records_with_caption(content: bytes, caption: str) -> tuple[bytes, bool]:
    """The records with the caption, and whether another caption gave way to it. `content`: empty where there are none.

    A caption that is too long for IPTC is cut.
    """
    records, rest = _records_of(content)
    value = _shortened(caption)
    said = next((record.value for record in records if record.key == _CHARACTER_SET), b"")
    if said != _UTF8 and said not in _LATIN_1:
        raise CannotHold(f"its IPTC records are in an encoding that is not known here ({said!r})")
    old = [record for record in records if record.key == _CAPTION]
    if said != _UTF8:
        records = [_in_utf8(record) for record in records]
    records = _put(records, _record(_CHARACTER_SET, _UTF8))
    if not any(record.key == _VERSION for record in records):
        records = _put(records, _record(_VERSION, _LATEST_VERSION))
    records = _put(records, _record(_CAPTION, value))
    has_replaced = any(record.value.strip() not in (b"", value.strip()) for record in old)
    return b"".join(record.stored for record in records) + rest, has_replaced


def _records_of(content: bytes) -> tuple[list[_IptcRecord], bytes]:
    """The records, and the zeros behind them."""
    records: list[_IptcRecord] = []
    place = 0
    while content.startswith(_MARK, place):
        length, header = int.from_bytes(content[place + 3 : place + 5]), 5
        if length & 0x8000:  # so many bytes of length follow
            width = length & 0x7FFF
            header += width
            if width > 4:
                raise CannotHold("its IPTC records are damaged")
            length = int.from_bytes(content[place + 5 : place + header])
        end = place + header + length
        if end > len(content) or len(records) > _MOST_RECORDS:
            raise CannotHold("its IPTC records are damaged")
        key = (content[place + 1], content[place + 2])
        records.append(_IptcRecord(key=key, stored=content[place:end], value=content[place + header : end]))
        place = end
    rest = content[place:]
    if rest.strip(b"\0"):
        raise CannotHold("its IPTC records are damaged")
    return records, rest


def _record(key: tuple[int, int], value: bytes) -> _IptcRecord:
    return _IptcRecord(key=key, stored=_MARK + bytes(key) + len(value).to_bytes(2) + value, value=value)


def _put(records: Sequence[_IptcRecord], new: _IptcRecord) -> list[_IptcRecord]:
    """The records with a new one in the place of those of its key; else before the first that comes after it."""
    place = next((index for index, one in enumerate(records) if one.key >= new.key), len(records))
    same = [index for index, one in enumerate(records) if one.key == new.key]
    place = same[0] if same else place
    others = [one for index, one in enumerate(records) if index not in same]
    return [*others[:place], new, *others[place:]]


def _in_utf8(record: _IptcRecord) -> _IptcRecord:
    """A text in UTF-8, as many programs write it whatever they say; else it is Latin-1, as Windows knows it."""
    if record.key[0] != _TEXT_RECORD or record.key in _BINARY:
        return record
    try:
        record.value.decode()
    except UnicodeDecodeError:
        value = _as_windows_reads(record.value).encode()
    else:
        return record
    if len(value) >= 0x8000:
        raise CannotHold("its IPTC records hold a text that is too long for UTF-8")
    return _record(record.key, value)


def _as_windows_reads(value: bytes) -> str:
    try:
        return value.decode("cp1252")
    except UnicodeDecodeError:  # five bytes are nothing there
        return value.decode("latin-1")


def _shortened(caption: str) -> bytes:
    value = caption.encode("utf-8", "replace")
    if len(value) <= MOST_CAPTION_BYTES:
        return value
    sign = "…".encode()
    return value[: MOST_CAPTION_BYTES - len(sign)].decode(errors="ignore").encode() + sign
