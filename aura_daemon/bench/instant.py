"""A worker whose pictures cost nothing, so that a job takes only the daemon's own time."""

from __future__ import annotations

from typing import Final

from aura_daemon.formats.datasets.names import METADATA
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    DatasetRequest,
    GenerateRequest,
    GridRequest,
    MatchRequest,
    UpscaleRequest,
)
from aura_daemon.jobs.resolved import Resolved, ResolvedCaption, ResolvedDataset, ResolvedGenerate, ResolvedUpscale
from aura_daemon.jobs.results import EngineTiming, Payload, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.system.wakeup import WakeupPipe
from aura_daemon.workers.protocol import Batch, Finished, Memory, Ready, Up

NAME: Final = "instant"
PICTURE_BYTES: Final = 8_192
"""About the size of a picture by aura-mini; the bytes are zeros."""

THUMBNAIL_BYTES: Final = 12_000
"""About the size of the thumbnail of a picture of 512 x 512."""

_MEMORY: Final = Memory(device_used_bytes=0, device_free_bytes=0, resident_bytes=0)
_READY: Final = Ready(device="none", device_name=NAME, dtype="none", rung="none", versions=())


class InstantWorker:
    """Implements `Worker`; a batch has ended as soon as it is submitted."""

    pid: int | None = None
    resident_bytes: int | None = None
    is_running = False
    takes_batches = True
    node = trouble = ""

    def __init__(self) -> None:
        self._pipe = WakeupPipe()
        self._up: list[Up] = []

    @property
    def idle(self) -> bool:
        return not self._up

    def submit(self, batch: Batch) -> None:
        self._up.append(_READY)
        for task in batch.tasks:
            finished = Finished(job_id=task.job_id, outcome=_produced(task), memory=_MEMORY, models=(NAME,))
            self._up.append(finished)
        self._pipe.wake()

    def prestart(self) -> None:
        """Nothing takes time to start."""

    def cancel(self, job_id: str) -> None:
        """Every job has ended before it could be cancelled."""

    def poll(self) -> list[Up]:
        up, self._up = self._up, []
        self._pipe.clear()
        return up

    def waitables(self) -> list[int]:
        return [self._pipe.fileno()]

    def unload(self) -> None:
        """No model is loaded."""

    def stop(self, timeout_s: float) -> None:
        self._pipe.close()


def _produced(task: Task) -> Produced:
    match task.request:
        case GenerateRequest() as request:
            resolved: Resolved = ResolvedGenerate(
                prompt=request.prompt,
                negative_prompt=request.negative_prompt,
                steps=request.steps or 1,
                guidance_scale=request.guidance_scale or 0.0,
                scheduler=request.scheduler or "none",
                seed=request.seed or 0,
                width=64,
                height=64,
            )
            payload = Payload(extension=".png", content=bytes(PICTURE_BYTES), width=64, height=64)
        case CaptionRequest() as request:
            resolved = ResolvedCaption(image=request.image, prompt=request.prompt, max_new_tokens=1)
            payload = Payload(extension=".txt", content=b"an instant caption\n")
        case GridRequest() as request:
            resolved, payload = request, Payload(extension=".png", content=bytes(PICTURE_BYTES), width=64, height=64)
        case DatasetRequest() as request:
            count = len(task.pictures)
            resolved = ResolvedDataset(
                images=request.images, base=request.base, pictures=count, captioned=count, kept=0, failed=0
            )
            payload = Payload(extension=METADATA, content=b"{}\n" * count)
        case UpscaleRequest() as request:
            resolved = ResolvedUpscale(image=request.image, upscale=request.upscale)
            payload = Payload(extension=".png", content=bytes(PICTURE_BYTES), width=64, height=64)
        case BenchmarkRequest() | MatchRequest():
            raise ValueError("an instant worker has nothing to measure or to compare")
    return Produced(
        payloads=(payload,),
        resolved=resolved,
        model=NAME,
        model_sha256="",
        device="none",
        dtype="none",
        rung="none",
        batch_size=1,
        timing=EngineTiming(),
        peak_bytes=0,
        thumbnail=bytes(THUMBNAIL_BYTES),
    )
