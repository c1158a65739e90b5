"""What is converted for turbo has the LoRA in it, whole and in 8 bits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from aura_daemon.config.engine import EngineSettings, GenerateSettings
from aura_daemon.engines.model_files.companions import find_with_companions
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.conversion import converted, read_unet, save
from aura_daemon.engines.openvino.quantization import quantize
from aura_daemon.engines.openvino.unet import OpenVinoUNet
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.stable_diffusion.loading import load_parts
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.jobs.speed import Speed
from tests.support.listening import Listener


@pytest.fixture(scope="module")
def turbo() -> ModelFiles:
    found = find_with_companions(GenerateSettings(speed=Speed.TURBO), STABLE_DIFFUSION, False, Listener())
    assert isinstance(found, ModelFiles)
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of how NNCF reads numpy's arrays
@torch.no_grad()
def test_the_converted_unet_is_the_one_that_the_lora_was_fused_with(
    turbo: ModelFiles, files: ModelFiles, placement: Placement, tmp_path: Path
) -> None:
    random = torch.Generator().manual_seed(0)
    sample = torch.randn(1, 4, 8, 8, generator=random)
    told = torch.randn(1, 77, read_unet(files).config.cross_attention_dim, generator=random)
    drawn = load_parts(turbo, placement, EngineSettings().attention, with_checker=False).pipe.unet
    fused = drawn(sample, 500, encoder_hidden_states=told, return_dict=False)[0]
    plain = read_unet(files)(sample, 500, encoder_hidden_states=told, return_dict=False)[0]
    save(converted(read_unet(turbo)), tmp_path)
    graph = tmp_path / "unet.xml"
    noise = OpenVinoUNet(turbo, graph, dtype=torch.float32, threads=1)(sample, 500, told)[0]
    assert (noise - fused).abs().max() < 0.02 < (plain - fused).abs().max()
    pytest.importorskip("nncf", reason="the extra `int8` is not installed")
    (tmp_path / "int8").mkdir()
    quantize(turbo, graph, tmp_path / "int8")
    small = tmp_path / "int8" / "unet.xml"
    assert small.with_suffix(".bin").stat().st_size < 0.6 * graph.with_suffix(".bin").stat().st_size
    rough = OpenVinoUNet(turbo, small, dtype=torch.float32, threads=1)(sample, 500, told)[0]
    assert (rough - fused).square().mean() < 0.1 * fused.square().mean()
