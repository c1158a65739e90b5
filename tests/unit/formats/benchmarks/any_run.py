"""Any benchmark, for properties."""

from __future__ import annotations

from hypothesis import strategies as st

from aura_daemon.jobs.benchmarks import BenchmarkRun, RunSeconds, SizeFigures, SizeNotRun
from tests.support.benchmark_runs import DRAWN

_SECONDS = st.floats(0, 1e5)
_RUNS = st.builds(
    RunSeconds, **dict.fromkeys(("whole_s", "encode_s", "steps_s", "decode_s", "check_s", "file_s", "step_s"), _SECONDS)
)
_SIZES = st.builds(
    SizeFigures,
    width=st.sampled_from([64, 512, 2048]),
    height=st.sampled_from([64, 768]),
    rung=st.sampled_from(["cpu", "resident"]),
    batch=st.integers(1, 8),
    together=st.integers(1, 8),
    load_s=_SECONDS,
    first_s=_SECONDS,
    runs=st.lists(_RUNS, min_size=1, max_size=3).map(tuple),
    peak_bytes=st.integers(0, 1 << 40),
)
_TEXTS = st.text(max_size=20)

RUNS = st.builds(
    BenchmarkRun,
    id=_TEXTS,
    finished=st.dates().map(lambda day: f"{day.isoformat()}T08:00:00+00:00"),
    of=st.just("generate"),
    model=_TEXTS,
    model_sha256=_TEXTS,
    device=_TEXTS,
    device_name=_TEXTS,
    dtype=_TEXTS,
    variant=st.just("eager"),
    processor=_TEXTS,
    threads=st.integers(0, 64),
    settings=st.sampled_from([DRAWN, DRAWN[:4], (*DRAWN, ("prompt", "`|<x>"))]),
    repeats=st.integers(1, 20),
    sizes=st.lists(_SIZES, min_size=1, max_size=4, unique_by=lambda one: one.name).map(tuple),
    not_run=st.lists(st.builds(SizeNotRun, width=st.just(1024), height=st.just(1024), reason=_TEXTS), max_size=1).map(
        tuple
    ),
    load_average=st.floats(0, 100),
    cores=st.integers(1, 64),
    notes=st.lists(_TEXTS, max_size=2).map(tuple),
    versions=st.lists(st.tuples(st.sampled_from(["torch", "diffusers"]), _TEXTS), max_size=2).map(tuple),
)
"""Any benchmark, with hostile texts."""
