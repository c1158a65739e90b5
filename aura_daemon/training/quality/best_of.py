"""What keeping the best of several pictures gains: `python -m aura_daemon.training.quality.best_of [--prompts N]`.

Combinations that training has never seen, prompt to picture to caption. The product's own session draws and describes,
the product's own rules choose. The pictures that are kept are judged twice: by the captioner, which has chosen them
too, and by geometry, which has not. Prints a table, and writes nothing.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

from PIL import Image

from aura_daemon.chains.next_part import chain_of, next_part
from aura_daemon.config.engine import Device, EngineSettings
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.reporter import KeptOutcomes
from aura_daemon.engines.session import Session
from aura_daemon.jobs.parts import Chain, ChosenPart, JobPart
from aura_daemon.jobs.requests import GenerateRequest, PictureCheck
from aura_daemon.jobs.results import Failure, Produced, part_of
from aura_daemon.jobs.speed import Speed
from aura_daemon.jobs.tasks import Task
from aura_daemon.mini.grammar import Sentence, held_out_sentences, parse
from aura_daemon.mini.knowledge import shows
from aura_daemon.training.models import name

BATCH: Final = 16
SEEDS_APART: Final = 100
"""So far lie the seeds of two prompts apart: more than are tried."""


@dataclass(kw_only=True, slots=True)
class _Job:
    asked: GenerateRequest
    chain: Chain
    made: list[Produced] = field(default_factory=list)
    """What came of each part."""
    picture: Image.Image | None = None
    """The one that is kept."""

    def take(self, produced: Produced) -> None:
        done: tuple[JobPart, ...] = (*self.chain.done, part_of(self.chain.runs, produced, seconds=0.0))
        self.made.append(produced)
        match next_part(self.asked, done):
            case Chain() as following:
                self.chain = following
            case ChosenPart(part=part):
                self.picture = Image.open(BytesIO(self.made[part].payloads[0].content)).convert("RGB")

    def task(self, number: int) -> Task:
        looks_at = self.chain.looks_at
        image = self.made[looks_at].payloads[0].content if looks_at is not None else None
        return Task(job_id=str(number), request=self.chain.runs, image=image, image_name=str(number))


def kept(sentences: Sequence[Sentence], best_of: int, speed: Speed) -> list[Image.Image]:
    """The picture of each sentence that is kept; raises SystemExit where one cannot be made."""
    session = Session(EngineSettings(device=Device.CPU))
    jobs = []
    for number, sentence in enumerate(sentences):
        check = PictureCheck(best_of=best_of) if best_of > 1 else None
        asked = GenerateRequest(prompt=str(sentence), seed=number * SEEDS_APART, speed=speed, check=check)
        jobs.append(_Job(asked=asked, chain=chain_of(asked) or Chain(runs=asked)))
    while open_jobs := [number for number, job in enumerate(jobs) if job.picture is None]:
        for start in range(0, len(open_jobs), BATCH):
            numbers = open_jobs[start : start + BATCH]
            reporter = KeptOutcomes()
            session.run([jobs[number].task(number) for number in numbers], reporter)
            for number in numbers:
                outcome = reporter.all[str(number)]
                if isinstance(outcome, Failure):
                    raise SystemExit(outcome.told)
                jobs[number].take(outcome)
    return [job.picture for job in jobs if job.picture is not None]


def measured(sentences: Sequence[Sentence], best_of: int, speed: Speed) -> Mapping[str, object]:
    """A row of the table."""
    began_s = time.monotonic()
    pictures = kept(sentences, best_of, speed)
    seconds = time.monotonic() - began_s
    pairs = list(zip(sentences, map(parse, name(pictures)), strict=True))
    count = len(sentences)
    return {
        "best_of": best_of,
        "prompts": count,
        "shape, colour and background": _share(
            [got is not None and got.combination == meant.combination for meant, got in pairs]
        ),
        "size too": _share([got == meant for meant, got in pairs]),
        "right by geometry": _share([shows(one, meant) for one, meant in zip(pictures, sentences, strict=True)]),
        "seconds": f"{seconds:.0f}",
    }


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Markdown."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|---:" * len(rows[0]) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row.values())) + " |" for row in rows)])


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=120)
    parser.add_argument("--best-of", type=int, nargs="+", default=[1, 4], metavar="N")
    parser.add_argument("--speed", type=Speed, default=Speed.BALANCED, help=", ".join(Speed))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    quiet_libraries()
    sentences = random.Random(options.seed).choices(held_out_sentences(), k=options.prompts)
    print(table([measured(sentences, best_of, options.speed) for best_of in options.best_of]))
    return 0


def _share(right: Sequence[bool]) -> str:
    return f"{sum(right) / len(right):.1%}"


if __name__ == "__main__":
    sys.exit(main())
