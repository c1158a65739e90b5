"""Pictures are prompts with the pixels of diffusers' own IP-Adapter pipelines, beside whatever else a job asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.placement.device_memory import FreeMemory
from aura_daemon.engines.placement.devices import Devices
from aura_daemon.engines.session import Session
from aura_daemon.jobs.guidance.controls import Control
from aura_daemon.jobs.guidance.picture_prompts import PicturePrompt
from aura_daemon.jobs.requests import GenerateRequest, Hires, JobKind
from aura_daemon.jobs.results import Failure, IngredientKind
from aura_daemon.jobs.speed import EngineChoice
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import Start
from aura_daemon.ladder.rungs import RUNGS, Backend, Rung, Storage, ladder
from tests.support.listening import Listener
from tests.support.tiny_models import write_adapter, write_controlnet
from tests.unit.engines.stable_diffusion.test_pipelines import drawing, encoded, left_half, made, picture_of, pixels

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

PROMPT = "a"
STYLE = PicturePrompt(image="style.png", weight=0.6, model="style")
OTHER = PicturePrompt(image="other.png", weight=0.9, model="style")
EDGES = Control(image="style.png", model="edges")


def picture(number: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    values = numpy.random.default_rng(number).integers(0, 255, (5, 6, 3), dtype=numpy.uint8)
    return Image.fromarray(values).resize(size, Image.Resampling.NEAREST)


PICTURES = {"style.png": picture(1), "other.png": picture(2)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("guiding")
    write_adapter(place / "adapters", "style")
    write_adapter(place / "adapters" / "plus", "parts", in_parts=True)
    write_controlnet(place / "controlnets" / "edges")
    return place


@pytest.fixture(scope="module")
def tiny(generator_folder: Path, folder: Path) -> Session:
    return session(generator_folder, folder)


def session(model: Path, folder: Path, **options: Any) -> Session:
    folders = {"adapters": str(folder / "adapters"), "controlnets": str(folder / "controlnets")}
    settings = GenerateSettings(model=str(model), **(folders | options))
    return Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=settings))


def asked(*like: PicturePrompt, **keys: Any) -> GenerateRequest:
    told = {"prompt": PROMPT, "seed": 7, "steps": 4, "scheduler": "euler", "guidance_scale": 5.0} | keys
    return GenerateRequest(**told, like=like)


def task_of(
    request: GenerateRequest, pictures: Mapping[str, Image.Image] = PICTURES, job_id: str = "j", **more: Any
) -> Task:
    further = {name: encoded(pictures[name]) for name in request.further_images}
    return Task(job_id=job_id, request=request, further_images=further, **more)


def outcome(engine: Session, request: GenerateRequest, **more: Any) -> Any:
    listener = Listener()
    engine.run([task_of(request, **more)], listener)
    return listener.results["j"].outcome


def drawn(engine: Session, request: GenerateRequest, **more: Any) -> Any:
    return pixels(picture_of(outcome(engine, request, **more)))


def plain(model: Path, kind: str, adapters: Path, *weights: float, name: str = "style.safetensors") -> Any:
    """As any user of diffusers would call it, in the memory layout that ours has."""
    seeing = CLIPVisionModelWithProjection.from_pretrained(adapters / "image_encoder")
    pipe = getattr(diffusers, kind).from_pretrained(
        model,
        image_encoder=seeing,
        feature_extractor=CLIPImageProcessorPil(size=32, crop_size=32),
        dtype=torch.float32,
        requires_safety_checker=False,
    )
    pipe.unet.to(memory_format=torch.channels_last)
    pipe.vae.to(memory_format=torch.channels_last)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = diffusers.EulerDiscreteScheduler.from_config(pipe.scheduler.config, use_karras_sigmas=False)
    pipe.load_ip_adapter([str(adapters)] * len(weights), subfolder="", weight_name=[name] * len(weights))
    pipe.set_ip_adapter_scale(list(weights))
    return pipe


def expected(pipe: Any, *names: str, **told: Any) -> Any:
    told = {"num_inference_steps": 4, "guidance_scale": 5.0, "generator": torch.Generator().manual_seed(7)} | told
    return pixels(pipe(PROMPT, ip_adapter_image=[PICTURES[name] for name in names], **told).images[0])


# -- parity ------------------------------------------------------------------------------------------------------------


def test_a_picture_is_a_prompt_with_the_pixels_of_diffusers(
    tiny: Session, generator_folder: Path, folder: Path
) -> None:
    pipe = plain(generator_folder, "StableDiffusionPipeline", folder / "adapters", 0.6)
    got = drawn(tiny, asked(STYLE))
    numpy.testing.assert_array_equal(got, expected(pipe, "style.png"))
    assert abs(got - drawn(tiny, asked())).mean() > 1  # and it counts


def test_without_guidance_too(tiny: Session, generator_folder: Path, folder: Path) -> None:
    pipe = plain(generator_folder, "StableDiffusionPipeline", folder / "adapters", 0.6)
    wanted = expected(pipe, "style.png", guidance_scale=1.0)
    numpy.testing.assert_array_equal(drawn(tiny, asked(STYLE, guidance_scale=1.0)), wanted)


def test_two_pictures_count_as_much_as_each_is_to(tiny: Session, generator_folder: Path, folder: Path) -> None:
    pipe = plain(generator_folder, "StableDiffusionPipeline", folder / "adapters", 0.6, 0.9)
    wanted = expected(pipe, "style.png", "other.png")
    numpy.testing.assert_array_equal(drawn(tiny, asked(STYLE, OTHER)), wanted)


def test_an_adapter_that_sees_pictures_in_parts_has_the_pixels_of_diffusers(
    tiny: Session, generator_folder: Path, folder: Path
) -> None:
    place = folder / "adapters" / "plus"
    pipe = plain(generator_folder, "StableDiffusionPipeline", place, 0.6, name="parts.safetensors")
    wanted = expected(pipe, "style.png")
    numpy.testing.assert_array_equal(drawn(tiny, asked(replace(STYLE, model="parts"))), wanted)


def test_from_an_image_a_picture_is_a_prompt_with_the_pixels_of_diffusers(
    tiny: Session, generator_folder: Path, folder: Path
) -> None:
    pipe = plain(generator_folder, "StableDiffusionImg2ImgPipeline", folder / "adapters", 0.6)
    wanted = expected(pipe, "style.png", image=drawing(), strength=0.75)
    got = drawn(tiny, asked(STYLE, image="x.png", strength=0.75), image=encoded(drawing()))
    numpy.testing.assert_array_equal(got, wanted)


def test_within_a_mask_a_picture_is_a_prompt_with_the_pixels_of_diffusers(
    tiny: Session, generator_folder: Path, folder: Path
) -> None:
    pipe = plain(generator_folder, "StableDiffusionInpaintPipeline", folder / "adapters", 0.6)
    wanted = expected(pipe, "style.png", image=drawing(), mask_image=left_half(), strength=0.75)
    request = asked(STYLE, image="x.png", mask="m.png", strength=0.75)
    got = drawn(tiny, request, image=encoded(drawing()), mask=encoded(left_half()))
    numpy.testing.assert_array_equal(got[:, :32], wanted[:, :32])


def test_beside_a_map_a_picture_is_a_prompt_with_the_pixels_of_diffusers(
    tiny: Session, generator_folder: Path, folder: Path
) -> None:
    pipe = plain(generator_folder, "StableDiffusionPipeline", folder / "adapters", 0.6)
    net = diffusers.ControlNetModel.from_pretrained(folder / "controlnets" / "edges")
    guided = diffusers.StableDiffusionControlNetPipeline(
        **pipe.components, controlnet=net.to(memory_format=torch.channels_last), requires_safety_checker=False
    )
    fitted = PICTURES["style.png"].resize((64, 64))
    wanted = expected(guided, "style.png", image=fitted)
    pictures = {"style.png": PICTURES["style.png"], "map.png": fitted}
    request = asked(STYLE, control=(replace(EDGES, image="map.png"),))
    numpy.testing.assert_array_equal(drawn(tiny, request, pictures=pictures), wanted)


# -- what a job may ask for beside ------------------------------------------------------------------------------------


def test_what_is_drawn_without_pictures_is_the_same_before_and_after(generator_folder: Path, folder: Path) -> None:
    engine = session(generator_folder, folder)
    before, seen, after = (drawn(engine, asked(*like)) for like in ((), (STYLE,), ()))
    assert abs(seen - before).mean() > 1
    numpy.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(
    "keys",
    [
        {"scheduler": "heun"},
        {"scheduler": "lms"},
        {"prompt": "[a:b:0.5]"},
        {"prompt": "a AND b"},
        {"prompt": "a AND b", "guidance_scale": 1.0},
        {"speed": "fast", "steps": 12},
        {"speed": "balanced", "steps": 12},
        {"hires": Hires(scale=2.0, strength=0.5)},
        {"negative_prompt": "b", "clip_skip": 1},
    ],
    ids=str,
)
def test_a_picture_counts_whatever_else_is_asked_for(tiny: Session, keys: dict[str, Any]) -> None:
    free = drawn(tiny, asked(**keys))
    assert abs(drawn(tiny, asked(STYLE, **keys)) - free).mean() > 0.5
    numpy.testing.assert_array_equal(drawn(tiny, asked(replace(STYLE, weight=0.0), **keys)), free)


@pytest.mark.parametrize(
    "rung",
    [*ladder(Backend.CUDA, JobKind.GENERATE)[3:7], Rung.CPU_HALF_WEIGHTS, Rung.CPU_MAPPED_WEIGHTS],
    ids=str,
)
def test_pictures_come_and_go_on_every_rung(on_all_rungs: Session, rung: Rung) -> None:
    free, seen, after = (draw_on(on_all_rungs, rung, asked(*like)) for like in ((), (STYLE,), ()))
    numpy.testing.assert_array_equal(after, free)
    exact = RUNGS[rung].storage is Storage.NATIVE
    difference = abs(seen - draw_on(on_all_rungs, Rung.RESIDENT, asked(STYLE)))
    assert difference.mean() < (2 if exact else 12)
    assert abs(seen - free).mean() > difference.mean() + 1


@pytest.fixture(scope="module")
def on_all_rungs(generator_folder: Path, folder: Path) -> Session:
    """One whose GPU is the CPU."""
    plain_session = session(generator_folder, folder)
    found = plain_session.devices
    assert isinstance(found, Devices)
    devices = Devices(backend=Backend.CUDA, accelerator=replace(found.cpu, rung=Rung.RESIDENT), cpu=found.cpu)
    generate = GenerateSettings(model=str(generator_folder), adapters=str(folder / "adapters"))
    settings = EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=generate)
    plenty = FreeMemory(device_bytes=1 << 40, host_bytes=1 << 40)
    return Session(settings, devices=devices, free=lambda _devices: plenty)


def draw_on(engine: Session, rung: Rung, request: GenerateRequest) -> Any:
    listener = Listener()
    engine.run([task_of(request)], listener, start=Start(rung=rung))
    result = made(listener.results["j"].outcome)
    assert result.rung == rung
    return pixels(picture_of(result))


def test_pictures_of_one_look_are_drawn_together(tiny: Session) -> None:
    listener = Listener()
    requests = [asked(STYLE, seed=seed) for seed in (7, 8)]
    tiny.run([task_of(request, job_id=str(request.seed)) for request in requests], listener)
    outcomes = [made(listener.results[name].outcome) for name in ("7", "8")]
    assert [one.batch_size for one in outcomes] == [2, 2]
    for request, one in zip(requests, outcomes, strict=True):
        assert abs(pixels(picture_of(one)) - drawn(tiny, request)).max() <= 1  # rows together round otherwise


def test_a_picture_is_looked_at_once(generator_folder: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = CLIPVisionModelWithProjection.from_pretrained
    monkeypatch.setattr(
        CLIPVisionModelWithProjection,
        "from_pretrained",
        lambda *given, **named: (read.append(""), original(*given, **named))[1],
    )
    engine = session(generator_folder, folder)
    for request in (asked(STYLE), asked(STYLE, seed=8), asked(STYLE, OTHER)):
        drawn(engine, request)
    assert len(read) == 2


def test_an_engine_that_sees_no_pictures_is_not_taken_and_that_is_told(generator_folder: Path, folder: Path) -> None:
    result = made(outcome(session(generator_folder, folder, engine=EngineChoice.COMPILED), asked(STYLE)))
    assert result.variant == "eager"
    assert any("the job has `like`" in one for one in result.warnings)


# -- what is told ------------------------------------------------------------------------------------------------------


def test_the_result_names_pictures_and_models_by_their_hashes(tiny: Session) -> None:
    result = made(outcome(tiny, asked(STYLE, OTHER)))
    assert [(one.kind, one.name) for one in result.ingredients] == [
        (IngredientKind.PICTURE_PROMPT, "style.png"),
        (IngredientKind.PICTURE_PROMPT, "other.png"),
        (IngredientKind.ADAPTER, "style"),
        (IngredientKind.ADAPTER, "style/image_encoder"),
    ]
    assert len({one.sha256 for one in result.ingredients}) == 4


def test_the_adapter_that_nobody_named_is_told(generator_folder: Path, tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters", "only")
    result = made(outcome(session(generator_folder, tmp_path), asked(replace(STYLE, model=None))))
    assert result.resolved.like == (replace(STYLE, model="only"),)  # type: ignore[union-attr]


def test_where_there_are_several_the_configured_one_counts(generator_folder: Path, folder: Path) -> None:
    nameless = asked(replace(STYLE, model=None))
    failure = outcome(session(generator_folder, folder), nameless)
    assert isinstance(failure, Failure)
    assert "`like` names no adapter, and there are several: style, plus/parts, ip-adapter" in failure.message
    result = made(outcome(session(generator_folder, folder, adapter="style"), nameless))
    assert [one.name for one in result.ingredients] == ["style.png", "style", "style/image_encoder"]


# -- adapters ----------------------------------------------------------------------------------------------------------


def test_an_adapter_that_is_not_there_is_told_with_the_nearest(tiny: Session) -> None:
    failure = outcome(tiny, asked(replace(STYLE, model="stlye")))
    assert isinstance(failure, Failure)
    assert failure.message == (
        "adapter stlye is none that the configuration allows; there are style, plus/parts, ip-adapter"
    )
    assert failure.mend == "did you mean style?"


def test_an_adapter_that_was_changed_is_read_again(generator_folder: Path, tmp_path: Path) -> None:
    write_adapter(tmp_path / "adapters", "style")
    engine = session(generator_folder, tmp_path)
    before = made(outcome(engine, asked(STYLE)))
    write_adapter(tmp_path / "adapters", "style", number=3)
    after = made(outcome(engine, asked(STYLE)))
    assert before.ingredients[1].sha256 != after.ingredients[1].sha256
    assert pixels(picture_of(before)).tolist() != pixels(picture_of(after)).tolist()


def test_what_is_no_adapter_for_the_model_is_named_as_what_it_is(generator_folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "adapters"
    write_adapter(place, "sdxl", text_width=2048)
    write_adapter(place, "wide", text_width=24)
    write_adapter(place, "deep", channels=(8, 8))
    write_adapter(place, "style")
    good = load_file(place / "style.safetensors")
    save_file({"lora_unet_x.lora_down.weight": torch.zeros(2, 2)}, place / "lora.safetensors")
    faces = {"image_proj.proj.0.weight": torch.zeros(8, 512), "ip_adapter.0.to_q_lora.down.weight": torch.zeros(2, 8)}
    save_file(good | faces, place / "faces.safetensors")
    save_file(good | {"image_proj.proj.weight": torch.zeros(64, 12)}, place / "seeing.safetensors")
    engine = session(generator_folder, tmp_path)
    names = ("sdxl", "wide", "deep", "lora", "faces", "seeing")
    told = {name: outcome(engine, asked(replace(STYLE, model=name))).message for name in names}
    assert told["sdxl"] == "adapter sdxl was trained for SDXL"
    assert told["wide"] == "adapter wide was trained for a model with texts of 24 numbers"
    assert "adapter deep was made for a model with other blocks: it has nothing for up_blocks.1." in told["deep"]
    assert told["lora"] == "adapter lora is no IP-Adapter: its file holds other tensors"
    assert told["faces"].startswith("adapter faces is a FaceID adapter")
    assert "which says 8 numbers of a picture where it takes 12" in told["seeing"]


def test_an_adapter_without_an_image_encoder_is_told(generator_folder: Path, tmp_path: Path) -> None:
    write_adapter(tmp_path / "elsewhere", "style")
    (tmp_path / "adapters").mkdir()
    (tmp_path / "elsewhere" / "style.safetensors").rename(tmp_path / "adapters" / "style.safetensors")
    failure = outcome(session(generator_folder, tmp_path), asked(STYLE))
    assert failure.message == "adapter style has no image encoder: there is no folder `image_encoder` beside its file"


def test_a_link_out_of_the_folder_is_not_followed(generator_folder: Path, tmp_path: Path) -> None:
    write_adapter(tmp_path / "elsewhere", "style")
    write_adapter(tmp_path / "adapters", "other")
    (tmp_path / "adapters" / "style.safetensors").symlink_to(tmp_path / "elsewhere" / "style.safetensors")
    failure = outcome(session(generator_folder, tmp_path), asked(STYLE))
    assert failure.message == "adapter style is a link out of its folder, which is not followed"


def test_the_embedded_model_has_no_adapter_and_none_is_fetched_for_it() -> None:
    engine = Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32))
    failure = outcome(engine, asked(replace(STYLE, model=None)))
    assert failure.message == (
        "adapter ip-adapter was made for Stable Diffusion 1.5, and aura-mini has none of its own"
    )


def test_what_reads_pictures_is_part_of_what_is_expected_of_memory(tiny: Session) -> None:
    listener = Listener()
    tiny.run([task_of(asked(), job_id="free"), task_of(asked(STYLE), job_id="seen")], listener)
    tried = {job_id: result.tried for job_id, result in listener.results.items()}
    assert (tried["free"].variant, tried["seen"].variant) == ("eager", "eager + 2")
    assert tried["seen"].expected_bytes > tried["free"].expected_bytes
