"""What every training stage shares: a log that lies beside the weights, one optimiser, one schedule, one dice.

A line of the log: stage, step, loss, wall seconds and CPU seconds since the stage began. On a shared machine the CPU
seconds are the honest figure: divided by the threads they are what the stage takes on an idle machine.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

from aura_daemon.mini.drawing import render
from aura_daemon.mini.grammar import Sentence, seen_sentences
from aura_daemon.system.hardware.processor import name_and_flags

LOG_EVERY_STEPS: Final = 100


class TrainingLog:
    """Appends one line at a time to `train.log`, and prints it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._stage = ""
        self._wall_s = self._cpu_s = 0.0
        self._losses: list[float] = []

    def begin(self, stage: str, note: str) -> None:
        """Starts a stage's clocks and logs where the stage runs."""
        self._stage, self._losses = stage, []
        self._wall_s, self._cpu_s = time.monotonic(), time.process_time()
        self._write(
            f"begin at {datetime.now(UTC):%Y-%m-%d %H:%M:%SZ} | {note} | {name_and_flags()[0]},"
            f" {torch.get_num_threads()} threads, torch {torch.__version__}"
        )

    def step(self, step: int, loss: Tensor) -> None:
        """Count one step; every `LOG_EVERY_STEPS` the mean loss since the last line is written."""
        self._losses.append(loss.item())
        if step % LOG_EVERY_STEPS == 0:
            self.note(f"step {step} | loss {sum(self._losses) / len(self._losses):.5f}")
            self._losses.clear()

    def note(self, text: str) -> None:
        wall_s, cpu_s = time.monotonic() - self._wall_s, time.process_time() - self._cpu_s
        self._write(f"{text} | wall {wall_s:.0f} s | cpu {cpu_s:.0f} s")

    def _write(self, text: str) -> None:
        line = f"{self._stage} | {text}"
        print(line, flush=True)
        with self._path.open("a", encoding="utf-8") as log:
            log.write(line + "\n")


class CosineAdamW:
    """AdamW along one cycle of the learning rate, with the gradient's norm held at 1."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], *, peak_rate: float, steps: int) -> None:
        self._parameters = list(parameters)
        self._optimizer = AdamW(self._parameters, lr=peak_rate, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
        self._schedule = OneCycleLR(self._optimizer, max_lr=peak_rate, total_steps=steps + 1, pct_start=0.08)

    def down(self, loss: Tensor) -> None:
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimizer.step()
        self._schedule.step()


@torch.no_grad()
def follow(average: Iterable[Tensor], learned: Iterable[Tensor], step: int, *, most: float) -> None:
    """An exponential running average that forgets the start quickly. `most`: its decay in the end."""
    decay = min(most, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(average), list(learned), 1 - decay)


def fresh_drawings(
    count: int, dice: torch.Generator, *, height_px: int = 64, width_px: int = 64
) -> tuple[Sequence[Sentence], Tensor]:
    """Sentences that training may see, and their pictures: float32 [count, 3, H, W] in [-1, 1]."""
    known = seen_sentences()
    picks: list[int] = torch.randint(len(known), (count,), generator=dice).tolist()
    sentences = [known[pick] for pick in picks]
    return sentences, render(sentences, dice, height_px=height_px, width_px=width_px)
