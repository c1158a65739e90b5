"""Models that a request takes beside the one that draws: ControlNets. In: what is wanted. Out: files that were hashed.

They are found once; as long as their files stay as they were, no hub is asked and nothing is hashed again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from aura_daemon.config.engine import ModelSettings
from aura_daemon.config.workers.services import Services
from aura_daemon.engines.model_files.fetched import files_of
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.reporter import Reporter
from aura_daemon.jobs.results import Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class FurtherModel:
    """One of them."""

    told_as: str
    """Its name in jobs and sidecars."""
    settings: ModelSettings
    model_format: ModelFormat


Stamps: TypeAlias = tuple[tuple[int, int], ...]
"""Size in bytes and time of change in nanoseconds of each file of weights."""


class FurtherModels:
    """Finds them, and remembers where."""

    def __init__(self, services: Services | None) -> None:
        """`services`: None: this process may fetch."""
        self._services = services
        self._found: dict[FurtherModel, tuple[ModelFiles, Stamps]] = {}

    def of(
        self, wanted: tuple[FurtherModel, ...], *, half: bool, reporter: Reporter
    ) -> tuple[ModelFiles, ...] | Failure:
        """Their files, in this order; a Failure for the first that cannot be had."""
        found = []
        for one in wanted:
            files = self._known(one) or self._looked_for(one, half, reporter)
            if isinstance(files, Failure):
                return files
            found.append(files)
        return tuple(found)

    def _known(self, wanted: FurtherModel) -> ModelFiles | None:
        files, stamps = self._found.get(wanted, (None, ()))
        return files if files is not None and _stamps(files) == stamps else None

    def _looked_for(self, wanted: FurtherModel, half: bool, reporter: Reporter) -> ModelFiles | Failure:
        files = files_of(wanted.settings, wanted.model_format, half, reporter, self._services)
        if isinstance(files, Failure):
            return files
        named = replace(files, name=wanted.told_as)
        self._found[wanted] = named, _stamps(named)
        return named


def beside(files: tuple[ModelFiles, ...]) -> str:
    """How measurements name what a model was loaded with: by the number, since ControlNets of one model are alike."""
    return f" + {len(files)}" if files else ""


def _stamps(files: ModelFiles) -> Stamps:
    """Empty where a file is not there any more."""
    try:
        states = [(files.folder / name).stat() for name in files.weights.names]
    except OSError:
        return ()
    return tuple((state.st_size, state.st_mtime_ns) for state in states)
