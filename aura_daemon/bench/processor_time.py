"""How long the processor has worked for a process: other programs change it less than the time of the clock."""

from __future__ import annotations


def cpu_s(pid: int) -> float:
    """Seconds, of all of its threads."""
    import psutil  # large, and not needed by who imports this module

    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
