"""Where the time of a job goes, written down."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import torch

from aura_daemon.config.engine import Device, EngineSettings
from aura_daemon.engines.profiling import KEPT, profiled
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.workers.engine_runner import EngineRunner
from aura_daemon.workers.protocol import Batch
from tests.support.listening import Listener

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",  # diffusers' own
    "ignore::UserWarning:torch.profiler",
    "ignore::FutureWarning:torch",
)


class OutcomesAfterFiles(Listener):
    """Looks, when it hears of an outcome, whether the files are there."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self._folder = folder

    def finish(self, job_id: str, *arguments: object, **named: object) -> None:
        self.found[job_id] = sorted(file.name for file in self._folder.glob(f"{job_id}.*"))
        super().finish(job_id, *arguments, **named)  # type: ignore[arg-type]


def test_each_job_of_a_batch_has_a_trace_and_a_table_before_its_outcome_is_told(tmp_path: Path) -> None:
    runner = EngineRunner(EngineSettings(device=Device.CPU, profiles=str(tmp_path / "profiles")))
    request = GenerateRequest(prompt="a red circle", seed=1, steps=1)
    tasks = tuple(Task(job_id=job_id, request=request) for job_id in ("one", "two"))
    listener = OutcomesAfterFiles(tmp_path / "profiles")
    runner.run(Batch(tasks=tasks), listener)  # type: ignore[arg-type]
    for job_id in ("one", "two"):
        assert isinstance(listener.results[job_id].outcome, Produced)
        assert listener.found[job_id] == [f"{job_id}.json.gz", f"{job_id}.txt"]
    trace = json.loads(gzip.decompress((tmp_path / "profiles" / "two.json.gz").read_bytes()))
    assert any("conv" in str(event.get("name")) for event in trace["traceEvents"])
    assert "aten::" in (tmp_path / "profiles" / "two.txt").read_text(encoding="utf-8")


def test_the_newest_few_are_kept_and_a_folder_that_takes_none_costs_no_job(tmp_path: Path) -> None:
    for number in range(KEPT + 2):
        with profiled(tmp_path / "profiles", f"job{number}"):
            torch.ones(2).sum()
    kept = {file.name for file in (tmp_path / "profiles").iterdir()}
    assert kept == {f"job{number}.{kind}" for number in range(2, KEPT + 2) for kind in ("json.gz", "txt")}
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with profiled(tmp_path / "file", "job"):
        pass
