"""What was measured of the ways to draw a picture. In: seconds. Out: figures, their JSON, a run for the chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from aura_daemon.jobs.benchmarks import BenchmarkRun, RunSeconds, SizeFigures

ORIGIN: Final = "origin"
"""The name of the row that the others are ratios to: plain diffusers, float32, 50 steps."""

SCHEMA: Final = "aura-daemon.bench/1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """One way to draw a picture: medians."""

    name: str
    """A speed, or a program."""
    how: str
    """What computed, and what was done to be faster, in words."""
    steps: int
    """That the picture takes."""
    pictures_s: tuple[float, ...] = ()
    """Of whole pictures, end to end; empty: composed of the stages."""
    load_s: float
    encode_s: float
    step_s: float
    decode_s: float
    file_s: float = 0.0
    peak_bytes: int
    rung: str = ""
    dtype: str = ""
    variant: str = ""
    levers: tuple[str, ...] = ()

    @property
    def picture_s(self) -> float:
        """The median of whole pictures; else what the stages make."""
        if self.pictures_s:
            return median(self.pictures_s)
        return self.encode_s + self.steps * self.step_s + self.decode_s + self.file_s

    @property
    def spread(self) -> float:
        """How far apart the fastest and the slowest picture are, as a share of the median."""
        return (max(self.pictures_s) - min(self.pictures_s)) / self.picture_s if self.pictures_s else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class NotMeasured:
    """A way that could not be measured, and why."""

    name: str
    reason: str


def ratio(row: Figures, origin: Figures | None) -> float | None:
    """How many times as fast as the origin's settings."""
    return origin.picture_s / row.picture_s if origin is not None and row.picture_s else None


def document(
    rows: Sequence[Figures],
    not_measured: Sequence[NotMeasured],
    *,
    machine: Mapping[str, Any],
    settings: Mapping[str, Any],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """All of it, for JSON."""
    origin = next((row for row in rows if row.name == ORIGIN), None)
    return {
        "schema": SCHEMA,
        "machine": dict(machine),
        "settings": dict(settings),
        "rows": [
            asdict(row)
            | {"picture_s": row.picture_s, "spread": row.spread, "composed": not row.pictures_s}
            | {"times_origin": ratio(row, origin)}
            for row in rows
        ],
        "not_measured": [asdict(one) for one in not_measured],
        **more,
    }


def charted(
    rows: Sequence[Figures], *, model: str, device: str, size: tuple[int, int], guidance_scale: float, scheduler: str
) -> BenchmarkRun:
    """The rows as one benchmark, a bar each, for `formats.benchmarks.chart`."""
    settings = {
        "steps": "/".join(str(row.steps) for row in rows),
        "scheduler": scheduler,
        "guidance_scale": f"{guidance_scale:g}",
        "batch": "1",
    }
    return BenchmarkRun(
        of="generate",
        model=model,
        model_sha256="",
        device=device,
        device_name=device,
        dtype="/".join(dict.fromkeys(row.dtype for row in rows if row.dtype)),
        variant="",
        processor="",
        threads=0,
        settings=tuple(settings.items()),
        repeats=max((len(row.pictures_s) for row in rows), default=1),
        sizes=tuple(_bar(row, size) for row in rows),
        load_average=0.0,
        cores=1,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedFigures(SizeFigures):
    """A bar that is called by a name, not by its size."""

    label: str

    @property
    def name(self) -> str:
        """The name."""
        return self.label


def _bar(row: Figures, size: tuple[int, int]) -> NamedFigures:
    steps_s = row.steps * row.step_s
    return NamedFigures(
        label=row.name,
        width=size[0],
        height=size[1],
        rung=row.rung or "none",
        batch=1,
        together=1,
        load_s=row.load_s,
        first_s=row.picture_s,
        runs=(
            RunSeconds(
                whole_s=row.picture_s,
                encode_s=row.encode_s,
                steps_s=steps_s,
                decode_s=row.decode_s,
                check_s=0.0,
                file_s=row.file_s,
                step_s=row.step_s,
            ),
        ),
        peak_bytes=row.peak_bytes,
    )
