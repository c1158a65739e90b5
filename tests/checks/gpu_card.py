"""The engines on a card of a given size, and on every rung, for `tests.checks.gpu_check`. In: a task. Out: rows.

An attempt that runs out of memory is followed as the daemon follows it: by `dispatch.retry_policy`, with what
`journal` learns.
"""

from __future__ import annotations

import dataclasses
import gc
import io
import json
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy
import torch
from PIL import Image

from aura_daemon.config.engine import CaptionSettings, Device, EngineSettings, GenerateSettings, Safety
from aura_daemon.dispatch.retry_policy import Retry, StepDown, decide
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.placement.device_memory import MemoryFigures, release
from aura_daemon.engines.placement.devices import Devices
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, JobKind, Lora, Request
from aura_daemon.jobs.results import Failure, FailureKind, Outcome, Produced
from aura_daemon.jobs.speed import EngineChoice, Speed
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import TOP, Attempt, RunConditions, Start, attempt_of
from aura_daemon.ladder.measurements import after_refusal, after_success
from aura_daemon.ladder.prediction import Extent, Measured
from aura_daemon.ladder.rungs import RUNGS, Rung, ladder

GIB: Final = 1 << 30

CONTEXT_GIB: Final = 0.5
"""Of a card, what its CUDA context takes."""

STEPS: Final = 4

EDITED: Final = "[a red circle:a blue square:0.5] AND a green ring:0.5"
"""A prompt of two passes, one of which changes in the middle."""
BATCH: Final = 4
BATCHES: Final = (1, 2, 4, 8)
BATCH_STEPS: Final = 12
SEED: Final = 7

ATTEMPTS: Final = 3
"""As configured where nobody says otherwise."""

STREAMS_BELOW_GIB: Final = 2
"""On smaller cards weights are streamed for every picture: seconds a step, so batches of one size will do."""

RANK: Final = 4
LORA: Final = "random"


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckTask:
    """What one process does; crosses to it as JSON."""

    part: str
    """`rungs`: every rung in turn; `faults`: see `tests.checks.gpu_faults`; `card`: sizes on a card of some size.

    All others are in `tests.checks.gpu_speed`.
    """
    card_gib: float
    """0: all of the GPU."""
    generator: str
    captioner: str
    loras: str
    sizes: tuple[tuple[int, int], ...]
    rehearse: bool
    """On the CPU: nothing is limited."""
    engine: str = EngineChoice.AUTO
    speed: str = ""
    """Empty: as configured where nobody says otherwise."""


def run(task: CheckTask) -> Iterator[dict[str, Any]]:
    """The rows of one process."""
    quiet_libraries()
    if task.part not in ("rungs", "faults", "card"):
        from tests.checks import gpu_speed

        yield from gpu_speed.run(task)
        return
    if task.part == "faults":
        from tests.checks import gpu_faults

        yield from gpu_faults.run(Card(task), rehearse=task.rehearse)
        return
    card = Card(task)
    if task.part == "rungs":
        yield from card.every_rung()
        yield from card.every_batch()
    else:
        yield from card.every_size()


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskResult:
    """How one request ended."""

    request: Request
    outcome: Outcome
    tried: RunConditions | None
    step_s: float


