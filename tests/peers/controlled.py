"""What maps, regions and upscalers cost beside plain diffusers: `python -m tests.peers.controlled`.

Stable Diffusion 1.4, no, one and two ControlNets of Stable Diffusion 1.5 and upscalers at their real size, random
weights. On every rung of this machine's ladder (on a GPU also as on a card of `--card` GiB) the product's own worker
draws, in turn with diffusers' `StableDiffusionControlNetPipeline`: same maps, seed, size, steps, scheduler and number
format; where a rung widens weights layer by layer, diffusers does too (`enable_layerwise_casting`). Out: tables in
Markdown; rows for which no time is left are named.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy
from PIL import Image

from aura_daemon.bench import speeds
from aura_daemon.bench.children.commands import PROMPT
from aura_daemon.bench.children.random_names import cache_folder
from aura_daemon.bench.children.served import EngineProcess
from aura_daemon.bench.timed_worker import TimedWorker
from aura_daemon.cli.bench.speed import machine
from aura_daemon.config.engine import EngineSettings, GenerateSettings, Safety, UpscaleSettings
from aura_daemon.jobs.guidance.controls import Control
from aura_daemon.jobs.guidance.regions import Region
from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.requests import GenerateRequest, JobKind, UpscaleRequest
from aura_daemon.jobs.results import Failure
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.speed import EngineChoice, Speed
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import TOP, Start
from aura_daemon.ladder.rungs import RUNGS, Backend, Rung, Storage, ladder
from aura_daemon.mini import GENERATOR
from aura_daemon.system.hardware.nvidia import first_visible, gpus
from aura_daemon.workers.engine_start import ENVIRONMENT
from tests.peers.controlled_rows import HEAD, ControlledRow, OwnPicture
from tests.peers.controlled_settings import (
    CONTROLNETS,
    GUIDANCE,
    NETS,
    SEED,
    UPSCALERS,
    WEIGHT,
    ControlledSettings,
    served,
    step_seconds,
    writer,
)

FIRST: Final = (Rung.RESIDENT, Rung.CPU, Rung.CPU_HALF_WEIGHTS)
"""Rungs on which every pair is drawn several times."""

CARD_PX: Final = 768
"""As many pixels as 1152x512, the largest of the usual sizes: drawn on the small card beside the others."""

WIDENED: Final = (Storage.HALF, Storage.MAPPED)
PLAIN: Final = "plain.png"
STEPS: Final = 3
"""Of a picture; the first one is not counted."""

GIB: Final = 1 << 30
CONTEXT_GIB: Final = 0.5
"""Of a card, what its CUDA context takes."""

LEFT: Final = Region(prompt=f"{PROMPT}, in spring", box=(0.0, 0.0, 0.5, 1.0))
RIGHT: Final = Region(prompt=f"{PROMPT}, in autumn", box=(0.5, 0.0, 1.0, 1.0))


@dataclass(kw_only=True, slots=True)
class Controlled:
    """One run."""

    given: argparse.Namespace
    model: Path
    models: Path
    """The folder of ControlNets and upscalers."""
    scratch: Path
    until_s: float
    number: int = 0
    plains: dict[tuple[EngineProcess | None, int], list[Mapping[str, Any]]] = field(default_factory=dict)
    """What each process of plain diffusers took, by size: lower rungs are compared with that too."""
    left_out: list[str] = field(default_factory=list)

    def rows(self) -> Iterator[ControlledRow]:
        """All that there is time for."""
        for nets in self.given.nets:
            for halves in (False, True):
                yield from self._beside(nets, halves=halves)
            if self._card is not None:
                with TimedWorker(self._settings(self.given.card)) as worker:
                    for size in (*self.given.sizes, CARD_PX):
                        yield from self._guided(worker, None, nets, size, None)
        yield from self._upscaled()

    def _beside(self, nets: int, *, halves: bool) -> Iterator[ControlledRow]:
        """The rungs that widen weights layer by layer, or the others, beside diffusers that does the same."""
        sizes = self.given.sizes
        rungs = [(size, rung) for size in sizes for rung in self._rungs(JobKind.GENERATE, size)]
        rungs = [(size, rung) for size, rung in rungs if (RUNGS[rung].storage in WIDENED) is halves]
        if not rungs:
            return
        plain = EngineProcess(served(self._plain(nets, halves=halves)), environment=ENVIRONMENT)
        with plain, TimedWorker(self._settings()) as worker:
            for size, rung in rungs:
                yield from self._guided(worker, plain, nets, size, rung)
            if nets == 0 and not halves:
                request = replace(self._request(sizes[0]), regions=(LEFT, RIGHT))
                yield from self._pairs(worker, plain, "2 regions", request, rungs[0][1])

    def _guided(
        self, worker: TimedWorker, plain: EngineProcess | None, nets: int, size: int, rung: Rung | None
    ) -> Iterator[ControlledRow]:
        controls = tuple(Control(image=_map(name, size), model=name, weight=WEIGHT) for name in NETS[:nets])
        what = f"{nets} ControlNet{'' if nets == 1 else 's'}"
        yield from self._pairs(worker, plain, what, replace(self._request(size), control=controls), rung)

    def _pairs(
        self, worker: TimedWorker, plain: EngineProcess | None, what: str, request: GenerateRequest, rung: Rung | None
    ) -> Iterator[ControlledRow]:
        """Pictures in turn; none is drawn only to warm up, as the first step of each counts for nothing."""
        told = f"{what}, {request.width} px, {rung or self.given.card}"
        if self._is_late(told):
            return
        runs: list[OwnPicture] = []
        plains = self.plains.setdefault((plain, request.width), [])
        for _ in range(self.given.rounds if rung in FIRST else 1):
            if plain is not None and (rung in FIRST or not plains):
                plains.append(plain.ask(f"picture {request.width} {request.steps}").facts)
            run = self._run(worker, request, rung)
            if isinstance(run, Failure):
                self.left_out.append(f"{told}: {run.told}")
                return
            runs.append(run)
        off = self._difference(runs[-1]) if plains and not request.regions else None
        where = "" if rung is not None else f", of {self.given.card:g} GiB"
        yield ControlledRow.of(f"{what}{where}", runs, plains, off=off)

    def _difference(self, run: OwnPicture) -> float:
        """From plain diffusers' last picture, the mean of 255."""
        content = BytesIO(run.run.produced.payloads[0].content)
        ours, theirs = (
            numpy.asarray(Image.open(file).convert("RGB"), dtype=float) for file in (content, self.scratch / PLAIN)
        )
        return float(abs(ours - theirs).mean())

    def _upscaled(self) -> Iterator[ControlledRow]:
        size = self.given.sizes[0]
        with TimedWorker(self._settings()) as worker:
            for file in sorted((self.models / UPSCALERS).glob("*.safetensors")):
                request = UpscaleRequest(image=_map(NETS[0], size), upscale=Upscale(model=file.stem, scale=2))
                for rung in self._rungs(JobKind.UPSCALE):
                    what = f"enlarged 2 times by {file.stem}"
                    if self._is_late(f"{what}, {rung}"):
                        continue
                    run = self._run(worker, request, rung)
                    if isinstance(run, Failure):
                        self.left_out.append(f"{what}, {rung}: {run.told}")
                    else:
                        yield ControlledRow.of(what, [run])

    def _request(self, size: int) -> GenerateRequest:
        return GenerateRequest(
            prompt=PROMPT,
            seed=SEED,
            width=size,
            height=size,
            steps=self.given.steps,
            guidance_scale=GUIDANCE,
            scheduler=Scheduler.DPMPP_2M_KARRAS,
        )

    def _run(
        self, worker: TimedWorker, request: GenerateRequest | UpscaleRequest, rung: Rung | None
    ) -> OwnPicture | Failure:
        def read(name: str) -> bytes:
            return (self.scratch / name).read_bytes()

        further, image = {}, None
        if isinstance(request, GenerateRequest):
            further = {one.image: read(one.image) for one in request.control}
        elif request.image is not None:
            image = read(request.image)
        self.number += 1
        task = Task(job_id=f"bench-{self.number}", request=request, image=image, further_images=further)
        ended: list[tuple[float, float]] = []

        def stepped(_step: int, _steps: int) -> None:
            ended.append((time.perf_counter(), worker.cpu_s))

        run = worker.run_task(task, stepped, start=Start(rung=rung) if rung is not None else TOP)
        if isinstance(run, Failure):
            return run
        if isinstance(request, UpscaleRequest):
            return OwnPicture(run=run, step_s=run.whole_s)
        step_s, cpu_s = step_seconds(ended)
        return OwnPicture(run=run, step_s=step_s, cpu_s=cpu_s)

    def _is_late(self, what: str) -> bool:
        if time.monotonic() < self.until_s:
            print(f"{what} …", file=sys.stderr, flush=True)
            return False
        self.left_out.append(f"{what}: no time was left")
        return True

    def _rungs(self, kind: JobKind, size: int = 0) -> tuple[Rung, ...]:
        """Of this machine; on a CPU the larger of two sizes is drawn on the first alone."""
        backend = Backend.CPU if self._card is None else Backend.CUDA
        rungs = [rung for rung in ladder(backend, kind) if RUNGS[rung].on_cpu == (self._card is None)]
        is_larger = self._card is None and len(self.given.sizes) > 1 and size == max(self.given.sizes)
        wanted = self.given.rungs or rungs
        return tuple(rungs[:1] if is_larger else [rung for rung in rungs if rung in wanted])

    @property
    def _card(self) -> Any:
        return first_visible(gpus(), os.environ)

    def _settings(self, card_gib: float = 0.0) -> EngineSettings:
        fraction = (card_gib - CONTEXT_GIB) * GIB / self._card.total_bytes if card_gib else None
        generate = GenerateSettings(
            model=str(self.model),
            controlnets=str(self.models / CONTROLNETS),
            safety=Safety.OFF,
            speed=Speed.EXACT,
            engine=EngineChoice.EAGER,
        )
        upscale = replace(UpscaleSettings(), folder=str(self.models / UPSCALERS))
        return EngineSettings(memory_fraction=fraction, generate=generate, upscale=upscale)

    def _plain(self, nets: int, *, halves: bool) -> ControlledSettings:
        """In the number format that our worker takes; `halves`: with weights in float16 until a layer computes."""
        has_bfloat16 = bool({"avx512_bf16", "amx_bf16"} & set(machine()["flags"]))
        dtype = "float16" if self._card is not None else "bfloat16" if has_bfloat16 else "float32"
        return ControlledSettings(
            plain={"model": str(self.model), "dtype": dtype, "width": 0, "height": 0},
            nets=[str(self.models / CONTROLNETS / name) for name in NETS[:nets]],
            maps=[str(self.scratch / _map(name, "{}")) for name in NETS[:nets]],
            picture=str(self.scratch / PLAIN),
            halves=halves,
        )


