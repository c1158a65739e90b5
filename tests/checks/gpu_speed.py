"""How fast engines draw on a GPU, beside plain diffusers in the same process. In: a `CheckTask`. Out: rows.

Steps a second are those after the first one; a picture and a batch end with a PNG in memory, for plain diffusers too.
"""

from __future__ import annotations

import gc
import io
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import diffusers
import torch
from PIL import Image

from aura_daemon.bench.children.ceilings import count, measure
from aura_daemon.bench.children.commands import CeilingSettings
from aura_daemon.bench.floor import CARDS, floor_s, predicted_s
from aura_daemon.engines.compiled.captured_unet import CapturedUNet
from aura_daemon.engines.compiled.cuda_capture import CudaRecorder
from aura_daemon.engines.stable_diffusion.schedulers import scheduler_for
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, Request
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.speed import EngineChoice, Speed
from tests.checks import gpu_speed_table as names
from tests.checks.gpu_card import Card, CheckTask, difference, pixels_of

PARTS: Final = ("speed", "small", "compile", "compiled", "tensorrt")

STEPS: Final = 25
ORIGIN_STEPS: Final = 50
FEW: Final = 5
"""Steps of the shorter of two pictures, whose difference is steps alone."""
BATCH: Final = 8
REPEATS: Final = 3
CAPTIONS: Final = 64
PROMPT: Final = "a photo of an astronaut riding a horse on mars"
GUIDANCE: Final = 7.5


def run(task: CheckTask) -> Iterator[dict[str, Any]]:
    """The rows of one process."""
    match task.part:
        case "speed":
            yield from _beside_plain(task)
        case "small":
            yield engine_row(replace(task, engine="auto", speed=""), names.FOUR_GB)[0]
        case "compile":
            yield compiled_row(task, names.COMPILED)
        case "compiled":
            yield compiled_row(task, names.AGAIN)
        case _:
            yield engine_row(replace(task, engine=task.part, speed=Speed.EXACT), task.part)[0]


def _beside_plain(task: CheckTask) -> Iterator[dict[str, Any]]:
    """Plain diffusers, the engines that need no compiler, captions, the origin's settings."""
    plain = PlainDiffusers(task)
    yield plain.row(names.PLAIN)
    yield from plain.unets()
    first = plain.last
    del plain
    _empty(task)
    eager = replace(task, engine=EngineChoice.EAGER, speed=Speed.EXACT)
    row, like = engine_row(eager, names.EAGER, like=first)
    yield row
    yield engine_row(replace(task, engine="auto", speed=""), names.DEFAULTS, like=like)[0]
    graphs = replace(eager, engine=EngineChoice.EAGER if task.rehearse else EngineChoice.CUDA_GRAPHS)
    yield engine_row(graphs, names.GRAPHS, like=like)[0]
    yield caption_row(task)
    _empty(task)
    yield PlainDiffusers(task, dtype=torch.float32, steps=ORIGIN_STEPS).row(names.ORIGIN)
    _empty(task)
    yield from floor_rows(task)


def engine_row(task: CheckTask, what: str, *, like: Any = None) -> tuple[dict[str, Any], Any]:
    """One engine through a session, as the daemon's worker has it; and its first picture.

    `like`: the picture with which that is compared.
    """
    card = Card(task)
    began_s = time.monotonic()
    alone = card.row(requests(task, 1))
    first_s = time.monotonic() - began_s
    timed = [card.row(requests(task, 1)) for _ in range(REPEATS)]
    picture = card.last
    card.row(requests(task, BATCH))
    together = [card.row(requests(task, BATCH)) for _ in range(REPEATS - 1)]
    card.give_up()
    step_s = statistics.median(row["step_s"] for row in timed)
    at_once = min(row["together"] for row in together)
    notes = [*alone["warnings"], *([f"{at_once} at once"] if at_once != BATCH else [])]
    failed = next((row["outcome"] for row in (*timed, *together) if row["outcome"] != "done"), "")
    row = {
        "kind": "engine",
        "what": what,
        "steps_per_s": 1 / step_s if step_s else 0.0,
        "pictures_per_s": 1 / statistics.median(row["seconds"] - row["loaded_s"] for row in timed),
        "batch_per_s": BATCH / statistics.median(row["seconds"] - row["loaded_s"] for row in together),
        "first_s": first_s,
        "peak": max(row["peak"] for row in together),
        "off": difference(picture, like),
        "note": "; ".join(filter(None, [alone["variant"], failed, *notes])),
    }
    return row, picture


