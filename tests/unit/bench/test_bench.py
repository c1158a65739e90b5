"""The measuring instruments do what the daemon does, and leave nothing behind."""

from __future__ import annotations

import select
from pathlib import Path

from aura_daemon.bench import bare
from aura_daemon.bench.instant import InstantWorker
from aura_daemon.cli.bench import intake
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.workers.protocol import Batch, Finished, Ready, Worker


def test_an_instant_worker_keeps_the_workers_contract() -> None:
    worker: Worker = InstantWorker()
    for request in (GenerateRequest(prompt="a red circle", seed=1), CaptionRequest()):
        assert worker.idle
        worker.submit(Batch(tasks=(Task(job_id="x", request=request),)))
        assert not worker.idle
        assert select.select(worker.waitables(), [], [], 0)[0]
        ready, finished = worker.poll()
        assert isinstance(ready, Ready)
        assert isinstance(finished, Finished)
        assert isinstance(finished.outcome, Produced)
        assert worker.poll() == []
        assert not select.select(worker.waitables(), [], [], 0)[0]
    worker.stop(0)


def test_the_bare_loop_moves_every_file_and_writes_three(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    for name in ("a", "b"):
        (tmp_path / "inbox" / name).write_bytes(name.encode())
    assert bare.run(tmp_path, ["a", "b"]) > 0
    assert sorted(place.name for place in (tmp_path / "done").iterdir()) == ["a", "b"]
    written = [f"{name}.{kind}" for name in ("a", "b") for kind in ("json", "png", "webp")]
    assert sorted(place.name for place in (tmp_path / "outbox").iterdir()) == written
    assert not any((tmp_path / "inbox").iterdir())
    assert not any((tmp_path / "work").iterdir())


def test_the_whole_bench_runs_and_leaves_nothing_behind(tmp_path: Path) -> None:
    assert intake.intake(files=20, latencies=5, folder=tmp_path) == 0
    assert not any(tmp_path.iterdir())
