"""Scripts whose results are real pictures with thumbnails, for what shows them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from io import BytesIO

from PIL import Image, ImageDraw

from aura_daemon.engines.images.thumbnail import thumbnail
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.results import EngineTiming, Failure, FailureKind, Outcome, Payload, Produced
from aura_daemon.jobs.tasks import Task
from tests.support.outcomes import make

SIZES = ((96, 64), (64, 96), (80, 80), (144, 64))
REFUSED = "refuse"
"""A prompt with this word fails."""


def pictured(task: Task) -> Outcome:
    """A picture in colours of its prompt, or the caption of a picture; both with a thumbnail."""
    outcome = make(task)
    if not isinstance(outcome, Produced):
        return outcome
    if isinstance(task.request, GenerateRequest) and REFUSED in task.request.prompt:
        return Failure(kind=FailureKind.BAD_INPUT, message=f"it says {task.request.prompt}", mend="<b>say</b> less")
    seed = hashlib.sha256(repr(task.request).encode()).digest()
    picture = drawn(seed)
    payload = outcome.payloads[0]
    if isinstance(outcome.resolved, ResolvedGenerate):
        content = BytesIO()
        picture.save(content, "PNG")
        payload = Payload(extension=".png", content=content.getvalue(), width=picture.width, height=picture.height)
        outcome = replace(outcome, resolved=replace(outcome.resolved, width=picture.width, height=picture.height))
    timing = EngineTiming(encoded_s=0.02, denoised_s=0.3 + seed[0] / 255, decoded_s=0.05)
    return replace(outcome, payloads=(payload,), timing=timing, thumbnail=thumbnail(picture, wanted=True))


def drawn(seed: bytes) -> Image.Image:
    """A disc before a sky."""
    width, height = SIZES[seed[0] % len(SIZES)]
    picture = Image.new("RGB", (width, height), (seed[1], seed[2] // 2, seed[3]))
    centre, radius = (width * (seed[4] % 60 + 20) // 100, height // 2), height // 4
    box = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
    ImageDraw.Draw(picture).ellipse(box, fill=(255, seed[5], seed[6] // 2))
    return picture