def compiled_row(task: CheckTask, what: str) -> dict[str, Any]:
    """The compiled engine, with what its compiler did in this process."""
    from torch._dynamo.utils import counters

    engine = EngineChoice.EAGER if task.rehearse else EngineChoice.COMPILED
    row, _ = engine_row(replace(task, engine=engine, speed=Speed.EXACT), what)
    kept = counters["inductor"]["fxgraph_cache_hit"] + counters["aot_autograd"]["autograd_cache_hit"]
    if what == names.COMPILED:
        row["note"] += "; perhaps beside other work"
    return {**row, "compiled": int(counters["inductor"]["fxgraph_cache_miss"]), "found": int(kept)}


def caption_row(task: CheckTask) -> dict[str, Any]:
    """BLIP, one picture at a time and as many as wait together."""
    content = io.BytesIO()
    Image.effect_noise((640, 480), 80).convert("RGB").save(content, "PNG")
    count = 4 if task.rehearse else CAPTIONS
    card = Card(task)
    card.row([CaptionRequest()], image=content.getvalue())
    alone = [card.row([CaptionRequest()], image=content.getvalue())["seconds"] for _ in range(min(8, count))]
    card.row([CaptionRequest()] * count, image=content.getvalue())
    together = card.row([CaptionRequest()] * count, image=content.getvalue())
    card.give_up()
    return {
        "kind": names.CAPTIONS,
        "count": count,
        "alone_per_s": 1 / statistics.median(alone),
        "together_per_s": count / together["seconds"],
        "together": together["together"],
    }


def floor_rows(task: CheckTask) -> Iterator[dict[str, Any]]:
    """Work over this card's measured best; and what is foretold of cards that we have none of."""
    width, height = task.sizes[0]
    _, step, decode = count(CeilingSettings(model=task.generator, width=width, height=height))
    wanted = "float32" if task.rehearse else "float16"
    ceiling = next(one for one in measure("cpu" if task.rehearse else "cuda") if one.dtype == wanted)
    for what, work in (("a guided step", step), ("a decode", decode)):
        least_s = floor_s(work, ceiling)
        yield {"kind": "floor", "what": what, "is_step": work is step, "flops": work.flops, "floor_s": least_s}
    best = (
        f"{ceiling.flops_per_s / 1e12:.1f} TFLOP/s in products of matrices, {ceiling.bytes_per_s / 1e9:.0f} GB/s copied"
    )
    yield {"kind": "said", "said": f"The floors are over the best of this card in {wanted}: {best}."}
    for card in CARDS:
        (least_s, fast_s, slow_s), decoded_s = predicted_s(step, card), predicted_s(decode, card)
        told = f"{fast_s:.2f} to {slow_s:.2f} s a guided step (floor {least_s:.2f})"
        picture = f"{STEPS * fast_s + decoded_s[1]:.0f} to {STEPS * slow_s + decoded_s[2]:.0f} s a picture"
        yield {"kind": "said", "said": f"{card.name}, predicted from what is published of it: {told}, {picture}."}


