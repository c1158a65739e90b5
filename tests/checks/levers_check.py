"""Measure what each speed costs in quality: `python -m tests.checks.levers_check [--prompts N] [--seed N ...]`.

Prompt to picture to caption with aura-mini, as `evaluate` does, at every speed with the same prompts and seeds; a third
of the prompts was held out of the training. `--try` measures other levers. Prints a table.
"""

import argparse
import math
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from skimage.metrics import structural_similarity

from aura_daemon.config.engine import GenerateSettings
from aura_daemon.engines.defaults import FAST_STEPS
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.model_files.find import ModelFiles, look_for_model
from aura_daemon.engines.openvino.unet import OpenVinoUNet
from aura_daemon.engines.stable_diffusion.levers.caching_unet import CachingUNet
from aura_daemon.engines.stable_diffusion.levers.feature_cache import EagerCachingUNet, FeatureCachingUNet
from aura_daemon.engines.stable_diffusion.levers.guidance_interval import GuidanceIntervalUNet, noise_levels
from aura_daemon.engines.stable_diffusion.levers.levers import LEVERS, Levers, PassPlan, pass_plan
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.engines.stable_diffusion.schedulers import scheduler_for
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.speed import Speed
from aura_daemon.mini import GENERATOR
from aura_daemon.mini.grammar import Sentence, parse
from aura_daemon.mini.knowledge import shows
from aura_daemon.training.evaluate import prompted
from aura_daemon.training.models import BATCH, generator_defaults, name

SEEDS: Final = (2, 3)

WHOLE_ROW_S, WHOLE_INT8_ROW_S, SHALLOW_ROW_S, OTHER_S = 2.28, 1.44, 0.20, 7.6
"""Stable Diffusion 1.4 at 512x512 on two cores with avx512_bf16: a row of a whole evaluation in bfloat16 and in 8 bits,
one with a kept feature, and everything but the UNet."""

HEADER: Final = (
    "| what | seed | rows, whole + shallow | predicted, s | in 8 bits, s"
    " | right | +/- | by geometry | PSNR dB | SSIM | seconds |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
)
FIELDS: Final = "STEPS,WHOLE_SHARE,LEAST_WHOLE,DENSITY,MOMENTUM,LOW,HIGH"


@dataclass(frozen=True, kw_only=True, slots=True)
class LeverSetting:
    """What is measured: levers at a number of steps."""

    label: str
    steps: int
    levers: Levers


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """One setting's pictures of one set of prompts."""

    pictures: list[Image.Image]
    right: list[bool]
    shown: int
    """By geometry."""
    plan: PassPlan


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=400)
    parser.add_argument("--seed", type=int, action="append", help=f"of a set of prompts; by default {SEEDS}")
    parser.add_argument("--try", dest="tried", action="append", default=[], metavar=FIELDS)
    parser.add_argument("--graph", type=Path, metavar="FILE.xml", help="a converted UNet, in bfloat16, for --try")
    parser.add_argument("--scheduler", type=Scheduler, default=Scheduler.DPMPP_2M_KARRAS)
    options = parser.parse_args()

    quiet_libraries()
    steps = int(generator_defaults()["num_inference_steps"])
    settings = [_tried(text) for text in options.tried] or [
        LeverSetting(label=speed, steps=most, levers=LEVERS[speed])
        for speed, most in ((Speed.BALANCED, steps), (Speed.FAST, min(steps, FAST_STEPS)))
    ]
    exact = LeverSetting(label=Speed.EXACT, steps=steps, levers=Levers())
    print(HEADER, flush=True)
    for seed in options.seed or SEEDS:
        sentences = prompted(options.prompts, random.Random(seed))
        reference = None
        for setting in (exact, *settings):
            began_s = time.monotonic()
            unet = _converted(options.graph) if options.graph and setting is not exact else None
            drawn = _draw(sentences, seed, setting, options.scheduler, unet)
            reference = reference or drawn
            told = _row(setting, seed, drawn, reference)
            print(f"{told} {time.monotonic() - began_s:.0f} |", flush=True)
    return 0


def _tried(text: str) -> LeverSetting:
    steps, share, least, density, momentum, low, high = map(float, text.split(","))
    levers = Levers(whole_share=share, least_whole=int(least), density=density, momentum=momentum, guided=(low, high))
    return LeverSetting(label=text, steps=int(steps), levers=levers)


