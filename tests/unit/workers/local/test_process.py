"""The child process: it starts, dies, hangs and is started again. Only `test_real_child` imports torch."""

from __future__ import annotations

import gc
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import psutil
import pytest
from loguru import logger

from aura_daemon.config.engine import EngineSettings, GenerateSettings
from aura_daemon.doctor import probe
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind, Produced
from aura_daemon.ladder.rungs import Rung
from aura_daemon.system import logs
from aura_daemon.system.logs import LogFile
from aura_daemon.system.processes.stop_signals import STOP_SIGNALS
from aura_daemon.workers.child_main import untold
from aura_daemon.workers.engine_start import importing
from aura_daemon.workers.fetching.fetches import ModelFetches
from aura_daemon.workers.local.process import CHILD, SLEPT_S, STOP_TOLD_S, ProcessWorker
from aura_daemon.workers.local.worker_death import MOST_EARLY_KILLS
from aura_daemon.workers.log_lines import BURST
from aura_daemon.workers.protocol import Finished, Loading, LogLine, Memory, Placed, Progress, Up
from aura_daemon.workers.silence import GAP_S
from tests.support import light_fetcher
from tests.support.light_lies import LIES
from tests.support.worker_contract import PATIENCE_S, WorkerContract, batch_of, finished, wait_for

ROOT = Path(__file__).parents[4]
LIGHT = (sys.executable, "-m", "tests.support.light_child")
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}


class Clock:
    """Monotonic seconds that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def go_on(self, worker: ProcessWorker, until_s: float) -> list[Up]:
        """Lets time pass as a daemon sees it, which polls once a second; returns the worker's messages."""
        messages: list[Up] = []
        while self.now < until_s:
            self.now = min(until_s, self.now + 1.0)
            messages += worker.poll()
        return messages


def killed(worker: ProcessWorker, clock: Clock, number: int = signal.SIGKILL) -> list[Finished]:
    """Kills the child, and returns the ends of its jobs once the moment is over in which a stop may be told."""
    assert worker.pid is not None
    os.kill(worker.pid, number)
    select.select(worker.waitables(), [], [], PATIENCE_S)
    messages = worker.poll()
    clock.now += STOP_TOLD_S
    return [message for message in (*messages, *worker.poll()) if isinstance(message, Finished)]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def light(clock: Clock) -> Iterator[Callable[..., ProcessWorker]]:
    """Makes workers whose child needs no torch."""
    with ExitStack() as stops:

        def make(**options: Any) -> ProcessWorker:
            made = ProcessWorker(
                options.pop("settings", EngineSettings()),
                deadline_s=30.0,
                command=LIGHT,
                clock=clock,
                **{"environment": ENVIRONMENT, **options},
            )
            stops.callback(made.stop, 0.0)
            return made

        yield make


@pytest.fixture
def worker(light: Callable[..., ProcessWorker]) -> ProcessWorker:
    return light()


def failure_of(word: Finished) -> Failure:
    assert isinstance(word.outcome, Failure), word
    assert word.outcome.mend
    assert word.models == ()
    return word.outcome


class TestProcessWorker(WorkerContract):
    """The real worker keeps the contract."""


def test_a_child_that_is_started_ahead_runs_the_first_batch(worker: ProcessWorker) -> None:
    worker.prestart()
    pid = worker.pid
    assert pid is not None
    assert worker.idle
    worker.prestart()
    worker.submit(batch_of("fine"))
    assert isinstance(finished(worker)[0].outcome, Produced)
    assert worker.pid == pid
    worker.unload()
    assert worker.pid is None


def test_a_child_that_was_started_ahead_may_be_killed_without_a_loss(worker: ProcessWorker, clock: Clock) -> None:
    worker.prestart()
    assert killed(worker, clock) == []
    assert worker.pid is None
    worker.submit(batch_of("fine"))
    assert isinstance(finished(worker)[0].outcome, Produced)


def test_a_child_that_cannot_be_started_ahead_is_told_by_its_first_batch() -> None:
    worker = ProcessWorker(EngineSettings(), deadline_s=30.0, command=("/nowhere/python",))
    worker.prestart()
    assert worker.poll() == []
    worker.submit(batch_of("fine"))
    assert failure_of(finished(worker)[0]).kind is FailureKind.MODEL_UNAVAILABLE


