"""The scripts that distil aura-mini, each with a handful of steps: what they write loads, and is what it says."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline

from aura_daemon.config.engine import Dtype
from aura_daemon.jobs.speed import EngineChoice, Speed
from aura_daemon.mini import GENERATOR
from aura_daemon.mini.grammar import held_out_sentences, seen_sentences
from aura_daemon.training.distilling import consistency, pruned, tiny_decoder
from aura_daemon.training.distilling.turbo import TURBO_FACTS, export_decoder, export_lora
from aura_daemon.training.models import DrawSettings, draw
from aura_daemon.training.speeds import measure_speeds, speeds_table
from aura_daemon.training.trainlog import TrainingLog

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

FEW = (32, 32)
"""Latents of each kind."""


@pytest.fixture
def pipeline() -> StableDiffusionPipeline:
    return StableDiffusionPipeline.from_pretrained(GENERATOR, dtype=torch.float32)


def test_what_few_steps_are_distilled_into_loads_as_a_lora(pipeline: StableDiffusionPipeline, tmp_path: Path) -> None:
    student = consistency.distil(TrainingLog(tmp_path / "train.log"), pipeline, steps=2, seed=0, latents=FEW)
    layers, kept = consistency.difference(pipeline.unet, student, rank=8)
    assert 0.5 < kept <= 1
    export_lora(tmp_path, layers)
    before = pipeline.unet.conv_in.weight.clone()
    pipeline.load_lora_weights(str(tmp_path / TURBO_FACTS["lora"]))
    pipeline.fuse_lora()
    assert not torch.equal(pipeline.unet.conv_in.weight, before)


def test_a_lora_of_a_difference_of_its_rank_is_that_difference(
    pipeline: StableDiffusionPipeline, tmp_path: Path
) -> None:
    student = copy.deepcopy(pipeline.unet)
    with torch.no_grad():
        for weight in (student.mid_block.resnets[0].conv1.weight, student.time_embedding.linear_1.weight):
            dice = torch.Generator().manual_seed(0)
            flat = weight.flatten(1)
            change = torch.randn(len(flat), 3, generator=dice) @ torch.randn(3, flat.shape[1], generator=dice)
            weight += 0.01 * change.reshape(weight.shape)
    layers, kept = consistency.difference(pipeline.unet, student, rank=3)
    assert kept == pytest.approx(1, abs=1e-5)
    export_lora(tmp_path, layers)
    pipeline.load_lora_weights(str(tmp_path / TURBO_FACTS["lora"]))
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
    wanted = student.state_dict()
    for name, weight in pipeline.unet.state_dict().items():
        assert torch.allclose(weight, wanted[name], atol=1e-3), name


def test_a_tiny_decoder_is_written_that_diffusers_reads(tmp_path: Path) -> None:
    stage = replace(tiny_decoder.STAGES[-1], steps=2, drawn=32, generated=2)
    tiny = tiny_decoder.distil(TrainingLog(tmp_path / "train.log"), stage=stage, seed=0)
    export_decoder(tmp_path, tiny)
    folder = tmp_path / TURBO_FACTS["decoder"]
    assert sum(path.stat().st_size for path in folder.iterdir()) < 160_000
    again = AutoencoderTiny.from_pretrained(folder)
    assert again.decode(torch.zeros(1, 4, 8, 14)).sample.shape == (1, 3, 64, 112)
    assert "dB against the VAE" in (tmp_path / "train.log").read_text(encoding="utf-8")


def test_the_model_offers_turbo_once_both_its_files_are_there(tmp_path: Path) -> None:
    facts = tmp_path / "aura.json"
    facts.write_text('{"name": "mine"}', encoding="utf-8")
    layers = {"conv_in.lora_A.weight": torch.zeros(1, 4, 3, 3), "conv_in.lora_B.weight": torch.zeros(64, 1, 1, 1)}
    export_lora(tmp_path, layers)
    assert json.loads(facts.read_text(encoding="utf-8")) == {"name": "mine"}
    export_decoder(tmp_path, tiny_decoder.build())
    assert json.loads(facts.read_text(encoding="utf-8")) == {"name": "mine", "turbo": TURBO_FACTS}


@pytest.mark.parametrize("layout", pruned.LAYOUTS)
def test_a_pruned_layout_keeps_the_weights_that_it_has(layout: str, pipeline: StableDiffusionPipeline) -> None:
    teacher = pipeline.unet
    student = pruned.without(teacher, pruned.LAYOUTS[layout])
    weights = teacher.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in student.state_dict().items())
    assert len(student.state_dict()) < len(weights)


def test_a_pruned_model_is_distilled_into_a_folder_that_draws(
    pipeline: StableDiffusionPipeline, tmp_path: Path
) -> None:
    log = TrainingLog(tmp_path / "train.log")
    pipeline.unet = pruned.distil(log, pipeline, pruned.LAYOUTS["slim"], steps=2, seed=0, latents=FEW)
    pruned.export(tmp_path / "slim", pipeline, "aura-mini-slim")
    facts = json.loads((tmp_path / "slim" / "aura.json").read_text(encoding="utf-8"))
    assert facts["name"] == "aura-mini-slim"
    assert "turbo" not in facts
    (picture,) = draw(["a red circle"], [0], DrawSettings(num_inference_steps=2, folder=tmp_path / "slim"))
    assert picture.size == (64, 64)


def test_a_speed_that_does_what_the_reference_does_has_the_same_pixels() -> None:
    asked = [seen_sentences()[0], held_out_sentences()[0]]
    rows = measure_speeds(asked, [Speed.EXACT], dtype=Dtype.FLOAT32, engine=EngineChoice.EAGER)
    assert [row.what for row in rows] == ["reference", "exact"]
    assert rows[1].farthest == 0
    assert rows[1].ssim == pytest.approx(1)
    assert (rows[1].right, rows[1].shown) == (rows[0].right, rows[0].shown)
    assert "| exact | eager float32 | none |" in speeds_table(rows)
    assert "| same |" in speeds_table(rows)
