"""Names: which are never jobs, and what outputs are called. In: paths as text. Out: verdicts and names.

The two tables hold what sync tools, editors and browsers leave beside people's files, each with the tool it is known
from. Private names are ignored; conflict copies are somebody's data, so they stay, are reported and never run.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """Names of one tool."""

    tool: str
    expression: re.Pattern[str]
    """Matched against every part of the path, in whole."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Why a name is never a job."""

    reason: str
    is_conflict: bool
    """A conflict copy: user data, to be reported."""


def _pattern(tool: str, expression: str) -> Pattern:
    return Pattern(tool=tool, expression=re.compile(expression, re.DOTALL))


PRIVATE_NAMES: Final = (
    _pattern("a hidden file", r"\..*"),
    _pattern("Syncthing", r"~syncthing~.*|\.syncthing\..*"),
    _pattern("rclone", r".*\.[0-9a-f]{8}\.partial"),
    _pattern("Nextcloud or WinSCP", r".*\.filepart"),
    _pattern("a download that goes on", r".*\.(part|crdownload|partial|download|insyncdl|tmp)|Unconfirmed .*"),
    _pattern("Seafile", r".*\.sbak"),
    _pattern("Resilio Sync", r".*(\.!sync|\.bts|\.SyncPart|\.SyncTemp|\.SyncOld)"),
    _pattern("an editor", r"\d{4,5}|.*~|#.*#|.*___jb_(tmp|old|bak)___"),
    _pattern("Office or OneDrive", r"~.*"),
    _pattern("a NAS or a desktop", r"@eaDir|__MACOSX|Thumbs\.db|desktop\.ini|Icon\r|#recycle|@Recycle"),
)
"""Source: the documentation and source of each tool; names that begin with a dot are covered by the first."""

CONFLICT_COPIES: Final = (
    _pattern("Syncthing", r".*\.sync-conflict-\d{8}-\d{6}.*"),
    _pattern("rclone", r".*\.conflict[0-9]+.*"),
    _pattern("Unison", r".* \(conflict.* on \d{4}-\d{2}-\d{2}\).*|.*\(conflict.*_on_\d{4}-\d{2}-\d{2}\).*"),
    _pattern(
        "Nextcloud, ownCloud or Dropbox",
        r".*\([^)]*conflicted copy[^)]*\).*|.*_conflict-\d.*|.* conflicted copy.*",
    ),
    _pattern("Seafile", r".*\((SFConflict .*|case conflict \d+)\).*"),
    _pattern("OneDrive", r".*-safeBackup-\d{4}.*"),
    _pattern("Resilio Sync", r".*\.Conflict.*"),
)
"""Copies that a sync tool makes when two devices changed one file."""

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


def verdict(path: str) -> Verdict | None:
    """Why a path below the inbox is never a job; None where its name says nothing against it."""
    parts = path.split("/")
    for part in parts:
        for pattern in PRIVATE_NAMES:
            if pattern.expression.fullmatch(part):
                return Verdict(reason=f"a temporary or private name ({pattern.tool})", is_conflict=False)
    for pattern in CONFLICT_COPIES:
        if pattern.expression.fullmatch(parts[-1]):
            return Verdict(reason=f"a conflict copy ({pattern.tool}): decide which one you want", is_conflict=True)
    return None


def output_stem(source_stem: str, number: int | None) -> str:
    """What the outputs of a source are called, short enough for every extension; `number` for one document of several."""
    suffix = "" if number is None else f"-{number}"
    return _shortened(source_stem, MOST_NAME_BYTES - _ROOM_FOR_SUFFIX_BYTES - len(suffix)) + suffix


def candidates(stem: str) -> Iterator[str]:
    """`cat`, `cat.r2`, `cat.r3`, … without end."""
    yield stem
    for number in count(2):
        yield f"{stem}.r{number}"


def is_reserved_output(folder: str, stem: str) -> bool:
    """Whether these outputs would take a name of our own pages. Hidden names and `failed/` never get in at all."""
    return not folder and stem.casefold() in RESERVED_STEMS


def collision_key(name: str) -> str:
    """Equal for names that some file system takes for the same: letter case and composed characters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def escaped(name: str) -> str:
    """A name for the log and for JSON: printable, on one line, always encodable."""
    return "".join(character if character.isprintable() else _escape(character) for character in name)


def _escape(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is no text, as `os.fsdecode` hands it over
        return f"\\x{number - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _shortened(stem: str, most_bytes: int) -> str:
    """Cut to so many bytes of UTF-8 without cutting a character."""
    encoded = stem.encode("utf-8", "surrogateescape")
    if len(encoded) <= most_bytes:
        return stem
    cut = encoded[:most_bytes]
    while cut and (encoded[len(cut)] & 0xC0) == 0x80:
        cut = cut[:-1]
    return cut.decode("utf-8", "surrogateescape")
