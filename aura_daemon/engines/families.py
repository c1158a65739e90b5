"""The table of families: which code runs which kind of job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import Services
from aura_daemon.engines.captioning.family import Captioning
from aura_daemon.engines.interface import Family
from aura_daemon.engines.stable_diffusion.family import StableDiffusion
from aura_daemon.engines.upscaling.family import Upscaling
from aura_daemon.jobs.requests import JobKind

Families: TypeAlias = Mapping[JobKind, Callable[[EngineSettings], Family[Any, Any]]]

FAMILIES: Final[Families] = {
    JobKind.GENERATE: StableDiffusion,
    JobKind.CAPTION: Captioning,
    JobKind.UPSCALE: Upscaling,
}
"""Contact sheets and what puts data sets together have no model and so no family."""


def families_served_by(services: Services | None) -> Families:
    """The same, in a process that has others do what it may not; None: it may do all itself."""
    return {
        JobKind.GENERATE: partial(StableDiffusion, services=services),
        JobKind.CAPTION: partial(Captioning, services=services),
        JobKind.UPSCALE: Upscaling,
    }
