"""A worker that was taken over gets at nothing: real processes, the real sandbox, and every attempt without it too."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.settings import WORKERS, Settings
from aura_daemon.jobs.results import Failure, FailureKind, Produced
from aura_daemon.system.sandbox.confining import confine, support
from aura_daemon.system.sandbox.plan import SandboxMode, SandboxPlan
from aura_daemon.workers.local.process import ProcessWorker
from aura_daemon.workers.local.worker_sandbox import WorkerSandbox
from aura_daemon.workers.protocol import NO_DEVICE, Finished, Ready
from tests.support.escapes import ESCAPES, FOR_ROOT, NOT_EVERYWHERE
from tests.support.escaping_worker import LAID
from tests.support.worker_contract import PATIENCE_S, batch_of

ROOT = Path(__file__).parents[4]
ESCAPING = (sys.executable, "-P", "-m", "tests.support.escaping_worker")
LIGHT = (sys.executable, "-P", "-m", "tests.support.light_child")

needs_a_sandbox = pytest.mark.skipif(bool(support().missing), reason="this kernel shuts no process in wholly")


def settings_in(folder: Path, mode: SandboxMode = SandboxMode.STRICT, **keys: Any) -> Settings:
    return Settings(inbox=folder / "in", outbox=folder / "out", state=folder / "state", sandbox=mode, **keys)


def sandbox_of(settings: Settings, **options: Any) -> WorkerSandbox:
    return WorkerSandbox(settings.engine(), settings.shut_in(), **options)


def said_by(worker: ProcessWorker, *prompts: str) -> dict[str, str]:
    """The message of the failure with which each prompt ends."""
    worker.submit(batch_of(*prompts))
    said: dict[str, str] = {}
    for message in ended_by(worker)[1]:
        assert isinstance(message.outcome, Failure), message
        said[prompts[int(message.job_id.removeprefix("job-")) - 1]] = message.outcome.message
    return said


def ended_by(worker: ProcessWorker) -> tuple[Ready | None, list[Finished]]:
    """How the worker began, and the ends of its jobs."""
    ready: list[Ready] = []
    ended: list[Finished] = []
    until_s = time.monotonic() + PATIENCE_S
    while not (worker.idle and ended):
        assert time.monotonic() < until_s
        select.select(worker.waitables(), [], [], 0.1)
        messages = worker.poll()
        ready += [message for message in messages if isinstance(message, Ready)]
        ended += [message for message in messages if isinstance(message, Finished)]
    return ready[0] if ready else None, ended


def lay_out(folder: Path, stack: ExitStack) -> dict[str, object]:
    """Everything that an escape wants to get at, with somebody who listens."""
    home = folder / "home"
    for place in (home, folder / "in", folder / "out", folder / "state"):
        place.mkdir()
    for file in (home / "secret", home / "bait", folder / "in" / "job.yaml", folder / "out" / "cat.json"):
        file.write_text("secret", encoding="utf-8")
    (folder / "state" / "journal.sqlite3").write_text("secret", encoding="utf-8")
    tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    udp.bind(("127.0.0.1", 0))
    control = stack.enter_context(socket.socket(socket.AF_UNIX))
    control.bind(f"{folder}/state/control.sock")
    control.listen()
    abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
    name = f"aura-test-{os.getpid()}-{folder.name}"
    abstract.bind(f"\0{name}")
    abstract.listen()
    victim = stack.enter_context(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]))
    stack.callback(victim.kill)
    return {
        "home": str(home),
        "inbox": str(folder / "in"),
        "outbox": str(folder / "out"),
        "state": str(folder / "state"),
        "tcp_port": tcp.getsockname()[1],
        "udp_port": udp.getsockname()[1],
        "abstract": name,
        "victim": victim.pid,
    }


def came_of(folder: Path, mode: SandboxMode) -> dict[str, str]:
    """What came of every escape from one worker."""
    with ExitStack() as stack:
        laid = lay_out(folder, stack)
        settings = settings_in(folder, mode)
        environment = {"PYTHONPATH": str(ROOT), LAID: json.dumps(laid), "TMPDIR": str(folder)}
        worker = ProcessWorker(
            EngineSettings(),
            deadline_s=PATIENCE_S,
            environment=environment,
            command=ESCAPING,
            sandbox=sandbox_of(settings) if mode is not SandboxMode.OFF else None,
        )
        stack.callback(worker.stop, 0.0)
        said = said_by(worker, *ESCAPES)
        if mode is SandboxMode.STRICT:  # nothing has come of anything
            there = {str(place.relative_to(folder)) for place in folder.glob("[hio]*/*")}
            assert there == {"in/job.yaml", "out/cat.json", "home/bait", "home/secret"}
            assert (folder / "home" / "secret").read_text(encoding="utf-8") == "secret"
        return said


@pytest.fixture(scope="module")
def shut_in(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return came_of(tmp_path_factory.mktemp("strict"), SandboxMode.STRICT)


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return came_of(tmp_path_factory.mktemp("off"), SandboxMode.OFF)


@needs_a_sandbox
@pytest.mark.parametrize("name", ESCAPES)
def test_what_a_worker_that_was_taken_over_tries_is_refused(name: str, shut_in: dict[str, str]) -> None:
    assert shut_in[name] == "refused"


@needs_a_sandbox
@pytest.mark.parametrize(
    "name", [name for name in ESCAPES if name not in NOT_EVERYWHERE and (os.geteuid() == 0 or name not in FOR_ROOT)]
)
def test_without_a_sandbox_the_same_gets_through(name: str, free: dict[str, str]) -> None:
    assert free[name] != "refused"


WITHOUT_LANDLOCK = (sys.executable, "-P", "-m", "tests.support.without_landlock")


@needs_a_sandbox
@pytest.mark.parametrize("mode", [SandboxMode.STRICT, SandboxMode.AUTO])
def test_on_a_kernel_that_lacks_a_part_strict_lets_jobs_wait_and_auto_says_so(
    mode: SandboxMode, tmp_path: Path
) -> None:
    worker = ProcessWorker(
        EngineSettings(),
        deadline_s=PATIENCE_S,
        environment={"PYTHONPATH": str(ROOT)},
        command=WITHOUT_LANDLOCK,
        sandbox=sandbox_of(settings_in(tmp_path, mode)),
    )
    try:
        worker.submit(batch_of("fine"))
        ready, (ended,) = ended_by(worker)
    finally:
        worker.stop(0.0)
    assert ready is not None
    assert len(ready.sandbox_lacks) == 1
    assert ready.sandbox_lacks[0].startswith("Landlock: ")
    if mode is SandboxMode.AUTO:
        assert isinstance(ended.outcome, Produced)
        return
    assert ready.device == NO_DEVICE
    assert isinstance(ended.outcome, Failure)
    assert ended.outcome.kind is FailureKind.MODEL_UNAVAILABLE  # the job waits
    assert ended.outcome.message.startswith("`sandbox: strict` cannot be kept here: Landlock: ")
    assert "sandbox: auto" in ended.outcome.mend


def test_a_process_that_has_threads_is_not_shut_in() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="before it starts threads"):
            confine(SandboxPlan(mode=SandboxMode.AUTO), keeps=())
    finally:
        over.set()
        thread.join()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[ProcessWorker]:
    environment = {"PYTHONPATH": str(ROOT)}
    sandbox = sandbox_of(settings_in(tmp_path))
    worker = ProcessWorker(
        EngineSettings(), deadline_s=PATIENCE_S, environment=environment, command=LIGHT, sandbox=sandbox
    )
    yield worker
    worker.stop(0.0)


@needs_a_sandbox
def test_the_folder_of_a_worker_goes_with_it_however_it_ends(started: ProcessWorker, tmp_path: Path) -> None:
    base = tmp_path / "state" / WORKERS
    for end in ("stop", "kill"):
        started.prestart()
        (own,) = base.iterdir()
        assert own.stat().st_mode & 0o777 == 0o700
        if end == "stop":
            started.stop(5.0)
        else:
            assert "killed" in said_by(started, "kill")["kill"]
        assert list(base.iterdir()) == []


@needs_a_sandbox
def test_what_a_killed_daemon_left_goes_with_the_next_start(started: ProcessWorker, tmp_path: Path) -> None:
    base = tmp_path / "state" / WORKERS
    left, others = base / "1-only-abc", base / f"{os.getpid()}-gpu0-abc"
    left.mkdir(parents=True)
    (left / "picture").write_text("x", encoding="utf-8")
    others.mkdir()
    started.prestart()
    assert not left.exists()
    assert others.exists()
