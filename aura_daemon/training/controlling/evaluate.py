"""Measure aura-mini's ControlNet: `python -m aura_daemon.training.controlling.evaluate [--prompts N] [--seed N]`.

diffusers' own pipeline draws prompts, a third of them held out of training, over maps of fresh drawings. Overlap is
intersection over union of the drawn shape and the prompt's shape at the map's place; in one row the map shows another
shape than the prompt names. Prints a table, writes `weights/controlnet/quality.json`, and exits with 1 where a bound is
missed.
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline
from PIL import Image
from torch import Tensor

from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.mini import CONTROLNET, GENERATOR, NAME
from aura_daemon.mini.grammar import PALETTE, Sentence, parse
from aura_daemon.mini.knowledge import Mask, shows
from aura_daemon.training.controlling.controlnet import drawn_twice
from aura_daemon.training.controlling.maps import MapKind, control_maps
from aura_daemon.training.evaluate import NATIVE_PX, WIDE_PX, prompted
from aura_daemon.training.models import BATCH, generator_defaults, name

STEPS: Final = 12

# Bounds, in [0, 1].
LEAST_OVERLAP: Final = 0.8  # the mean
LEAST_OTHER_OVERLAP: Final = 0.6  # where the map shows another shape
LEAST_COLOURS: Final = 0.97
LEAST_SHAPE: Final = 0.9  # the prompt's
LEAST_OTHER_SHAPE: Final = 0.8  # the prompt's, where the map shows another one


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlRun:
    """How the pictures of one row are drawn."""

    what: str
    kind: MapKind = MapKind.FILLED
    scale: float = 1.0
    steps: int | None = STEPS
    """None: the model's own."""
    size_px: tuple[int, int] = NATIVE_PX
    other_shape: bool = False
    """The maps show other shapes than the prompts name."""
    least_overlap: float | None = None
    least_shape: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlRow:
    """One line of the table; bounds of None: for information."""

    what: str
    count: int
    overlap: float
    """The mean over the pictures, as the median."""
    overlap_median: float
    centre_px: float
    """Median distance from the drawn shape's centre to the map's."""
    colours: int
    """Of how many pictures the captioner says the prompt's two colours."""
    shape: int
    """Of how many the prompt's shape."""
    shown: int
    """How many have the prompt's colours and shape by geometry, whatever the captioner says."""
    least_overlap: float | None
    least_shape: float | None
    seconds: float

    @property
    def reached(self) -> bool:
        if self.least_overlap is None or self.least_shape is None:
            return True
        return (
            self.overlap >= self.least_overlap
            and self.shape >= self.least_shape * self.count
            and self.colours >= LEAST_COLOURS * self.count
        )


RUNS: Final = (
    ControlRun(what="no ControlNet", scale=0.0),
    ControlRun(what="filled", least_overlap=LEAST_OVERLAP, least_shape=LEAST_SHAPE),
    ControlRun(what="edge", kind=MapKind.EDGE, least_overlap=LEAST_OVERLAP, least_shape=LEAST_SHAPE),
    ControlRun(
        what="filled, another shape than the prompt's",
        other_shape=True,
        least_overlap=LEAST_OTHER_OVERLAP,
        least_shape=LEAST_OTHER_SHAPE,
    ),
    ControlRun(what="filled, the model's own steps", steps=None, least_overlap=LEAST_OVERLAP, least_shape=LEAST_SHAPE),
    ControlRun(what="filled, weight 0.5", scale=0.5),
    ControlRun(what=f"filled, {WIDE_PX[1]}x{WIDE_PX[0]}", size_px=WIDE_PX),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=CONTROLNET, help="the ControlNet")
    options = parser.parse_args()
    quiet_libraries()
    asked = prompted(options.prompts, random.Random(options.seed))
    rows = [measure(run, asked, seed=options.seed, folder=options.folder) for run in RUNS]
    print(table(rows))
    passed = all(row.reached for row in rows)
    said = {"model": NAME, "prompts": options.prompts, "seed": options.seed, "passed": passed}
    content = json.dumps({**said, "rows": [asdict(row) for row in rows]}, indent=2)
    (options.folder / "quality.json").write_text(content + "\n", encoding="utf-8")
    return 0 if passed else 1


