"""Models in a process with or without a network. In: ModelSettings. Out: ModelFiles, once what lacked was fetched.

The daemon has another process fetch: the one that opens strangers' pictures reaches nobody.
"""

from __future__ import annotations

from aura_daemon.config.engine import ModelSettings
from aura_daemon.config.workers.services import Services, WantedModel
from aura_daemon.engines.model_files.companions import fetch_all, find_all_here, find_with_companions, would_fetch
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.model_files.hub import AbsentModel
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.model_files.weights import unavailable
from aura_daemon.engines.reporter import Reporter
from aura_daemon.jobs.results import Failure


def files_of(
    settings: ModelSettings, model_format: ModelFormat, half: bool, reporter: Reporter, services: Services | None
) -> ModelFiles | Failure:
    """As `find_with_companions`. `services`: have the hub asked; None: this process may ask it."""
    if services is None:
        return find_with_companions(settings, model_format, half=half, reporter=reporter)
    if model_format.role is not None and would_fetch(settings, model_format, half):
        wanted = WantedModel(role=model_format.role, model=settings.model, at_turbo=settings.at_turbo, half=half)
        if (failure := services.fetch(wanted)) is not None:
            return failure
    found = find_all_here(settings, model_format, half, reporter)
    if isinstance(found, AbsentModel):
        return unavailable(
            settings.model, "a part of it is not here any more", "see whether something clears its cache"
        )
    return found


def fetched(settings: ModelSettings, model_format: ModelFormat, half: bool, reporter: Reporter) -> Failure | None:
    """Fetches what is missing of a model, in a process that may; why that did not go well."""
    found = fetch_all(settings, model_format, half, reporter)
    return found if isinstance(found, Failure) else None
