"""What trains and measures aura-mini's upscaler: pairs that show the same, a file that spandrel reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file

from aura_daemon.mini import GENERATOR, UPSCALER
from aura_daemon.training.models import as_pictures
from aura_daemon.training.trainlog import TrainingLog
from aura_daemon.training.upscaling import upscaler
from aura_daemon.training.upscaling.compact import CompactUpscaler, as_bytes, export, load, upscaled
from aura_daemon.training.upscaling.evaluate import CaptionsRow, GainRow, psnr_db, table


def test_a_small_picture_is_the_large_one_scaled_down() -> None:
    vae = AutoencoderKL.from_pretrained(GENERATOR / "vae", dtype=torch.float32)
    small, large = upscaler.pairs(vae, 32, torch.Generator().manual_seed(0))
    assert small.shape == (32, 3, 64, 64)
    assert large.shape == (32, 3, 128, 128)
    means = torch.nn.functional.avg_pool2d(large.float(), 2)
    assert min(psnr_db(small, means)) > 18  # the softest, and those that went through the VAE


def test_an_upscaler_is_trained_into_a_file_of_half_precision(tmp_path: Path) -> None:
    trained = None
    for stage in upscaler.STAGES:
        log = TrainingLog(tmp_path / "train.log")
        trained = upscaler.train(log, trained, stage=replace(stage, steps=2), seed=0, drawings=32)
    assert trained is not None
    export(tmp_path / "upscaler" / "mine.safetensors", trained)
    again = load(tmp_path / "upscaler" / "mine.safetensors")
    pictures = torch.randint(256, (2, 3, 10, 14), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert upscaled(again, pictures).shape == (2, 3, 20, 28)
    assert (upscaled(again, pictures).int() - upscaled(trained, pictures).int()).abs().max() <= 1
    assert "dB on drawings kept back" in (tmp_path / "train.log").read_text(encoding="utf-8")


def test_pictures_and_bytes_are_the_same() -> None:
    pixels = torch.randint(256, (3, 3, 6, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(as_bytes(as_pictures(pixels / 127.5 - 1)), pixels)


def test_the_file_has_the_layout_that_readers_of_upscalers_know() -> None:
    """Of SRVGGNetCompact: a convolution and its slope in turn, the last convolution with 3 x 2 x 2 channels."""
    weights = load_file(UPSCALER)
    assert list(dict.fromkeys(name.split(".")[0] for name in weights)) == ["body"]
    assert weights["body.0.weight"].shape[1] == 3
    assert weights["body.1.weight"].shape == (weights["body.0.weight"].shape[0],)
    last = max(int(name.split(".")[1]) for name in weights)
    assert weights[f"body.{last}.bias"].shape == (12,)


def test_spandrel_reads_the_file_and_makes_the_same_pixels() -> None:
    spandrel = pytest.importorskip("spandrel", reason="the extra `upscale` is not installed")
    found = spandrel.ModelLoader().load_from_file(UPSCALER)
    assert (found.architecture.id, found.scale, found.input_channels) == ("Compact", 2, 3)
    pictures = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(found.model(pictures), load(UPSCALER)(pictures))


def test_rows_that_miss_a_bound_say_so() -> None:
    gain = GainRow(scaled_down_by="box", count=10, lanczos_db=30, upscaler_db=31, smallest_gain_db=0.5)
    captions = CaptionsRow(count=10, same=9, shown_before=10, shown_after=10, ms_per_picture=1)
    assert "| 1.0 (0.5) | 2.0 MISSED |" in table([gain], captions)
    assert "| 90.0% | 99% MISSED |" in table([gain], captions)


def test_an_untrained_upscaler_doubles_every_pixel_but_for_what_its_body_adds() -> None:
    blank = CompactUpscaler()
    with torch.no_grad():
        blank.body[-1].weight.zero_()
        blank.body[-1].bias.zero_()
    pictures = torch.randint(256, (1, 3, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(upscaled(blank, pictures), pictures.repeat_interleave(2, 2).repeat_interleave(2, 3))
