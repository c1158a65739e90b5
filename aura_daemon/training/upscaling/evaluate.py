"""Measure aura-mini's upscaler: `python -m aura_daemon.training.upscaling.evaluate [--pictures N] [--seed N]`.

Fresh drawings of 128 pixels, a third of them held out of training, are scaled down to 64 and up again, by the upscaler
and by Lanczos: dB PSNR to the drawing. Then pictures that aura-mini draws: what the captioner and geometry say of them
must be said of the upscaled ones too. Prints a table, writes `weights/upscaler/quality.json`, and exits with 1 where a
bound is missed.
"""

import argparse
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch
from PIL import Image
from torch import Tensor

from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.mini import NAME, NATIVE_SIZE_PX, UPSCALER
from aura_daemon.mini.drawing import render
from aura_daemon.mini.grammar import Sentence
from aura_daemon.mini.knowledge import shows
from aura_daemon.training.evaluate import prompted
from aura_daemon.training.models import as_pictures, draw, name
from aura_daemon.training.upscaling.compact import SCALE, CompactUpscaler, as_bytes, load, upscaled

LARGE_PX: Final = (SCALE * NATIVE_SIZE_PX, SCALE * NATIVE_SIZE_PX)
FILTERS: Final = (Image.Resampling.BOX, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
LEAST_GAIN_DB: Final = 2.0
LEAST_SAME_CAPTIONS: Final = 0.99


@dataclass(frozen=True, kw_only=True, slots=True)
class GainRow:
    """Drawings that one filter has scaled down, in dB PSNR; means over the pictures."""

    scaled_down_by: str
    count: int
    lanczos_db: float
    upscaler_db: float
    smallest_gain_db: float
    """Of any picture."""

    @property
    def reached(self) -> bool:
        return self.upscaler_db - self.lanczos_db >= LEAST_GAIN_DB


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionsRow:
    """What is said of the generator's pictures before and after."""

    count: int
    same: int
    """How many captions are the same, every word of them."""
    shown_before: int
    """How many pictures have the prompt's colours and shape by geometry."""
    shown_after: int
    ms_per_picture: float

    @property
    def reached(self) -> bool:
        return self.same >= LEAST_SAME_CAPTIONS * self.count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--file", type=Path, default=UPSCALER, help="the upscaler")
    options = parser.parse_args()
    quiet_libraries()
    upscaler = load(options.file)
    asked = prompted(options.pictures, random.Random(options.seed))
    gains = [gain(upscaler, asked, filter_, seed=options.seed) for filter_ in FILTERS]
    captions = same_captions(upscaler, asked)
    print(table(gains, captions))
    passed = captions.reached and all(row.reached for row in gains)
    said = {"model": NAME, "pictures": options.pictures, "seed": options.seed, "passed": passed}
    rows = {"gains": [asdict(row) for row in gains], "captions": asdict(captions)}
    (options.file.parent / "quality.json").write_text(json.dumps({**said, **rows}, indent=2) + "\n", encoding="utf-8")
    return 0 if passed else 1


def gain(upscaler: CompactUpscaler, asked: Sequence[Sentence], filter_: Image.Resampling, *, seed: int) -> GainRow:
    """Drawings of these sentences, scaled down and up again."""
    dice = torch.Generator().manual_seed(seed)
    drawings = as_pictures(render(asked, dice, height_px=LARGE_PX[0], width_px=LARGE_PX[1]))
    small = [drawing.resize((NATIVE_SIZE_PX, NATIVE_SIZE_PX), filter_) for drawing in drawings]
    goal = as_bytes(drawings)
    ours = psnr_db(upscaled(upscaler, as_bytes(small)), goal)
    lanczos = psnr_db(as_bytes([picture.resize(LARGE_PX, Image.Resampling.LANCZOS) for picture in small]), goal)
    return GainRow(
        scaled_down_by=filter_.name.lower(),
        count=len(asked),
        lanczos_db=statistics.mean(lanczos),
        upscaler_db=statistics.mean(ours),
        smallest_gain_db=min(one - other for one, other in zip(ours, lanczos, strict=True)),
    )


def same_captions(upscaler: CompactUpscaler, asked: Sequence[Sentence]) -> CaptionsRow:
    """Of pictures that aura-mini draws of these sentences."""
    pictures = draw([str(sentence) for sentence in asked], range(len(asked)))
    began_s = time.monotonic()
    larger = as_pictures(upscaled(upscaler, as_bytes(pictures)) / 127.5 - 1)
    taken_s = time.monotonic() - began_s
    return CaptionsRow(
        count=len(asked),
        same=sum(one == other for one, other in zip(name(pictures), name(larger), strict=True)),
        shown_before=sum(map(shows, pictures, asked)),
        shown_after=sum(map(shows, larger, asked)),
        ms_per_picture=1e3 * taken_s / len(asked),
    )


def psnr_db(ones: Tensor, others: Tensor) -> list[float]:
    """Of each two pictures uint8 [B, 3, H, W]; 99 for the same ones."""
    errors: list[float] = (ones.double() - others.double()).square().mean((1, 2, 3)).tolist()
    return [10 * math.log10(255**2 / error) if error else 99.0 for error in errors]


def table(gains: Sequence[GainRow], captions: CaptionsRow) -> str:
    """Two markdown tables."""
    lines = ["| scaled down by | count | Lanczos, dB | upscaler, dB | gain, dB (smallest) | bound |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    lines += [
        f"| {row.scaled_down_by} | {row.count} | {row.lanczos_db:.1f} | {row.upscaler_db:.1f}"
        f" | {row.upscaler_db - row.lanczos_db:.1f} ({row.smallest_gain_db:.1f})"
        f" | {LEAST_GAIN_DB}{'' if row.reached else ' MISSED'} |"
        for row in gains
    ]
    lines += ["", "| pictures of aura-mini | the same caption | bound | by geometry before, after | ms a picture |"]
    lines.append("|---:|---:|---:|---:|---:|")
    lines.append(
        f"| {captions.count} | {captions.same / captions.count:.1%}"
        f" | {LEAST_SAME_CAPTIONS:.0%}{'' if captions.reached else ' MISSED'}"
        f" | {captions.shown_before / captions.count:.1%}, {captions.shown_after / captions.count:.1%}"
        f" | {captions.ms_per_picture:.1f} |"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
