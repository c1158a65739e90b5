"""`status`: an answer that needs neither the daemon nor a model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from shutil import get_terminal_size

from aura_daemon.config.loading import load
from aura_daemon.daemon.status import models_text, read_status, since_text
from aura_daemon.errors import with_mend
from aura_daemon.health import heartbeat
from aura_daemon.health.document import Health, Status
from aura_daemon.health.worker_table import is_fleet, troubles, worker_counts, worker_table
from aura_daemon.jobs.lifecycle import OPEN

NOTHING_YET = 1

INDENT = "  "

MOST_WORKERS = 32
"""Workers, shown; `status --json` has all of them."""

MOST_REASONS = 12
"""Reasons of files that are left alone, shown; `health.json` has all of them."""


def status(config: Path | None, *, as_json: bool) -> int:
    """0; 1 where there is no journal yet and the answer is for people."""
    state = load(config).settings.state_folder()
    answer = read_status(state)
    if answer.journal_error:
        print(answer.journal_error, file=sys.stderr)
    if as_json:
        print(json.dumps(answer.document(), indent=2))
        return 0
    if answer.job_counts is None:
        if not answer.journal_error:
            print(f"nothing has run here yet (no journal in {state})")
        return NOTHING_YET
    if answer.health is not None:
        _print_health(answer.health, is_running=answer.is_running)
    counts = [f"{count} {name}" for name, count in answer.job_counts.items() if count]
    print(f"jobs       {', '.join(counts) or 'none'}")
    for failure in answer.recent_failures:
        print(f"failed     {failure}")
    return 0


def _print_left_alone(reasons: dict[str, int]) -> None:
    """How many files are no jobs, and why: the commonest reasons."""
    ranked = sorted(reasons.items(), key=lambda item: -item[1])
    for reason, count in ranked[:MOST_REASONS]:
        print(f"left alone {count}: {reason}")
    if len(ranked) > MOST_REASONS:
        more = sum(count for _, count in ranked[MOST_REASONS:])
        print(f"left alone {more} for {len(ranked) - MOST_REASONS} other reasons")


def _print_workers(health: Health) -> None:
    """The workers as a table that is no wider than the terminal, and why some have no place."""
    width = get_terminal_size().columns - len(INDENT) if sys.stdout.isatty() else None
    print(f"workers    {worker_counts(health)}")
    for line in worker_table(health, width=width, most=MOST_WORKERS):
        print(f"{INDENT}{line}")
    for trouble in troubles(health):
        print(f"no place   {trouble}")


def _print_health(health: Health, *, is_running: bool) -> None:
    if is_running:
        print(f"daemon     {health.status} since {health.since}")
        if health.status is Status.PAUSED and health.last_error:
            print(f"paused     {health.last_error}")
    elif heartbeat.is_silent(health):
        told = f"no sign of life for {heartbeat.age_s(health):.0f} s from process {health.pid}"
        print(f"daemon     {told}: it waits for a share whose server is away, hangs, or was killed")
    else:
        print(f"daemon     not running (last seen {heartbeat.age_s(health):.0f} s ago)")
    print(f"inbox      {health.inbox}\noutbox     {health.outbox}")
    if is_running:
        arriving = f", {health.unsettled_files} still arriving" if health.unsettled_files else ""
        print(f"queue      {sum(health.jobs.get(state, 0) for state in OPEN)}{arriving}")
        if is_fleet(health):
            _print_workers(health)
        elif health.current is not None:
            print(f"running    {health.current.source} ({health.current.kind}): {health.current.progress}")
        if health.device is not None and not is_fleet(health):
            print(f"device     {health.device} ({health.device_name}), {health.dtype}, rung {health.rung}")
        if health.polls_because:
            print(f"watching   by looking again and again: {health.polls_because}")
        if not is_fleet(health):
            print(f"models     {models_text(health)}")
    for copy in health.conflict_copies:
        print(f"conflict   {copy}: left alone, decide which one you want")
    _print_left_alone(health.left_alone)
    for holdup in health.holdups:
        print(f"held up    {holdup.what}: {with_mend(holdup.reason, holdup.mend)}{since_text(holdup)}")
