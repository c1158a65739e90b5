"""Has a file been delivered completely? In: a path, how long the file has looked the same. Out: what it waits for.

Where the system knows that nobody has it open for writing, the answer needs no waiting (`system.open_writers`).
Elsewhere a file is complete when it has not changed for the settle time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aura_daemon.formats.file_types import LINE_EXTENSIONS, extension_of
from aura_daemon.system.files import regular_files
from aura_daemon.system.watching.open_writers import Writer, writer_of
from aura_daemon.watch.file_stamp import FileStamp

AFTERTHOUGHT_S: Final = 0.25
"""How long a closed file is left alone. A tool that writes a file in place often sets its times and rights just after
closing it (rsync --inplace, rclone --inplace, curl -R), and would not find the file any more. A file that is renamed
into the inbox has its times and rights already."""

LAST_LINE_S: Final = 2.0
"""How long a closed list of prompts is left alone whose last line has no end. A script that writes a line in pieces
(`printf 'a cat' >>list.txt`, then `echo ', at night' >>list.txt`) closes the file after each, and half a prompt would
be drawn. Editors that write no last line feed lose two seconds, no more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Incomplete:
    """Look again when the file has been unchanged for `unchanged_s`."""

    unchanged_s: float
    reason: str
    may_last: bool
    """The wait may take long, so that the log tells of it."""


def incompleteness(file: Path, *, unchanged_s: float, settle_s: float, came_whole: bool) -> Incomplete | None:
    """What a file waits for, or None where it is complete; raises OSError where it cannot be opened."""
    match writer_of(file):
        case Writer.SOMEBODY:
            recheck_s = unchanged_s + max(settle_s, AFTERTHOUGHT_S)
            return Incomplete(unchanged_s=recheck_s, reason="a writer has it open", may_last=unchanged_s >= settle_s)
        case Writer.NONE:
            pause_s = LAST_LINE_S if _ends_within_a_line(file) else AFTERTHOUGHT_S
            wait_s = 0.0 if came_whole else min(pause_s, settle_s)
        case Writer.UNKNOWN:
            wait_s = settle_s
    if unchanged_s < wait_s:
        return Incomplete(unchanged_s=wait_s, reason="it may not be complete yet", may_last=False)
    return None


class CompletenessTracker:
    """Completeness of files that are not pending themselves: the images of job files, the settings of folders."""

    def __init__(self, settle_s: float, *, now: Callable[[], float]) -> None:
        """`now`: seconds on a clock that does not jump."""
        self._settle_s = settle_s
        self._now = now
        self._seen: dict[Path, tuple[FileStamp, float]] = {}
        """How a file looked last, and since when."""

    def incompleteness(self, file: Path) -> Incomplete | None:
        """What a file waits for; None where it is complete. Raises OSError."""
        waits = incompleteness(file, unchanged_s=self.unchanged_s(file), settle_s=self._settle_s, came_whole=True)
        if waits is None:
            self._seen.pop(file, None)
        return waits

    def unchanged_s(self, file: Path) -> float:
        """For how long a file has looked the same at every look; raises OSError."""
        stamp = FileStamp.of(regular_files.asked_status(file))
        seen = self._seen.get(file)
        if seen is None or seen[0] != stamp:
            self._seen[file] = seen = (stamp, self._now())
        return self._now() - seen[1]


def _ends_within_a_line(file: Path) -> bool:
    """Whether the last line of a list of lines has no end."""
    if extension_of(file.name) not in LINE_EXTENSIONS:
        return False
    with regular_files.opened(file) as opened:
        size_bytes = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, size_bytes - 2))
        tail = opened.read(2)
    return not tail.rstrip(b"\0").endswith((b"\n", b"\r"))
