"""What trainings take from the command line, and how those go that are several descents. In: options. Out: stages."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch

from aura_daemon.mini import WEIGHTS


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingStage:
    """One descent, along a learning rate of its own."""

    steps: int


AnyStage = TypeVar("AnyStage", bound=TrainingStage)


def training_parser(document: str | None) -> argparse.ArgumentParser:
    """`document`: of the module that is run."""
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


def staged_parser(document: str | None, *, written: str, learner: str) -> argparse.ArgumentParser:
    """Of a training in stages. `written`: the file or folder; `learner`: what is trained."""
    parser = training_parser(document)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help=f"where {written} is written")
    parser.add_argument("--steps", type=int, help="of each stage, instead of its own")
    parser.add_argument("--resume", action="store_true", help=f"the last stage alone, from the {learner} that is there")
    return parser


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options; torch computes with as many threads as they say."""
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    return options


def stages_of(stages: Sequence[AnyStage], options: argparse.Namespace) -> list[AnyStage]:
    """Those to run, of a `staged_parser`'s options."""
    chosen = stages[-1:] if options.resume else stages
    return [stage if options.steps is None else replace(stage, steps=options.steps) for stage in chosen]
