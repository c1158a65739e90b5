"""From a name to a model's files, and what a user is told where there is none to use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from aura_daemon.config.engine import CaptionSettings, Device, EngineSettings, GenerateSettings, ModelSettings
from aura_daemon.engines.captioning.model_format import CAPTIONS
from aura_daemon.engines.defaults import ModelDefaults
from aura_daemon.engines.model_files.find import ModelFiles, find_model
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.model_files.weights import WeightFiles
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION, generator_weights
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest
from aura_daemon.jobs.results import Failure, FailureKind, Produced
from aura_daemon.jobs.sampling import Scheduler
from tests.support.listening import Listener
from tests.support.running import run_alone

GENERATE, CAPTION = STABLE_DIFFUSION, CAPTIONS


def find(model: Path | str, kind: ModelFormat = GENERATE) -> ModelFiles | Failure:
    return find_model(ModelSettings(model=str(model)), kind, half=False, reporter=Listener())


def found(model: Path | str, kind: ModelFormat = GENERATE) -> ModelFiles:
    files = find(model, kind)
    assert isinstance(files, ModelFiles), files
    return files


def refusal(model: Path | str, kind: ModelFormat = GENERATE) -> Failure:
    failure = find(model, kind)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.MODEL_UNAVAILABLE
    assert failure.message.startswith(f"model {model}: ")
    assert "\n" not in failure.message + failure.mend
    assert failure.mend
    return failure


@pytest.fixture
def generator(generator_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(generator_folder, tmp_path / "generator"))


@pytest.fixture
def captioner(captioner_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(captioner_folder, tmp_path / "captioner"))


def test_a_folder_is_hashed_over_its_weights_alone(generator: Path) -> None:
    before = found(generator)
    (generator / "README.md").write_text("words")
    assert found(generator).sha256 == before.sha256
    assert before.weights.names == (
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
    )


def test_other_weights_have_another_hash(generator: Path) -> None:
    before = found(generator).sha256
    file = generator / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    save_file({name: tensor + 1 for name, tensor in tensors.items()}, file, {"format": "pt"})
    assert found(generator).sha256 != before


def test_without_a_word_of_its_own_a_model_has_the_defaults_and_its_configured_size(generator: Path) -> None:
    assert found(generator).own == ModelDefaults(native_size_px=64)


def test_a_model_says_what_suits_it_in_its_aura_json(generator: Path) -> None:
    defaults = {"num_inference_steps": 10, "scheduler": "euler", "guidance_scale": 3.0}
    carried = {"name": "aura-mini", "native_size_px": 96, "defaults": defaults}
    (generator / "aura.json").write_text(json.dumps(carried))
    files = found(generator)
    assert files.carried_name == "aura-mini"
    assert files.own == ModelDefaults(
        native_size_px=96, steps=10, scheduler=Scheduler.EULER, guidance_scale=3.0, max_new_tokens=50
    )


def test_a_captioner_says_how_long_its_captions_are(captioner: Path) -> None:
    (captioner / "aura.json").write_text(json.dumps({"max_new_tokens": 12}))
    assert found(captioner, CAPTION).own.max_new_tokens == 12


def test_an_aura_json_that_is_not_understood_is_named(generator: Path) -> None:
    (generator / "aura.json").write_text(json.dumps({"defaults": {"scheduler": "warp"}}))
    assert "aura.json" in refusal(generator).message


@pytest.mark.parametrize("name", ["/no/such/folder", "./models/none", "nonsense", "a/b/c"])
def test_a_name_that_is_nothing_here_is_said_to_be_nothing(name: str) -> None:
    assert "no such folder or file" in refusal(name).message


def test_a_file_that_is_not_there_is_said_to_be_missing() -> None:
    assert "no such file" in refusal("/no/such/model.safetensors").message


def test_another_pipeline_is_refused_by_its_name(generator: Path) -> None:
    index = generator / "model_index.json"
    index.write_text(index.read_text().replace("StableDiffusionPipeline", "StableDiffusionXLPipeline"))
    message = refusal(generator).message
    assert "it is StableDiffusionXLPipeline, not a Stable Diffusion 1.x pipeline" in message


def test_models_of_the_other_kind_are_refused(generator: Path, captioner: Path) -> None:
    assert "not a captioner" in refusal(generator, CAPTION).message
    assert "it is BlipForConditionalGeneration, not a Stable" in refusal(captioner).message


def test_blip_for_questions_is_no_captioner(captioner: Path) -> None:
    config = captioner / "config.json"
    config.write_text(config.read_text().replace("BlipForConditionalGeneration", "BlipForQuestionAnswering"))
    assert "it is BlipForQuestionAnswering, not" in refusal(captioner, CAPTION).message


def test_an_empty_folder_says_what_it_lacks(tmp_path: Path) -> None:
    assert "neither model_index.json nor config.json" in refusal(tmp_path).message


def test_weights_that_are_missing_are_named(generator: Path) -> None:
    (generator / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert "vae/diffusion_pytorch_model.safetensors is missing" in refusal(generator).message


def test_a_file_that_was_cut_short_is_named(captioner: Path) -> None:
    file = captioner / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    message = refusal(captioner, CAPTION).message
    assert "cut short or damaged" in message
    assert str(file) in message


def test_a_pickle_is_refused_with_the_reason_and_the_way_to_convert(captioner: Path) -> None:
    pickle(captioner)
    failure = refusal(captioner, CAPTION)
    assert "pytorch_model.bin is a pickle, which can run any code" in failure.message
    assert "save_pretrained" in failure.mend


def test_a_pickle_is_read_where_it_is_allowed(captioner: Path, png_of_noise: bytes) -> None:
    pickle(captioner)
    settings = CaptionSettings(model=str(captioner), allow_pickle=True)
    session = Session(EngineSettings(device=Device.CPU, caption=settings))
    outcome = run_alone(session, CaptionRequest(max_new_tokens=3), png_of_noise, "x.png", Listener())
    assert isinstance(outcome, Produced), outcome


def test_safetensors_are_taken_where_both_are_there(captioner: Path) -> None:
    (captioner / "pytorch_model.bin").write_bytes(b"never opened")
    assert found(captioner, CAPTION).weights.names == ("model.safetensors",)


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("conditioner.embedders.0.transformer.x", "a Stable Diffusion XL checkpoint"),
        ("cond_stage_model.model.x", "a Stable Diffusion 2.x checkpoint"),
        ("lora_unet_x", "a LoRA"),
        ("anything", "a file of other tensors"),
    ],
)
def test_a_single_file_of_another_architecture_is_called_by_its_name(tmp_path: Path, key: str, what: str) -> None:
    file = tmp_path / "model.safetensors"
    save_file({key: torch.zeros(1)}, file)
    assert f"it is {what}" in refusal(file).message


def test_a_single_file_that_is_a_pickle_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.ckpt"
    file.write_bytes(b"never opened")
    assert "is a pickle" in refusal(file).message


def test_a_captioner_cannot_be_a_single_file(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"x": torch.zeros(1)}, file)
    assert "cannot be a single file" in refusal(file, CAPTION).message


def test_files_that_do_not_fit_together_make_the_model_unavailable_not_the_job_bad(generator: Path) -> None:
    config = generator / "unet" / "config.json"
    config.write_text(config.read_text().replace('"cross_attention_dim": 16', '"cross_attention_dim": 24'))
    session = Session(EngineSettings(device=Device.CPU, generate=GenerateSettings(model=str(generator))))
    failure = run_alone(session, GenerateRequest(prompt="a", seed=1))
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.MODEL_UNAVAILABLE
    assert "it cannot be loaded" in failure.message


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_the_embedded_model_says_what_it_is_of_a_prompt_outside_its_words(generator: Path) -> None:
    (generator / "aura.json").write_text(json.dumps({"name": "aura-mini"}))
    session = Session(EngineSettings(device=Device.CPU, generate=GenerateSettings(model=str(generator))))
    foreign, own = (
        run_alone(session, GenerateRequest(prompt=prompt, seed=1, steps=1))
        for prompt in ("a lighthouse at dawn", "a small red circle on a blue background")
    )
    assert isinstance(foreign, Produced)
    assert isinstance(own, Produced)
    assert any("sd-1.4" in warning for warning in foreign.warnings)
    assert own.warnings == ()


def test_the_embedded_captioner_says_what_it_is_of_a_picture_it_cannot_know(
    captioner: Path, png_of_noise: bytes
) -> None:
    (captioner / "aura.json").write_text(json.dumps({"name": "aura-mini"}))
    session = Session(EngineSettings(device=Device.CPU, caption=CaptionSettings(model=str(captioner))))
    outcome = run_alone(session, CaptionRequest(max_new_tokens=3), png_of_noise, "x.png", Listener())
    assert isinstance(outcome, Produced)
    assert any("blip-base" in warning for warning in outcome.warnings)


PARTS = {"unet": ["diffusers", "X"], "vae": ["diffusers", "X"], "safety_checker": [None, None]}
UNET, VAE = "unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model"


@pytest.mark.parametrize(
    ("names", "half", "chosen"),
    [
        ((f"{UNET}.safetensors", f"{VAE}.safetensors"), True, (f"{UNET}.safetensors", f"{VAE}.safetensors")),
        (
            (f"{UNET}.fp16.safetensors", f"{UNET}.safetensors", f"{VAE}.safetensors"),
            True,
            (f"{UNET}.fp16.safetensors", f"{VAE}.safetensors"),
        ),
        (
            (f"{UNET}.fp16.safetensors", f"{UNET}.safetensors", f"{VAE}.safetensors"),
            False,
            (f"{UNET}.safetensors", f"{VAE}.safetensors"),
        ),
        (  # for want of a full VAE: the libraries take one variant of all parts
            (f"{UNET}.fp16.safetensors", f"{UNET}.safetensors", f"{VAE}.fp16.safetensors"),
            False,
            (f"{UNET}.fp16.safetensors", f"{VAE}.fp16.safetensors"),
        ),
        (
            (
                f"{UNET}-00001-of-00002.safetensors",
                f"{UNET}-00002-of-00002.safetensors",
                f"{VAE}.safetensors",
            ),
            False,
            (
                f"{UNET}-00001-of-00002.safetensors",
                f"{UNET}-00002-of-00002.safetensors",
                f"{VAE}.safetensors",
            ),
        ),
        (
            (f"{UNET}.non_ema.safetensors", f"{UNET}.safetensors", f"{VAE}.safetensors"),
            False,
            (f"{UNET}.safetensors", f"{VAE}.safetensors"),
        ),
    ],
)
def test_of_many_files_the_right_ones_are_weights(names: tuple[str, ...], half: bool, chosen: tuple[str, ...]) -> None:
    weights = generator_weights(names, PARTS, half, allow_pickle=False)
    assert isinstance(weights, WeightFiles)
    assert weights.names == chosen
    assert (weights.variant == "fp16") is any("fp16" in name for name in chosen)


def pickle(folder: Path) -> None:
    """Turns a captioner's weights into the pickle that many old models are."""
    file = folder / "model.safetensors"
    torch.save(load_file(file), folder / "pytorch_model.bin")
    file.unlink()
