"""The real child with real engines on tiny models: end to end over the process boundary."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from aura_daemon.config.engine import CaptionSettings, Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.config.settings import Settings
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.workers.fetching.fetch_sandbox import fetch_plan
from aura_daemon.workers.fetching.fetches import ModelFetches
from aura_daemon.workers.local.process import ProcessWorker
from aura_daemon.workers.local.worker_sandbox import WorkerSandbox
from aura_daemon.workers.protocol import Batch, Finished, Loading, Placed, Progress, Ready
from tests.support.deadline import DEADLINE_S
from tests.support.hub import Hub, hub_environment, running_hub
from tests.support.tiny_models import write_captioner, write_generator
from tests.support.worker_contract import finished, wait_for


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with a generator, and with a captioner of pickles."""
    models = tmp_path_factory.mktemp("models")
    with running_hub() as running:
        running.add("tiny/generator", write_generator(models / "generator"))
        running.add("tiny/captioner", write_captioner(models / "captioner"))
        running.add("tiny/pickles", models / "captioner")
        pickles = running.repositories["tiny/pickles"].files
        pickles["pytorch_model.bin"] = pickles.pop("model.safetensors")
        yield running


@pytest.fixture(scope="module")
def worker(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessWorker]:
    """One child for all tests of this module: importing torch takes seconds. It reaches no hub by itself.

    It and what fetches for it are shut in as far as the kernel can.
    """
    folder = tmp_path_factory.mktemp("daemon")
    settings = Settings(
        **{name: folder / name for name in ("inbox", "outbox", "state")},
        device=Device.CPU,
        dtype=Dtype.FLOAT32,
        generate={"model": "tiny/generator"},
        caption={"model": "tiny/captioner"},
    )
    environment = {
        **hub.environment(tmp_path_factory.mktemp("hf")),
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    plan = partial(fetch_plan, settings.engine(), settings.shut_in(), {**os.environ, **environment})
    fetches = ModelFetches(settings.engine(), environment=environment, sandbox=plan)
    shut_off = {**environment, **hub_environment("http://127.0.0.1:9", Path(environment["HF_HOME"]))}
    process = ProcessWorker(
        settings.engine(),
        deadline_s=DEADLINE_S,
        environment=shut_off,
        sandbox=WorkerSandbox(settings.engine(), settings.shut_in()),
        fetches=fetches,
    )
    yield process
    process.stop(10.0)


def drawing(*, steps: int = 2, job_id: str = "draw") -> Batch:
    request = GenerateRequest(prompt="a red circle", seed=1, steps=steps)
    return Batch(tasks=(Task(job_id=job_id, request=request),))


def test_a_prompt_becomes_a_picture_and_the_picture_a_caption(worker: ProcessWorker, hub: Hub) -> None:
    worker.submit(drawing())
    messages = wait_for(worker, Finished)
    ready = messages[0]
    assert isinstance(ready, Ready)
    assert (ready.device, ready.dtype, ready.rung) == ("cpu", "float32", "cpu")
    assert {type(message) for message in messages} == {Ready, Placed, Loading, Progress, Finished}
    drawn = messages[-1]
    assert isinstance(drawn, Finished)
    assert isinstance(drawn.outcome, Produced), drawn.outcome
    assert drawn.models == ("tiny/generator",)
    assert drawn.memory.resident_bytes > 0
    (payload,) = drawn.outcome.payloads
    assert Image.open(BytesIO(payload.content)).size == (64, 64)

    task = Task(job_id="say", request=CaptionRequest(max_new_tokens=4), image=payload.content, image_name="x.png")
    worker.submit(Batch(tasks=(task,)))
    (said,) = finished(worker)
    assert isinstance(said.outcome, Produced), said.outcome
    assert said.models == ("tiny/generator", "tiny/captioner")
    assert said.model_kinds == ("generate", "caption")


def test_a_cancelled_drawing_stops_at_a_step_and_the_next_is_drawn_as_ever(worker: ProcessWorker) -> None:
    worker.submit(drawing())
    (before,) = finished(worker)
    worker.submit(drawing(steps=150))
    wait_for(worker, Progress)
    worker.cancel("draw")
    messages = wait_for(worker, Finished)
    assert isinstance(messages[-1], Finished)
    assert messages[-1].outcome == CANCELLED
    assert all(message.step < 150 for message in messages if isinstance(message, Progress))
    worker.submit(drawing())
    (after,) = finished(worker)
    assert isinstance(before.outcome, Produced)
    assert isinstance(after.outcome, Produced)
    assert after.outcome.payloads == before.outcome.payloads


def test_a_bad_picture_fails_its_job_alone(worker: ProcessWorker) -> None:
    worker.submit(
        Batch(
            tasks=(
                Task(job_id="bad", request=CaptionRequest(), image=b"text", image_name="beach.png"),
                *drawing().tasks,
            )
        )
    )
    bad, good = finished(worker, 2)
    assert isinstance(bad.outcome, Failure)
    assert bad.outcome.kind is FailureKind.BAD_INPUT
    assert isinstance(good.outcome, Produced)


def test_killed_in_the_middle_of_a_picture_it_draws_the_next_one_just_the_same(worker: ProcessWorker) -> None:
    worker.submit(drawing())
    before = finished(worker)[0].outcome
    worker.submit(drawing(steps=100_000))
    wait_for(worker, Progress)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    died = finished(worker)[0].outcome
    assert isinstance(died, Failure)
    assert died.kind is FailureKind.CRASHED
    worker.submit(drawing())
    after = finished(worker)[0].outcome
    assert isinstance(before, Produced)
    assert isinstance(after, Produced)
    assert after.payloads[0].content == before.payloads[0].content


def test_a_model_of_pickles_leaves_the_other_kind_of_job_working(hub: Hub, tmp_path: Path) -> None:
    settings = EngineSettings(
        device=Device.CPU,
        dtype=Dtype.FLOAT32,
        threads=1,
        generate=GenerateSettings(model="tiny/generator"),
        caption=CaptionSettings(model="tiny/pickles"),
    )
    environment = {**hub.environment(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    worker = ProcessWorker(settings, deadline_s=DEADLINE_S, environment=environment)
    content = BytesIO()
    Image.new("RGB", (32, 32), "red").save(content, "PNG")
    caption = Task(job_id="say", request=CaptionRequest(), image=content.getvalue(), image_name="x.png")
    try:
        worker.submit(Batch(tasks=(caption, *drawing().tasks)))
        said, drawn = finished(worker, 2)
    finally:
        worker.stop(10.0)
    assert isinstance(said.outcome, Failure)
    assert said.outcome.kind is FailureKind.MODEL_UNAVAILABLE
    assert "pytorch_model.bin is a pickle" in said.outcome.message
    assert isinstance(drawn.outcome, Produced)
    assert drawn.outcome.processor is not None  # and `threads` is kept, whichever models there are
    assert drawn.outcome.processor.threads == 1
