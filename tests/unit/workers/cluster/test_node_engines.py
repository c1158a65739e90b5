"""The engines on a node, without Ray: a child of the actor's process, what is told of its end, and what it is given."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from aura_daemon.config.engine import EngineSettings, GenerateSettings
from aura_daemon.config.workers.shut_in import ShutIn
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind
from aura_daemon.system.sandbox.plan import SandboxMode
from aura_daemon.workers.cluster.messages import ActorEnded
from aura_daemon.workers.cluster.node_engines import NodeEngines
from aura_daemon.workers.cluster.node_folder import node_folder
from aura_daemon.workers.protocol import NO_DEVICE, Finished, Loading, LogLine, Progress, Ready, Up
from tests.support import light_fetcher
from tests.support.worker_contract import PATIENCE_S, batch_of
from tests.unit.workers.local.test_worker_sandbox import ROOT, needs_a_sandbox

LIGHT = "tests.support.light_child"


@pytest.fixture(autouse=True)
def around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def engines_of() -> Iterator[Callable[..., NodeEngines]]:
    made: list[NodeEngines] = []

    def make(
        child: str = LIGHT, mode: SandboxMode = SandboxMode.AUTO, model: str = "here", **options: Any
    ) -> NodeEngines:
        settings = EngineSettings(generate=GenerateSettings(model=model))
        shut_in = ShutIn(mode=mode, folder="/nowhere", closed=())
        made.append(NodeEngines(settings, shut_in, child=child, fetcher=light_fetcher.COMMAND, **options))
        return made[-1]

    yield make
    for engines in made:
        engines.stop()


def heard(engines: NodeEngines, wanted: type[Any]) -> list[Up | ActorEnded]:
    """All messages up to the first of a kind, or the end."""
    said: list[Up | ActorEnded] = []
    until_s = time.monotonic() + PATIENCE_S
    while not any(isinstance(message, wanted | ActorEnded) for message in said):
        assert time.monotonic() < until_s, said
        said += engines.heard(1.0)
    return said


def test_a_batch_runs_and_the_next_one_in_the_same_child(engines_of: Callable[..., NodeEngines]) -> None:
    engines = engines_of()
    engines.start()
    assert isinstance(heard(engines, Ready)[-1], Ready)
    for _ in range(2):
        engines.begin(batch_of("fine"))
        messages = heard(engines, Finished)
        assert engines.is_over
        assert isinstance(messages[-1], Finished)
        assert not any(isinstance(message, Ready) for message in messages)


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        ("exit", FailureKind.CRASHED, "the worker process ended by itself with exit code 3"),
        ("kill", FailureKind.CRASHED, "the worker process was killed by signal 9 (SIGKILL)"),
        ("segfault", FailureKind.CRASHED, "the worker process was killed by signal 11 (SIGSEGV)"),
        ("lie: of any length", FailureKind.CRASHED, "the worker process sent what it must not, and was killed"),
        ("lie: fetch another", FailureKind.CRASHED, "it asks for a model that no job takes"),
    ],
)
def test_an_end_is_told_as_on_the_daemon_s_machine(
    script: str, kind: FailureKind, words: str, engines_of: Callable[..., NodeEngines]
) -> None:
    engines = engines_of()
    engines.begin(batch_of(script))
    end = heard(engines, ActorEnded)[-1]
    assert isinstance(end, ActorEnded)
    assert (end.failure.kind, words in end.failure.message) == (kind, True), end
    assert engines.is_over


def test_whether_the_kernel_took_the_child_is_told(engines_of: Callable[..., NodeEngines]) -> None:
    engines = engines_of(oom_kills=iter(range(2)).__next__)
    engines.begin(batch_of("kill"))
    end = heard(engines, ActorEnded)[-1]
    assert isinstance(end, ActorEnded)
    assert end.was_oom_killed


def test_a_child_that_has_ended_between_batches_is_started_again(engines_of: Callable[..., NodeEngines]) -> None:
    engines = engines_of()
    engines.begin(batch_of("fine"))
    heard(engines, Finished)
    assert engines.pid is not None
    psutil.Process(engines.pid).kill()
    while engines.pid is not None:
        time.sleep(0.01)
    engines.begin(batch_of("fine"))
    messages = heard(engines, Finished)
    assert [type(message) for message in messages if isinstance(message, Ready | Finished)] == [Ready, Finished]


@pytest.mark.parametrize("is_early", [False, True])
def test_a_cancel_reaches_the_child_before_its_batch_too(
    is_early: bool, engines_of: Callable[..., NodeEngines]
) -> None:
    engines = engines_of()
    engines.start()
    if is_early:
        engines.cancel("job-1")
    engines.begin(batch_of("slow"))
    if not is_early:
        heard(engines, Progress)
        engines.cancel("job-1")
    word = heard(engines, Finished)[-1]
    assert isinstance(word, Finished)
    assert word.outcome == CANCELLED


@pytest.mark.parametrize(("model", "kind"), [("here", None), ("gone", FailureKind.MODEL_UNAVAILABLE)])
def test_what_a_model_lacks_is_fetched_by_another_process_of_the_node_which_tells_how_far_it_is(
    model: str, kind: FailureKind | None, engines_of: Callable[..., NodeEngines]
) -> None:
    engines = engines_of(model=model)
    engines.begin(batch_of("fetch"))
    messages = heard(engines, Finished)
    assert Loading(model=model, done_bytes=1, total_bytes=2) in messages
    word = messages[-1]
    assert isinstance(word, Finished)
    assert (word.outcome.kind if isinstance(word.outcome, Failure) else None) is kind


def test_no_variable_of_ray_reaches_the_child(
    engines_of: Callable[..., NodeEngines], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_ADDRESS", "FQ_RAY_IP", "REDIS_PASSWORD"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    engines = engines_of()
    engines.begin(batch_of(*(f"variables {word}" for word in ("RAY_", "FQ_", "REDIS_", "OMP_NUM", "CUDA_VISIBLE"))))
    words: list[str] = []
    while not engines.is_over:
        ended = [message for message in engines.heard(10.0) if isinstance(message, Finished)]
        words += [message.outcome.message for message in ended if isinstance(message.outcome, Failure)]
    assert words == [*["these: "] * 4, "these: CUDA_VISIBLE_DEVICES"]


def test_why_the_engines_could_not_start_is_told(engines_of: Callable[..., NodeEngines]) -> None:
    engines = engines_of("tests.support.torchless_child", options=("--relay-log",))
    engines.start()
    messages = heard(engines, ActorEnded)
    (line,) = [message for message in messages if isinstance(message, LogLine)]
    assert line.message.startswith("the worker could not start")
    assert "ModuleNotFoundError: import of torch" in line.message
    end = messages[-1]
    assert isinstance(end, ActorEnded)
    assert end.failure.kind is FailureKind.MODEL_UNAVAILABLE
    assert "exit code 1, before it was ready" in end.failure.message


@needs_a_sandbox
@pytest.mark.parametrize("mode", [SandboxMode.STRICT, SandboxMode.AUTO])
def test_on_a_node_that_lacks_a_part_strict_lets_jobs_wait_and_auto_says_so(
    mode: SandboxMode, engines_of: Callable[..., NodeEngines]
) -> None:
    engines = engines_of("tests.support.without_landlock", mode)
    engines.start()
    ready = heard(engines, Ready)[-1]
    assert isinstance(ready, Ready)
    assert ready.sandbox_lacks[0].startswith("Landlock: ")
    assert (ready.device == NO_DEVICE) == (mode is SandboxMode.STRICT)
    engines.begin(batch_of("fine"))
    word = heard(engines, Finished)[-1]
    assert isinstance(word, Finished)
    if mode is SandboxMode.STRICT:
        assert isinstance(word.outcome, Failure)
        assert word.outcome.kind is FailureKind.MODEL_UNAVAILABLE
        assert word.outcome.message.startswith("`sandbox: strict` cannot be kept here: Landlock: ")


def test_the_folder_of_an_actor_that_ray_has_ended_goes_with_the_next_one(tmp_path: Path) -> None:
    own = node_folder()
    assert own.stat().st_mode & 0o777 == 0o700
    prefix, _, rest = own.name.partition(f"-{os.getpid()}-")
    left, others = tmp_path / f"{prefix}-4194305-{rest}", tmp_path / "aura-daemon-another.host-1-x"
    for place in (left, others):
        (place / "workers").mkdir(parents=True)
    assert node_folder().parent == tmp_path
    assert (left.exists(), others.exists(), own.exists()) == (False, True, True)
