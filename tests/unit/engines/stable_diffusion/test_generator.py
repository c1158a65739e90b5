"""Prompt to picture: the pixels of a plain diffusers call, timed and explained."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import diffusers
import numpy
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.placement.devices import processor
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.schedulers import SCHEDULERS, scheduler_for
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.results import Failure, FailureKind, Outcome, Produced
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.speed import Speed
from tests.support.listening import Listener
from tests.support.running import run_alone
from tests.support.tiny_models import write_generator

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

REQUEST = GenerateRequest(prompt="a red circle", seed=7, steps=3)


def session(folder: Path, dtype: Dtype = Dtype.FLOAT32) -> Session:
    settings = GenerateSettings(model=str(folder))
    return Session(EngineSettings(device=Device.CPU, dtype=dtype, generate=settings))


def run(on: Session, request: GenerateRequest, listener: Listener | None = None) -> Outcome:
    return run_alone(on, request, None, "", listener or Listener())


def produced(outcome: Outcome) -> Produced:
    assert isinstance(outcome, Produced), outcome
    return outcome


def pixels(outcome: Outcome) -> numpy.ndarray[Any, Any]:
    payload = produced(outcome).payloads[0]
    picture = Image.open(BytesIO(payload.content))
    assert picture.size == (payload.width, payload.height)
    return numpy.asarray(picture)


@pytest.fixture(scope="module")
def drawing(generator_folder: Path) -> Session:
    return session(generator_folder)


@pytest.fixture(scope="module")
def plain(generator_folder: Path) -> Any:
    """The pipeline as any user of diffusers would call it, in the memory layout that ours has.

    The layout decides the order of sums in a convolution: without it a few values differ by 1 of 255.
    """
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(generator_folder, dtype=torch.float32)
    pipe.unet.to(memory_format=torch.channels_last)
    pipe.vae.to(memory_format=torch.channels_last)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize("negative", ["", "blue, square"])
@pytest.mark.parametrize("guidance", [1.0, 9.0])
@pytest.mark.parametrize("scheduler", list(Scheduler))
def test_pixels_equal_a_plain_diffusers_call(
    drawing: Session, plain: Any, scheduler: Scheduler, guidance: float, negative: str
) -> None:
    request = GenerateRequest(
        prompt="a red circle",
        negative_prompt=negative,
        seed=7,
        steps=3,
        guidance_scale=guidance,
        scheduler=scheduler,
    )
    own = plain.scheduler
    chosen = scheduler_for(scheduler, own.config, 3)
    class_name, told = SCHEDULERS[scheduler]  # diffusers' class, where we have one of our own
    told = {"original_inference_steps": 50} if scheduler is Scheduler.LCM else told
    plain.scheduler = getattr(diffusers, class_name).from_config(own.config, **told)
    expected = plain(
        "a red circle",
        negative_prompt=negative or None,
        guidance_scale=guidance,
        **chosen.steps,
        **chosen.noise,
        generator=torch.Generator("cpu").manual_seed(7),
    ).images[0]
    plain.scheduler = own
    numpy.testing.assert_array_equal(pixels(run(drawing, request)), numpy.asarray(expected))


def test_in_diffusers_usual_memory_layout_hardly_a_value_differs_and_by_one(
    drawing: Session, generator_folder: Path
) -> None:
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(generator_folder, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = scheduler_for(Scheduler.EULER, pipe.scheduler.config, 3).scheduler
    expected = pipe(
        "a red circle", num_inference_steps=3, guidance_scale=9.0, generator=torch.Generator("cpu").manual_seed(7)
    ).images[0]
    got = pixels(run(drawing, replace(REQUEST, scheduler="euler"))).astype(int)
    difference = abs(got - numpy.asarray(expected).astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("scheduler", list(Scheduler))
def test_every_scheduler_makes_a_picture_in_very_few_steps(drawing: Session, scheduler: Scheduler, steps: int) -> None:
    outcome = run(drawing, GenerateRequest(prompt="a", seed=1, steps=steps, scheduler=scheduler))
    assert pixels(outcome).shape == (64, 64, 3)


def test_the_same_seed_makes_the_same_picture_and_another_another(drawing: Session) -> None:
    first, again = pixels(run(drawing, REQUEST)), pixels(run(drawing, REQUEST))
    other = pixels(run(drawing, GenerateRequest(prompt="a red circle", seed=8, steps=3)))
    numpy.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("scheduler", list(Scheduler))
def test_every_step_is_told_and_the_last_is_the_last(drawing: Session, scheduler: Scheduler) -> None:
    listener = Listener()
    run(drawing, GenerateRequest(prompt="a", seed=1, steps=3, scheduler=scheduler), listener)
    assert list(dict.fromkeys(listener.steps)) == [(1, 3), (2, 3), (3, 3)]


def test_the_result_says_all_that_makes_it_repeatable(generator_folder: Path) -> None:
    listener = Listener()
    result = produced(run(session(generator_folder), REQUEST, listener))
    assert result.resolved == ResolvedGenerate(
        prompt="a red circle",
        negative_prompt="",
        steps=3,
        guidance_scale=9.0,
        scheduler="dpm++_2m_karras",
        seed=7,
        width=64,
        height=64,
        speed=Speed.BALANCED,
    )
    assert (result.device, result.dtype, result.rung, result.batch_size) == ("cpu", "float32", "cpu", 1)
    assert result.model == str(generator_folder)
    assert len(result.model_sha256) == 64
    assert dict(result.versions)["torch"] == torch.__version__
    assert result.processor == processor()
    assert result.processor.threads == torch.get_num_threads()
    timing = result.timing
    assert min(timing.loaded_s, timing.encoded_s, timing.denoised_s, timing.decoded_s) > 0
    assert result.peak_bytes > 0
    assert listener.loads[0][0] == str(generator_folder)


def test_a_size_that_was_rounded_is_said(drawing: Session) -> None:
    result = produced(run(drawing, GenerateRequest(prompt="a", seed=1, steps=1, width=70, height=40)))
    assert result.payloads[0].width == 72
    assert result.payloads[0].height == 40
    assert "width 70 was rounded to 72, a multiple of 8" in result.warnings


def test_a_long_prompt_is_not_cut(drawing: Session) -> None:
    short, long = ("a" * 75 for _ in range(2))
    result = produced(run(drawing, GenerateRequest(prompt=long + "bc", seed=1, steps=1)))
    assert (result.warnings, result.windows) == ((), 2)
    plain = produced(run(drawing, GenerateRequest(prompt=short, seed=1, steps=1)))
    assert plain.windows == 1
    assert (pixels(result) != pixels(plain)).any()


def test_a_prompt_that_just_fits_is_not_warned_about(drawing: Session) -> None:
    assert produced(run(drawing, GenerateRequest(prompt="a" * 75, seed=1, steps=1))).warnings == ()


def test_what_the_safety_checker_flags_is_black_and_said(tmp_path: Path) -> None:
    folder = write_generator(tmp_path / "model", safety_checker=True)
    outcome = run(session(folder), REQUEST)
    assert not pixels(outcome).any()
    assert "safety checker blocked" in produced(outcome).warnings[0]


@pytest.mark.parametrize("dtype", [Dtype.FLOAT16, Dtype.FLOAT32])
def test_half_precision_files_are_used_where_there_are_no_others(tmp_path: Path, dtype: Dtype) -> None:
    folder = write_generator(tmp_path / "model", variant="fp16")
    assert produced(run(session(folder, dtype), REQUEST)).dtype == dtype


def test_a_part_without_files_is_named(tmp_path: Path) -> None:
    folder = write_generator(tmp_path / "model", variant="fp16")
    (folder / "vae" / "diffusion_pytorch_model.fp16.safetensors").unlink()
    failure = run(session(folder), REQUEST)
    assert isinstance(failure, Failure)
    assert "vae/diffusion_pytorch_model.safetensors is missing" in failure.message


def test_a_picture_that_overflows_half_precision_is_decoded_once_more_in_float32(tmp_path: Path) -> None:
    folder = write_generator(tmp_path / "model")
    _scale(folder / "vae" / "diffusion_pytorch_model.safetensors", "decoder.conv_in.weight", 3000.0)
    assert pixels(run(session(folder, Dtype.FLOAT16), REQUEST)).any()


def test_a_picture_that_is_black_in_float32_too_is_kept_and_said(tmp_path: Path) -> None:
    folder = write_generator(tmp_path / "model")
    _scale(folder / "vae" / "diffusion_pytorch_model.safetensors", "decoder.conv_out.weight", 0.0)
    _scale(folder / "vae" / "diffusion_pytorch_model.safetensors", "decoder.conv_out.bias", 0.0, plus=-9.0)
    for dtype in (Dtype.FLOAT32, Dtype.BFLOAT16):
        outcome = run(session(folder, dtype), REQUEST)
        assert not pixels(outcome).any()
        assert "the picture is black, in float32 too" in produced(outcome).warnings[0]


def test_a_model_that_makes_no_numbers_is_a_failure_not_a_black_picture(tmp_path: Path) -> None:
    folder = write_generator(tmp_path / "model")
    _scale(folder / "unet" / "diffusion_pytorch_model.safetensors", "conv_in.weight", float("nan"))
    failure = run(session(folder), REQUEST)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.UNEXPECTED
    assert "NaN" in failure.message


def test_after_a_failure_the_same_session_draws_on(drawing: Session) -> None:
    before = pixels(run(drawing, REQUEST))
    failure = run(drawing, GenerateRequest(prompt="a", seed=1, steps=1, width=1 << 20, height=1 << 20))
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.OUT_OF_MEMORY
    assert "needed" in failure.message
    numpy.testing.assert_array_equal(pixels(run(drawing, REQUEST)), before)


def _scale(file: Path, name: str, factor: float, plus: float = 0.0) -> None:
    tensors = load_file(file)
    tensors[name] = tensors[name] * factor + plus
    save_file(tensors, file, {"format": "pt"})
