"""A worker on Ray keeps the contract of the local one. In a network namespace, see `tests.support.ray_clusters`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
import pytest

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.cluster import ClusterSettings
from aura_daemon.config.workers.shut_in import ShutIn
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.system.sandbox.confining import support
from aura_daemon.system.sandbox.plan import SandboxMode
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
    HERE: Final = ClusterSettings(cpus=1.0)
    TOKEN: Final = {"RAY_AUTH_TOKEN": ray_clusters.TOKEN}

    TRIED: Final = (
        *("read_a_file_of_a_home_folder", "list_a_home_folder", "write_into_a_home_folder", "connect_to_a_port"),
        *("serve_on_a_port", "signal_the_daemon", "read_the_environment_of_the_daemon", "start_a_program"),
        *("open_the_memory_of_the_daemon", "list_the_descriptors_of_the_daemon", "find_other_descriptors"),
    )
    """What was the daemon's on its own machine is the actor's here, with Ray's sockets and token."""

    def shut_in(mode: SandboxMode = SandboxMode.AUTO) -> ShutIn:
        return ShutIn(mode=mode, folder="/nowhere", closed=())

    @pytest.fixture(scope="module")
    def driver() -> Iterator[Driver]:
        made = Driver(HERE, EngineSettings(), shut_in(), command=light_driver.COMMAND, environment=TOKEN)
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
            ("exit", FailureKind.CRASHED, "the worker process ended by itself with exit code 3"),
            ("kill", FailureKind.CRASHED, "the worker process was killed by signal 9 (SIGKILL)"),
            ("segfault", FailureKind.CRASHED, "the worker process was killed by signal 11 (SIGSEGV)"),
            ("raise", FailureKind.CRASHED, "the worker process ended by itself with exit code 1"),
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

    def came_of(worker: RayWorker, home: Path, gcs_port: int) -> dict[str, str]:
        """What came of each escape from an engine on a node whose home holds the token of the cluster."""
        folders = dict.fromkeys(("home", "inbox", "outbox", "state"), str(home))
        laid = {**folders, "tcp_port": gcs_port, "udp_port": gcs_port, "abstract": "", "victim": os.getpid()}
        text = json.dumps(laid, separators=(",", ":"))
        worker.submit(batch_of(*(f"escape {name} {text}" for name in TRIED), "variables RAY_"))
        words = [word.outcome for word in finished(worker, len(TRIED) + 1)]
        messages = [outcome.message for outcome in words if isinstance(outcome, Failure)]
        return dict(zip((*TRIED, "variables"), messages, strict=True))

    @pytest.mark.skipif(bool(support().missing), reason="this kernel shuts no process in wholly")
    def test_an_engine_that_was_taken_over_gets_at_nothing_of_ray_and_would_without_a_sandbox(
        driver: Driver, worker: RayWorker, tmp_path: Path
    ) -> None:
        (tmp_path / "secret").write_text(ray_clusters.TOKEN, encoding="utf-8")
        worker.submit(batch_of("fine"))
        finished(worker)
        (gcs, *_) = (one for one in psutil.process_iter(["name"]) if one.info["name"] == "gcs_server")
        port = next(one.laddr.port for one in gcs.net_connections("tcp") if one.status == psutil.CONN_LISTEN)
        assert came_of(worker, tmp_path, port) == {**dict.fromkeys(TRIED, "refused"), "variables": "these: "}
        worker.stop(0.0)
        open_to_all = shut_in(SandboxMode.OFF)
        free = Driver(HERE, EngineSettings(), open_to_all, command=light_driver.COMMAND, environment=TOKEN)
        try:
            found = came_of(RayWorker(free, 0, deadline_s=DEADLINE_S), tmp_path, port)
        finally:
            free.stop(5.0)
        assert found.pop("variables") == "these: "  # they are kept from it in any case
        assert [name for name, what in found.items() if what == "refused"] == ["find_other_descriptors"], found
