"""Names: which are never jobs, and what outputs are called. In: paths as text. Out: verdicts and names.

The two tables hold what sync tools, editors and browsers leave beside people's files, each with the tool it is known
from. Private names are ignored; conflict copies are somebody's data, so they stay, are reported and never run.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import count
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """Names of one tool."""

    tool: str
    expression: re.Pattern[str]
    """Matched in whole."""


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
    _pattern("a download that goes on", r".*\.(part|crdownload|partial|download|insyncdl|tmp)"),
    _pattern("Seafile", r".*\.sbak"),
    _pattern("Resilio Sync", r".*(\.!sync|\.bts|\.SyncPart|\.SyncTemp|\.SyncOld)"),
    _pattern("an editor", r"#.*#|.*___jb_.{3}___"),
    _pattern("a NAS or a desktop", r"@eaDir|__MACOSX|Thumbs\.db|desktop\.ini|Icon\r|#recycle|@Recycle"),
)
"""Matched against every part of a path. Source: the documentation and source of each tool; names that begin with a dot
are covered by the first."""

PRIVATE_FILES: Final = (
    _pattern("an editor", r"\d{4,5}|.*~"),
    _pattern("Office or OneDrive", r"~.*"),
    _pattern("a download that goes on", r"Unconfirmed \d+.*"),
)
"""Matched against the name alone: folders of people are called `2026` or `Unconfirmed sightings`."""

CONFLICT_COPIES: Final = (
    _pattern("Syncthing", r".*\.sync-conflict-\d{8}-\d{6}.*"),
    _pattern("rclone", r".*\.conflict[0-9]+.*"),
    _pattern("Unison", r".* \(conflict.* on \d{4}-\d{2}-\d{2}[^)]*\).*|.*\(conflict.*_on_\d{4}-\d{2}-\d{2}[^)]*\).*"),
    _pattern(
        "Nextcloud, ownCloud or Dropbox",
        r".*\([^)]*conflicted copy[^)]*\).*|.*_conflict-\d.*|.* conflicted copy.*",
    ),
    _pattern("Seafile", r".*\((SFConflict .*|case conflict \d+)\).*"),
    _pattern("OneDrive", r".*-safeBackup-\d{4}.*"),
    _pattern("Resilio Sync", r".*\.Conflict(\W.*|\d.*)?"),
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


@dataclass(frozen=True, slots=True)
class NameRules:
    """What a user adds to the tables above and cuts from them: globs, matched against the name and the whole path."""

    ignore: tuple[str, ...] = ()
    take: tuple[str, ...] = ()
    """Taken whatever the tables say; hidden names never are."""


NO_RULES: Final = NameRules()


def verdict(path: str, rules: NameRules = NO_RULES) -> Verdict | None:
    """Why a path below the inbox is never a job; None where its name says nothing against it."""
    parts = path.split("/")
    if _matches(rules.ignore, path):
        return Verdict(reason="`ignore` in the configuration names it", is_conflict=False)
    if _matches(rules.take, path) and not any(part.startswith(".") for part in parts):
        return None
    private = _first_match(PRIVATE_NAMES, parts) or _first_match(PRIVATE_FILES, parts[-1:])
    if private is not None:
        return Verdict(reason=f"a temporary or private name ({private.tool})", is_conflict=False)
    conflict = _first_match(CONFLICT_COPIES, parts)  # folders too: some tools copy a whole folder
    if conflict is not None:
        return Verdict(reason=f"a conflict copy ({conflict.tool}): decide which one you want", is_conflict=True)
    return None


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


def _matches(globs: Iterable[str], path: str) -> bool:
    name = path.rpartition("/")[2]
    return any(fnmatchcase(path, glob) or fnmatchcase(name, glob) for glob in globs)


def _first_match(patterns: Iterable[Pattern], parts: Sequence[str]) -> Pattern | None:
    return next((pattern for part in parts for pattern in patterns if pattern.expression.fullmatch(part)), None)


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
