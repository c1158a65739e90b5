"""The figures of a benchmark, as its sidecar holds them. In: nothing. Out: models, and so their published schema."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _BenchmarkPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SizeRecord(_BenchmarkPart):
    """What was measured of one size: medians over the runs that counted. Seconds are of a whole run."""

    width: int = Field(description="pixels, before a second pass; 0 for captions")
    height: int
    rung: str
    together: int = Field(description="pictures drawn at once")
    per_minute: float = Field(description="pictures or captions")
    run_s: float = Field(description="one run, without loading the model")
    spread: float = Field(description="how far the fastest and the slowest run are apart, as a share of the median")
    runs_s: list[float] = Field(description="each run that counted, in order")
    load_s: float = Field(description="loading the model")
    first_s: float = Field(description="the run to warm up")
    step_s: float = Field(description="one step, without the first; 0 for captions")
    stages_s: dict[str, float] = Field(description="encode, steps, decode, safety check, encode file, other")
    peak_bytes: int


class NotRunRecord(_BenchmarkPart):
    """A size that fitted on no rung."""

    width: int
    height: int
    reason: str


class ChangedRecord(_BenchmarkPart):
    """What figures may depend on, and is not as it was."""

    what: str
    before: str
    after: str


class FigureChangeRecord(_BenchmarkPart):
    """One figure of one size, then and now."""

    size: str
    figure: str
    before: float
    after: float
    ratio: float = Field(description="now by then")
    in_words: str


class SinceLastRecord(_BenchmarkPart):
    """The run before, of the same model, the same settings and the same device where there is one."""

    job_id: str
    finished: str
    changed: list[ChangedRecord]
    figures: list[FigureChangeRecord]


class EarlierRecord(_BenchmarkPart):
    """A run that can be compared."""

    job_id: str
    finished: str
    per_minute: dict[str, float] = Field(description="by size")
    versions: dict[str, str]


class BenchmarkResultRecord(_BenchmarkPart):
    """What a benchmark measured."""

    device_name: str
    load_average: float = Field(description="of the minute before")
    cores: int = Field(description="that the worker may use")
    sizes: list[SizeRecord]
    not_run: list[NotRunRecord]
    notes: list[str] = Field(description="what made figures worse than they could be")
    since_last: SinceLastRecord | None = Field(description="null for the first run")
    earlier: list[EarlierRecord] = Field(description="of the same model, device and settings, the oldest first")