class Card:
    """A session, and what it learns."""

    def __init__(self, task: CheckTask) -> None:
        self._task = task
        self._fraction = None if task.rehearse or not task.card_gib else _fraction(task.card_gib)
        self._session = self._made()
        self._measured: dict[tuple[Rung, Extent], Measured] = {}
        devices = self._session.devices
        if isinstance(devices, Failure):
            raise RuntimeError(devices.message)
        self._devices: Devices = devices
        self.last: numpy.ndarray[Any, Any] | None = None
        """The first picture of the last row, `uint8 [H, W, 3]`."""

    def _made(self) -> Session:
        task = self._task
        engine = EngineChoice(task.engine)
        generate = GenerateSettings(model=task.generator, loras=task.loras, safety=Safety.OFF, engine=engine)
        if task.speed:
            generate = dataclasses.replace(generate, speed=Speed(task.speed))
        return Session(
            EngineSettings(
                device=Device.CPU if task.rehearse else Device.CUDA,
                memory_fraction=self._fraction,
                generate=generate,
                caption=CaptionSettings(model=task.captioner, max_new_tokens=20),
            )
        )

    @property
    def uuid(self) -> str:
        """Of the GPU."""
        return self._devices.accelerator.uuid if self._devices.accelerator is not None else ""

    def memory(self) -> MemoryFigures:
        """As the session tells it."""
        return self._session.memory()

    def give_up(self) -> None:
        """All models, and their memory."""
        self._session = self._made()
        release(self._devices.first)

    def forget(self) -> None:
        """What was measured, as after a change of the machine."""
        self._measured.clear()

    # -- a card of some size ---------------------------------------------------------------------------------------

    def every_size(self) -> Iterator[dict[str, Any]]:
        """Each size, alone and in a batch, and a caption in between."""
        for number, size in enumerate(self._task.sizes):
            for batch in (1, BATCH) if number == 0 or self._task.card_gib >= STREAMS_BELOW_GIB else (1,):
                yield {"card": self._task.card_gib, **self.row(requests_of(size, batch))}
            if number == 0:
                picture = io.BytesIO()
                Image.effect_noise((640, 480), 80).convert("RGB").save(picture, "PNG")
                row = self.row([CaptionRequest()], image=picture.getvalue())
                yield {"card": self._task.card_gib, **row, "models": len(self._session.models)}

    # -- every rung ------------------------------------------------------------------------------------------------

    def every_rung(self) -> Iterator[dict[str, Any]]:
        """Each forced once: what it takes, and how far its pictures are from the first one's."""
        size = self._task.sizes[0]
        rungs = ladder(self._devices.backend, JobKind.GENERATE)
        if self._devices.accelerator is not None:
            rungs = tuple(rung for rung in rungs if not RUNGS[rung].on_cpu)
        source = io.BytesIO()
        Image.effect_noise(size, 80).convert("RGB").save(source, "PNG")
        first: dict[bool, dict[str, Any]] = {}
        """By whether the picture is decoded in tiles, which changes it."""
        for rung in rungs:
            start = Start(rung=rung)
            self.row(requests_of(size, 1), start=start)  # loads; kernels are chosen
            row = self.row(requests_of(size, 1), start=start)
            plain = self.last
            batch = self.row(requests_of(size, BATCH), start=start) if RUNGS[rung].offload == "none" else None
            lora = self.row(requests_of(size, 1, lora=True), start=start)
            with_lora = self.last
            again = self.row(requests_of(size, 1), start=start)
            without = self.last
            changed = self.row(requests_of(size, 1, image="noise.png"), start=start, image=source.getvalue())
            from_image = self.last
            edited = self.row(requests_of(size, 1, prompt=EDITED), start=start)
            seen = {"plain": plain, "lora": with_lora, "image": from_image, "edited": self.last}
            like = first.setdefault(RUNGS[rung].tiles, seen)
            like = like if like is not seen else first[False]
            yield {
                **row,
                "rung": rung,
                "off": {name: difference(seen[name], like[name]) for name in seen},
                "lora_changes": difference(with_lora, plain),
                "lora_left": difference(without, plain),
                "edited_changes": difference(self.last, plain),
                "batch_s": batch["seconds"] / BATCH if batch is not None else 0.0,
                "batch_rungs": batch["rungs"] if batch is not None else [],
                "failures": [one["outcome"] for one in (row, lora, again, changed, edited) if one["outcome"] != "done"],
            }

    def every_batch(self) -> Iterator[dict[str, Any]]:
        """What a picture's share of a step takes among others; each size of batch once before, for its kernels."""
        for batch in BATCHES:
            requests = requests_of(self._task.sizes[0], batch, steps=BATCH_STEPS)
            self.row(requests)
            yield {"part": "batches", **self.row(requests)}

    # -- one row ---------------------------------------------------------------------------------------------------

    def row(
        self,
        requests: Sequence[Request],
        *,
        start: Start = TOP,
        image: bytes | None = None,
        stepped: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """Runs jobs together, each that fails once more by itself and lower, until all have had their last word.

        `stepped`: called once, after the first step of the first one.
        """
        self.last = None
        self._reset_reserved()
        began_s = time.monotonic()
        attempts: list[Attempt] = []
        done: list[TaskResult] = []
        failed: list[TaskResult] = []
        for ended in self.ended(requests, start, image, stepped):
            own: list[Attempt] = []
            while (lower := self._next(ended, own)) is not None:
                (ended,) = self.ended([ended.request], lower, image)
            attempts += own
            (done if isinstance(ended.outcome, Produced) else failed).append(ended)
            self._learn(ended)
        seconds = time.monotonic() - began_s
        if done:
            self.last = _pixels(done[0].outcome)
        return self._told(requests, done, failed, attempts, seconds)

    def _next(self, ended: TaskResult, own: list[Attempt]) -> Start | None:
        """Where the daemon would go on; None where it would not. Adds to `own`."""
        failure = ended.outcome
        if not isinstance(failure, Failure):
            return None
        own.append(attempt_of(ended.tried, kind=failure.kind, reason=failure.message, seconds=0.0))
        if failure.kind is FailureKind.OUT_OF_MEMORY and ended.tried is not None:
            self._keep(after_refusal(self._measured_for(ended.tried.width), ended.tried))
        kind = JobKind.CAPTION if isinstance(ended.request, CaptionRequest) else JobKind.GENERATE
        match decide(failure, kind=kind, tried=own, attempts=len(own), attempts_allowed=ATTEMPTS):
            case StepDown(start=start):
                return start
            case Retry():
                return TOP
        return None

    def ended(
        self,
        requests: Sequence[Request],
        start: Start,
        image: bytes | None,
        stepped: Callable[[], None] | None = None,
    ) -> list[TaskResult]:
        """One attempt at all, and their last words."""
        tasks = [
            Task(job_id=str(number), request=request, image=image, image_name="noise.png")
            for number, request in enumerate(requests)
        ]
        results = _Results(tasks, stepped)
        width = 0 if isinstance(requests[0], CaptionRequest) else 1
        measured = self._measured_for(width)
        self._session.run(tasks, results, start=start, measured=measured)
        return results.all

    def _told(
        self,
        requests: Sequence[Request],
        done: Sequence[TaskResult],
        failed: Sequence[TaskResult],
        attempts: Sequence[Attempt],
        seconds: float,
    ) -> dict[str, Any]:
        first = requests[0]
        tried = [ended.tried for ended in (*done, *failed) if ended.tried is not None]
        produced = [ended.outcome for ended in done if isinstance(ended.outcome, Produced)]
        failures = [ended.outcome.message for ended in failed if isinstance(ended.outcome, Failure)]
        what = f"{first.width}×{first.height}" if isinstance(first, GenerateRequest) else "caption"
        return {
            "what": what,
            "batch": len(requests),
            "rungs": list(dict.fromkeys(one.rung for one in tried)),
            "together": max((one.batch for one in tried), default=0),
            "expected": max((one.expected_bytes for one in tried), default=0),
            "room": min((one.room_bytes for one in tried), default=0),
            "peak": max((one.peak_bytes for one in produced), default=0),
            "reserved": self._reserved(),
            "seconds": seconds,
            "loaded_s": sum({one.timing.loaded_s for one in produced}),  # those of one batch say the same
            "step_s": max((ended.step_s for ended in done), default=0.0),
            "decoded_s": max((one.timing.decoded_s for one in produced), default=0.0),
            "attempts": [f"{one.kind} on {one.rung} ({one.batch}): {one.reason}" for one in attempts],
            "failed": len(failed),
            "outcome": failures[0] if failures else "done",
            "variant": ", ".join(dict.fromkeys(one.variant for one in produced)),
            "warnings": list(dict.fromkeys(warning for one in produced for warning in one.warnings)),
            "on_gpu": all(not RUNGS[one.rung].on_cpu for one in tried),
        }

    # -- what the journal does -------------------------------------------------------------------------------------

    def _learn(self, ended: TaskResult) -> None:
        if ended.tried is None or not isinstance(ended.outcome, Produced):
            return
        peak = ended.outcome.peak_bytes if ended.tried.alone else 0
        tried = dataclasses.replace(ended.tried, peak_bytes=peak)
        self._keep(after_success(self._measured_for(tried.width), tried, step_s=ended.step_s))

    def _measured_for(self, width: int) -> tuple[Measured, ...]:
        """Of the generator; of the captioner, whose pictures have no size."""
        return tuple(one for one in self._measured.values() if bool(one.width) == bool(width))

    def _keep(self, learned: tuple[Measured, ...]) -> None:
        for one in learned:
            self._measured[one.rung, one.extent] = one

    # -- the device ------------------------------------------------------------------------------------------------

    def _reset_reserved(self) -> None:
        gc.collect()
        self._highest_reserved = 0
        if not self._task.rehearse:
            torch.cuda.reset_peak_memory_stats(0)

    def _reserved(self) -> int:
        """What the allocator had from the driver at most, since a model was loaded or the row began."""
        return 0 if self._task.rehearse else int(torch.cuda.max_memory_reserved(0))


class _Results:
    """Keeps how the tasks ended (`engines.reporter.Reporter`); once, something happens after a step."""

    def __init__(self, tasks: Sequence[Task], stepped: Callable[[], None] | None) -> None:
        self._requests = {task.job_id: task.request for task in tasks}
        self._then = stepped
        self.all: list[TaskResult] = []

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        """Not needed here."""

    def placed(self, job_ids: Sequence[str], tried: RunConditions) -> None:
        """The results say the same."""

    def is_cancelled(self, job_id: str) -> bool:
        return False

    def stepped(self, job_id: str, step: int, steps: int, preview: bytes = b"") -> None:
        then, self._then = self._then, None
        if then is not None:
            then()

    def finish(self, job_id: str, outcome: Outcome, *, tried: RunConditions | None = None, step_s: float = 0.0) -> None:
        self.all.append(TaskResult(request=self._requests[job_id], outcome=outcome, tried=tried, step_s=step_s))


def write_lora(generator: Path, folder: Path) -> None:
    """A LoRA of random numbers for all queries of a UNet, in diffusers' own names; strong enough to be seen."""
    from safetensors.torch import save_file

    (file,) = (generator / "unet").glob("*.safetensors")
    with file.open("rb") as opened:
        (size,) = struct.unpack("<Q", opened.read(8))
        header = json.loads(opened.read(size))
    numbers = torch.Generator("cpu").manual_seed(SEED)
    tensors: dict[str, torch.Tensor] = {}
    for name, entry in header.items():
        if name.endswith(".to_q.weight"):
            rows, columns = entry["shape"]
            layer = f"unet.{name.removesuffix('.weight')}"
            tensors[f"{layer}.lora_A.weight"] = torch.randn(RANK, columns, generator=numbers) / columns**0.5
            tensors[f"{layer}.lora_B.weight"] = torch.randn(rows, RANK, generator=numbers) * 2
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / f"{LORA}.safetensors")


