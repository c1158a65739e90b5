"""`speed: turbo`, models that were made for few steps, and pruned ones, as the product loads them: random weights."""

from __future__ import annotations

import json
import random
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings, TurboSettings
from aura_daemon.engines.model_files.companions import find_with_companions
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.devices import Devices, find_devices
from aura_daemon.engines.placement.footprints import generator_footprint
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.jobs.requests import GenerateRequest, Hires, JobKind, Lora
from aura_daemon.jobs.results import Failure, FailureKind, IngredientKind, Outcome, Produced
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.speed import Speed
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import Start
from aura_daemon.ladder.rungs import Backend, Rung, ladder
from aura_daemon.mini.grammar import every_sentence
from aura_daemon.mini.knowledge import shows
from tests.support.listening import Listener
from tests.support.tiny_models import write_companions, write_lora

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

BK = Path(__file__).parents[4] / "data" / "bk_sdm"
PROMPT = "a red circle on a blue background"


def settings_of(folder: Path, **keys: Any) -> EngineSettings:
    generate = GenerateSettings(model=str(folder), **keys)
    return EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=generate)


def run(on: Session, listener: Listener | None = None, start: Rung | None = None, **keys: Any) -> Outcome:
    listener = listener or Listener()
    image = keys.pop("content", None)
    task = Task(job_id="job", request=GenerateRequest(prompt=PROMPT, seed=3, **keys), image=image)
    on.run([task], listener, **({"start": Start(rung=start)} if start is not None else {}))
    return listener.results["job"].outcome


def drawn(on: Session, **keys: Any) -> Produced:
    outcome = run(on, **keys)
    assert isinstance(outcome, Produced), outcome
    return outcome


def pixels(produced: Produced) -> numpy.ndarray[Any, Any]:
    return numpy.asarray(Image.open(BytesIO(produced.payloads[0].content)))


