"""Maps guide pictures with the pixels of diffusers' own ControlNet pipelines, beside whatever else a job asks for."""

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

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.session import Session
from aura_daemon.jobs.guidance.controls import Control, ControlledPass, ControlMode, Preparation
from aura_daemon.jobs.requests import GenerateRequest, Hires
from aura_daemon.jobs.results import Failure, IngredientKind, Produced
from aura_daemon.jobs.speed import EngineChoice
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import Start
from aura_daemon.ladder.rungs import Rung
from tests.support.listening import Listener
from tests.support.tiny_models import write_controlnet
from tests.unit.engines.stable_diffusion.test_pipelines import drawing, encoded, left_half, made, picture_of, pixels

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

PROMPT = "a"
EDGES = Control(image="edges.png", model="edges")
SHAPES = Control(image="shapes.png", model="sub/shapes", weight=0.7)


def map_of(number: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    values = numpy.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=numpy.uint8)
    return Image.fromarray(values).resize(size, Image.Resampling.NEAREST)


MAPS = {"edges.png": map_of(1), "shapes.png": map_of(2)}


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("controlnets")
    write_controlnet(folder / "edges")
    write_controlnet(folder / "sub" / "shapes", number=1)
    write_controlnet(folder / "pooling", number=2, global_pool_conditions=True)
    return folder


@pytest.fixture(scope="module")
def tiny(generator_folder: Path, nets: Path) -> Session:
    return session(generator_folder, nets)


def session(folder: Path, nets: Path, **options: Any) -> Session:
    settings = GenerateSettings(model=str(folder), controlnets=str(nets), **options)
    return Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=settings))


def asked(*controls: Control, **keys: Any) -> GenerateRequest:
    told = {"prompt": PROMPT, "seed": 7, "steps": 4, "scheduler": "euler", "guidance_scale": 5.0} | keys
    return GenerateRequest(**told, control=controls)


def task_of(request: GenerateRequest, maps: Mapping[str, Image.Image] = MAPS, job_id: str = "j", **more: Any) -> Task:
    further = {name: encoded(maps[name]) for name in request.further_images}
    return Task(job_id=job_id, request=request, further_images=further, **more)


def outcome(engine: Session, request: GenerateRequest, maps: Mapping[str, Image.Image] = MAPS, **more: Any) -> Any:
    listener = Listener()
    engine.run([task_of(request, maps, **more)], listener)
    return listener.results["j"].outcome


def drawn(engine: Session, request: GenerateRequest, maps: Mapping[str, Image.Image] = MAPS, **more: Any) -> Any:
    return pixels(picture_of(outcome(engine, request, maps, **more)))


def plain(folder: Path, kind: str, *nets: Path) -> Any:
    """As any user of diffusers would call it, in the memory layout that ours has."""
    read = [diffusers.ControlNetModel.from_pretrained(net).to(memory_format=torch.channels_last) for net in nets]
    pipe = getattr(diffusers, kind).from_pretrained(
        folder, controlnet=read if len(read) > 1 else read[0], dtype=torch.float32, requires_safety_checker=False
    )
    pipe.unet.to(memory_format=torch.channels_last)
    pipe.vae.to(memory_format=torch.channels_last)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = diffusers.EulerDiscreteScheduler.from_config(pipe.scheduler.config, use_karras_sigmas=False)
    return pipe


def expected(pipe: Any, **told: Any) -> Any:
    told = {"num_inference_steps": 4, "guidance_scale": 5.0, "generator": torch.Generator().manual_seed(7)} | told
    return pixels(pipe(PROMPT, **told).images[0])


