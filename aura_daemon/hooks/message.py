"""What a hook is told of an event. In: the event, journal and outbox. Out: variables, and bytes for standard input.

The names do not begin with `AURA_`, which are keys of the configuration: a hook may run `aura-daemon` itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aura_daemon.errors import BrokenState
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.results import Failure
from aura_daemon.journal.hook_events import HookEvent, HookKind
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job, Source
from aura_daemon.outbox import sidecar_writer
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.outbox.failed_files import failed_file
from aura_daemon.outbox.result_document import source_record

PREFIX: Final = "AURADAEMON_"

VALUE_BYTES: Final = 32_768
"""Most bytes of a variable; Linux takes 131,072, and refuses to start a program with a longer one."""

OURS_ALONE: Final = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
"""Variables through which the daemon speaks to its service manager, which no hook should."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HookMessage:
    """What one run of a hook is given."""

    variables: Mapping[str, str]
    content: bytes = b""
    """The sidecar, or the report of the failure; empty for `idle`, and where somebody took the sidecar away."""


def message_of(event: HookEvent, journal: Journal, delivery: Delivery, inbox: str) -> HookMessage:
    """What a hook is told; raises BrokenState where the journal no longer knows the job, and OSError."""
    variables = {
        "EVENT": str(event.kind),
        "EVENT_ID": event_id(event),
        "INBOX": inbox,
        "OUTBOX": os.fspath(delivery.root),
    }
    if event.kind is HookKind.IDLE:
        return HookMessage(variables=variables | {"DONE": str(event.done), "FAILED": str(event.failed)})
    job = journal.find_job(event.subject)
    source = journal.source(job.source_id if job is not None else event.subject)
    variables |= {"ID": event.subject, "SOURCE": source.path, **_of_job(job)}
    if event.kind is HookKind.FAILED:
        return _failed(event, source, job, variables, delivery)
    assert job is not None
    return _done(job, variables, delivery)


def event_id(event: HookEvent) -> str:
    """The same for every report of one event, and for no other."""
    return f"{event.subject or f'{event.recorded_at:.3f}'}-{event.kind}"


def environment(message: HookMessage, inherited: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The whole environment of a hook."""
    ours, prefix = {os.fsencode(name) for name in OURS_ALONE}, os.fsencode(PREFIX)
    # The daemon may itself have been started by a hook.
    kept = {name: value for name, value in inherited.items() if name not in ours and not name.startswith(prefix)}
    return kept | {os.fsencode(PREFIX + name): fit(value) for name, value in message.variables.items()}


def fit(value: str) -> bytes:
    """A value that a variable can hold: without NUL, short enough, and file names as their bytes."""
    try:
        content = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a half of a character, from a job file with `\ud800`
        content = value.encode("utf-8", "replace")
    content = content.replace(b"\0", b"")
    if len(content) <= VALUE_BYTES:
        return content
    return content[:VALUE_BYTES].decode(errors="ignore").encode()


def _of_job(job: Job | None) -> dict[str, str]:
    if job is None:
        return {"KIND": "file", "PROMPT": "", "DOCUMENT": ""}
    return {"KIND": job.kind, "PROMPT": job.words, "DOCUMENT": "" if job.number is None else str(job.number)}


def _done(job: Job, variables: dict[str, str], delivery: Delivery) -> HookMessage:
    told = variables | {"OUTCOME": "done", "REASON": "", "MEND": ""}
    if (found := delivery.sidecar_of(job)) is None:
        return HookMessage(variables=told | {"OUTPUTS": "", "SIDECAR": "", "CAPTION": ""})
    place, document = found
    outputs = [place.with_name(job.stem + os.path.splitext(output.name)[1]) for output in document.outputs]  # noqa: PTH122
    if document.text is not None and not document.text.is_kept and isinstance(job.request, CaptionRequest):
        outputs.append(delivery.inbox / job.request.text_path)
    told |= {"OUTPUTS": "\n".join(map(os.fspath, outputs)), "SIDECAR": os.fspath(place)}
    return HookMessage(variables=told | {"CAPTION": document.caption or ""}, content=document.to_json())


def _failed(
    event: HookEvent, source: Source, job: Job | None, variables: dict[str, str], delivery: Delivery
) -> HookMessage:
    failure: Failure | None = job.failure if job is not None else source.failure
    if failure is None:
        raise BrokenState(f"{event.subject} has not failed")
    report = sidecar_writer.report(
        failure,
        source.problems,
        job_id=event.subject,
        failed=datetime.fromtimestamp(event.recorded_at, UTC).isoformat(timespec="seconds"),
        source=source_record(source, job),
        attempts=max(job.attempts, len(job.tried)) if job is not None else 0,
        tried=job.tried if job is not None else (),
    )
    told = {"OUTCOME": str(failure.kind), "REASON": failure.message, "MEND": failure.mend, "CAPTION": ""}
    place = failed_file(delivery.root, source, job)
    outputs = os.fspath(place.file) if place.file is not None else ""
    beside = os.fspath(place.report) if place.report.exists() else ""
    return HookMessage(variables=variables | told | {"OUTPUTS": outputs, "SIDECAR": beside}, content=report.to_json())