def test_a_killed_child_fails_what_was_unfinished_and_the_next_batch_runs(worker: ProcessWorker, clock: Clock) -> None:
    worker.submit(batch_of("fine", "hang", "fine"))
    wait_for(worker, Progress, 2)
    words = killed(worker, clock)
    assert len(words) == 2
    failures = [failure_of(word) for word in words if isinstance(word.outcome, Failure)]
    assert {failure.kind for failure in failures} == {FailureKind.CRASHED}
    assert "killed by signal 9 (SIGKILL)" in failures[0].message
    assert failures[0].kind is FailureKind.CRASHED
    assert worker.idle
    assert worker.pid is None
    worker.submit(batch_of("fine"))
    assert isinstance(finished(worker)[0].outcome, Produced)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("segfault", "killed by signal 11 (SIGSEGV)"),
        ("exit", "ended by itself with exit code 3"),
        ("raise", "ended by itself with exit code 1"),
    ],
)
def test_the_way_a_child_ended_is_told(worker: ProcessWorker, script: str, words: str) -> None:
    worker.submit(batch_of(script))
    assert words in failure_of(finished(worker)[0]).message


def test_a_child_that_only_closes_its_socket_is_killed(worker: ProcessWorker) -> None:
    worker.submit(batch_of("close"))
    assert "without ending, and was killed" in failure_of(finished(worker)[0]).message


def test_a_child_whose_device_is_broken_ends_after_saying_so(worker: ProcessWorker) -> None:
    worker.submit(batch_of("broken", "fine"))
    word, other = finished(worker, 2)
    assert isinstance(word.outcome, Failure)
    assert (word.outcome.kind, word.outcome.message) == (FailureKind.CRASHED, "the GPU failed")
    fine = failure_of(other)
    assert fine.kind is FailureKind.CRASHED
    assert "exit code 70" in fine.message
    worker.submit(batch_of("fine"))
    assert isinstance(finished(worker)[0].outcome, Produced)


@pytest.mark.parametrize(
    ("script", "kind"), [("placed", FailureKind.OUT_OF_MEMORY), ("placed on a GPU", FailureKind.CRASHED)]
)
def test_a_child_that_the_kernel_took_ran_out_of_memory(
    light: Callable[..., ProcessWorker], script: str, kind: FailureKind
) -> None:
    """The host's memory ran out: where a GPU computes, no rung takes less of that."""
    kills = iter([7, 8])  # before the child was started, and after its death
    worker = light(oom_kills=lambda: next(kills))
    worker.submit(batch_of(script, "fine"))
    wait_for(worker, Placed)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    word, other = finished(worker, 2)
    assert failure_of(word).kind is kind
    assert "out-of-memory killer took the worker" in failure_of(word).message
    assert word.tried is not None
    assert word.tried.rung is (Rung.CPU if script == "placed" else Rung.RESIDENT)
    assert (failure_of(other).kind, other.tried) == (FailureKind.INTERRUPTED, None)  # it was not begun


def test_where_no_job_was_begun_all_may_have_ended_the_child(light: Callable[..., ProcessWorker]) -> None:
    worker = light()
    worker.submit(batch_of("segfault", "fine"))
    assert [failure_of(word).kind for word in finished(worker, 2)] == [FailureKind.CRASHED] * 2


def test_a_child_without_a_sign_of_life_is_killed_at_its_deadline(worker: ProcessWorker, clock: Clock) -> None:
    worker.submit(batch_of("hang", "fine"))
    wait_for(worker, Progress)
    pid = worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    assert clock.go_on(worker, 30.0) == []
    words = [message for message in clock.go_on(worker, 30.1) if isinstance(message, Finished)]
    assert [word.job_id for word in words] == ["job-1", "job-2"]
    assert failure_of(words[0]).kind is FailureKind.DEADLINE
    assert "no sign of life for 30 s" in failure_of(words[0]).message
    assert not psutil.pid_exists(pid)
    worker.submit(batch_of("fine"))
    assert isinstance(finished(worker)[0].outcome, Produced)


def test_a_sign_of_life_puts_the_deadline_off(worker: ProcessWorker, clock: Clock) -> None:
    worker.submit(batch_of("hang"))
    clock.now = 9.0
    wait_for(worker, Progress)
    assert clock.go_on(worker, 38.0) == []
    assert not worker.idle


def test_once_steps_have_a_pace_the_deadline_follows_it(clock: Clock) -> None:
    worker = ProcessWorker(EngineSettings(), deadline_s=600.0, command=LIGHT, environment=ENVIRONMENT, clock=clock)
    worker.submit(batch_of("slow"))
    wait_for(worker, Progress, 2)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSTOP)
    time.sleep(0.1)
    worker.poll()
    (word,) = [message for message in clock.go_on(worker, 61.0) if isinstance(message, Finished)]
    assert "for 60 s" in failure_of(word).message