# -- parity ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "told"),
    [
        (EDGES, {}),
        (replace(EDGES, weight=0.4, start=0.25, end=0.75), {"controlnet_conditioning_scale": 0.4}),
        (replace(EDGES, mode=ControlMode.CONTROL), {"guess_mode": True}),
    ],
    ids=["balanced", "from the second step to the third", "on the prompt alone"],
)
def test_a_map_guides_with_the_pixels_of_diffusers(
    tiny: Session, generator_folder: Path, nets: Path, control: Control, told: dict[str, Any]
) -> None:
    pipe = plain(generator_folder, "StableDiffusionControlNetPipeline", nets / "edges")
    wanted = expected(
        pipe,
        image=MAPS["edges.png"],
        control_guidance_start=control.start,
        control_guidance_end=control.end,
        **told,
    )
    got = drawn(tiny, asked(control))
    numpy.testing.assert_array_equal(got, wanted)
    assert abs(got - drawn(tiny, asked())).mean() > 1  # and it does guide


@pytest.mark.parametrize("mode", [ControlMode.BALANCED, ControlMode.CONTROL])
def test_two_maps_guide_with_the_pixels_of_diffusers(
    tiny: Session, generator_folder: Path, nets: Path, mode: ControlMode
) -> None:
    pipe = plain(generator_folder, "StableDiffusionControlNetPipeline", nets / "edges", nets / "sub" / "shapes")
    wanted = expected(
        pipe,
        image=list(MAPS.values()),
        controlnet_conditioning_scale=[1.0, 0.7],
        control_guidance_start=[0.0, 0.5],
        guess_mode=mode is ControlMode.CONTROL,
    )
    two = asked(replace(EDGES, mode=mode), replace(SHAPES, mode=mode, start=0.5))
    numpy.testing.assert_array_equal(drawn(tiny, two), wanted)


def test_from_an_image_a_map_guides_with_the_pixels_of_diffusers(
    tiny: Session, generator_folder: Path, nets: Path
) -> None:
    pipe = plain(generator_folder, "StableDiffusionControlNetImg2ImgPipeline", nets / "edges")
    wanted = expected(
        pipe, image=drawing(), control_image=MAPS["edges.png"], strength=0.75, control_guidance_end=0.7,
        controlnet_conditioning_scale=0.9,
    )  # fmt: skip
    request = asked(replace(EDGES, end=0.7, weight=0.9), image="x.png", strength=0.75)
    numpy.testing.assert_array_equal(drawn(tiny, request, image=encoded(drawing())), wanted)


def test_within_a_mask_a_map_guides_with_the_pixels_of_diffusers(
    tiny: Session, generator_folder: Path, nets: Path
) -> None:
    pipe = plain(generator_folder, "StableDiffusionControlNetInpaintPipeline", nets / "edges")
    wanted = expected(
        pipe, image=drawing(), mask_image=left_half(), control_image=MAPS["edges.png"], strength=0.75,
        controlnet_conditioning_scale=1.0,
    )  # fmt: skip
    request = asked(EDGES, image="x.png", mask="m.png", strength=0.75)
    got = drawn(tiny, request, image=encoded(drawing()), mask=encoded(left_half()))
    numpy.testing.assert_array_equal(got[:, :32], wanted[:, :32])
    numpy.testing.assert_array_equal(got[:, 32:], pixels(drawing())[:, 32:])


def test_a_network_that_pools_guides_with_the_pixels_of_diffusers(
    tiny: Session, generator_folder: Path, nets: Path
) -> None:
    pipe = plain(generator_folder, "StableDiffusionControlNetPipeline", nets / "pooling")
    wanted = expected(pipe, image=MAPS["edges.png"])
    numpy.testing.assert_array_equal(drawn(tiny, asked(replace(EDGES, model="pooling"))), wanted)


# -- what a job may ask for beside ------------------------------------------------------------------------------------


def test_where_the_prompt_counts_for_more_the_map_counts_for_less(tiny: Session) -> None:
    free, guided, prompted = (
        drawn(tiny, asked(*controls)) for controls in ((), (EDGES,), (replace(EDGES, mode=ControlMode.PROMPT),))
    )
    assert 0 < abs(prompted - free).mean() < abs(guided - free).mean()


