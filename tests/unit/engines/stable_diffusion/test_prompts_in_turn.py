"""Texts in turn and texts joined by `AND`: which noise is predicted at each step, and what is seen in the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy
import pytest
import torch
from PIL import Image

from aura_daemon.engines.prompts.encoding import EncodedPass
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.prompted_unet import PromptedUNet
from aura_daemon.engines.stable_diffusion.schedulers import SCHEDULERS, scheduler_for
from aura_daemon.formats.prompts.prompt_passes import read
from aura_daemon.formats.prompts.prompt_schedule import PassSteps
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, Hires
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.tasks import Task
from aura_daemon.mini import GENERATOR
from tests.support.listening import Listener
from tests.support.running import run_alone
from tests.unit.engines.stable_diffusion.test_pipelines import (
    drawing,
    encoded,
    left_half,
    made,
    picture_of,
    pixels,
    plain,
    session,
)

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

STEPS = 4
LONG = "a " * 80

GUIDED = [
    *((scheduler, 9.0) for scheduler in Scheduler),
    *((scheduler, 1.0) for scheduler in (Scheduler.EULER, Scheduler.HEUN, Scheduler.PNDM, Scheduler.LCM)),
]
"""Every sampler; without guidance those that evaluate the model another number of times. The noise is all they see."""


@pytest.fixture(scope="module")
def tiny(generator_folder: Path) -> Session:
    return session(generator_folder)


@pytest.fixture(scope="module")
def pipe(generator_folder: Path) -> Any:
    return plain(generator_folder, "StableDiffusionPipeline")


@pytest.fixture(scope="module")
def mini() -> Session:
    return session(GENERATOR)


def draw(on: Session, prompt: str, **asked: Any) -> numpy.ndarray[Any, Any]:
    contents = {name: asked.pop(name) for name in ("image", "mask") if name in asked}
    named = {name: f"{name}.png" for name in contents}
    request = GenerateRequest(**{"prompt": prompt, "seed": 7, "steps": STEPS} | named | asked)
    listener = Listener()
    return pixels(picture_of(run_alone(on, request, contents.get("image"), "", listener, mask=contents.get("mask"))))


def by_hand(pipe: Any, scheduler: Scheduler, texts: Sequence[str], negatives: Sequence[str], guidance: float) -> Any:
    """diffusers' picture whose embeddings its own callback exchanges: one text for each evaluation, the last stays."""
    chosen = scheduler_for(scheduler, pipe.scheduler.config, STEPS)
    class_name, told = SCHEDULERS[scheduler]
    told = {"original_inference_steps": 50} if scheduler is Scheduler.LCM else told
    own = pipe.scheduler

    def embedded(evaluation: int) -> list[torch.Tensor]:
        sides = [negatives, texts] if guidance > 1 else [texts]
        return [pipe.encode_prompt(side[min(evaluation, len(side) - 1)], "cpu", 1, False)[0] for side in sides]

    def exchanged(_pipe: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        return tensors | {"prompt_embeds": torch.cat(embedded(index + 1))}

    first = embedded(0)
    pipe.scheduler = getattr(diffusers, class_name).from_config(own.config, **told)
    try:
        return pipe(
            prompt_embeds=first[-1],
            negative_prompt_embeds=first[0] if guidance > 1 else None,
            guidance_scale=guidance,
            generator=torch.Generator("cpu").manual_seed(7),
            callback_on_step_end=exchanged,
            callback_on_step_end_tensor_inputs=["latents", "prompt_embeds"],
            **chosen.steps,
            **chosen.noise,
        ).images[0]
    finally:
        pipe.scheduler = own


# -- texts in turn -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scheduler", "guidance"), GUIDED)
def test_in_every_sampler_the_pixels_are_those_of_embeddings_exchanged_in_diffusers(
    tiny: Session, pipe: Any, scheduler: Scheduler, guidance: float
) -> None:
    got = draw(tiny, "a [red:blue:0.5]", negative_prompt="[b|c]", guidance_scale=guidance, scheduler=scheduler)
    half = STEPS // 2 * (2 if scheduler is Scheduler.HEUN else 1)
    texts, negatives = ["a red"] * half + ["a blue"], ["b", "c"] * STEPS
    if scheduler is not Scheduler.HEUN:
        negatives = negatives[:STEPS]  # PNDM evaluates the model once more than there are steps
    expected = pixels(by_hand(pipe, scheduler, texts, negatives, guidance))
    numpy.testing.assert_array_equal(got, expected)
    assert (got != draw(tiny, "a red", negative_prompt="b", guidance_scale=guidance, scheduler=scheduler)).any()


@pytest.mark.parametrize(
    ("prompt", "same"),
    [
        ("[cat:dog:0]", "dog"),
        ("[cat:dog:1.0]", "cat"),
        ("[cat::1.0]", "cat"),
        ("cat AND dog:0", "cat"),
        ("cat AND cat:0", "cat"),
    ],
)
def test_a_prompt_that_says_one_thing_all_along_is_that_thing_bit_for_bit(
    tiny: Session, prompt: str, same: str
) -> None:
    numpy.testing.assert_array_equal(draw(tiny, prompt), draw(tiny, same))


@pytest.mark.parametrize("scheduler", list(Scheduler))
def test_turns_of_one_text_are_that_text_bit_for_bit(tiny: Session, scheduler: Scheduler) -> None:
    got, expected = (draw(tiny, prompt, scheduler=scheduler) for prompt in ("[cat|cat]", "cat"))
    numpy.testing.assert_array_equal(got, expected)


def test_a_long_text_may_come_in_turn(tiny: Session) -> None:
    both = draw(tiny, f"[red:{LONG}blue:2]")
    assert (both != draw(tiny, "red")).any()
    assert (both != draw(tiny, f"{LONG}blue")).any()
    numpy.testing.assert_array_equal(draw(tiny, f"[{LONG}blue:red:1.0]"), draw(tiny, f"{LONG}blue"))


def test_from_an_image_the_steps_that_were_asked_for_are_counted_from_the_first_that_is_done(tiny: Session) -> None:
    image = encoded(drawing())
    asked = {"image": image, "strength": 0.5, "steps": 8}
    numpy.testing.assert_array_equal(draw(tiny, "[a:b:0.5]", **asked), draw(tiny, "a", **asked))
    assert (draw(tiny, "[a:b:0.375]", **asked) != draw(tiny, "a", **asked)).any()
    assert (draw(tiny, "[a:b:0.375]", **asked) != draw(tiny, "b", **asked)).any()
    request = GenerateRequest(prompt="[a:b:0.5]", seed=7, steps=8, image="image.png", strength=0.5)
    (said,) = made(run_alone(tiny, request, image)).warnings
    assert "`:0.5]` lies behind the last step (4 are taken)" in said


def test_within_a_mask_texts_come_in_turn_and_parts_pull(tiny: Session) -> None:
    asked = {"image": encoded(drawing()), "mask": encoded(left_half()), "strength": 1.0}
    drawn = [draw(tiny, prompt, **asked) for prompt in ("a", "b", "[a:b:2]", "a AND b")]
    for number, one in enumerate(drawn):
        numpy.testing.assert_array_equal(one[:, 32:], pixels(drawing())[:, 32:])
        assert all((one != other).any() for other in drawn[:number])


def test_what_comes_behind_one_is_told_to_the_second_pass(tiny: Session) -> None:
    hires = Hires(scale=1.5, strength=0.5)
    got = draw(tiny, "[a:b:1.0]", hires=hires)
    small = Image.fromarray(draw(tiny, "a").astype("uint8")).resize((96, 96), Image.Resampling.LANCZOS)
    expected = draw(tiny, "b", image=encoded(small), strength=0.5, width=96, height=96)
    numpy.testing.assert_array_equal(got, expected)
    half = draw(tiny, "[a:b:1.5]", hires=hires)  # in the middle of the two steps of the second pass
    assert (half != got).any()
    assert (half != draw(tiny, "a", hires=hires)).any()


@pytest.mark.parametrize("scheduler", [Scheduler.EULER, Scheduler.HEUN, Scheduler.PNDM])
@pytest.mark.parametrize("prompt", ["[a|b]", "a AND b"])
def test_progress_is_told_as_ever(tiny: Session, prompt: str, scheduler: Scheduler) -> None:
    told = []
    for text in (prompt, "a"):
        listener = Listener()
        request = GenerateRequest(prompt=text, seed=7, steps=STEPS, scheduler=scheduler, preview=2)
        run_alone(tiny, request, None, "", listener)
        told.append((listener.steps, len(listener.previews)))
    assert told[0] == told[1]


def test_after_a_picture_that_was_cancelled_a_plain_one_is_itself(tiny: Session) -> None:
    class Cancelled(BaseException):
        pass

    class Impatient(Listener):
        def stepped(self, job_id: str, step: int, steps: int, preview: bytes = b"") -> None:
            raise Cancelled

    expected = draw(tiny, "a")
    with pytest.raises(Cancelled):
        run_alone(tiny, GenerateRequest(prompt="[a|b] AND c", seed=7, steps=STEPS), None, "", Impatient())
    numpy.testing.assert_array_equal(draw(tiny, "a"), expected)


def test_pictures_with_and_without_signs_are_drawn_together(tiny: Session) -> None:
    prompts = ["a", "[a:b:2]", "a AND b:0.5 AND [c|d]", "c"]
    tasks = [
        Task(job_id=prompt, request=GenerateRequest(prompt=prompt, seed=number, steps=STEPS, scheduler="euler"))
        for number, prompt in enumerate(prompts)
    ]
    listener = Listener()
    tiny.run(tasks, listener)
    for number, prompt in enumerate(prompts):
        outcome = made(listener.results[prompt].outcome)
        assert outcome.batch_size == len(prompts)
        alone = draw(tiny, prompt, seed=number, scheduler="euler")
        assert abs(pixels(picture_of(outcome)) - alone).max() <= 2  # other sums in a batch


# -- parts -------------------------------------------------------------------------------------------------------------


class RecordingUNet:
    """Predicts the mean of the embeddings as noise, and remembers what it was asked."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, **_: Any) -> Any:
        assert len(sample) == len(encoder_hidden_states)
        self.rows.append(len(sample))
        return (sample + encoder_hidden_states.mean((1, 2))[:, None, None, None],)


TEXTS = {"a": 1.0, "b": 10.0, "c": 100.0, "n": 0.5, "m": 0.25}
"""Texts, and the noise that the recording UNet predicts for them."""


def told(prompt: str, negative: str = "n", *, guided: bool = True) -> EncodedPass:
    texts = read(prompt, negative, [PassSteps(steps=4, taken=4)], guided=guided)
    embeddings = {text: torch.full((1, 77, 8), noise) for text, noise in TEXTS.items()}
    return EncodedPass(texts=texts.passes[0], embeddings=embeddings)


def predicted(pictures: list[EncodedPass], *, guided: bool, evaluations: int = 1) -> tuple[list[float], list[int]]:
    """The noise of each row at the last evaluation, as diffusers would ask for it, and the rows of every call."""
    unet = RecordingUNet()
    prompted = PromptedUNet(unet, pictures)
    sample = torch.arange(len(pictures))[:, None, None, None].expand(-1, 4, 8, 8) * 1000.0
    sample = torch.cat([sample] * 2) if guided else sample
    for _ in range(evaluations):
        (noise,) = prompted(sample, 1, torch.zeros(len(sample), 77, 8), return_dict=False)
    assert noise.shape == sample.shape
    return [float(row) for row in noise[:, 0, 0, 0]], unet.rows


def test_parts_pull_away_from_the_negative_prompt_by_their_weights() -> None:
    noise, rows = predicted([told("a AND b:0.5 AND c:-2")], guided=True)
    assert noise == [0.5, 0.5 + (1 - 0.5) + 0.5 * (10 - 0.5) - 2 * (100 - 0.5)]
    assert rows == [2, 2]  # no more at once than a plain prompt takes


def test_without_guidance_parts_pull_away_all_the_same() -> None:
    noise, rows = predicted([told("a AND b:0.5", guided=False)], guided=False)
    assert noise == [0.5 + (1 - 0.5) + 0.5 * (10 - 0.5)]
    assert rows == [1, 1, 1]


def test_one_part_may_have_a_weight_and_none_may_count() -> None:
    assert predicted([told("a:3 AND b:0")], guided=True)[0] == [0.5, 0.5 + 3 * (1 - 0.5)]
    assert predicted([told("a:0 AND b:0")], guided=True)[0] == [0.5, 0.5]


def test_each_picture_of_a_batch_has_its_own_parts_texts_and_noise() -> None:
    pictures = [told("a"), told("[a:b:1] AND c", "[n:m:1]"), told("[c|a]")]
    first, rows = predicted(pictures, guided=True)
    assert first == [0.5, 1000.5, 2000.5, 1.0, 1000.5 + (1 - 0.5) + (100 - 0.5), 2100.0]
    assert rows == [6, 1]
    second, _ = predicted(pictures, guided=True, evaluations=2)
    assert second == [0.5, 1000.25, 2000.5, 1.0, 1000.25 + (10 - 0.25) + (100 - 0.25), 2001.0]
    without, rows = predicted([told("a", guided=False), told("b AND c", guided=False)], guided=False)
    assert without == [1.0, 1000.5 + (10 - 0.5) + (100 - 0.5)]
    assert rows == [2, 2]


def test_a_part_may_be_told_in_half_precision() -> None:
    unet = PromptedUNet(RecordingUNet(), [told("a AND b")])
    (noise,) = unet(torch.zeros(2, 4, 8, 8).half(), 1, torch.zeros(2, 77, 8).half())
    assert noise.dtype is torch.float16


@pytest.mark.parametrize(("scheduler", "guidance"), GUIDED)
def test_in_every_sampler_parts_are_composed_as_a_formula_says(
    tiny: Session, pipe: Any, scheduler: Scheduler, guidance: float
) -> None:
    got = draw(tiny, "a AND b:0.5", negative_prompt="c", guidance_scale=guidance, scheduler=scheduler)
    first, second, negative = (pipe.encode_prompt(text, "cpu", 1, False)[0] for text in ("a", "b", "c"))
    unet = pipe.unet

    class Composed:
        def __getattr__(self, name: str) -> Any:
            return getattr(unet, name)

        def __call__(self, sample: torch.Tensor, timestep: Any, **_: Any) -> Any:
            away, one, other = (
                unet(sample[:1], timestep, encoder_hidden_states=text)[0] for text in (negative, first, second)
            )
            pulled = away + (one - away) + 0.5 * (other - away)
            return (torch.cat([away, pulled]) if guidance > 1 else pulled,)

    pipe.unet = Composed()
    try:
        expected = pixels(by_hand(pipe, scheduler, ["a"], ["c"], guidance))
    finally:
        pipe.unet = unet
    assert abs(got - expected).max() <= 1  # of 255: row by row the sums have another order
    assert (got != draw(tiny, "a", negative_prompt="c", guidance_scale=guidance, scheduler=scheduler)).any()


# -- meaning -----------------------------------------------------------------------------------------------------------


def seen(on: Session, prompt: str, **asked: Any) -> str:
    """What the captioner reads in a picture."""
    picture = made(run_alone(on, GenerateRequest(prompt=prompt, seed=3, **asked)))
    return made(run_alone(on, CaptionRequest(), picture.payloads[0].content, "a.png")).text


@pytest.mark.parametrize(
    ("prompt", "caption"),
    [
        ("a large [red:blue:0.0] circle on a white background", "a large blue circle on a white background"),
        ("a large [red:blue:1.0] circle on a white background", "a large red circle on a white background"),
        ("a large [red:blue:0.3] circle on a white background", "a large blue circle on a white background"),
        ("a large red [circle:square:0.3] on a white background", "a large red square on a white background"),
        ("a large red circle on a [white:green:5] background", "a large red circle on a green background"),
        # red and blue at once
        ("a large [red|blue] circle on a white background", "a large purple circle on a white background"),
        (
            "a large red circle on a white background AND a large blue circle on a white background",
            "a large purple circle on a white background",
        ),
        (
            "a large red circle on a white background AND a large blue circle on a white background:0",
            "a large red circle on a white background",
        ),
    ],
)
def test_what_is_meant_is_seen(mini: Session, prompt: str, caption: str) -> None:
    assert seen(mini, prompt) == caption


def test_the_embedded_model_judges_each_text_in_turn(mini: Session) -> None:
    known = GenerateRequest(prompt="a large [red|blue] circle on a white background", seed=3, steps=2)
    assert made(run_alone(mini, known)).warnings == ()
    said = made(run_alone(mini, replace(known, prompt=known.prompt.replace("blue", "mauve")))).warnings
    assert sum("'mauve'" in one for one in said) == 1
