"""The files of a benchmark, beside its sidecar. In: a result, earlier runs. Out: the result with its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aura_daemon.formats.benchmarks.chart import chart
from aura_daemon.formats.benchmarks.table import page
from aura_daemon.jobs.benchmarks import BenchmarkRun
from aura_daemon.jobs.results import Payload, Produced


def with_pages(produced: Produced, earlier: Sequence[BenchmarkRun]) -> Produced:
    """A benchmark's result with a table for people and a chart; `earlier`: of the same model, the oldest first."""
    assert produced.benchmark is not None
    texts = {".md": page(produced.benchmark, earlier), ".svg": chart(produced.benchmark, earlier)}
    payloads = tuple(Payload(extension=extension, content=text.encode()) for extension, text in texts.items())
    return replace(produced, payloads=payloads, earlier=tuple(earlier))
