"""What a family of models provides so that `session` can run its jobs.

To add a family: write a package beside `stable_diffusion` and `captioning` with a class that implements `Family`, name
the class in `families.FAMILIES`, and add it to tests/unit/engines/test_families.py, which holds the rules that every
family keeps. The short names of models and their pinned revisions (`config.engine.ALIASES`, `hub.PINNED`) are one table
for all families, because the configuration is checked against it without torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from aura_daemon.config.engine import ModelSettings
from aura_daemon.engines.model_files.beside.further_models import FurtherModel
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.loaded_models import Engine
from aura_daemon.engines.reporter import Reporter
from aura_daemon.jobs.requests import Request
from aura_daemon.jobs.results import Failure, Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.prediction import Extent, Footprint
from aura_daemon.ladder.rungs import Backend, Rung

PictureT = TypeVar("PictureT")
"""What a family decodes from the files of a task."""

EngineT = TypeVar("EngineT", bound=Engine)


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodedTask(Generic[PictureT]):
    """A task whose files could be decoded."""

    task: Task
    picture: PictureT
    further: tuple[ModelFiles, ...] = ()
    """The files of what `Family.further_models` named, in that order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskResult:
    """How one task ended."""

    task: Task
    outcome: Outcome
    step_s: float = 0.0
    """Seconds a denoising step took; 0 without steps."""


class Family(Protocol[PictureT, EngineT]):
    """One kind of models, made from `EngineSettings`; the methods are called in the order in which they stand here."""

    def model_format(self, request: Request) -> ModelFormat:
        """Architectures, weight files and embedded model of the model that serves a request."""

    def batch_key(self, request: Request) -> Request | None:
        """Requests with equal keys may run together; None: the request runs alone."""

    def model(self, request: Request) -> ModelSettings | Failure:
        """The model that a request names, or the configured one; a Failure for a model that is not allowed."""

    def further_models(self, request: Request) -> tuple[FurtherModel, ...] | Failure:
        """The models that a request takes beside that one; a Failure for one that is not allowed."""

    def decode(self, task: Task) -> PictureT | Failure:
        """Decodes the files of a task; a Failure ends this task alone, before any model is looked for."""

    def extent(self, tasks: Sequence[DecodedTask[PictureT]], files: ModelFiles) -> Extent:
        """How much the tasks compute at once, as memory counts it."""

    def variant(self, tasks: Sequence[DecodedTask[PictureT]], files: ModelFiles, placement: Placement) -> str:
        """How these tasks are computed on a placement (`Placement.variant`); `EAGER` is always possible."""

    def rungs(self, backend: Backend) -> tuple[Rung, ...]:
        """The ladder on this backend, the rung with the most memory first."""

    def footprint(
        self, files: ModelFiles, placement: Placement, tasks: Sequence[DecodedTask[PictureT]] = ()
    ) -> Footprint:
        """What the model takes of memory for these tasks; without the process itself (`base_bytes`)."""

    def load(self, files: ModelFiles, placement: Placement) -> EngineT:
        """Loads a model; raises what the libraries raise."""

    def prepare(self, engine: EngineT, picture: PictureT) -> PictureT:
        """What the engine takes of a picture, and a picture that was prepared as it is.

        Called in a thread while the engine works on the batch before; what it raises ends this task alone.
        """

    def run(
        self, engine: EngineT, tasks: Sequence[DecodedTask[PictureT]], reporter: Reporter, peak: PeakMemory
    ) -> Iterator[TaskResult]:
        """Runs tasks of one batch key and ends each exactly once; raises what the libraries raise.

        A task that cannot be done ends with a Failure and leaves the others alone. A cancelled task ends as CANCELLED.
        """
