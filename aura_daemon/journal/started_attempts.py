"""What the journal keeps of an attempt under way. In: how it runs. Out: the record for whoever finds it cut off."""

from __future__ import annotations

from pathlib import Path

from aura_daemon.ladder.attempts import RunConditions, StartedAttempt
from aura_daemon.system.processes.oom_kills import PROC, boot_id, oom_kills


def started_attempt(
    tried: RunConditions | None = None, *, device_name: str = "", proc: Path = PROC
) -> StartedAttempt | None:
    """An attempt that starts now; None where the kernel does not tell what is compared with it later."""
    boot, kills = boot_id(proc=proc), oom_kills(proc=proc)
    if not boot or kills is None:
        return None
    return StartedAttempt(boot=boot, kills=kills, tried=tried, device_name=device_name)
