"""Stable Diffusion 1.4 at its real size with random weights: loading, dtype and memory, not pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from aura_daemon.core.job import GenerateRequest, Produced
from aura_daemon.core.settings import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.session import Session
from tests.engines.listening import Listener
from tests.tiny_models import clip_tokenizer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def real_size(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration of CompVis/stable-diffusion-v1-4 in half precision: 2 GB on the disk while the test runs."""
    folder = tmp_path_factory.mktemp("real") / "sd-1.4"
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    try:
        pipe = StableDiffusionPipeline(
            vae=AutoencoderKL(
                block_out_channels=(128, 256, 512, 512),
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                layers_per_block=2,
                latent_channels=4,
                sample_size=512,
            ),
            text_encoder=CLIPTextModel(
                CLIPTextConfig(
                    hidden_size=768,
                    intermediate_size=3072,
                    num_hidden_layers=12,
                    num_attention_heads=12,
                    projection_dim=768,
                )
            ),
            tokenizer=clip_tokenizer(folder),
            unet=UNet2DConditionModel(
                sample_size=64,
                block_out_channels=(320, 640, 1280, 1280),
                cross_attention_dim=768,
                attention_head_dim=8,
            ),
            scheduler=PNDMScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                skip_prk_steps=True,
                set_alpha_to_one=False,
                steps_offset=1,
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipe.save_pretrained(folder)
        del pipe
    finally:
        torch.set_default_dtype(torch.float32)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (512, 512)])
def test_a_model_of_real_size_loads_and_draws_in_bfloat16(real_size: Path, width: int, height: int) -> None:
    settings = GenerateSettings(model=str(real_size))
    session = Session(EngineSettings(device=Device.CPU, dtype=Dtype.BFLOAT16, generate=settings))
    request = GenerateRequest(prompt="a", seed=1, steps=2, width=width, height=height)
    outcome = session.run(request, None, "", Listener())
    assert isinstance(outcome, Produced), outcome
    assert outcome.payloads[0].width == width
    parts = ("unet", "vae", "text_encoder")
    size = sum(file.stat().st_size for part in parts for file in (real_size / part).glob("*.safetensors"))
    assert size > 2_000_000_000
    print(json.dumps({"pixels": f"{width}x{height}", "weights": size, "peak": outcome.peak_bytes}), outcome.timing)
