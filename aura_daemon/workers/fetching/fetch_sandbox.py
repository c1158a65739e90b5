"""What a process that fetches models keeps: the network and the hub's cache. In: settings. Out: a plan."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.shut_in import ShutIn
from aura_daemon.system.sandbox.plan import SandboxMode, SandboxPlan
from aura_daemon.workers.local.reach import Surroundings, reach_of_fetches


def fetch_plan(settings: EngineSettings, shut_in: ShutIn, environment: Mapping[str, str]) -> SandboxPlan | None:
    """The plan of each process that fetches with these variables, whose folders are made; None: it is not shut in."""
    if shut_in.mode is SandboxMode.OFF:
        return None
    reach = reach_of_fetches(Surroundings(settings=settings, environment=environment))
    for folder in reach.writes:
        with suppress(OSError):  # what is not there stays closed, and the fetch says so
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - a text
    return SandboxPlan(
        mode=shut_in.mode,
        reads=reach.reads,
        writes=reach.writes,
        closed=shut_in.closed,
        network=True,
    )
