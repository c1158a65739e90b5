"""What a scripted job comes to. It imports little: every process of a light worker begins with it."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

from aura_daemon.formats.datasets.names import METADATA
from aura_daemon.formats.datasets.rows import SetRow, metadata_lines
from aura_daemon.jobs.benchmarks import BenchmarkRun
from aura_daemon.jobs.caption_files import CaptionPlace
from aura_daemon.jobs.requests import BenchmarkRequest, DatasetRequest, GenerateRequest, GridRequest, UpscaleRequest
from aura_daemon.jobs.resolved import (
    Resolved,
    ResolvedBenchmark,
    ResolvedCaption,
    ResolvedDataset,
    ResolvedGenerate,
    ResolvedUpscale,
)
from aura_daemon.jobs.results import EngineTiming, Outcome, Payload, Produced
from aura_daemon.jobs.tasks import PictureState, Task
from tests.support.benchmark_runs import run, size

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 20 + b"\0\0\0\0IEND\xaeB`\x82"
"""Bytes that intake takes for a whole image; the scripted worker does not decode them."""


def make(task: Task) -> Outcome:
    """A script in which every job succeeds; the bytes of its result tell what it was made from."""
    request = task.request
    if isinstance(request, GenerateRequest):
        assert request.seed is not None
        resolved: ResolvedGenerate | ResolvedCaption = ResolvedGenerate(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            steps=request.steps or 25,
            guidance_scale=9.0,
            scheduler="euler",
            seed=request.seed,
            width=64,
            height=64,
        )
        content = PNG[:8] + f"{request.prompt} {request.seed}".encode() + PNG[-12:]
        payload = Payload(extension=".png", content=content, width=64, height=64)
        return produced(payload, resolved)
    if isinstance(request, GridRequest):
        cells = "|".join("failed" if cell is None else sha256(cell) for cell in task.cells)
        payload = Payload(extension=".png", content=PNG[:8] + cells.encode() + PNG[-12:], width=64, height=64)
        return produced(payload, request)
    if isinstance(request, DatasetRequest):
        rows = [SetRow(picture=picture) for picture in task.pictures]
        lines = metadata_lines(rows, holds_kept=request.file.place is CaptionPlace.BESIDE)
        states = Counter(picture.state for picture in task.pictures)
        dataset = ResolvedDataset(
            images=request.images,
            base=request.base,
            pictures=len(rows),
            captioned=states[PictureState.CAPTIONED],
            kept=states[PictureState.KEPT],
            failed=states[PictureState.FAILED],
        )
        return produced(Payload(extension=METADATA, content=lines), dataset)
    if isinstance(request, BenchmarkRequest):
        sizes = [size(width, height) for width, height in request.sizes or ((512, 512),)]
        return measured(run(*sizes))
    assert task.image is not None
    if isinstance(request, UpscaleRequest):
        content = PNG[:8] + f"enlarged {sha256(task.image)}".encode() + PNG[-12:]
        asked = replace(request.upscale, scale=request.upscale.scale or 2.0, tile=request.upscale.tile or 512)
        enlarged = ResolvedUpscale(image=request.image, upscale=asked)
        return produced(Payload(extension=".png", content=content, width=128, height=128), enlarged)
    text = f"an image of {hashlib.sha256(task.image).hexdigest()}"
    resolved = ResolvedCaption(image=request.image, prompt=request.prompt, max_new_tokens=20, question=request.question)
    return produced(Payload(extension=".txt", content=text.encode()), resolved, text=text)


def produced(payload: Payload, resolved: Resolved, *, text: str = "") -> Produced:
    """A successful outcome with plausible figures."""
    return Produced(
        payloads=(payload,),
        resolved=resolved,
        model="scripted",
        model_sha256="0" * 64,
        device="cpu",
        dtype="float32",
        rung="cpu",
        batch_size=1,
        timing=EngineTiming(),
        peak_bytes=1,
        text=text,
        versions=(("torch", "2"),),
    )


def measured(benchmark: BenchmarkRun) -> Produced:
    """What a worker makes of a benchmark, before its pages are made."""
    drawn = ResolvedGenerate(
        prompt="a red circle",
        negative_prompt="",
        steps=25,
        guidance_scale=9.0,
        scheduler="euler",
        seed=42,
        width=benchmark.sizes[0].width,
        height=benchmark.sizes[0].height,
    )
    sizes = tuple((one.width, one.height) for one in benchmark.sizes)
    resolved = ResolvedBenchmark(settings=drawn, sizes=sizes, repeats=benchmark.repeats, batch=1)
    return replace(produced(Payload(extension=".md", content=b""), resolved), payloads=(), benchmark=benchmark)


def sha256(content: bytes) -> str:
    """The hash of a file as journal and sidecar write it."""
    return hashlib.sha256(content).hexdigest()
