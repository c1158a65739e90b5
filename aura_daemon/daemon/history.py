"""What ended: results and failures, the latest first. In: filters, settings. Out: entries, never printed."""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any, Final

from aura_daemon.config.settings import Settings
from aura_daemon.errors import JournalRefused, Problem, UserError
from aura_daemon.file_names import escaped
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import CaptionRequest, DatasetRequest, GridRequest, JobKind
from aura_daemon.jobs.results import Failure
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox.failed_files import failed_file
from aura_daemon.outbox.outbox_files import PAYLOAD_EXTENSIONS
from aura_daemon.outbox.result_files import output_of, sidecar_path_of
from aura_daemon.system.files import regular_files

PAGE: Final = 100
"""Rows that are read at once."""

NOTHING_YET = "nothing has run here yet (no journal in {}): run the daemon"

MOST_CAPTION_BYTES: Final = 10_000
_PLAIN: Final = re.compile(r"[ !#-\[\]-~]*")
"""Texts that stand in JSON as they are, and whose case SQLite knows: the journal looks for them itself."""

_LAST_ID: Final = "\U0010ffff"


class Ending(StrEnum):
    """How something ended."""

    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryFilter:
    """Which entries are wanted; every condition counts."""

    ending: Ending | None = None
    kind: JobKind | None = None
    """A refused file has no kind, and is left out where one is wanted."""
    text: str = ""
    """Stands in the file's path, the prompt, the caption, the reason of a failure or a result's name, in any case."""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryEntry:
    """A job that ended, or a file that was refused."""

    id: str
    """Of the job, or of the file that was refused."""
    source: str
    """Path of the file below the inbox, escaped."""
    kind: JobKind | None
    """None for a refused file."""
    ending: Ending
    ended_at: datetime
    total_s: float | None
    """From its claim to the result; None where it failed."""
    text: str
    """The prompt, the caption, or what a sheet or set holds; empty for a refused file."""
    output: Path | None
    """The result; None where it failed."""
    sidecar: Path | None
    """What describes the result, or the report of the failure."""
    is_there: bool
    """Whether the result, or the report, lies there still."""
    failure: Failure | None = None

    def document(self) -> dict[str, Any]:
        """What `history --json` prints on a line."""
        return {
            "id": self.id,
            "source": self.source,
            "kind": self.kind,
            "outcome": self.ending,
            "ended_at": self.ended_at.isoformat(timespec="milliseconds"),
            "total_s": self.total_s,
            "text": self.text,
            "output": _text_of(self.output),
            "sidecar": _text_of(self.sidecar),
            "is_there": self.is_there,
            "failure": {"kind": self.failure.kind, "message": self.failure.message, "mend": self.failure.mend}
            if self.failure
            else None,
        }


def history(settings: Settings, wanted: HistoryFilter | None = None, *, most: int) -> tuple[HistoryEntry, ...]:
    """The last entries that are wanted; raises UserError where no journal can be read."""
    wanted = wanted or HistoryFilter()
    with closing(open_journal(settings.state_folder())) as journal:
        return tuple(islice(_History(settings, journal).entries(wanted), most))


def open_journal(state: Path) -> Journal:
    """The journal, opened for reading; raises UserError where there is none, or none that this program can read."""
    try:
        return Journal(state / FILE_NAME, read_only=True)
    except JournalRefused as error:
        message = NOTHING_YET.format(state) if error.is_missing else str(error.strerror)
        raise UserError([Problem(message=message)]) from None