@pytest.mark.parametrize(
    "keys",
    [
        {"scheduler": "heun"},
        {"scheduler": "unipc"},
        {"scheduler": "lms"},
        {"prompt": "[a:b:0.5]"},
        {"prompt": "a AND b"},
        {"prompt": "a AND b", "guidance_scale": 1.0},
        {"speed": "fast", "steps": 12},
        {"guidance_scale": 1.0},
    ],
    ids=str,
)
def test_a_map_guides_whatever_else_is_asked_for(tiny: Session, keys: dict[str, Any]) -> None:
    for mode in ControlMode:
        guided = drawn(tiny, asked(replace(EDGES, mode=mode), **keys))
        assert abs(guided - drawn(tiny, asked(**keys))).mean() > 0.5
    weightless = asked(replace(EDGES, weight=0.0), **keys)
    numpy.testing.assert_array_equal(drawn(tiny, weightless), drawn(tiny, asked(**keys)))


@pytest.mark.parametrize("passes", ControlledPass)
def test_a_map_guides_the_passes_that_it_is_for(tiny: Session, passes: ControlledPass) -> None:
    hires = Hires(scale=2.0, strength=0.5)
    free = drawn(tiny, asked(hires=hires))
    guided = drawn(tiny, asked(replace(EDGES, hires=passes), hires=hires))
    assert guided.shape == (128, 128, 3)
    assert abs(guided - free).mean() > 0.1
    numpy.testing.assert_array_equal(  # where there is one pass alone, it is the one that is meant
        drawn(tiny, asked(replace(EDGES, hires=passes))), drawn(tiny, asked(EDGES))
    )


def test_pictures_of_one_map_are_drawn_together_with_the_pixels_that_they_have_alone(tiny: Session) -> None:
    listener = Listener()
    requests = [asked(EDGES, seed=seed) for seed in (7, 8)]
    other = dict(MAPS, **{"edges.png": map_of(5)})
    tasks = [task_of(request, job_id=str(request.seed)) for request in requests]
    tiny.run([*tasks, task_of(asked(EDGES, seed=9), other, job_id="of another folder")], listener)
    outcomes = [made(listener.results[name].outcome) for name in ("7", "8", "of another folder")]
    assert [one.batch_size for one in outcomes] == [2, 2, 1]
    for request, one in zip(requests, outcomes, strict=False):
        assert abs(pixels(picture_of(one)) - drawn(tiny, request)).max() <= 1  # rows together round otherwise


@pytest.mark.parametrize("rung", [Rung.CPU_SPLIT_GUIDANCE, Rung.CPU_MAPPED_WEIGHTS])
def test_on_lower_rungs_two_maps_guide_nearly_the_same(generator_folder: Path, nets: Path, rung: Rung) -> None:
    engine = session(generator_folder, nets)
    request = asked(EDGES, replace(SHAPES, mode=ControlMode.CONTROL), prompt="[a:b:0.5]")
    listener = Listener()
    engine.run([task_of(request)], listener, start=Start(rung=rung))
    low = made(listener.results["j"].outcome)
    assert low.rung == rung
    assert abs(pixels(picture_of(low)) - drawn(session(generator_folder, nets), request)).mean() < 1


@pytest.mark.parametrize("engine", [EngineChoice.COMPILED])
def test_where_another_engine_is_configured_the_result_says_what_drew_it(
    generator_folder: Path, nets: Path, engine: EngineChoice
) -> None:
    result = made(outcome(session(generator_folder, nets, engine=engine), asked(EDGES)))
    assert result.variant == "eager"
    (told,) = [one for one in result.warnings if one.startswith(f"engine: {engine} is configured")]
    assert "the job has `control`" in told


# -- what is told ------------------------------------------------------------------------------------------------------


def test_the_result_names_every_image_and_network_by_its_hash(tiny: Session) -> None:
    result = made(outcome(tiny, asked(EDGES, SHAPES, replace(EDGES, prepare=Preparation.CANNY))))
    found = [(one.kind, one.name) for one in result.ingredients]
    assert found == [
        (IngredientKind.CONTROL_IMAGE, "edges.png"),
        (IngredientKind.CONTROL_IMAGE, "shapes.png"),
        (IngredientKind.CONTROLNET, "edges"),
        (IngredientKind.CONTROLNET, "sub/shapes"),
    ]
    assert all(len(one.sha256) == 64 for one in result.ingredients)


