"""Torch is asked in a child; whatever becomes of that is put into words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from aura_daemon.config.engine import Device, EngineSettings
from aura_daemon.doctor.probe import ProbeFailed, TorchProbe
from aura_daemon.doctor.report import PlanRequest, ProbeRequest
from tests.support.recorded_probe import ANSWER, RecordedProbe

REQUEST = ProbeRequest(
    settings=EngineSettings(device=Device.CPU), wish=PlanRequest(model="aura-mini", width=64, height=64, batch=2)
)


def of_code(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


def test_a_child_is_handed_the_request_and_its_answer_comes_back(tmp_path: Path) -> None:
    probe = RecordedProbe(tmp_path)
    assert probe.ask(REQUEST) == ANSWER
    assert probe.request == REQUEST


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; print('libcudart is broken', file=sys.stderr); sys.exit(3)", "exit code 3: libcudart is broken"),
        ("import os; os.kill(os.getpid(), 9)", "killed by signal 9 (SIGKILL), as the kernel does"),
        ("import os; os.abort()", "killed by signal 6 (SIGABRT)"),
        ("print('hello')", "its answer is not understood"),
        ("print('{}')", "its answer is not understood"),
    ],
)
def test_a_child_that_fails_is_put_into_words(code: str, words: str) -> None:
    answer = TorchProbe(of_code(code)).ask(REQUEST)
    assert isinstance(answer, ProbeFailed)
    assert words in answer.complaint.message
    assert answer.complaint.mend
    assert "\n" not in answer.complaint.message


def test_a_child_that_hangs_is_killed_when_patience_ends() -> None:
    code = "import sys, time; print('waiting for the driver', file=sys.stderr, flush=True); time.sleep(3600)"
    answer = TorchProbe(of_code(code), patience_s=1).ask(REQUEST)
    assert isinstance(answer, ProbeFailed)
    assert "did not answer within 1 s and was killed: waiting for the driver" in answer.complaint.message


def test_a_child_that_cannot_be_started_is_put_into_words() -> None:
    answer = TorchProbe(("/nowhere/python",)).ask(REQUEST)
    assert isinstance(answer, ProbeFailed)
    assert "could not be started" in answer.complaint.message
