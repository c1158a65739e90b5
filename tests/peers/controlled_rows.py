"""What `tests.peers.controlled` measured, as a table. In: our pictures, those of plain diffusers. Out: Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from aura_daemon.bench.timed_worker import TimedRun
from aura_daemon.formats.readable import bytes_text, seconds_text

HEADS: Final = (
    "what",
    "size",
    "rung",
    "a step",
    "plain diffusers",
    "by the processor's seconds",
    "pixels off, mean of 255",
    "peak",
    "predicted",
    "plain diffusers' peak",
)
HEAD: Final = f"| {' | '.join(HEADS)} |\n|---|---:|---{'|---:' * (len(HEADS) - 3)}|"


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnPicture:
    """One, by our worker."""

    run: TimedRun
    step_s: float
    """A step by the clock; of an upscaler the whole picture."""
    cpu_s: float = 0.0
    """A step, seconds of the processor."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlledRow:
    """One thing that was drawn on one rung."""

    what: str
    size: str
    rung: str
    step_s: float
    """By the clock; of an upscaler the whole picture."""
    peak_bytes: int
    expected_bytes: int
    """What the ladder predicted, with its margin."""
    plain_s: float | None = None
    """A step of plain diffusers."""
    ratio: float | None = None
    """Of seconds of the processor, which other programs change less than those of the clock."""
    off: float | None = None
    plain_peak_bytes: int | None = None

    @classmethod
    def of(
        cls, what: str, own: Sequence[OwnPicture], plains: Sequence[Mapping[str, Any]] = (), *, off: float | None = None
    ) -> ControlledRow:
        """Medians of pictures, and of plain diffusers where it drew too."""
        tried, payload = own[0].run.tried, own[0].run.produced.payloads[0]
        assert tried is not None
        cpu_s = median(one.cpu_s for one in own)
        return cls(
            what=what,
            size=f"{payload.width}x{payload.height}",
            rung=tried.rung,
            step_s=median(one.step_s for one in own),
            peak_bytes=max(one.run.produced.peak_bytes for one in own),
            expected_bytes=tried.expected_bytes,
            plain_s=median(one["step_s"] for one in plains) if plains else None,
            ratio=cpu_s / median(one["cpu_s"] for one in plains) if plains else None,
            off=off,
            plain_peak_bytes=max(one["peak"] for one in plains) if plains else None,
        )

    def line(self) -> str:
        """In Markdown."""
        cells = (
            self.what,
            self.size,
            self.rung,
            seconds_text(self.step_s),
            seconds_text(self.plain_s) if self.plain_s is not None else "",
            f"{self.ratio:.2f}" if self.ratio is not None else "",
            f"{self.off:.2f}" if self.off is not None else "",
            bytes_text(self.peak_bytes),
            f"{bytes_text(self.expected_bytes)} ({self.expected_bytes / self.peak_bytes:.2f})",
            bytes_text(self.plain_peak_bytes) if self.plain_peak_bytes is not None else "",
        )
        return f"| {' | '.join(cells)} |"
