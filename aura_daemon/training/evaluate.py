"""Measure aura-mini: `python -m aura_daemon.training.evaluate [--prompts N] [--seed N] [--sheet FILE.png]`.

Prompt to picture to caption: the caption must be the prompt. A third of the prompts are combinations that training has
never seen. Prints a table, writes `weights/quality.json`, and exits with 1 where a bound is missed.

`--speeds [SPEED ...]` measures instead what the daemon's levels of `speed` cost (see `speeds`), and writes nothing.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch

from aura_daemon.config.engine import Dtype
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.jobs.speed import EngineChoice, Speed
from aura_daemon.mini import NAME, QUALITY
from aura_daemon.mini.drawing import render
from aura_daemon.mini.grammar import Sentence, every_sentence, held_out, held_out_sentences, parse, seen_sentences
from aura_daemon.mini.knowledge import shows
from aura_daemon.training.models import DrawSettings, as_pictures, draw, generator_defaults, name
from aura_daemon.training.sheet import contact_sheet

NATIVE_PX: Final = (64, 64)  # height, width
WIDE_PX: Final = (64, 112)
DRAWINGS: Final = 600  # fresh ones, for the captioner alone

# Shares that must be reached, in [0, 1].
LEAST_CAPTIONS_EXACT: Final = 0.99
LEAST_SEEN: Final = 0.97
LEAST_HELD_OUT: Final = 0.90


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationRow:
    """One line of the table: how many of `count` came back, and the share that must (None: for information)."""

    what: str
    count: int
    right: int  # shape, colour and background
    all_words: int  # the size too
    shown: int  # the picture has the prompt's colours and shape by geometry, whatever the captioner says
    least: float | None
    seconds: float

    @property
    def reached(self) -> bool:
        return self.least is None or self.right >= self.least * self.count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, help="200; 400 with --speeds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guidance", type=float, help="instead of the model's own; nothing is written then")
    parser.add_argument("--steps", type=int, help="instead of the model's own; nothing is written then")
    parser.add_argument("--quick", action="store_true", help="fp32 at the native size only; nothing is written then")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="also draw a contact sheet")
    parser.add_argument("--speeds", nargs="*", type=Speed, metavar="SPEED", help=f"{', '.join(Speed)}; none: all")
    parser.add_argument("--dtype", type=Dtype, default=Dtype.AUTO, help="with --speeds, but for the reference")
    parser.add_argument("--engine", type=EngineChoice, default=EngineChoice.AUTO, help="the same")
    parser.add_argument("--model", help="with --speeds: a folder in place of the embedded model")
    options = parser.parse_args()

    quiet_libraries()
    if options.speeds is not None:
        from aura_daemon.training.speeds import measure_speeds, speeds_table  # scikit-image is a tool of development

        asked = prompted(options.prompts or 400, random.Random(options.seed))
        speeds = options.speeds or list(Speed)
        print(
            speeds_table(measure_speeds(asked, speeds, dtype=options.dtype, engine=options.engine, model=options.model))
        )
        return 0
    options.prompts = options.prompts or 200
    rows = measure(options.prompts, options.seed, options.steps, options.guidance, quick=options.quick)
    print(table(rows))
    passed = all(row.reached for row in rows)
    if options.steps is None and options.guidance is None and not options.quick:
        QUALITY.write_text(json.dumps(quality(rows, options.prompts, options.seed), indent=2) + "\n", encoding="utf-8")
    if options.sheet is not None:
        contact_sheet(seed=options.seed).save(options.sheet, optimize=True)
    return 0 if passed else 1


def measure(
    prompts: int, seed: int, steps: int | None = None, guidance: float | None = None, *, quick: bool = False
) -> list[EvaluationRow]:
    """Every line of the table, the captioner's own first."""
    dice = random.Random(seed)
    asked = prompted(prompts, dice)
    rows = [_captioner_alone(dice.choices(every_sentence(), k=DRAWINGS), seed)]
    runs = [(torch.float32, NATIVE_PX), (torch.bfloat16, NATIVE_PX), (torch.float32, WIDE_PX)]
    for dtype, size_px in runs[:1] if quick else runs:
        rows += _round_trip(asked, dtype, size_px, steps, guidance)
    return rows


