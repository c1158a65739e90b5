"""What each lever gains and loses while pictures are described. In: settings of a worker. Out: ratios, shares right."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from aura_daemon.bench.figures import NotMeasured
from aura_daemon.bench.speeds import MINI_PROMPT, Told
from aura_daemon.bench.timed_worker import TimedBatch, TimedWorker
from aura_daemon.config.engine import Dtype, EngineSettings
from aura_daemon.errors import AuraError
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest
from aura_daemon.jobs.results import EAGER, OPENVINO, OPENVINO_INT8, Failure
from aura_daemon.jobs.speed import CaptionEngine, CaptionSpeed
from aura_daemon.jobs.tasks import Task

TOGETHER: Final = 8
"""As the daemon has captions written at once."""

MOST_CONVERSIONS: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionLever:
    """One change against captions in float32, by PyTorch, one at a time."""

    name: str
    variant: str = EAGER
    dtype: Dtype = Dtype.FLOAT32
    together: int = 1

    def settings(self, base: EngineSettings) -> EngineSettings:
        """The worker's."""
        engine = CaptionEngine.EAGER if self.variant == EAGER else CaptionEngine.OPENVINO
        speed = CaptionSpeed.BALANCED if self.variant == OPENVINO_INT8 else CaptionSpeed.EXACT
        return replace(base, dtype=self.dtype, caption=replace(base.caption, engine=engine, speed=speed))


BASE: Final = CaptionLever(name="nothing")

LEVERS: Final = (
    CaptionLever(name="captions in bfloat16", dtype=Dtype.BFLOAT16),
    CaptionLever(name=f"{TOGETHER} captions at once", together=TOGETHER),
    CaptionLever(name="looked at by OpenVINO", variant=OPENVINO),
    CaptionLever(name="looked at in 8 bits", variant=OPENVINO_INT8),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionGain:
    """How much sooner a caption is there with a lever."""

    name: str
    times: float
    spread: float
    cpu_times: float
    right: float | None
    """Share of aura-mini's drawings whose shape, colour and background are told right; None: not judged."""


def gains(settings: EngineSettings, *, pairs: int, pictures: int, told: Told) -> Iterator[CaptionGain | NotMeasured]:
    """Each lever in turn with the base beside it; raises AuraError where the base describes nothing."""
    tasks = _tasks(settings)
    right = _shares_right(pictures)
    with TimedWorker(BASE.settings(settings)) as base:
        _described(base, tasks, BASE.together)
        for lever in LEVERS:
            told(lever.name, 0, pairs)
            _convert(lever.settings(settings), tasks[:1])
            with TimedWorker(lever.settings(settings)) as worker:
                warm = worker.run_batch(tasks, lever.together)
                if isinstance(warm, Failure):
                    yield NotMeasured(name=lever.name, reason=warm.told)
                elif (by := warm.produced[0].variant) != lever.variant:
                    yield NotMeasured(name=lever.name, reason=f"{by} looked at them: no conversion is here")
                else:
                    both = [
                        (_described(base, tasks, BASE.together), _described(worker, tasks, lever.together))
                        for _ in range(pairs)
                    ]
                    ratios = [beside.whole_s / own.whole_s for beside, own in both]
                    yield CaptionGain(
                        name=lever.name,
                        times=median(ratios),
                        spread=(max(ratios) - min(ratios)) / median(ratios),
                        cpu_times=sum(one.cpu_s for one, _ in both) / max(sum(own.cpu_s for _, own in both), 0.01),
                        right=right.get((lever.variant, lever.dtype)),
                    )


def _tasks(settings: EngineSettings) -> list[Task]:
    """Captions of one picture, which the generator draws."""
    with TimedWorker(settings) as worker:
        drawn = worker.run(GenerateRequest(prompt=MINI_PROMPT, seed=1, steps=2))
    if isinstance(drawn, Failure):
        raise AuraError(drawn.told)
    content = drawn.produced.payloads[0].content
    return [
        Task(job_id=f"{number}", request=CaptionRequest(), image=content, image_name="picture.png")
        for number in range(2 * TOGETHER)
    ]


def _described(worker: TimedWorker, tasks: list[Task], together: int) -> TimedBatch:
    batch = worker.run_batch(tasks, together)
    if isinstance(batch, Failure):
        raise AuraError(batch.told)
    return batch


def _convert(settings: EngineSettings, tasks: list[Task]) -> None:
    for _ in range(MOST_CONVERSIONS):
        with TimedWorker(settings) as worker:
            if isinstance(worker.run_batch(tasks, 1), Failure) or not worker.wait_for_conversion(lambda: None):
                return


def _shares_right(pictures: int) -> dict[tuple[str, str], float]:
    """By variant and number format; empty where aura-mini cannot be judged here."""
    command = [sys.executable, "-P", "-m", "aura_daemon.training.captions", "--json", "--pictures", str(pictures)]
    done = subprocess.run(command, capture_output=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []
    return {(row["variant"], row["dtype"]): row["right"] for row in rows}
