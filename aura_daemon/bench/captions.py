"""Our captions beside plain transformers', in turn on the same pictures. In: settings of a worker. Out: figures."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from aura_daemon.bench.children import commands as children
from aura_daemon.bench.children.commands import PlainCaptionSettings
from aura_daemon.bench.children.served import EngineFailed, EngineProcess
from aura_daemon.bench.timed_worker import TimedBatch, TimedWorker
from aura_daemon.config.engine import EngineSettings
from aura_daemon.errors import AuraError
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.results import Failure, Produced
from aura_daemon.jobs.tasks import Task

PLAIN_PICTURES: Final = 4
"""That plain transformers describes in a pair: it takes as long for each."""

MOST_TOKENS: Final = 20
"""Of a caption on both sides: transformers' own default for this model."""

SLEEPING: Final = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads that wait leave the processor to others, as our worker's do: else every other program would slow it down."""

PHOTO_PX: Final = (1600, 1200)

MOST_CONVERSIONS: Final = 3
"""A model is converted for one engine after the other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionPair:
    """Both sides, one after the other."""

    plain_s: float
    """A caption by plain transformers."""
    ours_s: float
    plain_cpu_s: float
    """The same in seconds of the processor, which other programs change less."""
    ours_cpu_s: float
    model_share: float
    """Of the time that our captions took, that of the model."""

    @property
    def times(self) -> float:
        """How many of our captions are written in the time of a plain one."""
        return self.plain_s / self.ours_s

    @property
    def cpu_times(self) -> float:
        """The same in seconds of the processor."""
        return self.plain_cpu_s / self.ours_cpu_s


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionFigures:
    """What all pairs measured."""

    pairs: tuple[CaptionPair, ...]
    plain_how: str
    plain_peak_bytes: int
    sample: Produced
    """One of ours."""
    encoded_s: float
    decoded_s: float
    """Of each picture, by the model alone."""

    @property
    def times(self) -> float:
        """The median of the pairs."""
        return median(pair.times for pair in self.pairs)


def measure(settings: EngineSettings, *, pairs: int, together: int, count: int) -> CaptionFigures:
    """Raises AuraError for what cannot be measured. One pair more is run before, to warm up.

    `together`: captions that a worker writes at once; `count`: that it is given at once.
    """
    model = settings.caption
    request = CaptionRequest(max_new_tokens=MOST_TOKENS)
    with tempfile.TemporaryDirectory(prefix="aura-bench-") as folder:
        wanted = PlainCaptionSettings(
            model=model.model,
            revision=model.revision,
            allow_pickle=model.allow_pickle,
            folder=folder,
            pictures=count,
            width=PHOTO_PX[0],
            height=PHOTO_PX[1],
            max_new_tokens=MOST_TOKENS,
        )
        try:
            with EngineProcess(children.plain_captions(wanted), environment=SLEEPING) as plain:
                tasks = [
                    Task(job_id=f"{number}", request=request, image=file.read_bytes(), image_name=file.name)
                    for number, file in enumerate(sorted(Path(folder).iterdir()))
                ]
                _convert(settings, tasks[0])
                with TimedWorker(settings) as worker:
                    measured = [_pair(plain, worker, tasks, together) for _ in range(1 + pairs)][1:]
                    peak_bytes = plain.ask("describe 1").peak_bytes
        except EngineFailed as error:
            raise AuraError(f"plain transformers could not be measured: {error}") from error
    made = [produced for _, batch in measured for produced in batch.produced]
    return CaptionFigures(
        pairs=tuple(pair for pair, _ in measured),
        plain_how=str(plain.loaded.facts["how"]),
        plain_peak_bytes=peak_bytes,
        sample=max(made, key=lambda one: one.peak_bytes),
        encoded_s=median(one.timing.encoded_s for one in made),
        decoded_s=median(one.timing.decoded_s for one in made),
    )


def _pair(
    plain: EngineProcess, worker: TimedWorker, tasks: list[Task], together: int
) -> tuple[CaptionPair, TimedBatch]:
    """Some captions of each side; ours as the daemon hands them to its worker."""
    before_s = plain.cpu_s
    plain_s = plain.ask(f"describe {PLAIN_PICTURES}").seconds
    plain_cpu_s = plain.cpu_s - before_s
    batch = worker.run_batch(tasks, together)
    if isinstance(batch, Failure):
        raise AuraError(batch.told)
    model_s = sum(one.timing.encoded_s + one.timing.decoded_s for one in batch.produced)
    pair = CaptionPair(
        plain_s=plain_s / PLAIN_PICTURES,
        ours_s=batch.whole_s / len(tasks),
        plain_cpu_s=plain_cpu_s / PLAIN_PICTURES,
        ours_cpu_s=batch.cpu_s / len(tasks),
        model_share=model_s / batch.whole_s,
    )
    return pair, batch


def _convert(settings: EngineSettings, task: Task) -> None:
    """Has a worker caption until no conversion follows: what is measured then is what runs from the second day on."""
    for _ in range(MOST_CONVERSIONS):
        with TimedWorker(settings) as worker:
            if isinstance(worker.run_batch([task], 1), Failure) or not worker.wait_for_conversion(lambda: None):
                return
