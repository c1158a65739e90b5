"""ControlNets as folders and as single files, in both layouts, on every rung of the CPU; and what is no ControlNet."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from aura_daemon.config.engine import Attention, Dtype, GenerateSettings
from aura_daemon.engines.failures import UnusableIngredient
from aura_daemon.engines.model_files.beside.further_models import FurtherModels
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.stable_diffusion.guidance.controls.controlled_unet import MapInUse
from aura_daemon.engines.stable_diffusion.guidance.controls.net_files import nets_wanted
from aura_daemon.engines.stable_diffusion.guidance.controls.net_kinds import other_kind
from aura_daemon.engines.stable_diffusion.guidance.controls.net_memory import with_nets
from aura_daemon.engines.stable_diffusion.guidance.controls.nets import ControlNets
from aura_daemon.jobs.guidance.controls import Control
from aura_daemon.jobs.results import Failure
from aura_daemon.ladder.prediction import Extent, Footprint, predicted_bytes
from aura_daemon.ladder.rungs import Rung
from tests.support.listening import Listener
from tests.support.tiny_models import write_controlnet

WHOLE = {"block_out_channels": (32, 64), "attention_head_dim": 8, "norm_num_groups": 32}
"""What a file without a configuration is taken to have."""

UNET = SimpleNamespace(config=SimpleNamespace(cross_attention_dim=16, block_out_channels=(32, 64)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network three times."""
    place = tmp_path_factory.mktemp("nets")
    write_controlnet(place / "folder", **WHOLE)
    tensors = load_file(place / "folder" / "diffusion_pytorch_model.safetensors")
    save_file(tensors, place / "ours.safetensors")
    theirs = {f"control_model.{their_name(name)}": tensor for name, tensor in tensors.items()}
    save_file(theirs | {"model.diffusion_model.out.2.bias": torch.zeros(4)}, place / "theirs.safetensors")
    save_file({"lora_unet_down_blocks_0.lora_down.weight": torch.zeros(2, 2)}, place / "lora.safetensors")
    save_file({"image_proj.proj.weight": torch.zeros(2, 2)}, place / "adapter.safetensors")
    return place


def their_name(name: str) -> str:
    """What ControlNet's authors call a tensor of a network with two blocks of one layer each."""
    for pattern, theirs in (
        (r"time_embedding\.linear_(\d)", lambda found: f"time_embed.{2 * int(found[1]) - 2}"),
        (r"^conv_in", lambda _: "input_blocks.0.0"),
        (r"^controlnet_cond_embedding\.conv_in", lambda _: "input_hint_block.0"),
        (r"^controlnet_cond_embedding\.conv_out", lambda _: "input_hint_block.14"),
        (r"^controlnet_cond_embedding\.blocks\.(\d)", lambda found: f"input_hint_block.{2 * int(found[1]) + 2}"),
        (r"^controlnet_down_blocks\.(\d)", lambda found: f"zero_convs.{found[1]}.0"),
        (r"^controlnet_mid_block", lambda _: "middle_block_out.0"),
        (r"^down_blocks\.(\d)\.downsamplers\.0\.conv", lambda found: f"input_blocks.{2 * int(found[1]) + 2}.0.op"),
        (r"^down_blocks\.(\d)\.resnets\.0", lambda found: f"input_blocks.{2 * int(found[1]) + 1}.0"),
        (r"^down_blocks\.(\d)\.attentions\.0", lambda found: f"input_blocks.{2 * int(found[1]) + 1}.1"),
        (r"^mid_block\.resnets\.(\d)", lambda found: f"middle_block.{2 * int(found[1])}"),
        (r"^mid_block\.attentions\.0", lambda _: "middle_block.1"),
    ):
        name = re.sub(pattern, theirs, name)
    if re.match(r"(input_blocks|middle_block)\.\d(\.0)?\.(norm1|conv1|norm2|conv2|time_emb_proj|conv_shortcut)", name):
        parts = {"norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3"}
        parts |= {"time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"}
        for ours, theirs_part in parts.items():
            name = name.replace(f".{ours}.", f".{theirs_part}.")
    return name


def loaded(folder: Path, name: str, rung: Rung = Rung.CPU, unet: Any = UNET) -> Any:
    nets = ControlNets(unet, placed(rung), Attention.SDPA)
    nets.use(files_of(folder, name))
    return nets.named(name)


def placed(rung: Rung) -> Placement:
    return Placement(device="cpu", device_name="a processor", dtype=Dtype.FLOAT32, rung=rung)


def files_of(folder: Path, *names: str) -> Any:
    settings = GenerateSettings(controlnets=str(folder))
    wanted = nets_wanted([Control(image="x.png", model=name) for name in names], settings, "a model")
    assert not isinstance(wanted, Failure), wanted
    found = FurtherModels(None).of(wanted, half=False, reporter=Listener())
    assert not isinstance(found, Failure), found
    return found


@torch.no_grad()
def computed(net: Any) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    down, middle = net(
        torch.randn(1, 4, 8, 8, generator=random),
        torch.tensor(500),
        encoder_hidden_states=torch.randn(1, 77, 16, generator=random),
        controlnet_cond=torch.rand(1, 3, 64, 64, generator=random),
        return_dict=False,
    )
    return [*down, middle]


