"""Names in the inbox that are never jobs: private files of sync tools and editors, and conflict copies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from aura_daemon.watch.decisions import Leave


@dataclass(frozen=True, kw_only=True, slots=True)
class NamePattern:
    """The names that one tool gives its files."""

    tool: str
    expression: re.Pattern[str]
    """Must match the whole name."""


def _pattern(tool: str, expression: str) -> NamePattern:
    return NamePattern(tool=tool, expression=re.compile(expression, re.DOTALL))


PRIVATE_NAMES: Final = (
    _pattern("a hidden file", r"\..*"),
    _pattern("Syncthing", r"~syncthing~.*|\.syncthing\..*"),
    _pattern("rclone", r".*\.[0-9a-f]{8}\.partial"),
    _pattern("Nextcloud or WinSCP", r".*\.filepart"),
    _pattern("a download that goes on", r".*\.(part|crdownload|partial|download|insyncdl|tmp|aria2)"),
    _pattern("Seafile", r".*\.sbak"),
    _pattern("Resilio Sync", r".*(\.!sync|\.bts|\.SyncPart|\.SyncTemp|\.SyncOld)"),
    _pattern("an editor", r"#.*#|.*___jb_.{3}___"),
    _pattern("a NAS or a desktop", r"@eaDir|__MACOSX|Thumbs\.db|desktop\.ini|Icon\r|#recycle|@Recycle"),
    _pattern("a NAS or a desktop", r"SYNO(PHOTO|FILE)_THUMB_.*"),  # copied out of their `@eaDir`
    _pattern("Windows or a disk", r"\$RECYCLE\.BIN|\$Recycle\.Bin|System Volume Information|lost\+found"),
    # What Windows notes of a download. In WSL the colon is sometimes U+F03A.
    _pattern("Windows", r".*[:\uf03a]Zone\.Identifier"),
)
"""Matched against every part of a path. Taken from the documentation and the source of each tool; the first pattern
covers all names that begin with a dot."""


PRIVATE_FILES: Final = (
    _pattern("an editor", r"\d{4,5}|.*~"),
    _pattern("Office or OneDrive", r"~.*"),
    _pattern("a download that goes on", r"Unconfirmed \d+.*"),
)
"""Matched against the name alone, as people call their folders `2026` or `Unconfirmed sightings`."""


CONFLICT_COPIES: Final = (
    _pattern("Syncthing", r".*\.sync-conflict-\d{8}-\d{6}.*"),
    _pattern("rclone", r".*\.conflict[0-9]+.*"),
    _pattern("Unison", r".* \(conflict.* on \d{4}-\d{2}-\d{2}[^)]*\).*|.*\(conflict.*_on_\d{4}-\d{2}-\d{2}[^)]*\).*"),
    _pattern(
        "Nextcloud, ownCloud, Dropbox or Obsidian",
        r".*\([^)]*([Cc]onflict(ed|ing) copy|case clash from|edit conflict, )[^)]*\).*"
        r"|.*_conflict-\d.*|.* conflicted copy.*|.* \(Conflict .*\d{4}-\d{2}-\d{2} \d{6}\).*",
    ),
    _pattern("Synology Drive", r".*_[A-Z][a-z]{2}-\d{2}-\d{4}-\d{4}_\w*Conflict.*"),
    _pattern("Seafile", r".*\((SFConflict .*|case conflict \d+)\).*"),
    _pattern("OneDrive", r".*-safeBackup-\d{4}.*"),
    _pattern("Resilio Sync", r".*\.Conflict(\W.*|\d.*)?"),
)
"""Copies that a sync tool makes where two devices changed the same file."""

_UNFINISHED: Final = re.compile(
    r"\.syncthing\.(?P<a>.+)\.tmp|~syncthing~(?P<b>.+)\.tmp"  # Syncthing
    r"|\.(?P<c>.+)\.[A-Za-z0-9]{6}"  # rsync
    r"|(?P<d>.+)\.[0-9a-f]{8}\.partial"  # rclone
    r"|(?P<e>[^.~].*)\.(?:part|crdownload|partial|filepart|download|insyncdl|tmp|!sync|SyncPart|SyncTemp)",
    re.DOTALL,
)
"""Names of files that a tool renames when they are complete; the group is the name that they get."""


def name_to_be(name: str) -> str:
    """The name that an unfinished file of a known tool gets when it is complete; empty for every other file."""
    match = _UNFINISHED.fullmatch(name)
    return next(filter(None, match.groups()), "") if match is not None else ""


def verdict(path: str, *, ignore: Iterable[str], take: Iterable[str]) -> Leave | None:
    """Why a path below the inbox is never a job; None where its name says nothing against it.

    `ignore` and `take`: globs of the user's, matched against the name and the whole path. Names in `ignore` are never
    jobs; those in `take` are jobs whatever the tables above say, but for hidden names.
    """
    parts = path.split("/")
    if _matches(ignore, path):
        mend = "rename it, or change `ignore`, if it should be a job"
        return Leave(reason="`ignore` in the configuration names it", mend=mend)
    if _matches(take, path) and not any(part.startswith(".") for part in parts):
        return None
    private = _first_match(PRIVATE_NAMES, parts) or _first_match(PRIVATE_FILES, parts[-1:])
    if private is not None:
        mend = "rename it, or add a glob to `take`, if it should be a job"
        return Leave(reason=f"a temporary or private name ({private.tool})", mend=mend)
    conflict = _first_match(CONFLICT_COPIES, parts)  # folders too: some tools copy a whole folder
    if conflict is not None:
        reason = f"a conflict copy ({conflict.tool}): decide which one you want"
        return Leave(reason=reason, is_conflict=True, mend="keep that one, and delete or rename the other")
    return None


def is_to_be_taken(path: str, take: Iterable[str]) -> bool:
    """Whether the user's globs of names to take hold a path below the inbox."""
    return _matches(take, path)


def _matches(globs: Iterable[str], path: str) -> bool:
    name = path.rpartition("/")[2]
    return any(fnmatchcase(path, glob) or fnmatchcase(name, glob) for glob in globs)


def _first_match(patterns: Iterable[NamePattern], parts: Sequence[str]) -> NamePattern | None:
    return next((pattern for part in parts for pattern in patterns if pattern.expression.fullmatch(part)), None)
