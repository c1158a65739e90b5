"""What half precision costs the captioner: `python -m aura_daemon.training.captions [--pictures N] [--seed N]`.

The daemon's own engine describes pictures in batches, in float32 and in bfloat16: clean drawings, and as many that
aura-mini draws, a third of them of combinations that training has never seen. Prints a table.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from io import BytesIO
from typing import Final

import torch
from PIL import Image

from aura_daemon.config.engine import Device, Dtype, EngineSettings
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.results import Outcome, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.mini.drawing import render
from aura_daemon.mini.grammar import Sentence, parse
from aura_daemon.training.evaluate import prompted
from aura_daemon.training.kept_outcomes import KeptOutcomes
from aura_daemon.training.models import as_pictures, draw

TOGETHER: Final = 8  # as the daemon does
HEADS: Final = ("pictures", "format", "count", "the caption of float32", "every word", "shape, colour and background")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=400, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    quiet_libraries()
    meant = prompted(options.pictures, random.Random(options.seed))
    drawings = as_pictures(render(meant, torch.Generator().manual_seed(options.seed)))
    drawn = draw([str(sentence) for sentence in meant], range(len(meant)))
    print(f"| {' | '.join(HEADS)} | s of CPU a caption |\n|---|---|---:|---:|---:|---:|---:|")
    for kind, pictures in (("drawings", drawings), ("by aura-mini", drawn)):
        reference: list[str] = []
        for dtype in (Dtype.FLOAT32, Dtype.BFLOAT16):
            said, seconds = described(pictures, dtype)
            reference = reference or said
            print(f"| {kind} | {dtype} | {' | '.join(judged(said, reference, meant))} | {seconds:.4f} |", flush=True)


def described(pictures: Sequence[Image.Image], dtype: Dtype) -> tuple[list[str], float]:
    """The captions, and the CPU seconds of one."""
    tasks = [
        Task(job_id=str(number), request=CaptionRequest(), image=_png(picture), image_name=f"{number}.png")
        for number, picture in enumerate(pictures)
    ]
    session, outcomes = Session(EngineSettings(device=Device.CPU, dtype=dtype)), KeptOutcomes()
    session.run(tasks[:1], KeptOutcomes())  # loads
    began_s = time.process_time()
    session.run(tasks, outcomes, together=TOGETHER)
    seconds = (time.process_time() - began_s) / len(tasks)
    made: list[Outcome] = [outcomes.all[task.job_id] for task in tasks]
    return [one.text if isinstance(one, Produced) else f"({one.message})" for one in made], seconds


def judged(said: Sequence[str], reference: Sequence[str], meant: Sequence[Sentence]) -> tuple[str, ...]:
    """How many; how many as the reference has them, and shares that are right."""
    count, read = len(said), [parse(caption) for caption in said]
    alike = sum(one == other for one, other in zip(said, reference, strict=True))
    exact = sum(caption == str(sentence) for caption, sentence in zip(said, meant, strict=True))
    right = sum(
        one is not None and one.combination == sentence.combination for one, sentence in zip(read, meant, strict=True)
    )
    return str(count), str(alike), f"{exact / count:.2%}", f"{right / count:.2%}"


def _png(picture: Image.Image) -> bytes:
    content = BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


if __name__ == "__main__":
    main()
