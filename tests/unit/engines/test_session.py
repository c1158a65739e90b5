"""What a session does with tasks before any model is looked for."""

from __future__ import annotations

import pytest
import torch

from aura_daemon.config.engine import Device, EngineSettings
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind
from aura_daemon.jobs.tasks import Task
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
