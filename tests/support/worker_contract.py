"""The contract of every worker: a class of tests that each implementation inherits.

A task's prompt is its script: `fine` succeeds, `bad` fails as BAD_INPUT, `broken` fails as CRASHED, `hang` never ends
by itself, and `slow` makes step after step without an end.
"""

from __future__ import annotations

import os
import select
import time
from typing import Any

import pytest

from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.results import CANCELLED, EngineTiming, Failure, FailureKind, Outcome, Payload, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.workers.protocol import Batch, Finished, Progress, Ready, Up, Worker
from tests.support.deadline import DEADLINE_S

PATIENCE_S = DEADLINE_S
"""Seconds after which a waiting test fails; no test measures time."""


def batch_of(*prompts: str, image: bytes | None = None) -> Batch:
    """One task a prompt; job ids are `job-1`, `job-2`, …"""
    return Batch(
        tasks=tuple(
            Task(job_id=f"job-{number}", request=GenerateRequest(prompt=prompt, seed=1), image=image)
            for number, prompt in enumerate(prompts, start=1)
        )
    )


def outcome_of(task: Task) -> Outcome | None:
    """The outcome that the script in a task's prompt asks for; None for a job that never ends by itself."""
    assert isinstance(task.request, GenerateRequest)
    script = task.request.prompt
    if script in ("hang", "slow"):
        return None
    if script == "broken":
        return Failure(kind=FailureKind.CRASHED, message="the GPU failed", mend="look at the log")
    if script == "bad":
        return Failure(kind=FailureKind.BAD_INPUT, message="bad on request")
    size = len(task.image or b"")
    return Produced(
        payloads=(Payload(extension=".png", content=b"\x89PNG", width=64, height=64),),
        resolved=ResolvedGenerate(
            prompt=script,
            negative_prompt="",
            steps=2,
            guidance_scale=3.0,
            scheduler="euler",
            seed=1,
            width=64,
            height=64,
        ),
        model="scripted",
        model_sha256="0" * 64,
        device="cpu",
        dtype="float32",
        rung="cpu",
        batch_size=1,
        timing=EngineTiming(),
        peak_bytes=size,
    )


def wait_for(worker: Worker, wanted: type[Any], count: int = 1) -> list[Up]:
    """Polls as the daemon does until `count` messages of a type have come; returns all messages, in order."""
    messages: list[Up] = []
    patient_until = time.monotonic() + PATIENCE_S
    while sum(isinstance(message, wanted) for message in messages) < count:
        assert time.monotonic() < patient_until, f"waited for {wanted.__name__}, heard {messages}"
        select.select(worker.waitables(), [], [], 0.1)
        messages += worker.poll()
        heard_all = sum(isinstance(message, wanted) for message in messages) >= count
        assert heard_all or not worker.idle, f"waited for {wanted.__name__}, but it is over: {messages}"
    return messages


def finished(worker: Worker, count: int = 1) -> list[Finished]:
    """Waits for the ends of `count` jobs."""
    return [message for message in wait_for(worker, Finished, count) if isinstance(message, Finished)]


