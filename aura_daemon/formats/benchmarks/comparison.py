"""A benchmark beside earlier ones. In: runs. Out: which of them can be compared, what changed, and by how much.

A figure has changed where the runs of both benchmarks do not overlap; within their spread nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aura_daemon.jobs.benchmarks import BenchmarkRun, SizeFigures

MOST_EARLIER: Final = 9
"""Earlier runs that are shown beside this one."""

STAGES: Final = {
    "encode_s": "encode",
    "steps_s": "steps",
    "decode_s": "decode",
    "check_s": "safety check",
    "file_s": "encode file",
    "other_s": "other",
}
"""Fields of `RunSeconds` -> as people call them, in the order in which they happen."""

LEAST_STAGE_S: Final = 5e-5
"""A stage that takes less in the median is not there: a safety checker that the model lacks, for one."""

LIBRARIES: Final = ("aura_daemon", "torch", "diffusers", "transformers")
"""Programs whose versions may change a figure."""

_LEAST_CHANGE: Final = 0.02
"""As a share: less is said of no figure."""

_ONCE: Final = 0.1
"""As a share: what is measured only once differs by that much from run to run."""


_TIMES: Final = 10
"""From here on no percents are told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """Something that a figure may depend on, and that is not as it was."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FigureChange:
    """One figure of one size, then and now."""

    size: str
    figure: str
    before: float
    after: float
    is_in_spread: bool
    """Whether the runs overlap, so that the change may be chance."""
    words: tuple[str, str]
    """What more of it is called, and what less."""

    @property
    def ratio(self) -> float:
        """Now by then, at most a million."""
        if self.before == self.after:
            return 1.0
        return min(self.after / max(self.before, 1e-12), 1e6)

    @property
    def in_words(self) -> str:
        """As people say it: `up 12 %, faster`."""
        percent = round(abs(self.ratio - 1) * 100)
        if not percent:
            return "as before"
        is_more = self.ratio > 1
        by = f"{'up' if is_more else 'down'} {percent} %" if self.ratio < _TIMES else f"{self.ratio:,.0f} times as much"
        return f"{by}, {'within the spread' if self.is_in_spread else self.words[0 if is_more else 1]}"


def comparable(run: BenchmarkRun, earlier: Sequence[BenchmarkRun]) -> tuple[BenchmarkRun, ...]:
    """The last earlier runs of the same model on the same device with the same settings, the oldest first."""
    return tuple(one for one in earlier if one.key == run.key)[-MOST_EARLIER:]


def previous(run: BenchmarkRun, earlier: Sequence[BenchmarkRun]) -> BenchmarkRun | None:
    """The run to compare with: the last that can be compared and shares a size, else the last that shares one."""
    shared = [one for one in earlier if any(one.size(size.width, size.height) for size in run.sizes)]
    return next(reversed([*shared, *comparable(run, shared)]), None)


def changed(before: BenchmarkRun, after: BenchmarkRun) -> tuple[Changed, ...]:
    """What is not as it was."""
    return tuple(one for one in _compared(before, after) if one.before != one.after)


def figure_changes(before: BenchmarkRun, after: BenchmarkRun) -> tuple[FigureChange, ...]:
    """Every figure of every size that both runs have."""
    pairs = ((before.size(one.width, one.height), one) for one in after.sizes)
    return tuple(change for then, now in pairs if then is not None for change in _of_size(then, now))


def stages_of(sizes: Sequence[SizeFigures]) -> dict[str, str]:
    """The stages that any of the sizes has: fields of `RunSeconds` -> as people call them."""
    return {field: name for field, name in STAGES.items() if any(one.median_s(field) >= LEAST_STAGE_S for one in sizes)}


def per_minute_words(of: str) -> str:
    """What is made, a minute."""
    return "captions a minute" if of == "caption" else "images a minute"


def _compared(before: BenchmarkRun, after: BenchmarkRun) -> Iterator[Changed]:
    then, now = dict(before.versions), dict(after.versions)
    for name in LIBRARIES:
        yield Changed(what=name.replace("_", "-"), before=then.get(name, "unknown"), after=now.get(name, "unknown"))
    yield Changed(what="weights", before=before.model_sha256[:12], after=after.model_sha256[:12])
    for name in ("device_name", "dtype", "variant", "processor", "threads"):
        value_then, value_now = str(getattr(before, name) or "none"), str(getattr(after, name) or "none")
        yield Changed(what=name.replace("_name", ""), before=value_then, after=value_now)
    settings_then, settings_now = dict(before.settings), dict(after.settings)
    for key in dict.fromkeys((*settings_then, *settings_now)):
        yield Changed(what=key, before=settings_then.get(key, "none"), after=settings_now.get(key, "none"))
    for one in after.sizes:
        same = before.size(one.width, one.height)
        if same is not None:
            yield Changed(what=f"rung at {one.name}", before=same.rung, after=one.rung)
            yield Changed(what=f"drawn at once at {one.name}", before=str(same.together), after=str(one.together))


def _of_size(then: SizeFigures, now: SizeFigures) -> Iterator[FigureChange]:
    made = "captions a minute" if not now.width else "images a minute"
    faster, slower = ("faster", "slower"), ("slower", "faster")
    overlaps = _overlap(then.range_s("whole_s"), now.range_s("whole_s"))

    def change(figure: str, before: float, after: float, *, words: tuple[str, str], is_in_spread: bool) -> FigureChange:
        return FigureChange(
            size=now.name, figure=figure, before=before, after=after, is_in_spread=is_in_spread, words=words
        )

    yield change(made, then.per_minute, now.per_minute, words=faster, is_in_spread=overlaps)
    yield change("load", then.load_s, now.load_s, words=slower, is_in_spread=_near(then.load_s, now.load_s, _ONCE))
    for field, name in stages_of((then, now)).items():
        if field == "other_s":
            continue
        overlaps = _overlap(then.range_s(field), now.range_s(field))
        yield change(name, then.median_s(field), now.median_s(field), words=slower, is_in_spread=overlaps)
    is_near = _near(then.peak_bytes, now.peak_bytes, _LEAST_CHANGE)
    yield change("peak memory", then.peak_bytes, now.peak_bytes, words=("more", "less"), is_in_spread=is_near)


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two ranges meet, each widened to at least the least change that is told."""
    slack = 1 + _LEAST_CHANGE
    return one[0] <= other[1] * slack and other[0] <= one[1] * slack


def _near(one: float, other: float, share: float) -> bool:
    return abs(one - other) <= share * max(one, other)
