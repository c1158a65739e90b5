"""What a file that is no LoRA for Stable Diffusion 1.x is called."""

import pytest
import torch
from safetensors.torch import load_file

from aura_daemon.engines.stable_diffusion.loras.lora_kinds import other_architecture, other_method
from tests.unit.engines.stable_diffusion.loras.test_lora import STARS


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("lora_unet_down_blocks_0_attentions_0_proj_in.hada_w1_a", "a LoHa (LyCORIS)"),
        ("lora_unet_down_blocks_0_attentions_0_proj_in.lokr_w2", "a LoKr (LyCORIS)"),
        ("oft_unet_down_blocks_0.oft_blocks", "an OFT (LyCORIS)"),
        ("lora_unet_down_blocks_0.on_input", "an (IA)^3 (LyCORIS)"),
        ("lora_unet_down_blocks_0.a1.weight", "a GLoRA (LyCORIS)"),
        ("emb_params", "a textual inversion"),
        ("model.diffusion_model.input_blocks.0.0.weight", "a whole model"),
        ("control_model.input_blocks.0.0.weight", "a ControlNet"),
    ],
)
def test_what_is_trained_by_another_method_is_called_by_its_name(name: str, what: str) -> None:
    assert other_method({name: torch.zeros(2, 2)}) == what


@pytest.mark.parametrize(
    ("name", "width", "model"),
    [
        ("lora_unet_double_blocks_0_img_attn_proj.lora_down.weight", 4, "Flux"),
        ("transformer.single_transformer_blocks.0.attn.to_k.lora_A.weight", 4, "Flux"),
        ("lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight", 4, "Stable Diffusion 3"),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight", 4, "SDXL"),
        ("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k.lora_down.weight", 2048, "SDXL"),
        ("lora_unet_output_blocks_0_1_transformer_blocks_9_attn1_to_k.lora_down.weight", 640, "SDXL"),
        (
            "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v.lora_A.weight",
            1024,
            "Stable Diffusion 2",
        ),
        ("diffusion_model.blocks.0.cross_attn.k.lora_A.weight", 4, "another kind of model"),
        ("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight", 768, ""),
    ],
)
def test_a_lora_of_another_model_is_called_by_that_model(name: str, width: int, model: str) -> None:
    assert other_architecture({name: torch.zeros(4, width)}) == model


def test_a_lora_of_stable_diffusion_is_nothing_else() -> None:
    tensors = load_file(STARS)
    assert (other_method(tensors), other_architecture(tensors)) == ("", "")
