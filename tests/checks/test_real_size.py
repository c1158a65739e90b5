"""Stable Diffusion 1.4 at its real size with random weights: loading, dtype and memory, not pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Outcome, Produced
from aura_daemon.ladder.attempts import TOP, Start
from aura_daemon.ladder.rungs import Rung
from tests.checks import real_size
from tests.support.listening import Listener
from tests.support.running import run_alone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def bfloat16_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """2 GB on the disk while the test runs."""
    folder = real_size.write_generator(tmp_path_factory.mktemp("real") / "sd-1.4", torch.bfloat16)
    yield folder
    shutil.rmtree(folder)


def drawn(folder: Path, dtype: Dtype, width: int, height: int, *, steps: int, start: Start = TOP) -> Produced:
    """A picture by a process of its own, as the worker is one: what other tests left behind would count."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        outcome = pool.submit(run, folder, dtype, width, height, steps, start).result()
    assert isinstance(outcome, Produced), outcome
    return outcome


def run(folder: Path, dtype: Dtype, width: int, height: int, steps: int, start: Start) -> Outcome:
    """In that process."""
    settings = GenerateSettings(model=str(folder))
    session = Session(EngineSettings(device=Device.CPU, dtype=dtype, generate=settings))
    request = GenerateRequest(prompt="a", seed=1, steps=steps, width=width, height=height)
    return run_alone(session, request, None, "", Listener(), start=start)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (512, 512)])
def test_a_model_of_real_size_loads_and_draws_in_bfloat16(bfloat16_folder: Path, width: int, height: int) -> None:
    outcome = drawn(bfloat16_folder, Dtype.BFLOAT16, width, height, steps=2)
    assert outcome.payloads[0].width == width
    parts = ("unet", "vae", "text_encoder")
    size = sum(file.stat().st_size for part in parts for file in (bfloat16_folder / part).glob("*.safetensors"))
    assert size > 2_000_000_000
    print(json.dumps({"pixels": f"{width}x{height}", "weights": size, "peak": outcome.peak_bytes}), outcome.timing)
    assert outcome.peak_bytes <= 4 << 30


def test_left_in_its_files_it_takes_little_more_than_the_process_itself(bfloat16_folder: Path) -> None:
    outcome = drawn(bfloat16_folder, Dtype.FLOAT32, 512, 512, steps=1, start=Start(rung=Rung.CPU_MAPPED_WEIGHTS))
    print(json.dumps({"rung": outcome.rung, "peak": outcome.peak_bytes}), outcome.timing)
    assert outcome.peak_bytes <= 1.5 * (1 << 30)
