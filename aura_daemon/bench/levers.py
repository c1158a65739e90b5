"""What each lever gains and loses on this machine, by itself. In: settings of a worker. Out: ratios, and quality.

A lever is one change against the same base: PyTorch as the model is written, in the number format that the machine
computes in, every step as asked. Its time is a median over pairs of pictures, base and lever in turn; its quality is
that of aura-mini (`training.quality`), whatever model is timed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Final

from aura_daemon.bench.children.commands import PROMPT
from aura_daemon.bench.figures import NotMeasured
from aura_daemon.bench.speeds import MINI_PROMPT, Told, convert
from aura_daemon.bench.timed_worker import TimedRun, TimedWorker
from aura_daemon.config.engine import EMBEDDED, Dtype, EngineSettings
from aura_daemon.errors import AuraError
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure
from aura_daemon.jobs.speed import EngineChoice, Speed

FEWER_STEPS: Final = 10
"""As few as aura-mini draws as well as with 25 (measured)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lever:
    """One change against the base."""

    name: str
    speed: Speed = Speed.EXACT
    engine: EngineChoice = EngineChoice.EAGER
    dtype: Dtype | None = None
    """None: as configured."""
    steps: int | None = None

    @property
    def for_quality(self) -> dict[str, Any]:
        """As `training.quality` reads it."""
        told = {"speed": self.speed, "engine": self.engine, "dtype": self.dtype, "steps": self.steps}
        return {"name": self.name} | {key: value for key, value in told.items() if value is not None}

    def settings(self, base: EngineSettings) -> EngineSettings:
        """The worker's."""
        generate = replace(base.generate, engine=self.engine)
        return replace(base, generate=generate, dtype=self.dtype or base.dtype)


BASE: Final = Lever(name="nothing")

LEVERS: Final = (
    Lever(name="float32 instead of what the machine computes in", dtype=Dtype.FLOAT32),
    Lever(name=f"{FEWER_STEPS} steps", steps=FEWER_STEPS),
    *(
        Lever(name=f"engine: {engine}", engine=engine)
        for engine in EngineChoice
        if engine not in (EngineChoice.AUTO, EngineChoice.EAGER)
    ),
    *(Lever(name=f"speed: {speed}, eager", speed=speed) for speed in Speed if speed is not Speed.EXACT),
    *(Lever(name=f"speed: {speed}, engine: auto", speed=speed, engine=EngineChoice.AUTO) for speed in Speed),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """How much sooner a picture is there with a lever."""

    name: str
    times: float
    """The median over pairs: the base's time by the lever's."""
    spread: float
    """How far apart the pairs are, as a share of it."""
    picture_s: float
    variant: str
    levers: tuple[str, ...]


def gains(
    settings: EngineSettings, size: tuple[int | None, int | None], *, pairs: int, told: Told
) -> Iterator[Gain | NotMeasured]:
    """Each lever in turn, with the base beside it."""
    prompt = MINI_PROMPT if settings.generate.model == EMBEDDED else PROMPT
    request = GenerateRequest(prompt=prompt, seed=1, width=size[0], height=size[1], speed=Speed.EXACT)
    with TimedWorker(BASE.settings(settings)) as base:
        if isinstance(warm := base.run(request), Failure):
            raise AuraError(warm.told)
        for lever in LEVERS:
            if lever.engine is not EngineChoice.EAGER:
                convert(lever.settings(settings), request, lambda: told("a model is converted, once", 0, 1))
            with TimedWorker(lever.settings(settings)) as worker:
                yield _gain(lever, base, worker, request, pairs, told)


def _gain(
    lever: Lever, base: TimedWorker, worker: TimedWorker, request: GenerateRequest, pairs: int, told: Told
) -> Gain | NotMeasured:
    changed = replace(request, speed=lever.speed, steps=lever.steps)
    ratios, made = list[float](), list[TimedRun]()
    for number in range(pairs + 1):  # the first pair warms up
        told(lever.name, number, pairs)
        beside, own = base.run(request), worker.run(changed)
        if isinstance(own, Failure):
            return NotMeasured(name=lever.name, reason=own.told)
        if isinstance(beside, Failure):
            raise AuraError(beside.told)
        made.append(own)
        ratios.append(beside.whole_s / own.whole_s)
    counting = ratios[1:]
    return Gain(
        name=lever.name,
        times=median(counting),
        spread=(max(counting) - min(counting)) / median(counting),
        picture_s=median(run.whole_s for run in made[1:]),
        variant=made[0].produced.variant,
        levers=made[0].produced.levers,
    )


def qualities(levers: Sequence[Lever], prompts: int) -> dict[str, Mapping[str, Any]]:
    """What each costs on aura-mini, by its name; raises AuraError where nothing can be drawn at all."""
    wanted = json.dumps([lever.for_quality for lever in levers])
    command = [sys.executable, "-P", "-m", "aura_daemon.training.quality", wanted, "--prompts", str(prompts)]
    done = subprocess.run(command, capture_output=True)
    if done.returncode != 0:
        raise AuraError(done.stderr.decode(errors="replace").strip().splitlines()[-1])
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["name"]: row for row in rows}
