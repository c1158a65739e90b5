"""Names: which are never jobs, and what outputs are called. In: paths as text. Out: verdicts and names.

The two tables hold what sync tools, editors and browsers leave beside people's files, each with the tool it is known
from. Private names are ignored; conflict copies are somebody's data, so they stay, are reported and never run.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import count
from typing import Final

RESERVED_STEMS: Final = frozenset({"health", "index"})
"""Stems at the top of the outbox that are ours."""

OWN_FOLDER: Final = ".aura"
"""Folder of ours inside inbox and outbox."""

FAILED_FOLDER: Final = "failed"
"""Where failed sources go, below the outbox; never looked into in an inbox."""

MOST_NAME_BYTES: Final = 255
"""Of one name, on every file system that counts."""

_ROOM_FOR_SUFFIX_BYTES: Final = 40
"""Left free in a stem for `.r123`, an extension and a report's `.json`."""


def is_out_of_bounds(path: str) -> bool:
    """Whether nothing is ever looked for there: hidden in any part, or in `failed/` at the top."""
    parts = path.split("/")
    in_failed = len(parts) > 1 and parts[0].casefold() == FAILED_FOLDER
    return in_failed or any(part.startswith(".") for part in parts)


def output_stem(source_stem: str, number: int | None) -> str:
    """What the outputs of a source are called, short enough for any extension; `number` for one document of several."""
    suffix = "" if number is None else f"-{number}"
    return _shortened(source_stem, MOST_NAME_BYTES - _ROOM_FOR_SUFFIX_BYTES - len(suffix)) + suffix


def candidates(stem: str) -> Iterator[str]:
    """`cat`, `cat.r2`, `cat.r3`, … without end."""
    yield stem
    yield from (f"{stem}.r{number}" for number in count(2))


def is_reserved_output(folder: str, stem: str) -> bool:
    """Whether these outputs would take a name of our own pages. Hidden names and `failed/` never get in at all."""
    return not folder and stem.casefold() in RESERVED_STEMS


def collision_key(name: str) -> str:
    """Equal for names that some file system takes for the same: letter case and composed characters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def escaped(name: str) -> str:
    """A name for the log and for JSON: printable, on one line, always encodable."""
    return "".join(character if _is_harmless(character) else _escape(character) for character in name)


def _is_harmless(character: str) -> bool:
    """Printable, or a wide space (Japanese names hold U+3000); no line break, no mark that turns text round."""
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is no text, as `os.fsdecode` hands it over
        return f"\\x{number - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _shortened(stem: str, most_bytes: int) -> str:
    """Cut to so many bytes of UTF-8 without cutting a character; bytes that are no text count as one character each."""
    room = most_bytes
    for index, character in enumerate(stem):
        room -= len(character.encode("utf-8", "surrogateescape"))
        if room < 0:
            return stem[:index]
    return stem