def test_a_map_of_another_shape_is_cropped_and_that_is_told(tiny: Session) -> None:
    result = made(outcome(tiny, asked(EDGES), {"edges.png": map_of(1, (128, 64))}))
    assert "edges.png: it is 128x64, and the picture 64x64: it is cropped around its middle" in result.warnings
    assert made(outcome(tiny, asked(EDGES))).warnings == ()


def test_a_map_that_says_nothing_is_told(tiny: Session) -> None:
    black, white = (made(outcome(tiny, asked(EDGES), {"edges.png": Image.new("RGB", (64, 64), colour)}))
                    for colour in ("black", "white"))  # fmt: skip
    assert any("the map is black" in one for one in black.warnings)
    assert any("all of one colour" in one for one in white.warnings)


def test_a_map_that_guides_no_step_is_told(tiny: Session) -> None:
    result = made(outcome(tiny, asked(replace(EDGES, start=0.3, end=0.4))))
    assert result.warnings == ("edges.png: it guided no step: there is none from 0.3 to 0.4",)


# -- networks ----------------------------------------------------------------------------------------------------------


def test_a_change_of_networks_does_not_load_the_model_again(generator_folder: Path, nets: Path) -> None:
    engine = session(generator_folder, nets)
    outcomes = [made(outcome(engine, request)) for request in (asked(), asked(EDGES), asked(SHAPES), asked())]
    assert [one.timing.loaded_s > 0.005 for one in outcomes] == [True, False, False, False]


def test_a_network_that_was_changed_is_read_again(generator_folder: Path, tmp_path: Path) -> None:
    write_controlnet(tmp_path / "edges")
    engine = session(generator_folder, tmp_path)
    before = made(outcome(engine, asked(EDGES)))
    write_controlnet(tmp_path / "edges", number=3)
    after = made(outcome(engine, asked(EDGES)))
    assert before.ingredients[1].sha256 != after.ingredients[1].sha256
    assert pixels(picture_of(before)).tolist() != pixels(picture_of(after)).tolist()


def test_a_network_that_is_not_there_is_told_with_the_nearest(tiny: Session) -> None:
    failure = outcome(tiny, asked(replace(EDGES, model="egdes")))
    assert isinstance(failure, Failure)
    assert "ControlNet egdes is none that this model can be guided with; there are edges, pooling" in failure.message
    assert failure.mend == "did you mean edges?"


def test_a_network_for_another_model_is_named_as_what_it_is(generator_folder: Path, tmp_path: Path) -> None:
    write_controlnet(tmp_path / "wide", cross_attention_dim=24)
    write_controlnet(tmp_path / "deep", block_out_channels=(8, 24))
    xl = {"cross_attention_dim": 2048, "addition_embed_type": "text_time", "addition_time_embed_dim": 8}
    write_controlnet(tmp_path / "xl", projection_class_embeddings_input_dim=8, **xl)
    engine = session(generator_folder, tmp_path)
    told = {name: outcome(engine, asked(replace(EDGES, model=name))) for name in ("wide", "deep", "xl")}
    assert "it was trained for a model with texts of 24 numbers" in told["wide"].message
    assert "its blocks have 8, 24 channels, and those of the model 8, 16" in told["deep"].message
    assert "ControlNet xl does not fit the model: it was trained for SDXL" in told["xl"].message


def test_what_was_measured_without_a_network_tells_nothing_of_it(tiny: Session) -> None:
    listener = Listener()
    tiny.run([task_of(asked(), job_id="free"), task_of(asked(EDGES, SHAPES), job_id="guided")], listener)
    tried = {job_id: result.tried for job_id, result in listener.results.items()}
    assert (tried["free"].variant, tried["guided"].variant) == ("eager", "eager + 2")
    assert tried["guided"].expected_bytes > tried["free"].expected_bytes
    assert isinstance(listener.results["guided"].outcome, Produced)
    assert listener.results["guided"].outcome.variant == "eager"
