"""What a file of weights is: an upscaler, or something else, which is named."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from aura_daemon.engines.failures import UnfitModel
from aura_daemon.engines.upscaling import network
from aura_daemon.engines.upscaling.network import load_network
from aura_daemon.engines.upscaling.spandrel_library import spandrel
from tests.support.tiny_upscalers import random_compact, write_compact, write_tensors

needs_spandrel = pytest.mark.skipif(
    importlib.util.find_spec("spandrel") is None, reason="spandrel is not installed (aura-daemon[upscale])"
)


def refused(file: Path) -> str:
    with pytest.raises(UnfitModel) as raised:
        load_network("mine", file)
    return raised.value.failure.told


def write_esrgan(file: Path, **options: int) -> Path:
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(0)
    tensors = ESRGAN(num_filters=8, num_blocks=1, **options).state_dict()
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    return file


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_compact_network_needs_no_further_library(
    tmp_path: Path, scale: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "is_installed", lambda: False)
    file = write_compact(tmp_path / "a.safetensors", scale=scale)
    loaded = load_network("mine", file)
    assert (loaded.architecture, loaded.scale, loaded.multiple) == ("Compact", scale, 1)
    picture = torch.rand(1, 3, 10, 14)
    assert loaded.compute(picture).shape == (1, 3, 10 * scale, 14 * scale)
    assert torch.equal(loaded.compute(picture), random_compact(scale=scale)(picture))


def test_any_other_network_is_named_with_what_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "is_installed", lambda: False)
    told = refused(write_tensors(tmp_path / "a.safetensors", conv_first__weight=(8, 3, 3, 3)))
    assert "model mine: its network is known by the library spandrel, which is not installed" in told
    assert 'pip install "aura-daemon[upscale]"' in told


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lora_unet_down_blocks_0.lora_down.weight", "a LoRA"),
        ("unet.down_blocks.0.to_q.lora_A.weight", "a LoRA"),
        ("controlnet_cond_embedding.conv_in.weight", "a ControlNet"),
        ("model.diffusion_model.input_blocks.0.0.weight", "a whole model that draws"),
        ("image_proj.proj.weight", "an IP-Adapter"),
        ("down_blocks.0.resnets.0.conv1.weight", "a part of such a model"),
        ("emb_params", "a textual inversion"),
    ],
)
def test_what_is_no_upscaler_is_named_as_what_it_is(tmp_path: Path, name: str, said: str) -> None:
    file = write_tensors(tmp_path / "a.safetensors", **{name.replace(".", "__"): (2, 2)})
    assert f"model mine: it is {said}, not an upscaler" in refused(file)


def test_a_network_that_does_not_enlarge_is_refused(tmp_path: Path) -> None:
    told = refused(write_compact(tmp_path / "a.safetensors", scale=1))
    assert "its network (Compact) enlarges 1 times; 2 to 8 is used here" in told


def test_a_file_that_is_too_large_or_damaged_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_compact(tmp_path / "a.safetensors")
    monkeypatch.setattr(network, "MOST_BYTES", 100)
    assert "more than any upscaler" in refused(file)
    file.write_bytes(b"\xff" * 40)
    assert "it cannot be read: its header claims" in refused(file)


@needs_spandrel
def test_our_compact_network_computes_what_spandrels_does(tmp_path: Path) -> None:
    own = random_compact(scale=4, layers=4)
    theirs = spandrel().ModelLoader(device="cpu").load_from_state_dict(own.state_dict())
    picture = torch.rand(1, 3, 20, 30)
    with torch.inference_mode():
        assert torch.allclose(own(picture), theirs.model(picture), atol=1e-6)


@needs_spandrel
@pytest.mark.parametrize("scale", [2, 4])
def test_an_esrgan_is_read_by_spandrel(tmp_path: Path, scale: int) -> None:
    loaded = load_network("mine", write_esrgan(tmp_path / "a.safetensors", scale=scale))
    assert (loaded.architecture, loaded.scale) == ("ESRGAN", scale)
    with torch.inference_mode():
        assert loaded.compute(torch.rand(1, 3, 9, 13)).shape == (1, 3, 9 * scale, 13 * scale)


@needs_spandrel
def test_a_network_for_another_purpose_is_named(tmp_path: Path) -> None:
    assert "a model that cleans pictures and does not enlarge them (ESRGAN)" in refused(
        write_esrgan(tmp_path / "a.safetensors", scale=1)
    )
    grey = write_esrgan(tmp_path / "b.safetensors", in_nc=1, out_nc=1, scale=4)
    assert "its network (ESRGAN) has 1 channels in, 1 out" in refused(grey)
    unknown = write_tensors(tmp_path / "c.safetensors", nothing__weight=(2, 2))
    assert "it is no upscaler that spandrel" in refused(unknown)


@needs_spandrel
def test_spandrel_leaves_no_stand_in_for_torchvision_behind() -> None:
    import sys

    spandrel()
    assert not any(name.startswith("torchvision") for name in sys.modules)