def requests_of(
    size: tuple[int, int],
    batch: int,
    *,
    prompt: str = "a red circle",
    lora: bool = False,
    image: str | None = None,
    steps: int = STEPS,
) -> list[Request]:
    """Pictures of one size, each of its own seed."""
    plain = GenerateRequest(
        prompt=prompt, steps=steps, guidance_scale=7.5, width=size[0], height=size[1], seed=SEED, image=image
    )
    loras = (Lora(name=LORA),) if lora else ()
    return [dataclasses.replace(plain, seed=SEED + number, loras=loras) for number in range(batch)]


def _fraction(card_gib: float) -> float:
    total = int(torch.cuda.get_device_properties(0).total_memory)
    return float((card_gib - CONTEXT_GIB) * GIB / total)


def _pixels(outcome: object) -> numpy.ndarray[Any, Any] | None:
    """`uint8 [H, W, 3]`; None for a caption."""
    assert isinstance(outcome, Produced)
    return pixels_of(outcome.payloads[0].content) if outcome.payloads[0].width else None


def pixels_of(content: bytes) -> numpy.ndarray[Any, Any]:
    """`uint8 [H, W, 3]` of a file."""
    return numpy.asarray(Image.open(io.BytesIO(content)))


def difference(one: Any, other: Any) -> list[float]:
    """The largest and the mean, of 255; -1 where there is no picture."""
    if one is None or other is None:
        return [-1.0, -1.0]
    off = numpy.abs(one.astype(int) - other.astype(int))
    return [float(off.max()), round(float(off.mean()), 3)]