def prompted(count: int, dice: random.Random) -> list[Sentence]:
    """Sentences, a third of them held out of training."""
    new = count // 3
    return dice.choices(seen_sentences(), k=count - new) + dice.choices(held_out_sentences(), k=new)


def table(rows: Sequence[EvaluationRow]) -> str:
    """A markdown table."""
    lines = [
        "| measured | count | shape, colour and background | size too | right by geometry | bound | seconds |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        bound = "" if row.least is None else f"{row.least:.0%}{'' if row.reached else ' MISSED'}"
        lines.append(
            f"| {row.what} | {row.count} | {row.right / row.count:.1%} | {row.all_words / row.count:.1%}"
            f" | {row.shown / row.count:.1%} | {bound} | {row.seconds:.1f} |"
        )
    return "\n".join(lines)


def quality(rows: Sequence[EvaluationRow], prompts: int, seed: int) -> dict[str, object]:
    """The content of `weights/quality.json`."""
    return {
        "model": NAME,
        "prompts": prompts,
        "seed": seed,
        "defaults": generator_defaults(),
        "passed": all(row.reached for row in rows),
        "rows": [asdict(row) for row in rows],
    }


def _captioner_alone(sentences: Sequence[Sentence], seed: int) -> EvaluationRow:
    """Captions of fresh drawings; here every word counts for the bound."""
    pictures = as_pictures(render(sentences, torch.Generator().manual_seed(seed)))
    began_s = time.monotonic()
    said = name(pictures)
    exact = sum(str(sentence) == caption for sentence, caption in zip(sentences, said, strict=True))
    return EvaluationRow(
        what="captioner alone, fresh drawings",
        count=len(sentences),
        right=exact,
        all_words=exact,
        shown=sum(shows(picture, sentence) for picture, sentence in zip(pictures, sentences, strict=True)),
        least=LEAST_CAPTIONS_EXACT,
        seconds=time.monotonic() - began_s,
    )


def _round_trip(
    asked: Sequence[Sentence], dtype: torch.dtype, size_px: tuple[int, int], steps: int | None, guidance: float | None
) -> list[EvaluationRow]:
    """Two lines: combinations seen in training, and held out."""
    height_px, width_px = size_px
    is_native = size_px == NATIVE_PX
    label = f"{width_px}x{height_px} {str(dtype).removeprefix('torch.')}"
    groups = (
        ("seen", LEAST_SEEN, [sentence for sentence in asked if sentence.combination not in held_out()]),
        ("held out", LEAST_HELD_OUT, [sentence for sentence in asked if sentence.combination in held_out()]),
    )
    settings = DrawSettings(
        dtype=dtype, height_px=height_px, width_px=width_px, num_inference_steps=steps, guidance_scale=guidance
    )
    rows: list[EvaluationRow] = []
    for group, least, sentences in groups:
        began_s = time.monotonic()
        pictures = draw([str(sentence) for sentence in sentences], range(len(sentences)), settings)
        answers = [parse(caption) for caption in name(pictures, dtype=dtype)]
        pairs = list(zip(sentences, answers, strict=True))
        rows.append(
            EvaluationRow(
                what=f"prompt to picture to caption, {group}, {label}",
                count=len(pairs),
                right=sum(got is not None and got.combination == meant.combination for meant, got in pairs),
                all_words=sum(got == meant for meant, got in pairs),
                shown=sum(shows(picture, meant) for picture, meant in zip(pictures, sentences, strict=True)),
                least=least if is_native else None,
                seconds=time.monotonic() - began_s,
            )
        )
    return rows


if __name__ == "__main__":
    sys.exit(main())
