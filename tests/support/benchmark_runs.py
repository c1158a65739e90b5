"""Benchmarks with round figures. It imports little: every process of a light worker begins with it."""

from __future__ import annotations

from typing import Any

from aura_daemon.jobs.benchmarks import BenchmarkRun, RunSeconds, SizeFigures

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