@pytest.mark.parametrize("name", ["ours", "theirs", "OURS.safetensors"])
def test_a_single_file_computes_what_the_folder_does(folder: Path, name: str) -> None:
    for one, another in zip(computed(loaded(folder, "folder")), computed(loaded(folder, name)), strict=True):
        torch.testing.assert_close(one, another, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rung", [Rung.GROUP_OFFLOAD, Rung.SEQUENTIAL_OFFLOAD])
def test_weights_that_come_when_they_are_needed_compute_the_same(folder: Path, rung: Rung) -> None:
    for one, another in zip(computed(loaded(folder, "folder")), computed(loaded(folder, "ours", rung)), strict=True):
        torch.testing.assert_close(one, another, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("rung", "most"),
    [(Rung.CPU_HALF_WEIGHTS, 0.05), (Rung.CPU_MAPPED_WEIGHTS, 0.05), (Rung.MODEL_OFFLOAD, 0.3)],  # the last in 8 bits
)
@pytest.mark.parametrize("name", ["folder", "theirs"])
def test_with_narrower_weights_a_network_computes_nearly_the_same(
    folder: Path, rung: Rung, name: str, most: float
) -> None:
    for one, another in zip(computed(loaded(folder, "folder")), computed(loaded(folder, name, rung)), strict=True):
        assert float((one - another).abs().max() / one.abs().max()) < most


def test_what_is_no_controlnet_is_named_as_what_it_is(folder: Path) -> None:
    for name, what in (("lora", "is a LoRA, not"), ("adapter", "is an IP-Adapter, not")):
        with pytest.raises(UnusableIngredient, match=what) as raised:
            loaded(folder, name)
        assert "trained for Stable Diffusion 1.x" in raised.value.failure.mend


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (("lora_controlnet", "input_hint_block.0.weight"), "a Control-LoRA"),
        (("adapter.body.0.block1.weight",), "a T2I-Adapter"),
        (("model.diffusion_model.out.2.bias", "first_stage_model.x"), "a whole model"),
        (("transformer_blocks.0.attn.to_q.weight",), "a ControlNet for another model"),
        (("decoder.conv_in.weight",), "a VAE"),
        (("up_blocks.0.resnets.0.conv1.weight",), "a UNet"),
        (("nonsense",), "a file of other tensors"),
        (("control_model.input_hint_block.0.weight", "model.diffusion_model.out.2.bias"), ""),
        (("controlnet_cond_embedding.conv_in.weight", "down_blocks.0.resnets.0.conv1.weight"), ""),
    ],
)
def test_names_of_tensors_tell_what_a_file_is(names: tuple[str, ...], what: str) -> None:
    assert other_kind(dict.fromkeys(names, (1,))) == what


def test_a_file_that_lacks_tensors_is_refused(folder: Path, tmp_path: Path) -> None:
    tensors = load_file(folder / "ours.safetensors")
    save_file({name: one for name, one in tensors.items() if "mid_block" not in name}, tmp_path / "cut.safetensors")
    with pytest.raises(UnusableIngredient, match="cut is not understood"):
        loaded(tmp_path, "cut")


def test_a_file_for_sdxl_is_named_so(folder: Path, tmp_path: Path) -> None:
    tensors = load_file(folder / "ours.safetensors")
    save_file(tensors | {"add_embedding.linear_1.weight": torch.zeros(2, 2)}, tmp_path / "xl.safetensors")
    with pytest.raises(UnusableIngredient, match="it was trained for SDXL"):
        loaded(tmp_path, "xl")


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link.safetensors").symlink_to(folder / "ours.safetensors")
    settings = GenerateSettings(controlnets=str(tmp_path))
    found = nets_wanted([Control(image="x.png", model="link")], settings, "a model")
    assert isinstance(found, Failure)
    assert "a link out of its folder" in found.message


@torch.no_grad()
def test_a_map_is_looked_at_once_and_the_same_is_computed(folder: Path) -> None:
    net, plain = loaded(folder, "folder"), loaded(folder, "folder", Rung.CPU)
    looks: list[torch.Tensor] = []
    for layers in (net.controlnet_cond_embedding, plain.controlnet_cond_embedding):
        layers.conv_in.register_forward_hook(lambda _layer, _given, embedded: looks.append(embedded))
    latents, texts = torch.ones(2, 4, 8, 8), torch.ones(2, 77, 16)
    one = MapInUse(control=Control(image="x.png", model="folder"), net=net, pixels=torch.rand(1, 3, 64, 128))

    def step(net: Any, pixels: torch.Tensor) -> torch.Tensor:
        middle: torch.Tensor = net(
            latents, 500, encoder_hidden_states=texts, controlnet_cond=pixels, return_dict=False
        )[1]
        return middle

    left, right = one.pixels[..., :64], one.pixels[..., 64:]
    middles = [step(net, one.shown(view, latents, 2)) for view in (left, left, right, right)]
    assert len(looks) == 2
    for middle, view in zip(middles, (left, left, right, right), strict=True):
        assert torch.equal(middle, step(plain, view.repeat(2, 1, 1, 1)))


def test_only_the_networks_of_a_batch_are_kept(folder: Path) -> None:
    nets = ControlNets(UNET, placed(Rung.CPU), Attention.SDPA)
    both = files_of(folder, "folder", "ours")
    assert nets.use(both)  # they were read
    kept = nets.named("ours")
    assert not nets.use(both[1:])
    assert nets.named("ours") is kept
    assert [one.name for one in nets.ingredients] == ["ours"]
    assert not nets.use(())
    assert nets.ingredients == ()


@pytest.mark.parametrize("rung", Rung)
def test_more_networks_take_more_memory_on_every_rung(folder: Path, rung: Rung) -> None:
    placement = placed(rung)
    free = Footprint(unet_bytes=4_000_000, element_bytes=4, file_bytes=4, largest_layer_bytes=10_000)
    taken = [
        predicted_bytes(with_nets(free, files_of(folder, *names), placement), rung, Extent(width=64, height=64))
        for names in ((), ("folder",), ("folder", "ours"))
    ]
    assert taken[0] < taken[1] < taken[2]
