"""What a model takes at turbo, and where it comes from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from aura_daemon.config.engine import NONE, GenerateSettings, TurboSettings
from aura_daemon.engines.model_files.companions import (
    TINY_DECODER,
    USUAL_DECODER,
    USUAL_LORA,
    TurboParts,
    companions_of,
    find_with_companions,
    look_for_all,
    turbo_lora,
)
from aura_daemon.engines.model_files.find import ModelFiles, find_model, look_for_model
from aura_daemon.engines.model_files.weights import WeightFiles
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.speed import Speed
from tests.support.listening import Listener
from tests.support.tiny_models import write_companions, write_decoder

BK = Path(__file__).parents[3] / "data" / "bk_sdm"
WHOLE = {"block_out_channels": [320, 640, 1280, 1280], "cross_attention_dim": 768, "layers_per_block": 2}


@pytest.fixture
def generator(generator_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(generator_folder, tmp_path / "generator"))


def settings(model: Path, speed: Speed = Speed.TURBO, **turbo: object) -> GenerateSettings:
    return GenerateSettings(model=str(model), speed=speed, turbo=TurboSettings(**turbo))  # type: ignore[arg-type]


def found(wanted: GenerateSettings) -> ModelFiles:
    files = find_with_companions(wanted, STABLE_DIFFUSION, False, Listener())
    assert isinstance(files, ModelFiles), files
    return files


def refusal(wanted: GenerateSettings) -> Failure:
    failure = find_with_companions(wanted, STABLE_DIFFUSION, False, Listener())
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.MODEL_UNAVAILABLE
    assert failure.mend
    return failure


def named(model: ModelFiles, **turbo: object) -> tuple[str | None, str | None]:
    taken = companions_of(settings(model.folder, **turbo), model)
    assert isinstance(taken, TurboParts), taken
    return (
        taken.lora.told_as if taken.lora is not None else None,
        taken.decoder.told_as if taken.decoder is not None else None,
    )


def with_unet(generator: Path, unet: dict[str, object]) -> ModelFiles:
    """As far as configurations tell, a model with this UNet."""
    (generator / "unet" / "config.json").write_text(json.dumps(unet))
    files = look_for_model(settings(generator), STABLE_DIFFUSION, False)
    assert isinstance(files, ModelFiles)
    return files


def test_what_a_model_brings_itself_comes_first(generator: Path) -> None:
    write_companions(generator)
    files = found(settings(generator, lora="owner/other", decoder="owner/other", steps=7))
    assert files.at_turbo
    assert (files.own.steps, files.own.guidance_scale, files.own.scheduler) == (3, 1.0, Scheduler.LCM)
    assert files.lora is not None
    assert files.decoder is not None
    assert (files.lora.name, files.decoder.name) == ("generator/turbo/lora.safetensors", "generator/turbo/decoder")
    assert len({files.sha256, files.lora.sha256, files.decoder.sha256, files.loaded_sha256}) == 4
    usual = found(settings(generator, Speed.EXACT))
    assert (usual.at_turbo, usual.lora, usual.own.steps, usual.sha256) == (False, None, 25, files.sha256)
    assert usual.loaded_sha256 == usual.sha256


def test_the_configuration_names_what_other_models_take(generator: Path, tmp_path: Path) -> None:
    lora, decoder = tmp_path / "ink.safetensors", write_decoder(tmp_path / "tiny")
    save_file({"unet.x.lora_A.weight": torch.zeros(1)}, lora)
    files = found(settings(generator, lora=str(lora), decoder=str(decoder), steps=2, scheduler=Scheduler.TCD))
    assert (files.own.steps, files.own.guidance_scale, files.own.scheduler) == (2, 1.0, Scheduler.TCD)
    assert files.lora is not None
    assert files.lora.name == str(lora)
    assert files.decoder is not None
    without = found(settings(generator, lora=NONE, decoder=NONE))
    assert (without.at_turbo, without.lora, without.decoder, without.own.steps) == (True, None, None, 4)


def test_stable_diffusion_takes_lcm_and_taesd_and_nothing_else_does(generator: Path) -> None:
    assert named(with_unet(generator, WHOLE)) == (USUAL_LORA, USUAL_DECODER)
    unknown = companions_of(settings(Path("sd-1.4")), None)
    assert isinstance(unknown, TurboParts)
    assert [one.told_as for one in unknown.all] == [USUAL_LORA, USUAL_DECODER]
    assert named(with_unet(generator, WHOLE), lora="owner/ink", decoder=NONE) == ("owner/ink", None)
    other = with_unet(generator, {"block_out_channels": [8, 16], "cross_attention_dim": 16})
    assert named(other, lora="owner/ink") == ("owner/ink", None)
    assert "nothing is known" in refusal(settings(generator)).message


@pytest.mark.parametrize("size", ["base", "small", "tiny"])
def test_a_lora_for_whole_models_is_none_for_pruned_ones_but_taesd_fits(generator: Path, size: str) -> None:
    unet = json.loads((BK / f"{size}.json").read_text())
    model = with_unet(generator, unet)
    failure = companions_of(settings(generator), model)
    assert isinstance(failure, Failure)
    assert f"{USUAL_LORA} is for whole Stable Diffusion 1.x" in failure.message
    assert "generate.turbo.lora" in failure.mend
    assert named(model, lora="owner/pruned") == ("owner/pruned", USUAL_DECODER)


@pytest.mark.parametrize(
    ("unet", "scheduler", "guidance_scale"),
    [
        ({**WHOLE, "time_cond_proj_dim": 256}, "DDIMScheduler", 8.0),
        (WHOLE, "LCMScheduler", 1.0),
    ],
)
def test_a_model_made_for_few_steps_is_known_at_every_level_and_takes_no_lora(
    generator: Path, unet: dict[str, object], scheduler: str, guidance_scale: float
) -> None:
    place = generator / "scheduler" / "scheduler_config.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), "_class_name": scheduler}))
    model = with_unet(generator, unet)
    own = model.own
    assert (own.steps, own.guidance_scale, own.scheduler, own.few_steps) == (4, guidance_scale, Scheduler.LCM, True)
    assert own.is_guided(7.5) is ("time_cond_proj_dim" not in unet)
    assert named(model, lora="owner/ink") == (None, USUAL_DECODER)


def test_previews_take_a_tiny_decoder_that_is_here_and_fetch_none(generator: Path, tmp_path: Path) -> None:
    assert found(settings(generator, Speed.EXACT)).decoder is None
    decoder = write_decoder(tmp_path / "tiny")
    files = look_for_all(settings(generator, Speed.EXACT, decoder=str(decoder)), STABLE_DIFFUSION, False)
    assert isinstance(files, ModelFiles)
    assert files.decoder is not None
    with_unet(generator, WHOLE)  # which would take TAESD from the hub
    assert found(settings(generator, Speed.EXACT)).decoder is None


@pytest.mark.parametrize(
    ("turbo", "words"),
    [
        ({"lora": "../lora.safetensors"}, "is outside the model's folder"),
        ({"lora": "/lora.safetensors"}, "is outside the model's folder"),
        ({"lora": "turbo/none.safetensors"}, "there is no such file here"),
        ({"decoder": "vae"}, "it is AutoencoderKL, not a tiny autoencoder"),
        ({"steps": "few"}, "the key turbo of its aura.json is not understood"),
        ({"lore": "x"}, "the key turbo of its aura.json is not understood"),
        (["lora"], "it must hold keys"),
    ],
)
def test_a_companion_that_is_wrong_holds_up_turbo_alone(generator: Path, turbo: object, words: str) -> None:
    (generator / "aura.json").write_text(json.dumps({"turbo": turbo}))
    assert words in refusal(settings(generator)).message
    assert found(settings(generator, Speed.EXACT)).decoder is None


@pytest.mark.parametrize(
    ("files", "name", "chosen"),
    [
        (["pytorch_lora_weights.safetensors", "other.safetensors"], "owner/name", "pytorch_lora_weights.safetensors"),
        (["only.safetensors", "more/one.safetensors"], "owner/name", "only.safetensors"),
        (["a.safetensors", "b.safetensors"], "owner/name/b.safetensors", "b.safetensors"),
        (["a.safetensors", "more/b.safetensors"], "owner/name/more/b.safetensors", "more/b.safetensors"),
        (["a.safetensors", "b.safetensors"], "owner/name", "it holds 2 LoRAs"),
        (["a.safetensors"], "owner/name/c.safetensors", "it has no file c.safetensors"),
        (["pytorch_lora_weights.bin"], "owner/name", "pytorch_lora_weights.bin"),
        (["README.md"], "owner/name", "a LoRA (.safetensors)"),
    ],
)
def test_a_name_on_the_hub_means_one_file(files: list[str], name: str, chosen: str) -> None:
    meant = turbo_lora(name).weight_files(files, {}, False, False)
    match meant:
        case WeightFiles(names=names):
            assert names == (chosen,)
        case Failure(message=message, mend=mend):
            assert chosen in message
            assert "a.safetensors" in mend
        case _:
            assert meant == chosen


def test_files_that_are_no_companions_are_refused_by_name(generator: Path, tmp_path: Path) -> None:
    pickle = tmp_path / "ink.bin"
    pickle.write_bytes(b"x")
    assert "is a pickle" in refusal(settings(generator, lora=str(pickle), decoder=NONE)).message
    no_lora = find_model(settings(generator), turbo_lora(str(generator)), False, Listener())
    assert isinstance(no_lora, Failure)
    assert "it is StableDiffusionPipeline, not a LoRA" in no_lora.message
    decoder = find_model(settings(generator), TINY_DECODER, False, Listener())
    assert isinstance(decoder, Failure)
    assert "it is StableDiffusionPipeline, not a tiny autoencoder" in decoder.message