class _History:
    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._outbox, self._inbox = settings.outbox, settings.inbox
        self._journal = journal

    def entries(self, wanted: HistoryFilter) -> Iterator[HistoryEntry]:
        """All entries that are wanted, read page by page."""
        parts = [self._of_jobs(wanted)]
        if wanted.kind is None and wanted.ending is not Ending.DONE:
            parts.append(self._of_refused(wanted))
        needle = wanted.text.casefold()
        for entry in heapq.merge(*parts, key=lambda entry: entry.ended_at, reverse=True):
            if not needle or needle in _haystack(entry):
                yield entry

    def _of_jobs(self, wanted: HistoryFilter) -> Iterator[HistoryEntry]:
        before = _end(wanted)
        kind, state, likely = wanted.kind or "", wanted.ending or "", _likely(wanted.text)
        while jobs := self._journal.ended(
            before=before, most=PAGE, since=_start(wanted), kind=kind, state=state, likely=likely
        ):
            yield from map(self._of_job, jobs)
            before = (jobs[-1].finished_at or 0.0, jobs[-1].id)

    def _of_refused(self, wanted: HistoryFilter) -> Iterator[HistoryEntry]:
        before = _end(wanted)
        while sources := self._journal.refused(before=before, most=PAGE, since=_start(wanted)):
            for source in sources:
                report = failed_file(self._outbox, source, None).report
                yield _entry(source.id, source, source.claimed_at, kind=None, failure=source.failure, sidecar=report)
            before = (sources[-1].claimed_at, sources[-1].id)

    def _of_job(self, job: Job) -> HistoryEntry:
        source, kind = self._journal.source(job.source_id), JobKind(job.kind)
        text = _words_of(job)
        ended_at = job.finished_at or 0.0
        if job.state is not JobState.DONE:
            report = failed_file(self._outbox, source, job).report
            return _entry(job.id, source, ended_at, kind=kind, failure=job.failure, sidecar=report, text=text)
        output = output_of(job, self._outbox, self._inbox)
        sidecar = sidecar_path_of(job, self._outbox)
        if isinstance(job.request, CaptionRequest):
            text = _caption_in(output) or text
        return _entry(
            job.id, source, ended_at, kind=kind, output=output, sidecar=sidecar, text=text, total_s=job.total_s
        )


def _entry(
    entry_id: str,
    source: Source,
    ended_at: float,
    *,
    kind: JobKind | None,
    sidecar: Path,
    text: str = "",
    output: Path | None = None,
    total_s: float | None = None,
    failure: Failure | None = None,
) -> HistoryEntry:
    return HistoryEntry(
        id=entry_id,
        source=escaped(source.path),
        kind=kind,
        ending=Ending.DONE if failure is None else Ending.FAILED,
        ended_at=datetime.fromtimestamp(ended_at, UTC),
        total_s=total_s,
        text=text,
        output=output,
        sidecar=sidecar,
        is_there=os.path.lexists(output or sidecar),
        failure=failure,
    )


def _words_of(job: Job) -> str:
    """What tells people of a job."""
    match job.request:
        case DatasetRequest() as request:
            return f"a set of {_pictures(len(job.waits_for) + len(request.kept))}"
        case GridRequest() as request:
            image = f" from {escaped(request.image)}" if request.image is not None else ""
            return f"a sheet of {_pictures(len(request.cells))}{image}"
        case _:
            return job.words


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"


def _caption_in(file: Path) -> str:
    """The text of a caption; empty where it is gone."""
    try:
        return regular_files.read(file, most_bytes=MOST_CAPTION_BYTES).content.decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _haystack(entry: HistoryEntry) -> str:
    name = entry.output.name if entry.output is not None else ""
    reason = entry.failure.message if entry.failure is not None else ""
    return "\n".join((entry.id, entry.source, entry.text, name, reason)).casefold()


def _likely(text: str) -> str:
    """What the journal can look for itself; empty where it might leave out what is wanted: a part of an extension."""
    is_of_extension = any(text.casefold() in extension for extension in PAYLOAD_EXTENSIONS)
    return text if _PLAIN.fullmatch(text) and not is_of_extension else ""


def _text_of(path: Path | None) -> str | None:
    return escaped(os.fspath(path)) if path is not None else None


def _start(wanted: HistoryFilter) -> float:
    return wanted.since.timestamp() if wanted.since is not None else 0.0


def _end(wanted: HistoryFilter) -> tuple[float, str]:
    """What `journal.ended` takes: everything up to this moment, itself included."""
    return (wanted.until.timestamp() if wanted.until is not None else inf, _LAST_ID)
