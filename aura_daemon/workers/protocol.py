"""The typed messages that cross to a worker and back, and the interface every worker keeps.

Down: `Configure` once, then a `Batch` at a time, `Cancel` at any time. Up: `Ready`, `Placed`, `Loading`, `Progress`,
`Finished`; `LogLine` where the log is a file too. A child process on this machine may do little, and asks (`Question`)
for the rest; it is answered.
A worker that dies says nothing; the process worker notices and reports a `Failure` for what was running.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import FaultyConversion, WantedConversion, WantedModel
from aura_daemon.jobs.results import Failure, Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import TOP, RunConditions, Start
from aura_daemon.ladder.prediction import Measured
from aura_daemon.system.sandbox.plan import SandboxPlan

NO_DEVICE: Final = "none"
"""The device of a worker that found none that it may compute on: every batch fails."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Configure:
    """First message down: what the worker may load and where it may run."""

    settings: EngineSettings
    sandbox: SandboxPlan | None = None
    """How the process shuts itself in before it does anything else; None: it does not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Jobs that run together (`dispatch.batching`), where the worker begins, and what was measured of their model."""

    tasks: tuple[Task, ...]
    start: Start = TOP
    measured: tuple[Measured, ...] = ()
    together: int | None = None
    """How many at once; the pictures of the next are read meanwhile. None: as many as there is memory for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cancel:
    """Stop this job at its next step, without decoding; its last word is a Failure of kind CANCELLED."""

    job_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """Bytes on the device the worker uses, and of the worker itself."""

    device_used_bytes: int
    device_free_bytes: int
    resident_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """The worker has imported its libraries and found its device."""

    device: str
    """`cpu`, `cuda:0`; `NO_DEVICE` where the configured one was not found, and `device_name` says why."""
    device_name: str
    dtype: str
    rung: str
    """The first of its ladder; each job says on which it ran."""
    versions: tuple[tuple[str, str], ...]
    sandbox_lacks: tuple[str, ...] = ()
    """What of its sandbox this system does not have, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loading:
    """A model is being fetched or loaded; sent again whenever bytes arrived, so that it also is a sign of life."""

    model: str
    done_bytes: int = 0
    total_bytes: int = 0
    """0: unknown, or nothing to download."""
    job_ids: tuple[str, ...] = ()
    """The jobs that wait for it; the dispatcher knows them, the worker does not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """These jobs are about to run like that; said before anything is loaded for them, as it may be the last word."""

    job_ids: tuple[str, ...]
    tried: RunConditions


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """A step of a job is done."""

    job_id: str
    step: int
    steps: int
    preview: bytes = field(default=b"", repr=False)
    """A small JPEG of the picture by now, where one was asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """The last word on one job of the batch; the batch is over when every task has one."""

    job_id: str
    outcome: Outcome
    memory: Memory
    models: tuple[str, ...]
    """Names of the models that are loaded now."""
    model_kinds: tuple[str, ...] = ()
    """The kind of job that each of these models serves: two of them may have one name."""
    tried: RunConditions | None = None
    """How it ran; None where it did not come to that."""
    step_s: float = 0.0
    """Seconds a step took; 0 where nothing was drawn."""
    lost_node: bool = False
    """Whether the job ended with the machine that ran it, which nobody can tell from a job that takes it down."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogLine:
    """A line of the worker's log, for the log file, which the daemon writes."""

    level: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchWanted:
    """A model is not here, or may not be the newest: it is to be fetched."""

    wanted: WantedModel


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchAnswer:
    """The model is here; or why it is not."""

    failure: Failure | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureWanted:
    """One picture of the set that a job puts together, counted from 0."""

    job_id: str
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureAnswer:
    """The picture's file; None where it cannot be read, or is not to be."""

    content: bytes | None = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class ConversionWanted:
    """A model would be computed sooner if it were converted; nobody waits for an answer."""

    conversion: WantedConversion


@dataclass(frozen=True, kw_only=True, slots=True)
class ConversionFailed:
    """A converted model could not be computed; nobody waits for an answer."""

    fault: FaultyConversion


@dataclass(frozen=True, kw_only=True, slots=True)
class ConversionUsed:
    """A job uses a converted model; nobody waits for an answer."""

    place: str


Question: TypeAlias = FetchWanted | PictureWanted | ConversionWanted | ConversionFailed | ConversionUsed
Answer: TypeAlias = FetchAnswer | PictureAnswer

Down: TypeAlias = Configure | Batch | Cancel | Answer
Up: TypeAlias = Ready | Placed | Loading | Progress | Finished | LogLine


class Worker(Protocol):
    """Runs one batch at a time, somewhere else. Never blocks longer than a message takes to copy."""

    def submit(self, batch: Batch) -> None:
        """Hands a batch over, starting the worker where it is not running. Only when `idle`."""

    def prestart(self) -> None:
        """Starts the worker before its first batch, where it is not running and that can be done."""

    def cancel(self, job_id: str) -> None:
        """Has a job of the running batch stop within a step; one that is over by then keeps its outcome."""

    def poll(self) -> list[Up]:
        """What came up since the last call; a death or a missed deadline is in it as `Finished` with a `Failure`."""

    def waitables(self) -> list[int]:
        """File descriptors that become readable when `poll` has something to say."""

    @property
    def idle(self) -> bool:
        """True when no batch is running."""

    @property
    def is_running(self) -> bool:
        """Whether its process is there, or comes as soon as there is a place for it."""

    @property
    def takes_batches(self) -> bool:
        """Whether a batch would begin now; False of one that has no place yet, which `prestart` asks for."""

    @property
    def node(self) -> str:
        """The machine on which it runs; empty: this one, or none."""

    @property
    def trouble(self) -> str:
        """Why it has no place, in words; empty where nothing is wrong."""

    @property
    def pid(self) -> int | None:
        """Process id of the worker on this machine; None while none is running or it is elsewhere."""

    @property
    def resident_bytes(self) -> int | None:
        """Memory of the worker's process now; None while none is running or nobody can tell."""

    def unload(self) -> None:
        """Ends an idle worker to give back all its memory; the next `submit` starts it again."""

    def stop(self, timeout_s: float) -> None:
        """Ends the worker, whatever it does; after `timeout_s` by force."""
