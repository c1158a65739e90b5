"""Where the time of one job goes, as torch's profiler sees it. In: a job's id. Out: a trace and a table in a folder.

The trace opens in https://ui.perfetto.dev or chrome://tracing. The daemon learns of the outcome once both are written:
it may end this process at once. Importing this module imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loguru import logger

from aura_daemon.engines.reporter import Reporter
from aura_daemon.jobs.results import Outcome
from aura_daemon.ladder.attempts import RunConditions

KEPT: Final = 5
"""Jobs whose traces are kept: a trace of aura-mini has 1.3 MB after 25 steps; larger models have more operators."""

ROWS: Final = 25
"""Operators in the table."""


@contextmanager
def profiled(folder: Path, job_id: str) -> Iterator[None]:
    """Watches what runs within, writes down what it saw, and removes what is oldest in the folder."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    has_gpu = torch.cuda.is_available()
    watched = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if has_gpu else [])]
    with profile(activities=watched) as profiler:
        yield
    table = profiler.key_averages().table(
        sort_by="self_device_time_total" if has_gpu else "self_cpu_time_total", row_limit=ROWS
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trace = folder / f"{job_id}.json.gz"
        profiler.export_chrome_trace(str(trace))
        (folder / f"{job_id}.txt").write_text(f"{table}\n", encoding="utf-8")
        _keep_newest(folder)
    except OSError as error:
        logger.warning("{}: its profile cannot be written: {}", job_id, error)
    else:
        logger.info("{}: where its time went is in {} and, as a table, in {}.txt", job_id, trace, folder / job_id)


@dataclass(kw_only=True, slots=True)
class LateOutcomes:
    """Reports as another reporter, but outcomes only when it is told to."""

    reporter: Reporter
    _outcomes: list[Callable[[], None]] = field(init=False, default_factory=list)

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        """A model is being fetched, checked or loaded."""
        self.reporter.loading(model, done_bytes, total_bytes)

    def placed(self, job_ids: Sequence[str], tried: RunConditions) -> None:
        """These jobs are about to run under these conditions."""
        self.reporter.placed(job_ids, tried)

    def stepped(self, job_id: str, step: int, steps: int, preview: bytes = b"") -> None:
        """A step of a job is done."""
        self.reporter.stepped(job_id, step, steps, preview)

    def is_cancelled(self, job_id: str) -> bool:
        """Whether the job needs no more work."""
        return self.reporter.is_cancelled(job_id)

    def finish(self, job_id: str, outcome: Outcome, *, tried: RunConditions | None = None, step_s: float = 0.0) -> None:
        """The outcome is kept until `send`."""
        self._outcomes.append(lambda: self.reporter.finish(job_id, outcome, tried=tried, step_s=step_s))

    def send(self) -> None:
        """Reports the outcomes."""
        for report in self._outcomes:
            report()


def _keep_newest(folder: Path) -> None:
    written = sorted(folder.glob("*.json.gz"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    for trace in written[KEPT:]:
        trace.unlink(missing_ok=True)
        trace.with_name(trace.name.removesuffix(".json.gz") + ".txt").unlink(missing_ok=True)