def test_time_in_which_the_daemon_itself_was_stopped_is_no_silence_of_its_child(
    worker: ProcessWorker, clock: Clock
) -> None:
    """SIGSTOP to both, a frozen container, a paused machine: the clock goes on, and nobody could say a word."""
    worker.submit(batch_of("hang"))
    wait_for(worker, Progress)
    clock.go_on(worker, 29.0)
    clock.now += 3600.0
    assert worker.poll() == []
    assert clock.go_on(worker, clock.now + 1.0) == []
    assert clock.go_on(worker, clock.now + GAP_S) != []


@pytest.mark.parametrize("number", sorted(STOP_SIGNALS))
def test_the_child_leaves_the_order_to_stop_to_the_daemon(worker: ProcessWorker, number: int) -> None:
    """They reach a whole process group, or control group: the daemon gives the running job its time to end."""
    worker.submit(batch_of("slow"))  # the child may not have run a line of Python yet
    assert worker.pid is not None
    os.kill(worker.pid, number)
    wait_for(worker, Progress)
    os.kill(worker.pid, number)
    wait_for(worker, Progress, 3)
    assert not worker.idle


def test_a_stop_by_the_daemon_ends_the_child_at_once_in_the_middle_of_a_job(worker: ProcessWorker) -> None:
    worker.submit(batch_of("hang"))
    wait_for(worker, Progress)
    assert worker.pid is not None
    child = psutil.Process(worker.pid)
    worker.stop(PATIENCE_S)
    assert not child.is_running()
    assert worker.idle


def test_a_kill_is_told_a_moment_later_as_the_daemon_may_be_about_to_stop(worker: ProcessWorker, clock: Clock) -> None:
    worker.submit(batch_of("hang"))
    wait_for(worker, Progress)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    select.select(worker.waitables(), [], [], PATIENCE_S)
    assert [message for message in worker.poll() if isinstance(message, Finished)] == []
    assert not worker.idle
    worker.stop(0.0)
    clock.now += STOP_TOLD_S
    assert worker.poll() == []
    assert worker.idle


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cancelled_job_whose_worker_dies_is_not_tried_again(worker: ProcessWorker, clock: Clock, when: str) -> None:
    worker.submit(batch_of("hang"))
    wait_for(worker, Progress)
    (job_id,) = (task.job_id for task in batch_of("hang").tasks)
    if when == "before":
        worker.cancel(job_id)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    select.select(worker.waitables(), [], [], PATIENCE_S)
    worker.poll()
    worker.cancel(job_id)
    clock.now += STOP_TOLD_S
    (word,) = worker.poll()
    assert isinstance(word, Finished)
    assert word.outcome == CANCELLED


@pytest.mark.parametrize(("script", "words"), [("exit", "exit code 3"), ("broken", "the GPU failed")])
def test_a_job_whose_worker_did_not_survive_a_suspension_was_only_interrupted(
    light: Callable[..., ProcessWorker], script: str, words: str
) -> None:
    slept_s = chain([100.0], repeat(100.0 + 2 * SLEPT_S))
    worker = light(suspended_s=lambda: next(slept_s))
    worker.submit(batch_of(script))
    (word,) = finished(worker)
    assert isinstance(word.outcome, Failure)
    assert word.outcome.kind is FailureKind.INTERRUPTED
    assert words in word.outcome.message
    assert "this machine was suspended" in word.outcome.message


def test_a_child_killed_before_it_is_ready_says_nothing_of_its_job_or_its_libraries(
    clock: Clock,
) -> None:
    worker = ProcessWorker(
        EngineSettings(), deadline_s=60.0, clock=clock, command=("sh", "-c", "exec sleep 600"), oom_kills=lambda: 0
    )
    kinds = []
    for _ in range(MOST_EARLY_KILLS):
        worker.submit(batch_of("fine"))
        (word,) = killed(worker, clock)
        failure = failure_of(word)
        assert "killed by signal 9 (SIGKILL), before it was ready" in failure.message
        assert "torch" not in failure.mend
        kinds.append(failure.kind)
    assert kinds == [FailureKind.INTERRUPTED, FailureKind.INTERRUPTED, FailureKind.MODEL_UNAVAILABLE]


def test_a_stopped_child_does_not_stop_the_daemon_however_big_the_batch(worker: ProcessWorker) -> None:
    worker.submit(batch_of("fine"))
    finished(worker)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSTOP)
    worker.submit(batch_of("fine", image=bytes(50_000_000)))
    assert worker.poll() == []
    worker.stop(0.0)
    assert worker.idle