def main() -> int:
    """Prints the table as it grows; 1 where nothing could be measured."""
    given = _arguments()
    began_s = time.monotonic()
    folder = cache_folder() / "tiny" if given.tiny else cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    model = GENERATOR
    if not given.tiny:
        model = Path(speeds.write_random_models(EngineSettings(), checks=False).generate.model)
    subprocess.run(writer(str(folder), tiny=given.tiny), check=True)
    here = machine()
    print(f"`{given.command}`, {here['finished']}: {here['processor']}, {here['cores']} cores\n\n{HEAD}", flush=True)
    rows = 0
    with tempfile.TemporaryDirectory(prefix="aura-controlled-") as scratch:
        for number, name in enumerate(NETS):
            for size in {*given.sizes, CARD_PX}:
                _write_map(Path(scratch) / _map(name, size), size, number)
        measuring = Controlled(
            given=given,
            model=model,
            models=folder,
            scratch=Path(scratch),
            until_s=began_s + 60 * given.minutes,
        )
        for row in measuring.rows():
            rows += 1
            print(row.line(), flush=True)
    print("".join(f"\nNot measured: {one}" for one in measuring.left_out))
    minutes, load = (time.monotonic() - began_s) / 60, machine()["load_average"]
    print(f"\n{minutes:.0f} min; load average at the end {load}")
    return 0 if rows else 1


def _map(name: str, size: int | str) -> str:
    """The file of the map that a ControlNet reads."""
    return f"{name}-{size}.png"


def _write_map(file: Path, size: int, number: int) -> None:
    """White lines on black."""
    lines = numpy.random.default_rng(number).random((size // 8, size // 8)) > 0.8
    Image.fromarray((lines * 255).astype(numpy.uint8)).resize((size, size), Image.Resampling.NEAREST).save(file)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.peers.controlled", description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="with the embedded model, to try the script")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 256])
    parser.add_argument("--nets", type=int, nargs="*", default=[0, 1, 2], help="how many ControlNets")
    parser.add_argument("--rungs", type=Rung, nargs="+", metavar="RUNG", help="default: those of this machine")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rounds", type=int, default=2, help="pairs of pictures on the first rung")
    parser.add_argument("--card", type=float, default=4.0, metavar="GIB", help="what a GPU is made as small as")
    parser.add_argument("--minutes", type=float, default=25.0, help="after which no further row begins")
    given = parser.parse_args()
    given.command = " ".join(["python -m tests.peers.controlled", *sys.argv[1:]])
    return given


if __name__ == "__main__":
    sys.exit(main())
