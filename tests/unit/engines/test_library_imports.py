"""What a worker leaves out when it imports the libraries, and that it is there when it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import lean_worker
from tests.support.deadline import DEADLINE_S

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


ASKS_FOR_MORE = """
from aura_daemon.engines.library_imports import lean_imports
with lean_imports():
    from torch._dynamo.exc import TorchDynamoException
import torch
assert torch._dynamo.exc.TorchDynamoException is TorchDynamoException
"""


def test_a_library_that_asks_for_a_part_of_the_compiler_is_given_it() -> None:
    command = [sys.executable, "-W", "ignore", "-c", ASKS_FOR_MORE]
    subprocess.run(command, cwd=ROOT, capture_output=True, timeout=DEADLINE_S, check=True)


def test_a_worker_imports_nothing_heavy_and_samples_and_compiles_as_with_it() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.lean_worker"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=True)
    told = json.loads(answer.stdout.splitlines()[-1])
    assert told["imported"] == []
    assert told["compiled"] == [2.0, 2.0]
    assert told["sampled"] == lean_worker.sampled()  # this process has imported all of scipy