def test_a_child_that_dies_idle_is_replaced_without_a_word(worker: ProcessWorker) -> None:
    worker.submit(batch_of("fine"))
    finished(worker)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    select.select(worker.waitables(), [], [], PATIENCE_S)
    assert worker.poll() == []
    assert worker.pid is None
    assert worker.waitables() == []
    worker.submit(batch_of("fine"))
    assert isinstance(finished(worker)[0].outcome, Produced)


def test_a_worker_that_cannot_be_started_fails_its_batch(tmp_path: Path) -> None:
    worker = ProcessWorker(EngineSettings(), deadline_s=30.0, command=(str(tmp_path / "none"),))
    worker.submit(batch_of("fine"))
    failure = failure_of(finished(worker)[0])
    assert failure.kind is FailureKind.MODEL_UNAVAILABLE
    assert "could not be started" in failure.message
    assert worker.idle


def test_the_child_dies_with_the_process_that_started_it() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.support.short_lived_parent"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    gone, _alive = psutil.wait_procs([child], timeout=PATIENCE_S)
    assert gone == [child]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's own")
def test_the_child_offers_itself_to_the_out_of_memory_killer_first(worker: ProcessWorker) -> None:
    worker.submit(batch_of("fine"))
    finished(worker)
    assert Path(f"/proc/{worker.pid}/oom_score_adj").read_text().strip() == "500"


def test_no_descriptor_is_left_over_after_many_starts(worker: ProcessWorker) -> None:
    mine = psutil.Process()
    before = mine.num_fds()
    for _ in range(3):
        worker.submit(batch_of("fine"))
        finished(worker)
        worker.unload()
    assert mine.num_fds() == before


