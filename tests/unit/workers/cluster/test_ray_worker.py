"""A worker on Ray keeps the contract of the local one. In a network namespace, see `tests.support.ray_clusters`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.cluster import ClusterSettings
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.workers.cluster.driver import Driver
from aura_daemon.workers.cluster.ray_worker import RayWorker
from tests.support import light_driver, ray_clusters
from tests.support.deadline import DEADLINE_S
from tests.support.worker_contract import WorkerContract, batch_of, finished

if not ray_clusters.is_alone():

    @pytest.mark.skipif(bool(ray_clusters.why_not()), reason=ray_clusters.why_not() or "can run")
    def test_it_keeps_the_contract_on_a_cluster_of_one_node() -> None:
        command = ray_clusters.python("-m", "pytest", __file__, "-q", "-p", "no:cacheprovider", "-p", "no:xdist")
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout

else:

    @pytest.fixture(scope="module")
    def driver() -> Iterator[Driver]:
        made = Driver(ClusterSettings(), EngineSettings(), command=light_driver.COMMAND)
        yield made
        made.stop(5.0)

    @pytest.fixture
    def worker(driver: Driver) -> Iterator[RayWorker]:
        made = RayWorker(driver, 0, deadline_s=DEADLINE_S)
        yield made
        made.stop(0.0)

    class TestRayWorker(WorkerContract):
        """The tests of the contract."""

    @pytest.mark.parametrize(
        ("script", "kind", "words"),
        [
            ("exit", FailureKind.CRASHED, "was killed, or ended by itself"),
            ("kill", FailureKind.CRASHED, "was killed, or ended by itself"),
            ("raise", FailureKind.CRASHED, "raised on request"),
        ],
    )
    def test_a_death_is_told_and_the_next_batch_has_an_actor_again(
        worker: RayWorker, script: str, kind: FailureKind, words: str
    ) -> None:
        worker.submit(batch_of(script))
        (word,) = finished(worker)
        assert isinstance(word.outcome, Failure)
        assert (word.outcome.kind, words in word.outcome.message) == (kind, True)
        worker.submit(batch_of("bad"))
        (word,) = finished(worker)
        assert isinstance(word.outcome, Failure)
        assert word.outcome.kind is FailureKind.BAD_INPUT

    def test_an_actor_whose_job_hangs_is_ended(driver: Driver) -> None:
        worker = RayWorker(driver, 1, deadline_s=3.0)
        worker.submit(batch_of("hang"))
        (word,) = finished(worker)
        assert isinstance(word.outcome, Failure)
        assert word.outcome.kind is FailureKind.DEADLINE
        assert not worker.is_running
