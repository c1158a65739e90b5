"""What the health document says, as metrics. In: the document. Out: gauges, whose labels are closed choices,
but for workers and the nodes they run on: there are as many as the configuration and the cluster name. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from aura_daemon.health.document import MEMORY_FOR, Health, SandboxState, Status, WorkerRecord, WorkerState
from aura_daemon.health.holdups import IMAGES, JOURNAL, LEFT_OUT, OUTBOX, SOURCES, WORKERS
from aura_daemon.jobs.requests import JobKind
from aura_daemon.ladder.rungs import Rung

PREFIX: Final = "aura_daemon_"

ONLY: Final = "1"
"""The label of a worker that has no name, as it is the only one."""


class HoldupKind(StrEnum):
    """What waits: the names of hold-ups hold models and sizes, of which there are any number."""

    MODEL = "model"
    MEMORY = "memory"
    OUTBOX = "outbox"
    JOURNAL = "journal"
    SOURCES = "sources"
    IMAGES = "images"
    FOLDER_SETTINGS = "folder_settings"
    WORKERS = "workers"
    OTHER = "other"


_BY_NAME: Final = {
    OUTBOX: HoldupKind.OUTBOX,
    JOURNAL: HoldupKind.JOURNAL,
    SOURCES: HoldupKind.SOURCES,
    WORKERS: HoldupKind.WORKERS,
    "folder settings": HoldupKind.FOLDER_SETTINGS,
    **dict.fromkeys(IMAGES.values(), HoldupKind.IMAGES),
}
_MEMORY: Final = MEMORY_FOR.format("")


def holdup_kind(what: str) -> HoldupKind:
    """The kind of a hold-up by its name."""
    if what.startswith(_MEMORY):
        return HoldupKind.MEMORY
    if what.startswith(LEFT_OUT.format("")):
        return HoldupKind.WORKERS
    if what.split(" ")[0] in tuple(JobKind):
        return HoldupKind.MODEL
    return _BY_NAME.get(what, HoldupKind.OTHER)


def gauges_of(document: Health) -> Iterator[Metric]:
    """The metrics that tell how the daemon is now."""
    yield _one(
        "heartbeat_timestamp_seconds",
        "When the daemon last said how it is, in seconds since 1970; older than half a minute: it does not run.",
        datetime.fromisoformat(document.heartbeat).timestamp(),
    )
    yield _choice("status", "1 for the status that the daemon has.", "status", tuple(Status), document.status)
    yield _choice("rung", "1 for the rung of the ladder that the last job ran on.", "rung", tuple(Rung), document.rung)
    yield _each("journal_jobs", "Jobs in the journal, by state.", "state", document.jobs)
    yield _one("queue_jobs", "Jobs that have not ended.", document.queue_depth)
    yield _one(
        "queue_oldest_seconds",
        "For how long the oldest waiting file has waited; 0 where none waits.",
        document.oldest_waiting_s or 0.0,
    )
    yield _one("unsettled_files", "Files that still arrive, or wait for something.", document.unsettled_files)
    yield _one("left_alone_files", "Files in the inbox that are no jobs.", sum(document.left_alone.values()))
    copies = len(document.conflict_copies)
    yield _one("conflict_copies", "Copies made by sync tools in the inbox, for you to decide.", copies)
    held = Counter(holdup_kind(holdup.what) for holdup in document.holdups)
    yield _each("holdups", "What is held up and tried again later.", "what", {kind: held[kind] for kind in HoldupKind})
    yield _each("memory_bytes", "Memory of the processes, of the device and of the machine.", "of", _memory(document))
    yield from _workers(document.workers)
    sandbox = document.sandbox.state if document.sandbox is not None else None
    yield _choice("sandbox", "1 for how far workers are shut in.", "state", tuple(SandboxState), sandbox)
    yield _one("archive_bytes", "Size of the archived sources.", document.archive_bytes)
    yield _one("polling", "1 where the inbox is polled: no file events there.", bool(document.polls_because))


def _workers(workers: Sequence[WorkerRecord]) -> Iterator[Metric]:
    """What each worker does. No model and no job is a label: of those there are any number."""
    label = "worker"
    info = GaugeMetricFamily(
        f"{PREFIX}worker_info",
        "1, with where the worker is: the node is empty on the daemon's machine.",
        labels=[label, "node", "device", "rung"],
    )
    state = GaugeMetricFamily(f"{PREFIX}worker_state", "1 for the state that the worker has.", labels=[label, "state"])
    jobs = GaugeMetricFamily(f"{PREFIX}worker_jobs", "Jobs that the worker runs.", labels=[label])
    steps = GaugeMetricFamily(
        f"{PREFIX}worker_steps",
        "Steps of the worker's job that are done, and all of them; 0 where it runs none.",
        labels=[label, "of"],
    )
    memory = GaugeMetricFamily(
        f"{PREFIX}worker_memory_bytes", "Memory of the worker's process and of its device.", labels=[label, "of"]
    )
    for worker in workers:
        name, current = worker.name or ONLY, worker.current
        info.add_metric([name, worker.node, worker.device_name or "", worker.rung or ""], 1)
        for one in WorkerState:
            state.add_metric([name, one], int(one is worker.state))
        jobs.add_metric([name], len(worker.jobs))
        steps.add_metric([name, "done"], current.step if current is not None else 0)
        steps.add_metric([name, "all"], current.steps if current is not None else 0)
        sizes = worker.memory
        known = {"worker": sizes.worker_bytes}
        known |= {"device_used": sizes.device_used_bytes, "device_free": sizes.device_free_bytes}
        for of, size in known.items():
            if size is not None:
                memory.add_metric([name, of], size)
    return iter((info, state, jobs, steps, memory))


def _memory(document: Health) -> dict[str, int]:
    """Bytes by whose memory it is, as far as that is known."""
    memory = document.memory
    known = {
        "daemon": memory.daemon_bytes,
        "worker": memory.worker_bytes,
        "device_used": memory.device_used_bytes,
        "device_free": memory.device_free_bytes,
        "machine_available": memory.machine_available_bytes,
    }
    return {name: size for name, size in known.items() if size is not None}


def _one(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, told, value=value)


def _each(name: str, told: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, told, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], value)
    return family


def _choice(name: str, told: str, label: str, choices: tuple[str, ...], chosen: str | None) -> Metric:
    return _each(name, told, label, {choice: int(choice == chosen) for choice in choices})
