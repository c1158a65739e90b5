"""`status`: an answer that needs neither the daemon nor a model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from aura_daemon.config.loading import load
from aura_daemon.errors import JournalRefused
from aura_daemon.health import heartbeat
from aura_daemon.health.document import Health, Holdup
from aura_daemon.jobs.lifecycle import OPEN
from aura_daemon.journal.journal import FILE_NAME, Journal


def status(config: Path | None, *, as_json: bool) -> int:
    """Always 0 where it could answer; 1 where there is no journal yet."""
    settings = load(config).settings
    state = settings.state_folder()
    document = heartbeat.read(state)
    running = document is not None and heartbeat.is_alive(document)
    counts, failures = _journal(state / FILE_NAME)
    if as_json:
        answer = {
            "running": running,
            "jobs": counts,
            "recent_failures": failures,
            "health": document.model_dump(mode="json", by_alias=True) if document else None,
        }
        print(json.dumps(answer, indent=2))
        return 0
    if counts is None:
        print(f"nothing has run here yet (no journal in {state})")
        return 1
    if document is not None:
        _print(document, running)
    print("jobs       " + (", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"))
    for failure in failures:
        print(f"failed     {failure}")
    return 0


def _journal(path: Path) -> tuple[dict[str, int] | None, list[str]]:
    """Counts by state and the last failures; None where there is no journal."""
    if not path.exists():
        return None, []
    try:
        journal = Journal(path, read_only=True)
    except JournalRefused as error:
        print(f"{error.strerror}", file=sys.stderr)
        return None, []
    try:
        failures = [f"{job.id}: {job.failure.message}" for job in journal.recent(20) if job.failure is not None]
        return {state.value: count for state, count in journal.counts().items()}, failures[:5]
    finally:
        journal.close()


def _print(document: Health, running: bool) -> None:
    """The health document, for people."""
    age = heartbeat.age_s(document)
    print(
        f"daemon     {document.status} since {document.since}"
        if running
        else f"daemon     not running (last seen {age:.0f} s ago)"
    )
    print(f"inbox      {document.inbox}\noutbox     {document.outbox}")
    if running:
        waiting = f", {document.unsettled_files} still arriving" if document.unsettled_files else ""
        print(f"queue      {sum(document.jobs.get(state, 0) for state in OPEN)}{waiting}")
        if document.current is not None:
            current = document.current
            where = f"loading {current.loading}" if current.loading else f"step {current.step} of {current.steps}"
            print(f"running    {current.source} ({current.kind}): {where}")
        if document.device is not None:
            print(f"device     {document.device} ({document.device_name}), {document.dtype}, rung {document.rung}")
        if document.polls_because:
            print(f"watching   by looking again and again: {document.polls_because}")
        print(f"models     {', '.join(document.models) or 'none loaded'}")
    for copy in document.conflict_copies:
        print(f"conflict   {copy}: left alone, decide which one you want")
    for holdup in document.holdups:
        print(f"held up    {holdup.what}: {holdup.reason} {holdup.mend}{since(holdup)}")


def since(holdup: Holdup) -> str:
    """Since when, in words."""
    return f" (since {holdup.since})" if holdup.since else ""
