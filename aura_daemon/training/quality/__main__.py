"""What a setting costs in quality: `python -m aura_daemon.training.quality SETTINGS [--prompts N] [--seed N]`.

In: a JSON list of settings, each an object with a `name` and any of `speed`, `engine`, `dtype`, `threads`, `steps`,
`guidance_scale`, `scheduler`, `variant`, `switch` (`engines.stable_diffusion.levers.switched`). Out: a JSON object a
line. The product's own session draws aura-mini's pictures: prompt to picture to caption, a third of the
prompts held out of the training, as in `evaluate`. PSNR and SSIM are to the pictures of the same seeds by float32,
eager, exact.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from typing import Any, Final

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.families import FAMILIES
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.reporter import KeptOutcomes
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.levers.switched import Switch, SwitchedStableDiffusion
from aura_daemon.jobs.requests import GenerateRequest, JobKind
from aura_daemon.jobs.results import Failure, Produced
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.speed import EngineChoice, Speed
from aura_daemon.jobs.tasks import Task
from aura_daemon.mini.grammar import Sentence
from aura_daemon.training.evaluate import prompted
from aura_daemon.training.models import came_back

BATCH: Final = 16
PROMPTS: Final = 400
REFERENCE: Final = {"name": "float32, eager", "speed": "exact", "engine": "eager", "dtype": "float32"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """One setting's pictures, judged."""

    name: str
    prompts: int
    right: float
    """Share of prompts whose shape, colour and background come back."""
    psnr_db: float | None
    """Median over the pictures; None where all are the same."""
    ssim: float
    """Median over the pictures."""
    largest_difference: int
    """Of any value of any picture, of 255."""
    seconds: float
    variant: str
    levers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnSetting:
    """The pictures of one setting."""

    pictures: list[Image.Image]
    seconds: float
    first: Produced


def draw(setting: dict[str, Any], sentences: Sequence[Sentence]) -> DrawnSetting | Failure:
    """One picture a prompt, each of its own seed."""
    generate = GenerateSettings(engine=EngineChoice(setting.get("engine", "auto")))
    dtype, families = Dtype(setting.get("dtype", "auto")), dict(FAMILIES)
    if switch := setting.get("switch"):
        families[JobKind.GENERATE] = lambda given: SwitchedStableDiffusion(given, Switch(switch))
    settings = EngineSettings(device=Device.CPU, dtype=dtype, threads=setting.get("threads"), generate=generate)
    session = Session(settings, families=families)
    wanted = GenerateRequest(
        prompt="",
        speed=Speed(setting.get("speed", "exact")),
        steps=setting.get("steps"),
        guidance_scale=setting.get("guidance_scale"),
        scheduler=Scheduler(setting["scheduler"]) if "scheduler" in setting else None,
        variant=setting.get("variant", ""),
    )
    reporter, began_s = KeptOutcomes(), time.monotonic()
    for start in range(0, len(sentences), BATCH):
        tasks = [
            Task(
                job_id=str(number),
                request=replace(wanted, prompt=str(sentences[number]), seed=number),
            )
            for number in range(start, min(start + BATCH, len(sentences)))
        ]
        session.run(tasks, reporter)
    seconds = time.monotonic() - began_s
    made: list[Produced] = []
    for number in range(len(sentences)):
        outcome = reporter.all[str(number)]
        if isinstance(outcome, Failure):
            return outcome
        made.append(outcome)
    pictures = [Image.open(BytesIO(one.payloads[0].content)).convert("RGB") for one in made]
    return DrawnSetting(pictures=pictures, seconds=seconds, first=made[0])


def judge(label: str, drawn: DrawnSetting, reference: DrawnSetting, sentences: Sequence[Sentence]) -> Quality:
    """One setting's pictures, beside the reference's."""
    pairs = [(_pixels(one), _pixels(other)) for one, other in zip(drawn.pictures, reference.pictures, strict=True)]
    noise_db = statistics.median(psnr(one, other) for one, other in pairs)
    return Quality(
        name=label,
        prompts=len(sentences),
        right=came_back(sentences, drawn.pictures) / len(sentences),
        psnr_db=noise_db if math.isfinite(noise_db) else None,
        ssim=statistics.median(ssim(one, other) for one, other in pairs),
        largest_difference=int(max(float((one - other).abs().max()) for one, other in pairs)),
        seconds=drawn.seconds,
        variant=drawn.first.variant,
        levers=drawn.first.levers,
    )


def ssim(one: Tensor, other: Tensor) -> float:
    """Structural similarity of two pictures [3, H, W] of 0 to 255, over windows of 7 x 7 (Wang et al. 2004)."""
    low, high = (0.01 * 255) ** 2, (0.03 * 255) ** 2

    def around(values: Tensor) -> Tensor:
        return avg_pool2d(values, 7, stride=1)

    mean, mean_other = around(one), around(other)
    variance = around(one * one) - mean**2
    variance_other = around(other * other) - mean_other**2
    together = around(one * other) - mean * mean_other
    above = (2 * mean * mean_other + low) * (2 * together + high)
    below = (mean**2 + mean_other**2 + low) * (variance + variance_other + high)
    return float((above / below).mean())


def psnr(one: Tensor, other: Tensor) -> float:
    """In dB; infinite for the same picture."""
    error = float(((one - other) ** 2).mean())
    return 10 * math.log10(255**2 / error) if error else math.inf


def _pixels(picture: Image.Image) -> Tensor:
    return (
        torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
        .double()
        .reshape(picture.height, picture.width, 3)
        .permute(2, 0, 1)
    )


def main() -> int:
    """Prints a line a setting; those that cannot be drawn say why."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=json.loads)
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        quiet_libraries()
        sentences = prompted(options.prompts, random.Random(options.seed))
        reference = draw(REFERENCE, sentences)
        if isinstance(reference, Failure):
            raise SystemExit(reference.told)
        for setting in (REFERENCE, *options.settings):
            drawn = reference if setting is REFERENCE else draw(setting, sentences)
            if isinstance(drawn, Failure):
                row = {"name": setting["name"], "reason": drawn.told}
            else:
                row = asdict(judge(setting["name"], drawn, reference, sentences))
            answers.write(json.dumps(row) + "\n")
            answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
