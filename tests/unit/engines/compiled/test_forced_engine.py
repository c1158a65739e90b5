"""A session whose configuration forces an engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch._inductor.config

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import EAGER, Produced
from aura_daemon.jobs.speed import EngineChoice
from tests.support.running import run_alone

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


def test_without_a_compiler_the_picture_is_drawn_eagerly_which_its_sidecar_says(
    generator_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    settings = GenerateSettings(model=str(generator_folder), engine=EngineChoice.EAGER)
    eager = EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=settings)
    request = GenerateRequest(prompt="a red circle", seed=7, steps=2)
    plain = run_alone(Session(eager), request)
    compiled = Session(replace(eager, generate=replace(settings, engine=EngineChoice.COMPILED)))
    with torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}):
        drawn = run_alone(compiled, request)
    assert isinstance(drawn, Produced), drawn
    assert isinstance(plain, Produced), plain
    assert drawn.payloads[0].content == plain.payloads[0].content
    assert drawn.variant == EAGER
    assert [warning for warning in drawn.warnings if "drawn without engine compiled" in warning], drawn.warnings
