"""Why a file that lies in the inbox is not taken. In: its name, settings, a journal. Out: one line of text.

What the daemon decides about the file, in the same way, without doing anything.
"""

from __future__ import annotations

import time

from aura_daemon.config.settings import Settings
from aura_daemon.intake.triage import assemble_judging
from aura_daemon.journal.journal import Journal
from aura_daemon.system.clock import SteadyClock
from aura_daemon.system.permissions import why_denied
from aura_daemon.watch import completeness
from aura_daemon.watch.completeness import Writer
from aura_daemon.watch.decisions import Leave, Wait
from aura_daemon.watch.file_stamp import FileStamp


def obstacle_of(name: str, settings: Settings, journal: Journal, *, keeps: bool) -> str | None:
    """Why a file in the inbox is not taken; None where nothing speaks against it. `keeps`: sources stay there."""
    triage, file = assemble_judging(settings, journal, now=SteadyClock().now, keeps=keeps).triage, settings.inbox / name
    if (left_alone := triage.by_name(name)) is not None:
        return f"left alone: {left_alone}"
    try:
        status = file.lstat()
        unchanged_s = max(0.0, time.time() - max(status.st_ctime, status.st_mtime))
        writer = completeness.writer_of(file)
        decision = triage.judge(name, FileStamp.of(status), unchanged_s=unchanged_s)
    except OSError as error:
        return f"not taken yet: it cannot be read: {why_denied(error, file)}"
    if isinstance(decision, Leave):
        return f"left alone: {decision}"
    if writer is Writer.SOMEBODY:
        return "not taken yet: a writer has it open"
    if isinstance(decision, Wait):
        return f"not taken yet: {decision.reason}"
    if writer is Writer.UNKNOWN and unchanged_s < settings.settle:
        return f"not taken yet: it changed {unchanged_s:.1f} s ago, and may still grow"
    return None
