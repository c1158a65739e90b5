"""The typed messages between the daemon and a process that fetches one model.

Down: `FetchOrder` once. Up: `Loading` as long as bytes come, then `Fetched`; `LogLine` where the log is a file too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import WantedModel
from aura_daemon.jobs.results import Failure
from aura_daemon.system.sandbox.plan import SandboxPlan
from aura_daemon.workers.protocol import Loading, LogLine


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchOrder:
    """What to fetch: a model that the settings name."""

    settings: EngineSettings
    wanted: WantedModel
    sandbox: SandboxPlan | None = None
    """What the process shuts itself in with; None: it does not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """The last word: the model is here, or why it is not."""

    failure: Failure | None


FromFetcher: TypeAlias = Loading | Fetched | LogLine