def measure(run: ControlRun, asked: Sequence[Sentence], *, seed: int, folder: Path = CONTROLNET) -> ControlRow:
    """One line of the table: every run of one seed has the same places and the same noise."""
    began_s = time.monotonic()
    _, own, other = drawn_twice(asked, torch.Generator().manual_seed(seed), run.size_px)
    maps = control_maps(other if run.other_shape else own, run.kind)
    pictures = draw_controlled(
        [str(sentence) for sentence in asked], maps, range(len(asked)), steps=run.steps, scale=run.scale, folder=folder
    )
    wanted = [mask[0].numpy() > 0.5 for mask in own]
    drawn = [shape_mask(picture, sentence) for picture, sentence in zip(pictures, asked, strict=True)]
    overlaps = [overlap(one, other) for one, other in zip(drawn, wanted, strict=True)]
    distances = [_distance_px(one, other) for one, other in zip(drawn, wanted, strict=True)]
    answers = [parse(caption) for caption in name(pictures)]
    pairs = [(got, meant) for got, meant in zip(answers, asked, strict=True) if got is not None]
    return ControlRow(
        what=run.what,
        count=len(asked),
        overlap=statistics.mean(overlaps),
        overlap_median=statistics.median(overlaps),
        centre_px=statistics.median(distances),
        colours=sum((got.colour, got.background) == (meant.colour, meant.background) for got, meant in pairs),
        shape=sum(got.shape == meant.shape for got, meant in pairs),
        shown=sum(map(shows, pictures, asked)),
        least_overlap=run.least_overlap,
        least_shape=run.least_shape,
        seconds=time.monotonic() - began_s,
    )


@torch.inference_mode()
def draw_controlled(
    prompts: Sequence[str],
    maps: Tensor,
    seeds: Sequence[int],
    *,
    steps: int | None = None,
    scale: float = 1.0,
    folder: Path = CONTROLNET,
) -> list[Image.Image]:
    """One picture for each prompt and map, of the map's size; None: as the model's `aura.json` has it."""
    defaults, pipeline = generator_defaults(), _pipeline(folder)
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), BATCH):
        part = slice(start, start + BATCH)
        pictures += pipeline(
            list(prompts[part]),
            image=maps[part],
            generator=[torch.Generator().manual_seed(seed) for seed in seeds[part]],
            num_inference_steps=steps or int(defaults["num_inference_steps"]),
            guidance_scale=float(defaults["guidance_scale"]),
            controlnet_conditioning_scale=scale,
        ).images
    return pictures


def shape_mask(picture: Image.Image, sentence: Sentence) -> Mask:
    """The pixels that are nearer to the shape's colour than to the background's."""
    pixels = np.asarray(picture.convert("RGB"), dtype=np.float32)
    colour, background = (
        np.linalg.norm(pixels - np.array(PALETTE[word], dtype=np.float32), axis=-1)
        for word in (sentence.colour, sentence.background)
    )
    return np.asarray(colour < background)


def overlap(one: Mask, other: Mask) -> float:
    """Intersection over union, in [0, 1]."""
    return float((one & other).sum() / max(1, (one | other).sum()))


def table(rows: Sequence[ControlRow]) -> str:
    """A markdown table."""
    lines = [
        "| map | count | overlap, mean (median) | off its place, px | colours | the prompt's shape | by geometry"
        " | bounds | seconds |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        bounds = "" if row.least_overlap is None else f"{row.least_overlap}, {LEAST_COLOURS:.0%}, {row.least_shape:.0%}"
        lines.append(
            f"| {row.what} | {row.count} | {row.overlap:.3f} ({row.overlap_median:.3f}) | {row.centre_px:.1f}"
            f" | {row.colours / row.count:.1%} | {row.shape / row.count:.1%} | {row.shown / row.count:.1%}"
            f" | {bounds}{'' if row.reached else ' MISSED'} | {row.seconds:.1f} |"
        )
    return "\n".join(lines)


def _distance_px(one: Mask, other: Mask) -> float:
    """Between the centres; the width of the picture where nothing was drawn."""
    centres = [np.argwhere(mask).mean(0) for mask in (one, other) if mask.any()]
    return float(np.linalg.norm(centres[0] - centres[1])) if len(centres) == 2 else float(one.shape[1])


@cache
def _pipeline(folder: Path) -> StableDiffusionControlNetPipeline:
    control = ControlNetModel.from_pretrained(folder, dtype=torch.float32)
    pipeline = StableDiffusionControlNetPipeline.from_pretrained(GENERATOR, controlnet=control, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


if __name__ == "__main__":
    sys.exit(main())
