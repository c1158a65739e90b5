"""Benchmarks with round figures."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from aura_daemon.jobs.benchmarks import BenchmarkRun, RunSeconds, SizeFigures, SizeNotRun

DRAWN = (("steps", "25"), ("guidance_scale", "9"), ("scheduler", "euler"), ("batch", "1"), ("attention", "sdpa"))
CAPTIONED = (("max_new_tokens", "16"), ("attention", "sdpa"))


def seconds(whole_s: float = 2.0, **changes: float) -> RunSeconds:
    """A run whose stages share the time."""
    stages = {"encode_s": 0.05, "steps_s": 0.75, "decode_s": 0.1, "check_s": 0.03, "file_s": 0.05, "step_s": 0.03}
    return RunSeconds(**{"whole_s": whole_s, **{name: share * whole_s for name, share in stages.items()}, **changes})


def size(width: int = 512, height: int = 512, *whole_s: float, **changes: Any) -> SizeFigures:
    """Figures of a size whose runs took these seconds."""
    runs = tuple(map(seconds, whole_s or (2.0, 2.05, 1.95)))
    usual = {"rung": "cpu", "batch": 1, "together": 1, "load_s": 3.0, "first_s": 4.0, "peak_bytes": 3 << 30}
    return SizeFigures(**{"width": width, "height": height, "runs": runs, **usual, **changes})


def run(*sizes: SizeFigures, **changes: Any) -> BenchmarkRun:
    """A benchmark of these sizes."""
    usual: dict[str, Any] = {
        "id": "20261127T080000.000-000001",
        "finished": "2026-11-27T08:00:00+00:00",
        "of": "generate",
        "model": "sd-1.4",
        "model_sha256": "ab" * 32,
        "device": "cpu",
        "device_name": "A Fine CPU",
        "dtype": "float32",
        "variant": "eager",
        "processor": "AVX2",
        "threads": 4,
        "settings": DRAWN,
        "repeats": 3,
        "load_average": 0.1,
        "cores": 4,
        "versions": (("aura_daemon", "0.1.0"), ("torch", "2.9.1")),
    }
    return BenchmarkRun(**{**usual, "sizes": sizes or (size(),), **changes})


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