@pytest.fixture(scope="module")
def model(generator_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a LoRA and a tiny decoder of its own."""
    folder = tmp_path_factory.mktemp("turbo") / "model"
    return write_companions(Path(shutil.copytree(generator_folder, folder)))


@pytest.fixture(scope="module")
def session(model: Path) -> Session:
    return Session(settings_of(model))


def test_turbo_and_the_usual_model_are_loaded_side_by_side_and_both_are_said(model: Path, session: Session) -> None:
    before = drawn(session, speed=Speed.EXACT)
    turbo = drawn(session, speed=Speed.TURBO)
    assert session.models == (str(model), f"{model} at turbo")
    assert pixels(drawn(session, speed=Speed.EXACT)).tolist() == pixels(before).tolist()
    assert (before.levers, before.ingredients) == ((), ())
    assert (turbo.resolved.steps, turbo.resolved.guidance_scale, turbo.resolved.scheduler) == (3, 1.0, Scheduler.LCM)  # type: ignore[union-attr]
    assert turbo.levers == ("3 steps by model/turbo/lora", "no guidance", "decoded by model/turbo/decoder")
    assert turbo.model_sha256 == before.model_sha256
    assert [(one.kind, one.name, len(one.sha256)) for one in turbo.ingredients] == [
        (IngredientKind.TURBO_LORA, "model/turbo/lora.safetensors", 64),
        (IngredientKind.DECODER, "model/turbo/decoder", 64),
    ]


def test_the_lora_is_fused_and_nothing_of_it_is_left_as_a_part_of_its_own(model: Path, session: Session) -> None:
    drawn(session, speed=Speed.TURBO)
    files = find_with_companions(settings_of(model, speed=Speed.TURBO).generate, STABLE_DIFFUSION, False, Listener())
    assert isinstance(files, ModelFiles)
    generator = session._models.take(
        next(key for key in session._models._loaded if key.speed is Speed.TURBO),
        next(one.engine.placement for one in session._models._loaded.values()),
    )
    unet = generator.parts.pipe.unet  # type: ignore[union-attr]
    assert not any("lora" in name for name, _ in unet.named_modules())
    plain = UNet2DConditionModel.from_pretrained(model / "unet")
    name = "down_blocks.0.resnets.0.conv1.weight"
    lora = files.lora
    assert lora is not None
    tensors = load_file(lora.folder / lora.weights.names[0])
    stem = f"unet.{name.removesuffix('.weight')}"
    up, down = tensors[f"{stem}.lora_B.weight"], tensors[f"{stem}.lora_A.weight"]
    added = (up.flatten(1) @ down.flatten(1)).reshape(plain.state_dict()[name].shape)
    torch.testing.assert_close(unet.state_dict()[name], plain.state_dict()[name] + added)


def test_keys_of_the_job_win_and_configured_steps_are_for_other_levels(model: Path) -> None:
    on = Session(settings_of(model, speed=Speed.TURBO, steps=9, guidance_scale=5.0, scheduler=Scheduler.EULER))
    plain, asked = drawn(on), drawn(on, steps=2, guidance_scale=2.0, scheduler="tcd")
    assert (plain.resolved.steps, plain.resolved.scheduler) == (3, Scheduler.LCM)  # type: ignore[union-attr]
    assert (asked.resolved.steps, asked.resolved.scheduler) == (2, Scheduler.TCD)  # type: ignore[union-attr]
    assert asked.levers == ("2 steps by model/turbo/lora", "decoded by model/turbo/decoder")
    assert drawn(on, speed=Speed.EXACT).resolved.steps == 9  # type: ignore[union-attr]


@pytest.mark.parametrize("rung", ladder(Backend.CPU, JobKind.GENERATE))
def test_every_rung_of_the_cpu_draws_at_turbo(session: Session, rung: Rung) -> None:
    assert drawn(session, start=rung, speed=Speed.TURBO).rung == rung


def test_a_job_may_bring_loras_an_image_and_a_second_pass(model: Path, tmp_path: Path, png_of_noise: bytes) -> None:
    unet = UNet2DConditionModel.from_pretrained(model / "unet")
    write_lora(tmp_path / "ink.safetensors", unet, ["down_blocks.0.resnets.0.conv1"], scale=1.0)
    on = Session(settings_of(model, loras=str(tmp_path), speed=Speed.TURBO))
    bare = drawn(on)
    with_lora = drawn(on, loras=(Lora(name="ink"),))
    assert pixels(with_lora).tolist() != pixels(bare).tolist()
    assert [one.kind for one in with_lora.ingredients][-1] is IngredientKind.LORA
    assert pixels(drawn(on)).tolist() == pixels(bare).tolist()
    assert drawn(on, image="noise.png", content=png_of_noise, strength=0.9).levers[-1].startswith("decoded by")
    assert drawn(on, hires=Hires(scale=1.5, strength=0.7)).payloads[0].width == 96


def test_previews_are_decoded_by_the_tiny_decoder_at_every_level(model: Path) -> None:
    listener = Listener()
    on = Session(settings_of(model))
    assert isinstance(run(on, listener, speed=Speed.EXACT, steps=2, preview=1), Produced)
    engine = next(iter(on._models._loaded.values())).engine
    assert engine.pipelines._tiny is not None  # type: ignore[attr-defined]
    (shutil.copytree(model, model.parent / "damaged")).joinpath("x").touch()
    config = model.parent / "damaged" / "turbo" / "decoder" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "decoder_block_out_channels": [4, 4, 4, 4]}))
    worse = Session(settings_of(model.parent / "damaged"))
    assert isinstance(run(worse, Listener(), speed=Speed.EXACT, steps=2, preview=1), Produced)


def test_a_lora_for_another_model_holds_up_turbo_and_says_why(generator_folder: Path, model: Path) -> None:
    folder = Path(shutil.copytree(generator_folder, model.parent / "pruned"))
    lora = write_companions(Path(shutil.copytree(generator_folder, model.parent / "whole"))) / "turbo"
    unet = json.loads((folder / "unet" / "config.json").read_text())
    small = UNet2DConditionModel.from_config({**unet, "mid_block_type": None})
    small.save_pretrained(folder / "unet")
    turbo = TurboSettings(lora=str(lora / "lora.safetensors"), decoder=str(lora / "decoder"))
    on = Session(settings_of(folder, turbo=turbo, loras=str(lora)))
    failed = run(on, speed=Speed.TURBO)
    assert isinstance(failed, Failure)
    assert failed.kind is FailureKind.MODEL_UNAVAILABLE
    assert "layers that the model does not have, such as unet.mid_block" in failed.message
    warned = drawn(on, loras=(Lora(name="lora"),), steps=2, speed=Speed.EXACT)
    assert any("of its" in warning and "this model does not have them" in warning for warning in warned.warnings)
    assert not drawn(on, steps=2, speed=Speed.EXACT).warnings


def test_a_unet_that_is_told_the_guidance_takes_no_second_pass(generator_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(generator_folder, tmp_path / "lcm"))
    unet = json.loads((folder / "unet" / "config.json").read_text())
    torch.manual_seed(5)
    UNet2DConditionModel.from_config({**unet, "time_cond_proj_dim": 16}).save_pretrained(folder / "unet")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "LatentConsistencyModelPipeline"}))
    on = Session(settings_of(folder))
    one = drawn(on, speed=Speed.EXACT)
    assert (one.resolved.steps, one.resolved.guidance_scale, one.resolved.scheduler) == (4, 8.0, Scheduler.LCM)  # type: ignore[union-attr]
    assert one.levers == ()
    assert pixels(drawn(on, guidance_scale=1.5)).tolist() != pixels(one).tolist()
    joined = drawn(on, negative_prompt="green", start=Rung.CPU_TILED_DECODE)
    assert joined.warnings == ("negative_prompt does nothing here: each step takes one pass, with the prompt",)
    turbo = Session(settings_of(folder, turbo=TurboSettings(decoder="none")))
    assert drawn(turbo, speed=Speed.TURBO).levers == ("4 steps by lcm", "guidance without a second pass")


@pytest.mark.parametrize(("size", "millions"), [("base", 579.4), ("small", 482.3), ("tiny", 323.4)])
def test_block_pruned_layouts_draw_and_their_memory_is_read_from_their_files(
    generator_folder: Path, tmp_path: Path, size: str, millions: float
) -> None:
    config = json.loads((BK / f"{size}.json").read_text())
    with torch.device("meta"):
        whole = UNet2DConditionModel.from_config(config)
    assert round(sum(one.numel() for one in whole.parameters()) / 1e6, 1) == millions
    folder = Path(shutil.copytree(generator_folder, tmp_path / size))
    channels = [width // 40 for width in config["block_out_channels"]]
    tiny = {"block_out_channels": channels, "cross_attention_dim": 16, "attention_head_dim": 4, "norm_num_groups": 4}
    unet = UNet2DConditionModel.from_config({**config, **tiny, "sample_size": 8})
    unet.save_pretrained(folder / "unet")
    assert drawn(Session(settings_of(folder)), steps=2).payloads[0].width == 64
    files = find_with_companions(settings_of(folder).generate, STABLE_DIFFUSION, False, Listener())
    devices = find_devices(settings_of(folder))
    assert isinstance(files, ModelFiles)
    assert isinstance(devices, Devices)
    numbers = sum(one.numel() for one in unet.parameters())
    assert generator_footprint(files, devices.on(Rung.CPU)).unet_bytes == 4 * numbers


def test_the_memory_of_turbo_is_that_of_its_decoder_unless_the_vae_encodes(model: Path) -> None:
    devices = find_devices(settings_of(model))
    assert isinstance(devices, Devices)
    at = {
        speed: find_with_companions(settings_of(model, speed=speed).generate, STABLE_DIFFUSION, False, Listener())
        for speed in (Speed.EXACT, Speed.TURBO)
    }
    placement = devices.on(Rung.CPU)
    usual, turbo = (generator_footprint(files, placement) for files in at.values())  # type: ignore[arg-type]
    assert turbo.vae_bytes == usual.vae_bytes
    assert turbo.unet_bytes == usual.unet_bytes
    assert turbo.file_bytes == 0 < usual.file_bytes
    encoding = generator_footprint(at[Speed.TURBO], placement, encodes=True)  # type: ignore[arg-type]
    assert encoding.vae_elements == usual.vae_elements != turbo.vae_elements


def test_aura_mini_shows_its_prompts_at_turbo_as_the_daemon_draws_them() -> None:
    sentences = random.Random(7).sample(every_sentence(), 60)
    requests = [GenerateRequest(prompt=str(sentence), seed=seed) for seed, sentence in enumerate(sentences)]
    listener = Listener()
    tasks = [Task(job_id=str(number), request=request) for number, request in enumerate(requests)]
    Session(EngineSettings(device=Device.CPU, generate=GenerateSettings(speed=Speed.TURBO))).run(tasks, listener)
    outcomes = [listener.results[task.job_id].outcome for task in tasks]
    assert all(isinstance(outcome, Produced) for outcome in outcomes), outcomes
    made = [outcome for outcome in outcomes if isinstance(outcome, Produced)]
    assert made[0].levers[:1] == ("4 steps by aura-mini/turbo/lora",)
    pictures = (Image.open(BytesIO(one.payloads[0].content)) for one in made)
    assert sum(map(shows, pictures, sentences)) >= 57  # of 200 it was 196
