"""From an image, within a mask, in two passes: the pixels of plain diffusers calls, and what they mean."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import diffusers
import numpy
import pytest
import torch
from PIL import Image, ImageDraw

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings, Safety
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.schedulers import ALIGNED_SIGMAS, aligned_timesteps
from aura_daemon.jobs.requests import GenerateRequest, Hires
from aura_daemon.jobs.results import Failure, FailureKind, Produced
from aura_daemon.mini import GENERATOR
from tests.support.listening import Listener
from tests.support.running import run_alone
from tests.support.tiny_models import write_generator

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

CIRCLE = "a large red circle on a white background"


def session(folder: Path | str, dtype: Dtype = Dtype.FLOAT32, **options: Any) -> Session:
    settings = GenerateSettings(model=str(folder), **options)
    return Session(EngineSettings(device=Device.CPU, dtype=dtype, generate=settings))


def encoded(picture: Image.Image) -> bytes:
    content = BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def drawing(colour: str = "blue", size: tuple[int, int] = (64, 64)) -> Image.Image:
    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).ellipse((size[0] // 8, size[1] // 8, size[0] * 7 // 8, size[1] * 7 // 8), colour)
    return picture


def left_half(size: tuple[int, int] = (64, 64)) -> Image.Image:
    mask = Image.new("L", size, 0)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    return mask


def made(outcome: object) -> Produced:
    assert isinstance(outcome, Produced), outcome
    return outcome


def picture_of(outcome: object) -> Image.Image:
    return Image.open(BytesIO(made(outcome).payloads[0].content)).convert("RGB")


def pixels(picture: Image.Image) -> numpy.ndarray[Any, Any]:
    return numpy.asarray(picture).astype(int)


@pytest.fixture(scope="module")
def mini() -> Session:
    return session(GENERATOR)


@pytest.fixture(scope="module")
def tiny(generator_folder: Path) -> Session:
    return session(generator_folder)


def plain(folder: Path, kind: str) -> Any:
    """As any user of diffusers would call it, in the memory layout that ours has."""
    pipe = getattr(diffusers, kind).from_pretrained(folder, dtype=torch.float32, requires_safety_checker=False)
    pipe.unet.to(memory_format=torch.channels_last)
    pipe.vae.to(memory_format=torch.channels_last)
    pipe.set_progress_bar_config(disable=True)
    return pipe


# -- parity ------------------------------------------------------------------------------------------------------------


def test_from_an_image_the_pixels_equal_a_plain_diffusers_call(tiny: Session, generator_folder: Path) -> None:
    request = GenerateRequest(prompt="a", seed=7, steps=4, scheduler="euler", image="x.png", strength=0.5)
    pipe = plain(generator_folder, "StableDiffusionImg2ImgPipeline")
    pipe.scheduler = diffusers.EulerDiscreteScheduler.from_config(pipe.scheduler.config, use_karras_sigmas=False)
    expected = pipe(
        "a",
        image=drawing(),
        strength=0.5,
        num_inference_steps=4,
        guidance_scale=9.0,
        generator=torch.Generator("cpu").manual_seed(7),
    ).images[0]
    got = picture_of(run_alone(tiny, request, encoded(drawing()), "", Listener()))
    numpy.testing.assert_array_equal(pixels(got), pixels(expected))


def test_from_an_image_lms_is_diffusers_with_a_repair(mini: Session) -> None:
    told = {"seed": 3, "steps": 12, "guidance_scale": 4.0}
    request = GenerateRequest(prompt=CIRCLE, image="x.png", strength=0.5, scheduler="euler", **told)
    euler, ours = (
        pixels(picture_of(run_alone(mini, replace(request, scheduler=name), encoded(drawing()), "", Listener())))
        for name in ("euler", "lms")
    )
    pipe = plain(GENERATOR, "StableDiffusionImg2ImgPipeline")
    pipe.scheduler = diffusers.LMSDiscreteScheduler.from_config(pipe.scheduler.config, use_karras_sigmas=False)
    unrepaired = pixels(
        pipe(
            CIRCLE,
            image=drawing(),
            strength=0.5,
            num_inference_steps=12,
            guidance_scale=4.0,
            generator=torch.Generator("cpu").manual_seed(3),
        ).images[0]
    )
    assert abs(ours - euler).mean() < abs(unrepaired - euler).mean() / 2


def test_within_a_mask_the_pixels_equal_a_plain_diffusers_call_and_the_others_stay(
    tiny: Session, generator_folder: Path
) -> None:
    request = GenerateRequest(
        prompt="a", seed=7, steps=4, scheduler="euler", image="x.png", mask="m.png", strength=0.75
    )
    pipe = plain(generator_folder, "StableDiffusionInpaintPipeline")
    pipe.scheduler = diffusers.EulerDiscreteScheduler.from_config(pipe.scheduler.config, use_karras_sigmas=False)
    expected = pipe(
        "a",
        image=drawing(),
        mask_image=left_half(),
        width=64,
        height=64,
        strength=0.75,
        num_inference_steps=4,
        guidance_scale=9.0,
        generator=torch.Generator("cpu").manual_seed(7),
    ).images[0]
    outcome = run_alone(tiny, request, encoded(drawing()), "", Listener(), mask=encoded(left_half()))
    got = pixels(picture_of(outcome))
    numpy.testing.assert_array_equal(got[:, :32], pixels(expected)[:, :32])
    numpy.testing.assert_array_equal(got[:, 32:], pixels(drawing())[:, 32:])


def test_the_second_pass_is_an_enlarged_picture_drawn_anew(tiny: Session, generator_folder: Path) -> None:
    first = GenerateRequest(prompt="a", seed=7, steps=4, scheduler="euler")
    small = picture_of(run_alone(tiny, first))
    again = GenerateRequest(
        prompt="a", seed=7, steps=4, scheduler="euler", image="x.png", strength=0.5, width=96, height=96
    )
    enlarged = encoded(small.resize((96, 96), Image.Resampling.LANCZOS))
    expected = picture_of(run_alone(tiny, again, enlarged, "", Listener()))
    listener = Listener()
    both = GenerateRequest(prompt="a", seed=7, steps=4, scheduler="euler", hires=Hires(scale=1.5, strength=0.5))
    outcome = made(run_alone(tiny, both, None, "", listener))
    numpy.testing.assert_array_equal(pixels(picture_of(outcome)), pixels(expected))
    assert listener.steps == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6), (6, 6)]
    assert (outcome.payloads[0].width, outcome.payloads[0].height) == (96, 96)


# -- meaning -----------------------------------------------------------------------------------------------------------


def test_from_an_image_the_shape_stays_and_the_colour_changes(mini: Session) -> None:
    blue = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(blue).ellipse((6, 6, 38, 38), "blue")  # where no prompt would put it
    was = (pixels(blue)[..., 2] - pixels(blue)[..., 0]) > 80

    def overlap(request: GenerateRequest, image: bytes | None) -> float:
        got = pixels(picture_of(run_alone(mini, request, image, "", Listener())))
        red = (got[..., 0] - got[..., 2]) > 80
        return float((red & was).sum() / (red | was).sum())

    request = GenerateRequest(prompt=CIRCLE, seed=0, image="x.png", strength=0.5)
    assert overlap(request, encoded(blue)) > 0.75
    assert overlap(GenerateRequest(prompt=CIRCLE, seed=0), None) < 0.5


def test_a_mask_of_another_size_covers_the_whole_image(mini: Session) -> None:
    request = GenerateRequest(prompt=CIRCLE, seed=3, image="x.png", mask="m.png", strength=1.0)
    image = drawing("blue", (128, 128))
    outcome = run_alone(mini, request, encoded(image), "", Listener(), mask=encoded(left_half((32, 32))))
    got = pixels(picture_of(outcome))
    original = pixels(image.resize((64, 64), Image.Resampling.LANCZOS))
    numpy.testing.assert_array_equal(got[:, 32:], original[:, 32:])
    assert abs(got[:, :32] - original[:, :32]).mean() > 20


def test_a_second_pass_draws_within_the_mask_alone(mini: Session) -> None:
    image, hires = drawing("blue", (256, 256)), Hires(scale=2.0, strength=0.5)
    request = GenerateRequest(prompt=CIRCLE, seed=3, image="x.png", mask="m.png", strength=1.0, hires=hires)
    outcome = run_alone(mini, request, encoded(image), "", Listener(), mask=encoded(left_half((256, 256))))
    got, original = pixels(picture_of(outcome)), pixels(image.resize((128, 128), Image.Resampling.LANCZOS))
    numpy.testing.assert_array_equal(got[:, 64:], original[:, 64:])
    assert abs(got[:, :64] - original[:, :64]).mean() > 20


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGB", "RGBA", "LA", "I;16"])
def test_a_mask_is_white_where_it_is_painted_white_whatever_kind_of_file_it_is(tiny: Session, mode: str) -> None:
    painted = left_half()
    if mode in ("RGBA", "LA"):  # white strokes, and nothing where nothing was painted
        mask = Image.new(mode, painted.size)
        mask.paste(Image.new(mode, (32, 64), "white"), (0, 0))
    elif mode == "I;16":
        mask = Image.fromarray(numpy.asarray(painted).astype("uint16") * 257)
    else:
        mask = painted.convert(mode)
    request = GenerateRequest(prompt="a", seed=1, steps=2, image="x.png", mask="m.png", strength=1.0)
    expected = made(run_alone(tiny, request, encoded(drawing()), "", Listener(), mask=encoded(painted)))
    got = made(run_alone(tiny, request, encoded(drawing()), "", Listener(), mask=encoded(mask)))
    numpy.testing.assert_array_equal(pixels(picture_of(got)), pixels(picture_of(expected)))
    assert got.warnings == ()


def test_a_mask_whose_white_is_cut_away_fails_by_the_size_that_is_drawn(tiny: Session) -> None:
    request = GenerateRequest(
        prompt="a", seed=1, steps=2, image="x.png", mask="m.png", strength=1.0, width=64, height=64
    )
    mask = Image.new("L", (128, 64), 0)
    mask.paste(255, (0, 0, 16, 64))
    outcome = run_alone(tiny, request, encoded(drawing(size=(128, 64))), "", Listener(), mask=encoded(mask))
    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.BAD_INPUT
    assert "in the part of the image that 64x64 shows" in outcome.message
    assert "white" in outcome.mend


def test_what_was_read_otherwise_than_meant_stands_in_the_results_warnings(tiny: Session) -> None:
    request = GenerateRequest(prompt="a", seed=1, steps=2, image="x.png", mask="m.png", strength=1.0)
    clear = drawing().convert("RGBA")
    clear.putalpha(left_half())
    outcome = made(run_alone(tiny, request, encoded(clear), "", Listener(), mask=encoded(clear)))
    assert outcome.warnings == (
        "x.png: its transparent parts are read as white",
        "m.png: its transparent parts are drawn anew, and what is opaque stays",
    )


@pytest.mark.parametrize(("size", "wanted"), [((64, 64), (64, 64)), ((300, 200), (96, 64)), ((20, 41), (64, 128))])
def test_a_picture_from_an_image_is_shaped_like_it(
    tiny: Session, size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    request = GenerateRequest(prompt="a", seed=1, steps=2, image="x.png", strength=1.0)
    assert picture_of(run_alone(tiny, request, encoded(drawing(size=size)), "", Listener())).size == wanted


def test_a_size_that_is_asked_for_cuts_the_image_around_its_middle(tiny: Session) -> None:
    request = GenerateRequest(
        prompt="a", seed=1, steps=2, image="x.png", mask="m.png", strength=1.0, width=64, height=64
    )
    wide = Image.new("RGB", (128, 64), "red")
    wide.paste((0, 255, 0), (32, 0, 96, 64))
    corner = Image.new("L", (128, 64), 0)
    corner.paste(255, (32, 0, 40, 8))
    got = pixels(picture_of(run_alone(tiny, request, encoded(wide), "", Listener(), mask=encoded(corner))))
    got[:8, :8] = (0, 255, 0)
    assert (got == (0, 255, 0)).all()


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_strength_that_leaves_no_step_is_refused_with_the_least(tiny: Session) -> None:
    request = GenerateRequest(prompt="a", seed=1, steps=4, image="x.png", strength=0.2)
    outcome = run_alone(tiny, request, encoded(drawing()), "", Listener())
    assert isinstance(outcome, Failure)
    assert "less than one of the 4 steps" in outcome.message
    assert "0.25" in outcome.mend
    least = GenerateRequest(prompt="a", seed=1, steps=4, image="x.png", strength=0.25)
    assert isinstance(run_alone(tiny, least, encoded(drawing()), "", Listener()), Produced)


@pytest.mark.parametrize("which", ["image", "mask"])
def test_an_image_that_cannot_be_read_fails_by_its_name(tiny: Session, which: str) -> None:
    request = GenerateRequest(prompt="a", seed=1, steps=2, image="photo.png", mask="mask.png")
    broken = encoded(drawing())[:60]
    contents = {"image": encoded(drawing()), "mask": encoded(left_half())} | {which: broken}
    outcome = run_alone(tiny, request, contents["image"], "", Listener(), mask=contents["mask"])
    assert isinstance(outcome, Failure)
    assert ("photo.png" if which == "image" else "mask.png") in outcome.message


# -- what is seen ------------------------------------------------------------------------------------------------------


def test_a_preview_shows_what_becomes_of_it_and_none_comes_unasked(mini: Session) -> None:
    listener = Listener()
    request = GenerateRequest(prompt=CIRCLE, seed=3, preview=10)
    last = pixels(picture_of(run_alone(mini, request, None, "", listener)).resize((16, 16)))
    assert len(listener.previews) == 2
    first, second = (Image.open(BytesIO(content)) for content in listener.previews)
    assert first.format == "JPEG"
    assert max(first.size) <= 256
    far, near = (abs(pixels(one.convert("RGB").resize((16, 16))) - last).mean() for one in (first, second))
    assert near < far
    silent = Listener()
    run_alone(mini, GenerateRequest(prompt=CIRCLE, seed=3, steps=3), None, "", silent)
    assert silent.previews == []


@pytest.mark.parametrize("policy", Safety)
def test_what_the_checker_flags_is_treated_as_configured(tmp_path: Path, policy: Safety) -> None:
    folder = write_generator(tmp_path / "model", safety_checker=True)
    listener = Listener()
    request = GenerateRequest(prompt="a", seed=1, steps=3, preview=1)
    flagged = made(run_alone(session(folder, safety=policy), request, None, "", listener))
    open_ = picture_of(run_alone(session(folder, safety=Safety.OFF), request))
    got = pixels(picture_of(flagged))
    changed, black = (got != pixels(open_)).any(), (got == 0).all()
    expected = {Safety.BLOCK: (True, True), Safety.BLUR: (True, False)}.get(policy, (False, False))
    assert (changed, black) == expected
    assert ("safety checker" in " ".join(flagged.warnings)) is (policy is not Safety.OFF)
    assert flagged.is_hidden is (policy in (Safety.BLOCK, Safety.BLUR))
    previews_are_black = all(not pixels(Image.open(BytesIO(one))).any() for one in listener.previews)
    assert previews_are_black is (policy is Safety.BLOCK)  # nobody sees in a preview what is blocked in the end


@pytest.mark.parametrize("hires", [None, Hires(scale=1.5, strength=0.5)])
def test_a_job_that_is_cancelled_ends_at_its_step_and_decodes_nothing(
    generator_folder: Path, monkeypatch: pytest.MonkeyPatch, hires: Hires | None
) -> None:
    class Cancelled(BaseException):
        pass

    class Impatient(Listener):
        def stepped(self, job_id: str, step: int, steps: int, preview: bytes = b"") -> None:
            super().stepped(job_id, step, steps, preview)
            if step == 2:
                raise Cancelled

    decodes: list[object] = []
    decode = diffusers.AutoencoderKL.decode
    monkeypatch.setattr(
        diffusers.AutoencoderKL, "decode", lambda *told, **said: (decodes.append(told), decode(*told, **said))[1]
    )
    drawing_, listener = session(generator_folder), Impatient()
    with pytest.raises(Cancelled):
        run_alone(drawing_, GenerateRequest(prompt="a", seed=1, steps=9, hires=hires), None, "", listener)
    assert [step for step, _ in listener.steps] == [1, 2]
    assert decodes == []
    made(run_alone(drawing_, GenerateRequest(prompt="a", seed=1, steps=2)))
    assert len(decodes) == 1


# -- schedules ---------------------------------------------------------------------------------------------------------


def test_ten_aligned_steps_are_those_of_the_paper_and_any_number_falls() -> None:
    alphas = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0)
    published = diffusers.schedulers.AysSchedules["StableDiffusionTimesteps"]
    assert max(abs(a - b) for a, b in zip(aligned_timesteps(alphas, 10), published, strict=True)) <= 2
    assert len(ALIGNED_SIGMAS) == 10
    for steps in (1, 2, 3, 25, 150):
        found = aligned_timesteps(alphas, steps)
        assert len(found) == steps
        assert all(earlier > later >= 0 for earlier, later in pairwise(found))
