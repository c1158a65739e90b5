"""The folders that retention looks after, and what in each of them is ours. In: settings. Out: areas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from aura_daemon import file_names
from aura_daemon.config.settings import Settings
from aura_daemon.housekeeping.folder_sweep import Area
from aura_daemon.outbox import previews
from aura_daemon.outbox.source_disposal import SourceDisposal
from aura_daemon.system.files.walking import WalkedFolder
from aura_daemon.system.logs import LogFile

_REPORT: Final = b'"schema": "aura-daemon/failure/'
_HEAD_BYTES: Final = 256
"""The schema stands first in our documents."""


def areas_of(settings: Settings, disposal: SourceDisposal, log_file: LogFile | None) -> tuple[Area, ...]:
    """The areas of which something is ever deleted."""
    kept = settings.retention

    def archive_shrinks(freed_bytes: int) -> None:
        disposal.archive_bytes -= freed_bytes

    own = PurePosixPath(file_names.OWN_FOLDER)
    areas = [
        Area(
            name="archive",
            root=settings.inbox,
            folder=own / "done",
            kept=kept.archive,
            groups=_each,
            gone=archive_shrinks,
        ),
        Area(
            name="failed files",
            root=settings.outbox,
            folder=PurePosixPath(file_names.FAILED_FOLDER),
            kept=kept.failed,
            groups=_with_reports,
        ),
        Area(
            name="previews",
            root=settings.outbox,
            folder=PurePosixPath(previews.FOLDER),
            kept=kept.previews,
            groups=_previews,
            is_deep=False,
        ),
    ]
    if log_file is not None:
        logs = _Logs(log_file)
        folder = log_file.path.parent
        areas.append(
            Area(name="logs", root=folder, folder=PurePosixPath(), kept=kept.logs, groups=logs.groups, is_deep=False)
        )
    return tuple(area for area in areas if area.kept.is_limited)


def _each(folder: WalkedFolder) -> Iterator[tuple[str, ...]]:
    """Every file by itself."""
    return ((name,) for name in folder.names)


def _with_reports(folder: WalkedFolder) -> Iterator[tuple[str, ...]]:
    """Failed files with their reports, and reports whose files were taken away; not what somebody else put there.

    The report goes last: a file without one would stay for ever.
    """
    there = frozenset(folder.names)
    for report in folder.names:
        if report.endswith(".json") and _REPORT in folder.head(report, _HEAD_BYTES):
            file = report.removesuffix(".json")
            yield (file, report) if file in there else (report,)
        else:
            yield ()


def _previews(folder: WalkedFolder) -> Iterator[tuple[str, ...]]:
    return ((name,) if previews.is_ours(name) else () for name in folder.names)


class _Logs:
    def __init__(self, log_file: LogFile) -> None:
        self._log_file = log_file

    def groups(self, folder: WalkedFolder) -> Iterator[tuple[str, ...]]:
        """The log files that were put aside."""
        return ((file.name,) for file in self._log_file.aside(folder.names))
