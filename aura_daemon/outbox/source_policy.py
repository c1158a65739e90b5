"""Chooses where sources go when they are done. In: the configuration, the inbox. Out: the choice and its reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from aura_daemon.system import durable_files
from aura_daemon.system.files import regular_files
from aura_daemon.system.permissions import is_sticky_for_us


class SourcePolicy(StrEnum):
    """Where sources go when their jobs are done."""

    ARCHIVE = "archive"
    DELETE = "delete"
    KEEP = "keep"


TWO_WAY_SYNC_MARKS: Final = {
    ".stfolder": "Syncthing",
    ".sync": "Resilio Sync",
    ".dropbox": "Dropbox",
    ".dropbox.cache": "Dropbox",
    ".owncloudsync.log": "ownCloud",
    ".nextcloudsync.log": "Nextcloud",
    ".csync_journal.db": "Nextcloud or ownCloud",
    ".seafile-data": "Seafile",
    ".tmp.drivedownload": "Google Drive",
    ".unison": "Unison",
}
"""What two-way sync tools leave at the top of a folder, where moving a file away deletes it on every device."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenPolicy:
    """The chosen policy, and the reason for the log."""

    disposition: SourcePolicy
    reason: str


UNDECIDED: Final = ChosenPolicy(disposition=SourcePolicy.KEEP, reason="the inbox is away")


def choose(sources: str, inbox: Path) -> ChosenPolicy:
    """Decides what `sources: auto` means for this inbox; any other setting is taken as it is.

    Raises OSError where its file system cannot tell.
    """
    if sources != "auto":
        return ChosenPolicy(disposition=SourcePolicy(sources), reason="as configured")
    if not durable_files.is_writable(inbox):
        return ChosenPolicy(disposition=SourcePolicy.KEEP, reason="the inbox is read-only")
    if is_sticky_for_us(inbox):
        reason = "the inbox is sticky: only its owner may move the files of others out of it (chmod -t to archive them)"
        return ChosenPolicy(disposition=SourcePolicy.KEEP, reason=reason)
    for mark, tool in TWO_WAY_SYNC_MARKS.items():
        if regular_files.exists(inbox / mark):
            reason = f"{mark} says that {tool} keeps this inbox in step: moving a file would delete it on every device"
            return ChosenPolicy(disposition=SourcePolicy.KEEP, reason=reason)
    return ChosenPolicy(
        disposition=SourcePolicy.ARCHIVE, reason="the inbox is writable and bears no mark of a two-way sync tool"
    )