def test_the_daemons_side_imports_no_torch() -> None:
    code = (
        "import sys; import aura_daemon.workers.local.process; "
        "print([m for m in ('torch', 'diffusers', 'transformers', 'PIL', 'loguru') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_nobody_looks_for_garbage_among_what_was_imported() -> None:
    try:
        with importing():
            assert not gc.isenabled()
            module = {"name": []}
        assert gc.isenabled()
        assert not any(one is module for one in gc.get_objects())
    finally:
        gc.unfreeze()


def test_a_child_that_dies_while_it_starts_is_not_its_jobs_fault() -> None:
    worker = ProcessWorker(EngineSettings(), deadline_s=60.0, command=(sys.executable, "-c", "raise SystemExit(4)"))
    worker.submit(batch_of("fine"))
    failure = failure_of(finished(worker)[0])
    assert failure.kind is FailureKind.MODEL_UNAVAILABLE
    assert "exit code 4, before it was ready" in failure.message
    assert worker.idle


def test_the_log_of_the_child_goes_to_the_log_file_of_the_daemon(
    light: Callable[..., ProcessWorker], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log_file = LogFile(path=tmp_path / "aura.log", size_bytes=None, age_s=None, keep=1)
    logs.set_up("INFO", "text", log_file=log_file)
    try:
        worker = light(relays_log=True)
        worker.submit(batch_of("log"))
        wait_for(worker, Finished, 1)
        logger.info("and the daemon goes on")
    finally:
        logger.remove()
    lines = [line[20:] for line in log_file.path.read_text(encoding="utf-8").splitlines()]
    assert [line for line in lines if "INFO" in line] == [
        "INFO    worker: job-1 is drawn with <braces> {}",
        "INFO    and the daemon goes on",
    ]
    assert capfd.readouterr().err.count("is drawn") == 1, "the child has told stderr itself"


@pytest.mark.parametrize("lie", [*sorted(LIES), "lie: fetch another"])
def test_a_child_that_says_what_no_worker_says_is_killed_and_runs_nothing_here(
    light: Callable[..., ProcessWorker], lie: str, tmp_path: Path
) -> None:
    bomb = tmp_path / "bomb"
    worker = light(environment={**ENVIRONMENT, "AURA_TEST_BOMB": str(bomb)})
    worker.submit(batch_of(lie, "fine"))
    pid = worker.pid
    assert pid is not None
    for word in finished(worker, 2):
        failure = failure_of(word)
        assert failure.kind is FailureKind.CRASHED
        assert "sent what it must not, and was killed" in failure.message
    assert not psutil.pid_exists(pid)
    assert not bomb.exists()
    worker.submit(batch_of("fine"))
    assert isinstance(finished(worker)[0].outcome, Produced)


def fetching(light: Callable[..., ProcessWorker], model: str) -> ProcessWorker:
    settings = EngineSettings(generate=GenerateSettings(model=model))
    fetches = ModelFetches(settings, command=light_fetcher.COMMAND, environment=ENVIRONMENT)
    return light(settings=settings, fetches=fetches)


def test_a_model_that_the_child_lacks_is_fetched_by_another_process_and_the_job_goes_on(
    light: Callable[..., ProcessWorker],
) -> None:
    worker = fetching(light, "here")
    worker.submit(batch_of("fetch"))
    messages = wait_for(worker, Finished)
    assert Loading(model="here", done_bytes=1, total_bytes=2) in messages
    assert isinstance(messages[-1], Finished)
    assert isinstance(messages[-1].outcome, Produced)


@pytest.mark.parametrize(("model", "words"), [("gone", "the hub has none"), ("dies", "exit code 3")])
def test_a_model_that_is_not_to_be_had_fails_its_job_and_the_child_goes_on(
    light: Callable[..., ProcessWorker], model: str, words: str
) -> None:
    worker = fetching(light, model)
    worker.submit(batch_of("fetch", "fine"))
    failed, fine = finished(worker, 2)
    assert isinstance(failed.outcome, Failure)
    assert failed.outcome.kind is FailureKind.MODEL_UNAVAILABLE
    assert words in failed.outcome.message
    assert isinstance(fine.outcome, Produced)


def test_a_fetch_that_hangs_meets_the_deadline_of_its_job(light: Callable[..., ProcessWorker], clock: Clock) -> None:
    worker = fetching(light, "hangs")
    worker.submit(batch_of("fetch"))
    while not any(message.model == "hangs" for message in wait_for(worker, Loading) if isinstance(message, Loading)):
        pass
    (word,) = [message for message in clock.go_on(worker, 31.0) if isinstance(message, Finished)]
    assert failure_of(word).kind is FailureKind.DEADLINE
    assert psutil.Process().children() == []


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_fetch_ends_with_the_child_that_waits_for_it(
    light: Callable[..., ProcessWorker], clock: Clock, how: str
) -> None:
    worker = fetching(light, "hangs")
    worker.submit(batch_of("fetch"))
    while not any(message.model == "hangs" for message in wait_for(worker, Loading) if isinstance(message, Loading)):
        pass
    if how == "killed":
        killed(worker, clock)
    else:
        worker.stop(0.0)
    assert psutil.Process().children() == []


def test_what_a_child_writes_into_the_log_is_bounded_and_passes_for_no_line_of_the_daemon(
    light: Callable[..., ProcessWorker], tmp_path: Path, clock: Clock
) -> None:
    log_file = LogFile(path=tmp_path / "aura.log", size_bytes=None, age_s=None, keep=1)
    logs.set_up("INFO", "text", log_file=log_file)
    try:
        worker = light(relays_log=True)
        worker.submit(batch_of("talk"))
        wait_for(worker, Progress)
        wait_for(worker, Finished)
        clock.now += 60.0
        worker.submit(batch_of("log"))
        wait_for(worker, Finished)
    finally:
        logger.remove()
    lines = log_file.path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 * BURST + 2
    assert [line for line in lines if line.startswith("2026-01-01")] == []
    assert [line for line in lines if "\x1b" in line] == []
    assert "worker: 3,000 lines were left out" in lines[-2]


def test_a_result_that_cannot_be_told_ends_its_job_alone() -> None:
    told = Finished(
        job_id="job-1",
        outcome=Failure(kind=FailureKind.BAD_INPUT, message="bad"),
        memory=Memory(device_used_bytes=1, device_free_bytes=2, resident_bytes=3),
        models=(),
    )
    failure = untold(told, ValueError("Out of range float values are not JSON compliant: nan")).outcome
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.UNEXPECTED
    assert "nan" in failure.message
    with pytest.raises(ValueError, match="nan"):
        untold(LogLine(level="INFO", message=""), ValueError("nan"))


@pytest.mark.parametrize("command", [CHILD, probe.CHILD], ids=["worker", "probe"])
def test_a_module_in_the_folder_of_the_daemon_is_never_run(command: tuple[str, ...], tmp_path: Path) -> None:
    """The folder may be the inbox: whoever may drop files there must not get them run."""
    for name in ("numpy.py", "struct.py", "torch.py"):
        (tmp_path / name).write_text("raise SystemExit('a stray module was run')\n", encoding="utf-8")
    environment = {**os.environ, **ENVIRONMENT}
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert b"stray" not in ran.stdout + ran.stderr
    assert b"required" in ran.stderr or b"sys.argv[1]" in ran.stderr  # it came to its own arguments
