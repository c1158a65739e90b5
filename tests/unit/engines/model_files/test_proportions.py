"""Which numbers of a configuration can be those of a model: known models pass, and what no file holds does not."""

from __future__ import annotations

import pytest

from aura_daemon.engines.model_files.proportions import numbers_problem, sizes_problem

TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}

UNET = {
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "transformer_layers_per_block": 1,
    "cross_attention_dim": 768,
    "sample_size": 64,
    "in_channels": 4,
    "addition_embed_type_num_heads": 64,
    "time_cond_proj_dim": None,
}
BLIP_LARGE = {
    "projection_dim": 512,
    "text_config": {**TEXT, "vocab_size": 30524, "bos_token_id": 30522, "max_position_embeddings": 512},
    "vision_config": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "image_size": 384,
        "patch_size": 16,
    },
}
FLORENCE2 = {
    "text_config": {
        "d_model": 768,
        "encoder_layers": 6,
        "decoder_layers": 6,
        "num_hidden_layers": 6,
        "encoder_ffn_dim": 3072,
        "decoder_ffn_dim": 3072,
        "vocab_size": 51289,
        "max_position_embeddings": 4096,
    },
    "vision_config": {"embed_dim": [128, 256, 512, 1024], "depths": [1, 1, 9, 1], "patch_size": [7, 3, 3, 3]},
}
CHECKER = {
    "text_config": {**TEXT, "vocab_size": 49408},
    "vision_config": {**BLIP_LARGE["vision_config"], "image_size": 224, "patch_size": 14},  # type: ignore[dict-item]
}
VAE = {"block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "sample_size": 768, "latent_channels": 4}
TAESD = {
    "encoder_block_out_channels": [64] * 4,
    "decoder_block_out_channels": [64] * 4,
    "num_encoder_blocks": [1, 3, 3, 3],
    "num_decoder_blocks": [3, 3, 3, 1],
}


@pytest.mark.parametrize(
    ("config", "weights_bytes"),
    [
        (UNET, 1_719_000_000),
        ({**TEXT, "vocab_size": 49408, "max_position_embeddings": 77}, 246_000_000),
        (BLIP_LARGE, 892_000_000),
        (FLORENCE2, 463_000_000),
        (CHECKER, 608_000_000),
        (VAE, 167_000_000),
        (TAESD, 4_900_000),
        (
            {"hidden_size": 16, "intermediate_size": 1_600_000, "num_hidden_layers": 1, "projection_dim": 512},
            100_000_000,
        ),
        ({}, 0),
        ({"hidden_size": None, "text_config": None}, 0),
    ],
    ids=["unet", "clip", "blip-large", "florence-2", "checker", "vae", "taesd", "projected", "nothing", "open"],
)
def test_models_of_these_kinds_pass_in_half_precision(config: dict[str, object], weights_bytes: int) -> None:
    assert numbers_problem(config, weights_bytes) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_size": 10**9}, "describes a model of"),
        ({"hidden_size": 10**5000}, "describes a model of"),
        ({"hidden_size": 1e300}, "which is no size"),
        ({"intermediate_size": 10**9}, "describes a model of"),
        ({"intermediate_size": float("inf"), "vocab_size": 10**9}, "describes a model of"),
        ({"vocab_size": 10**9}, "describes a model of"),
        ({"image_size": 10**6, "patch_size": 1}, "describes a model of"),
        ({"num_hidden_layers": 513}, "513 layers"),
        ({"layers_per_block": [2, 600]}, "2,412 layers"),
        ({"block_out_channels": [4] * 40, "layers_per_block": 20}, "layers"),
        ({"layers_per_block": 20, "transformer_layers_per_block": [1, 20]}, "layers"),
        ({"projection_dim": 10**7}, "describes a model of"),
        ({"patch_size": 0}, "patch_size: '0', which is no size"),
        ({"num_attention_heads": "many"}, "which is no size"),
        ({"block_out_channels": []}, "which is no size"),
        ({"hidden_size": True}, "which is no size"),
        ({"text_config": "x"}, "has no keys under"),
        ({"deep": {"deeper": {"num_layers": 10**6}}}, "layers"),
    ],
)
def test_what_no_file_holds_is_told(changes: dict[str, object], said: str) -> None:
    problem = numbers_problem({**TEXT, **changes}, 246_000_000)
    assert said in problem
    assert len(problem) < 200


def test_sizes_of_schedulers_and_processors_are_bounded() -> None:
    assert sizes_problem({"num_train_timesteps": 1000, "size": {"height": 768, "width": 768}, "rescale": 0.004}) == ""
    assert "num_train_timesteps: 1,000,000,000" in sizes_problem({"num_train_timesteps": 10**9})
    assert "width: 1,000,000" in sizes_problem({"image_processor": {"size": {"width": 10**6}}})