@torch.inference_mode()
def _draw(
    sentences: Sequence[Sentence], seed: int, setting: LeverSetting, scheduler: Scheduler, caching: CachingUNet | None
) -> Drawn:
    """One picture for each sentence, each from a seed of its own."""
    pipeline, pictures = _pipeline(), []
    unet, own = pipeline.unet, dict(pipeline.scheduler.config)
    for start in range(0, len(sentences), BATCH):
        part = sentences[start : start + BATCH]
        chosen = scheduler_for(scheduler, own, setting.steps)
        pipeline.scheduler = chosen.scheduler

        @cache
        def plan() -> PassPlan:
            levels = noise_levels(pipeline.scheduler, pipeline.num_timesteps)
            return pass_plan(setting.levers, levels, guided=True, caches=True)

        pipeline.unet = GuidanceIntervalUNet(FeatureCachingUNet(caching or EagerCachingUNet(unet), plan), plan)
        try:
            pictures += pipeline(
                [str(sentence) for sentence in part],
                generator=[torch.Generator().manual_seed(1000 * seed + start + place) for place in range(len(part))],
                **chosen.steps,
                **chosen.noise,
                guidance_scale=float(generator_defaults()["guidance_scale"]),
                height=64,
                width=64,
            ).images
        finally:
            pipeline.unet = unet
    answers = [parse(caption) for caption in name(pictures)]
    right = [
        got is not None and got.combination == meant.combination for meant, got in zip(sentences, answers, strict=True)
    ]
    shown = sum(shows(picture, meant) for picture, meant in zip(pictures, sentences, strict=True))
    return Drawn(pictures=pictures, right=right, shown=shown, plan=plan())


def _row(setting: LeverSetting, seed: int, drawn: Drawn, reference: Drawn) -> str:
    """A line of the table but for its last column."""
    pairs = list(zip(drawn.right, reference.right, strict=True))
    won, lost = sum(now and not then for now, then in pairs), sum(then and not now for now, then in pairs)
    psnr = statistics.median(map(_psnr, drawn.pictures, reference.pictures))
    share = sum(drawn.right) / len(drawn.right)
    similar = statistics.median(map(_ssim, drawn.pictures, reference.pictures))
    return (
        f"| {setting.label} | {seed} | {_work(drawn.plan)} | {predicted_s(drawn.plan):.1f}"
        f" | {predicted_s(drawn.plan, WHOLE_INT8_ROW_S):.1f}"
        f" | {share:.2%} | +{won}/-{lost} | {drawn.shown / len(drawn.right):.2%} | {psnr:.1f} | {similar:.4f} |"
    )


def predicted_s(plan: PassPlan, whole_row_s: float = WHOLE_ROW_S) -> float:
    """Seconds of a picture of Stable Diffusion 1.4 at 512x512, from what its evaluations took."""
    rows = [2 if number in plan.guided else 1 for number in range(plan.count)]
    return OTHER_S + sum(
        count * (whole_row_s if number in plan.whole else SHALLOW_ROW_S) for number, count in enumerate(rows)
    )


def _work(plan: PassPlan) -> str:
    """Whole rows and shallow ones."""
    rows = [2 if number in plan.guided else 1 for number in range(plan.count)]
    whole = sum(count for number, count in enumerate(rows) if number in plan.whole)
    return f"{whole} + {sum(rows) - whole}"


def _psnr(one: Image.Image, other: Image.Image) -> float:
    """In dB; infinite for the same picture."""
    error = float(((numpy.asarray(one, dtype=float) - numpy.asarray(other, dtype=float)) ** 2).mean())
    return 10 * math.log10(255**2 / error) if error else math.inf


@cache
def _converted(graph: Path) -> Any:
    files = look_for_model(GenerateSettings(), STABLE_DIFFUSION, False)
    assert isinstance(files, ModelFiles)
    return OpenVinoUNet(files, graph, dtype=torch.bfloat16, threads=torch.get_num_threads())


def _ssim(one: Image.Image, other: Image.Image) -> float:
    """As Wang et al. 2004 have it."""
    return float(
        structural_similarity(
            numpy.asarray(one),
            numpy.asarray(other),
            channel_axis=2,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


@cache
def _pipeline() -> Any:
    pipeline = StableDiffusionPipeline.from_pretrained(GENERATOR, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


if __name__ == "__main__":
    sys.exit(main())
