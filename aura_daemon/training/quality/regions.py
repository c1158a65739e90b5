"""Whether regions hold what they ask for: `python -m aura_daemon.training.quality.regions [--pairs N] [--size WxH]`.

Two different things beside each other, each in its half, drawn by the product's own session with the model's own steps
and guidance. A half is right where the captioner reads its colour and its shape; geometry asks no captioner. `--plain`:
the same without regions, of one prompt that says it all in words. Prints a table, and writes nothing.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, TypeAlias

from PIL import Image

from aura_daemon.config.engine import Device, EngineSettings
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.reporter import KeptOutcomes
from aura_daemon.engines.session import Session
from aura_daemon.jobs.guidance.regions import Region
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.speed import Speed
from aura_daemon.jobs.tasks import Task
from aura_daemon.mini import NATIVE_SIZE_PX
from aura_daemon.mini.grammar import COLOURS, SHAPES, Sentence, parse
from aura_daemon.mini.knowledge import shows
from aura_daemon.training.models import name

LEAST_BOTH_RIGHT: Final = 0.85

Pair: TypeAlias = tuple[Sentence, Sentence]
"""Left and right."""

SHEET_COLUMNS: Final = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionsRow:
    """One line of the table."""

    what: str
    count: int
    both: int
    left: int
    right: int
    backgrounds: int
    """Both, with their backgrounds."""
    shown: int
    """Both by geometry."""
    seconds: float


def pairs(count: int, dice: random.Random, *, one_background: bool = True) -> list[Pair]:
    """Different things on backgrounds that are none of their colours."""
    found = []
    for _ in range(count):
        things = dice.sample([(colour, shape) for colour in COLOURS for shape in SHAPES], 2)
        free = [colour for colour in COLOURS if colour not in {colour for colour, _ in things}]
        backgrounds = [dice.choice(free)] * 2 if one_background else dice.sample(free, 2)
        left, right = (
            Sentence(size="large", colour=colour, shape=shape, background=background)
            for (colour, shape), background in zip(things, backgrounds, strict=True)
        )
        found.append((left, right))
    return found


def request_of(pair: Pair, seed: int, size_px: tuple[int, int], speed: Speed, *, with_regions: bool) -> GenerateRequest:
    """What a job file would ask for."""
    left, right = (f"a {one.colour} {one.shape}" for one in pair)
    regions = (
        Region(prompt=str(pair[0]), box=(0.0, 0.0, 0.5, 1.0)),
        Region(prompt=str(pair[1]), box=(0.5, 0.0, 1.0, 1.0)),
    )
    width, height = size_px
    return GenerateRequest(
        prompt=f"{left} left, {right} right on a {pair[0].background} background",
        regions=regions if with_regions else (),
        seed=seed,
        width=width,
        height=height,
        speed=speed,
    )


def drawn(asked: Sequence[GenerateRequest]) -> list[Image.Image]:
    """Raises SystemExit where one cannot be drawn."""
    session = Session(EngineSettings(device=Device.CPU))
    pictures = []
    for number, request in enumerate(asked):
        reporter = KeptOutcomes()
        session.run([Task(job_id=str(number), request=request)], reporter)
        (outcome,) = reporter.all.values()
        if not isinstance(outcome, Produced):
            raise SystemExit(outcome.told)
        pictures.append(Image.open(BytesIO(outcome.payloads[0].content)).convert("RGB"))
    return pictures


def judged(what: str, asked: Sequence[Pair], pictures: Sequence[Image.Image], seconds: float) -> RegionsRow:
    """Each half by itself."""
    sides = []
    for side in (0, 1):
        halves = [_half(picture, side) for picture in pictures]
        said = [parse(caption) for caption in name(halves)]
        meant = [pair[side] for pair in asked]
        is_right, with_background = (
            [
                got is not None and all(getattr(got, key) == getattr(one, key) for key in keys)
                for got, one in zip(said, meant, strict=True)
            ]
            for keys in (("colour", "shape"), ("colour", "shape", "background"))
        )
        is_shown = [shows(half, one) for half, one in zip(halves, meant, strict=True)]
        sides.append((is_right, with_background, is_shown))
    both, backgrounds, shown = (sum(map(all, zip(*of, strict=True))) for of in zip(*sides, strict=True))
    return RegionsRow(
        what=what,
        count=len(asked),
        both=both,
        left=sum(sides[0][0]),
        right=sum(sides[1][0]),
        backgrounds=backgrounds,
        shown=shown,
        seconds=seconds / len(asked),
    )


def table(rows: Sequence[RegionsRow]) -> str:
    """Markdown."""
    lines = [
        "| drawn | pairs | both right | left | right | with backgrounds | both by geometry | s each |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        shares = (row.both, row.left, row.right, row.backgrounds, row.shown)
        told = " | ".join(f"{share / row.count:.1%}" for share in shares)
        lines.append(f"| {row.what} | {row.count} | {told} | {row.seconds:.2f} |")
    return "\n".join(lines)


def main() -> int:
    """Prints the table; 1 where too few pairs are right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0, help="of the pairs; the n-th picture has the seed n")
    parser.add_argument("--size", default=f"{2 * NATIVE_SIZE_PX}x{NATIVE_SIZE_PX}", metavar="WxH")
    parser.add_argument("--speed", type=Speed, default=Speed.BALANCED, help=", ".join(Speed))
    parser.add_argument("--backgrounds", action="store_true", help="each half has a background of its own")
    parser.add_argument("--plain", action="store_true", help="the same in words, without regions, beside them")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="also write the pictures with regions")
    options = parser.parse_args()
    quiet_libraries()
    width, height = map(int, options.size.split("x"))
    asked = pairs(options.pairs, random.Random(options.seed), one_background=not options.backgrounds)
    rows = []
    for what, with_regions in (("regions", True), ("in words alone", False))[: 2 if options.plain else 1]:
        began_s = time.monotonic()
        pictures = drawn(
            [
                request_of(pair, seed, (width, height), options.speed, with_regions=with_regions)
                for seed, pair in enumerate(asked)
            ]
        )
        rows.append(judged(f"{what}, {width}x{height}, {options.speed}", asked, pictures, time.monotonic() - began_s))
        if options.sheet is not None and with_regions:
            _sheet(pictures).save(options.sheet, optimize=True)
    print(table(rows))
    return 0 if rows[0].both >= LEAST_BOTH_RIGHT * rows[0].count else 1


def _half(picture: Image.Image, side: int) -> Image.Image:
    """In the size that the captioner knows."""
    middle = picture.width // 2
    half = picture.crop((side * middle, 0, (side + 1) * middle, picture.height))
    scale = NATIVE_SIZE_PX / min(half.size)
    return half.resize((round(half.width * scale), round(half.height * scale)), Image.Resampling.BICUBIC)


def _sheet(pictures: Sequence[Image.Image]) -> Image.Image:
    width, height = (length + 4 for length in pictures[0].size)
    rows = -(-len(pictures) // SHEET_COLUMNS)
    sheet = Image.new("RGB", (width * SHEET_COLUMNS, height * rows), "grey")
    for number, picture in enumerate(pictures):
        sheet.paste(picture, (number % SHEET_COLUMNS * width + 2, number // SHEET_COLUMNS * height + 2))
    return sheet


if __name__ == "__main__":
    sys.exit(main())
