"""Counts what happens, for Prometheus. In: events. Out: the text format 0.0.4, for the server and the textfile.

Counters begin at 0 with every daemon, as Prometheus expects: `rate` and `increase` know a reset. A total of the journal
would go down when rows are removed, and be taken for a burst. How many jobs there ever were is a gauge, `journal_jobs`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from copy import copy
from functools import partial
from itertools import product
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from aura_daemon import __version__
from aura_daemon.health.document import Health
from aura_daemon.health.listener import (
    AttemptFailed,
    Event,
    FollowUp,
    HealthWritten,
    JobDelivered,
    JobFailed,
    WorkerEnd,
    WorkerEnded,
)
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.results import FailureKind
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.records import Job
from aura_daemon.ladder.rungs import Rung
from aura_daemon.metrics.gauges import PREFIX, gauges_of
from aura_daemon.workers.protocol import Ready

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

DONE: Final = "done"
"""The outcome of a delivered job; that of another is the kind of its failure."""

UNPLACED: Final = "none"
"""Stands for the rung of an attempt that ended before one was chosen."""

DAEMON_LABEL: Final = "daemon"
"""The name of the textfile, as node_exporter takes no series twice."""

BUCKETS_S: Final = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600, 1800)
"""Upper bounds of the histograms, in s: from aura-mini on a CPU to Stable Diffusion on its lowest rung."""

ALWAYS: Final = ("settled", "waited", "delivered")
"""The stages of every job, as in a sidecar's `timing_s`."""

STAGES: Final = {
    JobKind.GENERATE: (*ALWAYS, "loaded", "encoded", "denoised", "decoded"),
    JobKind.CAPTION: (*ALWAYS, "loaded", "encoded", "decoded"),
    JobKind.UPSCALE: (*ALWAYS, "loaded", "decoded"),
}
"""Those of the kinds that have more."""


class DaemonMetrics:
    """A registry of its own, with nothing in it but the daemon's metrics."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # each counter and histogram would bring a second series
        self._document: Health | None = None
        self._registry = registry = CollectorRegistry(auto_describe=False)
        self._losses = 0
        about = Gauge(f"{PREFIX}build_info", "1, with the version that runs.", ["version"], registry=registry)
        about.labels(__version__).set(1)
        started = Gauge(
            f"{PREFIX}start_time_seconds",
            "When these counters began, in seconds since 1970: the start, or the last change of the configuration.",
            registry=registry,
        )
        started.set(time.time())
        count = partial(_counter, registry)
        outcomes = (DONE, *FailureKind)
        self._jobs = count("jobs", "Jobs that ended: done, or why they failed.", kind=JobKind, outcome=outcomes)
        self._refused = count("refused_files", "Files with no job that can run.", kind=SourceKind)
        self._attempts = count("failed_attempts", "Attempts that failed, whatever followed.", reason=FailureKind)
        goes_on = [follow_up for follow_up in FollowUp if follow_up is not FollowUp.GIVE_UP]
        self._resumed = count("resumed_jobs", "Failed attempts after which a job goes on or waits.", follow_up=goes_on)
        self._oom = count("out_of_memory", "Attempts that ran out of memory, by their rung.", rung=(UNPLACED, *Rung))
        self._starts = count("worker_starts", "Workers that were ready to run jobs.")
        self._ends = count("worker_restarts", "Workers that ended: the next job starts another.", reason=WorkerEnd)
        self._event_losses = count("event_losses", "How often file events were lost, and all was looked at again.")
        self._stages = Histogram(
            f"{PREFIX}stage_seconds",
            "Seconds that each stage of a delivered job took; loading counts where it was done.",
            ["kind", "stage"],
            buckets=BUCKETS_S,
            registry=registry,
        )
        self._seconds = Histogram(
            f"{PREFIX}job_seconds",
            "Seconds from first sight of a file to its result in the outbox.",
            ["kind"],
            buckets=BUCKETS_S,
            registry=registry,
        )
        for kind in JobKind:
            self._seconds.labels(kind)
            for stage in STAGES.get(kind, ALWAYS):
                self._stages.labels(kind, stage)
        registry.register(self)

    @property
    def document(self) -> Health | None:
        """The last health document; None until there is one."""
        return self._document

    def collect(self) -> Iterator[Metric]:
        """What the last health document says, for the registry."""
        return gauges_of(self._document) if self._document is not None else iter(())

    def render(self, daemon: str = "") -> bytes:
        """All metrics as text. `daemon`: a name that every series bears, where another daemon's stand beside them."""
        return generate_latest(_Named(self._registry, daemon) if daemon else self._registry)

    def on_event(self, event: Event) -> None:
        """Counts an event."""
        match event:
            case JobDelivered(delivered=delivered):
                kind = delivered.job.kind
                self._jobs.labels(kind, DONE).inc()
                self._seconds.labels(kind).observe(delivered.timing.total)
                for stage in STAGES.get(JobKind(kind), ALWAYS):
                    seconds = getattr(delivered.timing, stage)
                    if seconds or stage in ALWAYS:  # a model that is loaded takes no time to load
                        self._stages.labels(kind, stage).observe(seconds)
            case JobFailed(job=None, source=source):
                self._refused.labels(source.kind).inc()
            case JobFailed(job=Job() as job, failure=failure):
                self._jobs.labels(job.kind, failure.kind).inc()
            case AttemptFailed(failure=failure, follow_up=follow_up, tried=tried):
                self._attempts.labels(failure.kind).inc()
                if follow_up is not FollowUp.GIVE_UP:
                    self._resumed.labels(follow_up).inc()
                if failure.kind is FailureKind.OUT_OF_MEMORY:
                    self._oom.labels(tried.rung if tried is not None else UNPLACED).inc()
            case WorkerEnded(why=why):
                self._ends.labels(why).inc()
            case Ready():
                self._starts.inc()
            case HealthWritten(document=document):
                self._document = document
                self._event_losses.inc(max(0, document.event_losses - self._losses))
                self._losses = document.event_losses
            case _:
                pass


class _Named(Collector):
    """A registry whose series all bear a further label."""

    def __init__(self, registry: CollectorRegistry, name: str) -> None:
        self._registry, self._name = registry, name

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            named = copy(metric)
            named.samples = [
                sample._replace(labels={**sample.labels, DAEMON_LABEL: self._name}) for sample in metric.samples
            ]
            yield named


def _counter(registry: CollectorRegistry, name: str, told: str, **labels: Iterable[str]) -> Counter:
    """A counter whose series are all there from the start, at 0: the first failure is an increase too."""
    counter = Counter(f"{PREFIX}{name}_total", told, list(labels), registry=registry)
    if labels:
        for values in product(*labels.values()):
            counter.labels(*values)
    return counter
