"""What a benchmark measured, as worker, journal, sidecar and pages share it. In: nothing. Out: figures.

A run of a benchmark makes one picture, a batch of pictures, or one caption. Every figure of a size is kept for each of
its runs, so that medians and ranges can be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSeconds:
    """Seconds that one run took, in all and by its stages."""

    whole_s: float
    """Without loading the model."""
    encode_s: float
    """From prompt or image to embeddings."""
    steps_s: float
    """All denoising steps; 0 for captions."""
    decode_s: float
    """From latents to pixels, or from embeddings to words."""
    check_s: float
    """The model's safety checker; 0 without one."""
    file_s: float
    """From pixels to the bytes of a file."""
    step_s: float
    """One step, without the first; 0 for captions."""

    @property
    def other_s(self) -> float:
        """What no stage accounts for: the rung is chosen, memory is given back."""
        stages = self.encode_s + self.steps_s + self.decode_s + self.check_s + self.file_s
        return max(0.0, self.whole_s - stages)


@dataclass(frozen=True, kw_only=True, slots=True)
class SizeFigures:
    """What was measured of one size, on the rung that it fitted on."""

    width: int
    """Pixels, before a second pass; 0 for captions."""
    height: int
    rung: str
    batch: int
    """Pictures of a run."""
    together: int
    """Pictures that were drawn at once: fewer than `batch` where memory was short."""
    load_s: float
    """Loading the model from its files, which the system may have kept in memory."""
    first_s: float
    """The run to warm up."""
    runs: tuple[RunSeconds, ...]
    peak_bytes: int

    @property
    def name(self) -> str:
        """As people write a size."""
        return f"{self.width}x{self.height}" if self.width else "caption"

    def median_s(self, figure: str) -> float:
        """The median over all runs of a field of `RunSeconds`."""
        return median(self._seconds(figure))

    def range_s(self, figure: str) -> tuple[float, float]:
        """The least and the greatest value of a field of `RunSeconds`."""
        return min(self._seconds(figure)), max(self._seconds(figure))

    @property
    def per_minute(self) -> float:
        """Pictures or captions a minute, by the median run."""
        return 60 * self.batch / max(self.median_s("whole_s"), 1e-9)

    @property
    def spread(self) -> float:
        """How far apart the fastest and the slowest run are, as a share of the median."""
        least, most = self.range_s("whole_s")
        return (most - least) / max(self.median_s("whole_s"), 1e-9)

    def _seconds(self, figure: str) -> list[float]:
        return [float(getattr(run, figure)) for run in self.runs]


@dataclass(frozen=True, kw_only=True, slots=True)
class SizeNotRun:
    """A size that fitted on no rung."""

    width: int
    height: int
    reason: str

    @property
    def name(self) -> str:
        """As people write a size."""
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkRun:
    """One benchmark, with all that its figures may depend on."""

    id: str = ""
    """Of its job; the daemon fills in this and `finished`."""
    finished: str = ""
    """UTC, ISO 8601."""
    of: str
    """The kind of job that was measured: `generate` or `caption`."""
    model: str
    model_sha256: str
    device: str
    """`cpu`, `cuda:0`."""
    device_name: str
    dtype: str
    variant: str
    processor: str
    """The CPU's vector instructions that torch uses; empty on a GPU."""
    threads: int
    """Of the CPU; 0 on a GPU."""
    settings: tuple[tuple[str, str], ...]
    """What the time depends on, but for sizes: key -> value, in words."""
    repeats: int
    sizes: tuple[SizeFigures, ...]
    not_run: tuple[SizeNotRun, ...] = ()
    load_average: float
    """Programs that wanted to compute in the minute before, this one included."""
    cores: int
    """That this process may use."""
    notes: tuple[str, ...] = ()
    """What made the figures worse than they could be, in words."""
    versions: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """Runs of equal keys can be compared."""
        return self.of, self.model, self.device_name, self.dtype, self.variant, self.settings

    def size(self, width: int, height: int) -> SizeFigures | None:
        """The figures of a size; None where it was not measured."""
        return next((one for one in self.sizes if (one.width, one.height) == (width, height)), None)