class PlainDiffusers:
    """As anybody writes it in ten lines; our steps and our sampler, or the origin's."""

    def __init__(self, task: CheckTask, *, dtype: torch.dtype | None = None, steps: int = STEPS) -> None:
        self._task = task
        self._device = "cpu" if task.rehearse else "cuda"
        self._dtype = dtype or (torch.float32 if task.rehearse else torch.float16)
        self._steps = FEW + 1 if task.rehearse else steps
        began_s = time.monotonic()
        self._pipe = diffusers.StableDiffusionPipeline.from_pretrained(
            task.generator, dtype=self._dtype, safety_checker=None, local_files_only=True
        ).to(self._device)
        self._pipe.set_progress_bar_config(disable=True)
        if steps != ORIGIN_STEPS:
            config = dict(self._pipe.scheduler.config)
            self._pipe.scheduler = scheduler_for(Scheduler.DPMPP_2M_KARRAS, config, self._steps).scheduler
        self._began_s = began_s
        self.last: Any = None

    def row(self, what: str) -> dict[str, Any]:
        """As the rows of engines are."""
        is_origin = what == names.ORIGIN
        self._reset_peak()
        self.last = self._drawn(1, self._steps)[1]
        first_s = time.monotonic() - self._began_s
        long_s = [self._drawn(1, self._steps)[0] for _ in range(1 if is_origin else REPEATS)]
        short_s = [self._drawn(1, FEW)[0] for _ in range(1 if is_origin else REPEATS)]
        batch_s = [] if is_origin else [self._drawn(BATCH, self._steps)[0] for _ in range(REPEATS)][1:]
        step_s = (statistics.median(long_s) - statistics.median(short_s)) / (self._steps - FEW)
        return {
            "kind": "engine",
            "what": what,
            "steps_per_s": max(0.0, 1 / step_s) if step_s else 0.0,
            "pictures_per_s": 1 / statistics.median(long_s),
            "batch_per_s": BATCH / statistics.median(batch_s) if batch_s else 0.0,
            "first_s": first_s,
            "peak": 0 if self._task.rehearse else int(torch.cuda.max_memory_allocated(0)),
            "off": [-1.0, -1.0],
            "note": str(self._dtype).removeprefix("torch."),
        }

    @torch.no_grad()
    def unets(self) -> Iterator[dict[str, Any]]:
        """The UNet alone: eager, recorded, and recorded with what might become a default."""
        unet = self._pipe.unet
        side = self._task.sizes[0][0] // 8
        numbers = torch.Generator("cpu").manual_seed(0)
        sample = torch.randn(2, 4, side, side, generator=numbers).to(self._device, self._dtype)
        words = torch.randn(2, 77, unet.config.cross_attention_dim, generator=numbers).to(self._device, self._dtype)
        moment = torch.tensor(500, device=self._device)

        def measured(what: str, call: Any, like: Any) -> tuple[dict[str, Any], Any]:
            began_s = time.monotonic()
            noise = call(sample, moment, encoder_hidden_states=words, return_dict=False)[0].float()
            self._wait()
            first_s = time.monotonic() - began_s
            times = []
            for _ in range(REPEATS):
                began_s = time.monotonic()
                for _ in range(1 if self._task.rehearse else STEPS):
                    call(sample, moment, encoder_hidden_states=words, return_dict=False)
                self._wait()
                times.append((time.monotonic() - began_s) / (1 if self._task.rehearse else STEPS))
            off = float((noise - like).abs().max()) if like is not None else 0.0
            row = {"kind": "unet", "what": what, "steps_per_s": 1 / min(times), "first_s": first_s, "off": off}
            return row, noise

        row, eager = measured(names.EAGER, unet, None)
        yield row
        if self._task.rehearse:
            return
        yield measured("recorded", CapturedUNet(unet, CudaRecorder()), eager)[0]
        unet.to(memory_format=torch.channels_last)
        yield measured("recorded, channels last", CapturedUNet(unet, CudaRecorder()), eager)[0]
        torch.backends.cudnn.benchmark = True
        yield measured("recorded, channels last, cuDNN chooses by time", CapturedUNet(unet, CudaRecorder()), eager)[0]
        torch.backends.cudnn.benchmark = False
        unet.fuse_qkv_projections()
        yield measured("recorded, channels last, fused projections", CapturedUNet(unet, CudaRecorder()), eager)[0]
        unet.unfuse_qkv_projections()
        unet.compile_repeated_blocks(fullgraph=True)
        what = "recorded, channels last, repeated blocks compiled"
        yield measured(what, CapturedUNet(unet, CudaRecorder()), eager)[0]

    def _drawn(self, count: int, steps: int) -> tuple[float, Any]:
        """Seconds with PNGs in memory, and the first picture `uint8 [H, W, 3]`."""
        width, height = self._task.sizes[0]
        random = [torch.Generator("cpu").manual_seed(7 + number) for number in range(count)]
        began_s = time.monotonic()
        pictures = self._pipe(
            [PROMPT] * count,
            width=width,
            height=height,
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            generator=random,
        ).images
        files = []
        for picture in pictures:
            content = io.BytesIO()
            picture.save(content, "PNG")
            files.append(content.getvalue())
        return time.monotonic() - began_s, pixels_of(files[0])

    def _wait(self) -> None:
        if not self._task.rehearse:
            torch.cuda.synchronize()

    def _reset_peak(self) -> None:
        if not self._task.rehearse:
            torch.cuda.reset_peak_memory_stats(0)


def requests(task: CheckTask, count: int) -> list[Request]:
    """Pictures of one size, each of its own seed."""
    width, height = task.sizes[0]
    steps = FEW + 1 if task.rehearse else STEPS
    plain = GenerateRequest(prompt=PROMPT, steps=steps, guidance_scale=GUIDANCE, width=width, height=height, seed=7)
    sampled = replace(plain, scheduler=Scheduler.DPMPP_2M_KARRAS)
    return [replace(sampled, seed=7 + number) for number in range(count)]


def _empty(task: CheckTask) -> None:
    gc.collect()
    if not task.rehearse:
        torch.cuda.empty_cache()