class WorkerContract:
    """To be inherited by a class whose `worker` fixture follows the scripts of this module."""

    def test_a_new_worker_is_idle_and_not_running(self, worker: Worker) -> None:
        assert worker.idle
        assert not worker.is_running
        assert worker.poll() == []

    def test_the_first_batch_starts_it_and_it_says_what_it_found(self, worker: Worker) -> None:
        worker.submit(batch_of("fine"))
        messages = wait_for(worker, Finished)
        assert isinstance(messages[0], Ready)
        assert isinstance(messages[-1], Finished)
        assert worker.is_running

    def test_every_task_has_its_last_word_in_order(self, worker: Worker) -> None:
        worker.submit(batch_of("fine", "bad", "fine"))
        last_words = finished(worker, 3)
        assert [word.job_id for word in last_words] == ["job-1", "job-2", "job-3"]
        assert [type(word.outcome) for word in last_words] == [Produced, Failure, Produced]

    def test_progress_comes_before_the_last_word(self, worker: Worker) -> None:
        worker.submit(batch_of("fine"))
        messages = wait_for(worker, Finished)
        steps = [message.step for message in messages if isinstance(message, Progress)]
        assert steps == sorted(steps)
        assert steps

    def test_it_is_busy_until_the_last_word_was_taken(self, worker: Worker) -> None:
        worker.submit(batch_of("fine", "fine"))
        assert not worker.idle
        finished(worker, 2)
        assert worker.idle

    def test_a_second_batch_while_busy_is_a_bug(self, worker: Worker) -> None:
        worker.submit(batch_of("hang"))
        with pytest.raises(RuntimeError):
            worker.submit(batch_of("fine"))

    def test_it_runs_batch_after_batch_without_starting_anew(self, worker: Worker) -> None:
        worker.submit(batch_of("fine"))
        finished(worker)
        worker.submit(batch_of("fine"))
        assert not any(isinstance(message, Ready) for message in wait_for(worker, Finished))

    def test_its_waitables_become_readable_when_there_is_something_to_say(self, worker: Worker) -> None:
        worker.submit(batch_of("fine"))
        readable, _, _ = select.select(worker.waitables(), [], [], PATIENCE_S)
        assert readable == worker.waitables() != []

    def test_after_everything_was_taken_its_waitables_are_quiet(self, worker: Worker) -> None:
        worker.submit(batch_of("fine"))
        finished(worker)
        assert worker.poll() == []
        assert select.select(worker.waitables(), [], [], 0)[0] == []

    def test_unloaded_it_does_not_run_and_the_next_batch_starts_it_again(self, worker: Worker) -> None:
        worker.submit(batch_of("fine"))
        finished(worker)
        worker.unload()
        assert not worker.is_running
        worker.submit(batch_of("fine"))
        assert any(isinstance(message, Ready) for message in wait_for(worker, Finished))

    def test_unloading_a_busy_worker_is_a_bug(self, worker: Worker) -> None:
        worker.submit(batch_of("hang"))
        with pytest.raises(RuntimeError):
            worker.unload()

    def test_stopped_in_a_batch_it_is_idle_and_says_nothing_more(self, worker: Worker) -> None:
        worker.submit(batch_of("hang"))
        wait_for(worker, Progress)
        worker.stop(PATIENCE_S)
        assert worker.idle
        assert not worker.is_running
        assert worker.poll() == []

    def test_a_cancelled_job_says_so_and_the_next_one_runs(self, worker: Worker) -> None:
        worker.submit(batch_of("slow"))
        wait_for(worker, Progress)
        worker.cancel("job-1")
        (word,) = finished(worker)
        assert word.outcome == CANCELLED
        assert word.models != ()
        worker.submit(batch_of("fine"))
        messages = wait_for(worker, Finished)
        assert not any(isinstance(message, Ready) for message in messages)
        assert isinstance(messages[-1], Finished)
        assert isinstance(messages[-1].outcome, Produced)

    def test_cancelling_what_does_not_run_is_harmless(self, worker: Worker) -> None:
        worker.cancel("job-1")
        worker.submit(batch_of("fine"))
        worker.cancel("job-2")
        (word,) = finished(worker)
        worker.cancel("job-1")
        assert isinstance(word.outcome, Produced)
        assert worker.poll() == []

    def test_stopping_twice_or_before_the_start_is_harmless(self, worker: Worker) -> None:
        worker.stop(0.0)
        worker.stop(0.0)
        assert worker.idle

    def test_an_image_travels_whole(self, worker: Worker) -> None:
        worker.submit(batch_of("fine", image=os.urandom(3_000_001)))
        (word,) = finished(worker)
        assert isinstance(word.outcome, Produced)
        assert word.outcome.peak_bytes == 3_000_001
