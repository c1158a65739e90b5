"""The weights in the package: small, half precision, no pickle, and what each folder says about itself."""

import json
from pathlib import Path

import pytest
from safetensors import safe_open

from aura_daemon.engines.model_files.weights import WeightFiles, names_below
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.mini import CAPTIONER, CONTROLNET, GENERATOR, UPSCALER, WEIGHTS
from aura_daemon.training.distilling.turbo import TURBO_FACTS

MOST_BYTES = 16 * 2**20
MOST_BESIDE_BYTES = 2 * 2**20
BESIDE = {CONTROLNET, UPSCALER.parent}
"""What the generator and the captioner do without."""

TENSORS = sorted(WEIGHTS.rglob("*.safetensors"))


def test_everything_together_stays_below_16_megabytes_and_what_steers_and_enlarges_below_2_more() -> None:
    sizes = {path: path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()}
    beside = sum(size for path, size in sizes.items() if BESIDE & {*path.parents})
    assert sum(sizes.values()) - beside <= MOST_BYTES
    assert 0 < beside <= MOST_BESIDE_BYTES


def test_there_is_no_pickle() -> None:
    assert {path.suffix for path in WEIGHTS.rglob("*") if path.is_file()} <= {".json", ".txt", ".log", ".safetensors"}


@pytest.mark.parametrize("path", TENSORS, ids=lambda path: str(path.relative_to(WEIGHTS)))
def test_weights_are_half_precision(path: Path) -> None:
    with safe_open(path, framework="pt") as tensors:
        assert {tensors.get_slice(name).get_dtype() for name in tensors.keys()} == {"F16"}  # noqa: SIM118


def test_the_parts_of_both_models_are_there() -> None:
    of_generator = ["text_encoder", "decoder", "turbo", "unet", "vae"]
    assert [path.parent.name for path in TENSORS] == ["captioner", "controlnet", *of_generator, "upscaler"]
    index = json.loads((GENERATOR / "model_index.json").read_text(encoding="utf-8"))
    assert index["_class_name"] == "StableDiffusionPipeline"
    assert index["safety_checker"] == index["feature_extractor"] == [None, None]
    assert json.loads((CAPTIONER / "config.json").read_text())["architectures"] == ["BlipForConditionalGeneration"]


def test_the_generator_carries_its_own_defaults() -> None:
    facts = json.loads((GENERATOR / "aura.json").read_text(encoding="utf-8"))
    assert (facts["name"], facts["native_size_px"]) == ("aura-mini", 64)
    assert facts["defaults"]["num_inference_steps"] == 25
    assert facts["defaults"]["scheduler"] == "dpm++_2m_karras"
    assert 1 <= facts["defaults"]["guidance_scale"] <= 9


def test_the_generator_offers_few_steps_with_files_that_are_there() -> None:
    turbo = json.loads((GENERATOR / "aura.json").read_text(encoding="utf-8"))["turbo"]
    assert turbo == TURBO_FACTS
    assert (GENERATOR / turbo["lora"]).is_file()
    assert json.loads((GENERATOR / turbo["decoder"] / "config.json").read_text())["_class_name"] == "AutoencoderTiny"


def test_the_files_for_few_steps_are_no_part_of_the_model() -> None:
    """A model's hash is of its weights: pictures that were drawn before there was `turbo` can be made again."""
    index = json.loads((GENERATOR / "model_index.json").read_text(encoding="utf-8"))
    files = STABLE_DIFFUSION.weight_files(names_below(GENERATOR), index, False, False)
    assert isinstance(files, WeightFiles)
    assert [Path(name).parent.name for name in sorted(files.names)] == ["text_encoder", "unet", "vae"]


def test_the_captioner_says_how_long_its_captions_are() -> None:
    facts = json.loads((CAPTIONER / "aura.json").read_text(encoding="utf-8"))
    assert facts["name"] == "aura-mini"
    assert 12 <= facts["max_new_tokens"] <= 32


def test_the_controlnet_fits_the_generators_unet() -> None:
    control, unet = (json.loads((folder / "config.json").read_text()) for folder in (CONTROLNET, GENERATOR / "unet"))
    assert control["_class_name"] == "ControlNetModel"
    assert control["conditioning_channels"] == 3
    shared = ("block_out_channels", "layers_per_block", "cross_attention_dim", "in_channels", "norm_num_groups")
    assert [control[key] for key in shared] == [unet[key] for key in shared]


@pytest.mark.parametrize("folder", [CONTROLNET, UPSCALER.parent], ids=lambda folder: folder.name)
def test_what_steers_and_enlarges_was_measured_and_reached_its_bounds(folder: Path) -> None:
    measured = json.loads((folder / "quality.json").read_text(encoding="utf-8"))
    assert (measured["model"], measured["passed"]) == ("aura-mini", True)
