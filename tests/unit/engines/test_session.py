"""What a session does with tasks before any model is looked for."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from aura_daemon.config.engine import Device, EngineSettings
from aura_daemon.engines.captioning.family import Captioning
from aura_daemon.engines.images.decode import ReadPicture
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, JobKind
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind
from aura_daemon.jobs.tasks import Task
from tests.support.image_files import encoded
from tests.support.listening import Listener


@pytest.mark.skipif(torch.cuda.is_available(), reason="has CUDA")
def test_where_the_device_is_missing_a_cancelled_task_is_cancelled_and_the_others_say_so() -> None:
    session, listener = Session(EngineSettings(device=Device.CUDA)), Listener()
    listener.cancelled_after["a"] = 0
    request = GenerateRequest(prompt="a red circle", seed=1)
    session.run([Task(job_id=name, request=request) for name in "ab"], listener)
    assert listener.results["a"].outcome == CANCELLED
    missing = listener.results["b"].outcome
    assert isinstance(missing, Failure)
    assert missing.kind is FailureKind.MODEL_UNAVAILABLE


class Starving(Captioning):
    """Has no memory for pictures of one name."""

    def decode(self, task: Task) -> ReadPicture | Failure:
        if task.image_name == "big.png":
            return Failure(kind=FailureKind.OUT_OF_MEMORY, message="reading big.png takes 900 MB")
        return super().decode(task)


def test_a_picture_that_does_not_fit_into_memory_has_the_memory_of_the_models_the_next_time() -> None:
    session, listener = Session(EngineSettings(device=Device.CPU), families={JobKind.CAPTION: Starving}), Listener()
    content = encoded(Image.new("RGB", (64, 64), "red"), "PNG")
    loaded = []
    for name in ("small.png", "big.png"):
        task = Task(job_id=name, request=CaptionRequest(), image=content, image_name=name)
        session.run([task], listener)
        loaded.append(session.models)
    assert loaded == [("aura-mini",), ()]
    assert getattr(listener.results["big.png"].outcome, "kind", None) is FailureKind.OUT_OF_MEMORY
