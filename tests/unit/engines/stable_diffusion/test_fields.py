"""What each key of a job that draws means, with the embedded model: seen by its captioner, or in the bytes.

Some keys have tests of their own: LoRAs in `test_lora`, prompts in `test_encoding`, images and masks in
`test_pipelines`, files in `test_encode`, several models in `test_loaded_models`. What whole documents mean (`seed`
lists, `count`, `matrix`, `grid`, `output`, `tags`, `notes`) is in `tests/behaviour/test_meaning.py`.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy
import pytest
from PIL import Image, ImageDraw

from aura_daemon.config.engine import Device, Dtype, EngineSettings, GenerateSettings
from aura_daemon.engines.session import Session
from aura_daemon.jobfile.from_picture import made_again
from aura_daemon.jobfile.validation import JobSpec, RegenerateSpec
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, Hires, ImageFormat, Metadata, RegenerateRequest
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.mini import GENERATOR
from tests.support.listening import Listener
from tests.support.running import run_alone

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

STAR = "a large red star on a white background"

ENOUGH = {Scheduler.PNDM: 20}
"""Steps, where 12 are too few: its first ones are crude."""


@pytest.fixture(scope="module")
def mini() -> Session:
    settings = GenerateSettings(model=str(GENERATOR))
    return Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, generate=settings))


def drawn(mini: Session, prompt: str = STAR, *, seed: int = 1, **keys: Any) -> Produced:
    outcome = run_alone(mini, GenerateRequest(prompt=prompt, seed=seed, **keys))
    assert isinstance(outcome, Produced), outcome
    return outcome


def pixels(made: Produced) -> numpy.ndarray[Any, Any]:
    return numpy.asarray(Image.open(BytesIO(made.payloads[0].content)).convert("RGB")).astype(int)


def said_of(mini: Session, made: Produced) -> str:
    outcome = run_alone(mini, CaptionRequest(), made.payloads[0].content, "", Listener())
    assert isinstance(outcome, Produced), outcome
    return outcome.text


@pytest.mark.parametrize("scheduler", list(Scheduler))
def test_every_sampler_draws_what_was_asked_for(mini: Session, scheduler: Scheduler) -> None:
    assert said_of(mini, drawn(mini, scheduler=scheduler, steps=ENOUGH.get(scheduler, 12))) == STAR


@pytest.mark.parametrize("scheduler", list(Scheduler))
def test_every_sampler_draws_from_an_image_what_was_asked_for(mini: Session, scheduler: Scheduler) -> None:
    blue, file = Image.new("RGB", (64, 64), "white"), BytesIO()
    ImageDraw.Draw(blue).ellipse((12, 12, 52, 52), "blue")
    blue.save(file, "PNG")
    words = "a large red circle on a white background"
    steps = ENOUGH.get(scheduler, 12)
    request = GenerateRequest(prompt=words, seed=1, steps=steps, scheduler=scheduler, image="x.png", strength=0.6)
    outcome = run_alone(mini, request, file.getvalue(), "", Listener())
    assert isinstance(outcome, Produced), outcome
    assert said_of(mini, outcome) == words


def test_samplers_differ_and_so_do_those_with_noise_of_their_own_by_seed_alone(mini: Session) -> None:
    made = {scheduler: pixels(drawn(mini, scheduler=scheduler, steps=3)).tobytes() for scheduler in Scheduler}
    assert len(set(made.values())) == len(Scheduler)
    assert pixels(drawn(mini, scheduler=Scheduler.EULER_A, steps=3)).tobytes() == made[Scheduler.EULER_A]


def test_a_negative_prompt_keeps_out_what_it_says(mini: Session) -> None:
    vague = "a large circle on a white background"
    free = said_of(mini, drawn(mini, vague, steps=12)).split()[2]
    without = drawn(mini, vague, steps=12, negative_prompt=f"a large {free} circle on a white background")
    assert said_of(mini, without).split()[2] != free


def test_steps_are_as_many_evaluations_and_more_of_them_draw_better(mini: Session) -> None:
    listener = Listener()
    request = GenerateRequest(prompt=STAR, seed=1, steps=5)
    few = run_alone(mini, request, None, "", listener)
    assert listener.steps == [(step, 5) for step in range(1, 6)]
    many = pixels(drawn(mini, steps=25))
    assert isinstance(few, Produced)
    assert abs(pixels(few) - many).mean() < abs(pixels(drawn(mini, steps=1)) - many).mean()


def test_guidance_brings_a_picture_nearer_to_its_prompt(mini: Session) -> None:
    def redness(**keys: Any) -> float:
        star = pixels(drawn(mini, "a large red square on a blue background", steps=12, **keys))
        return float((star[..., 0] - star[..., 2]).max())

    assert redness(guidance_scale=5.0) > redness(guidance_scale=0.5)
    told, untold = (drawn(mini, negative_prompt=words, guidance_scale=1.0, steps=3) for words in ("blue", ""))
    assert told.payloads == untold.payloads or (pixels(told) == pixels(untold)).all()  # 1 is off, as everywhere


def test_a_seed_says_which_of_many_pictures(mini: Session) -> None:
    first, other, again = (pixels(drawn(mini, seed=seed, steps=4)) for seed in (1, 2, 1))
    assert (first == again).all()
    assert (first != other).any()
    assert said_of(mini, drawn(mini, seed=2, steps=12)) == STAR
    assert (pixels(drawn(mini, seed=2**63 - 1, steps=2)) != pixels(drawn(mini, seed=2**31 - 1, steps=2))).any()


@pytest.mark.parametrize(
    ("keys", "size"),
    [
        ({"aspect_ratio": "16:9"}, (112, 64)),
        ({"aspect_ratio": "3:4"}, (64, 88)),
        ({"width": 96}, (96, 64)),
        ({"aspect_ratio": "16:9", "width": 72, "height": 80}, (72, 80)),
    ],
)
def test_a_picture_has_the_size_that_was_asked_for_and_shows_the_same(
    mini: Session, keys: dict[str, Any], size: tuple[int, int]
) -> None:
    made = drawn(mini, "a large red circle on a white background", steps=12, **keys)
    assert Image.open(BytesIO(made.payloads[0].content)).size == size
    assert said_of(mini, made).split()[2:4] == ["red", "circle"]


def test_a_second_pass_is_larger_and_shows_the_same(mini: Session) -> None:
    whole, small = (drawn(mini, steps=12, hires=hires) for hires in (Hires(scale=2.0, strength=0.3), None))
    assert (whole.payloads[0].width, whole.payloads[0].height) == (128, 128)
    assert said_of(mini, whole) == said_of(mini, small) == STAR
    shrunk = Image.open(BytesIO(whole.payloads[0].content)).resize((64, 64), Image.Resampling.BOX)
    assert abs(numpy.asarray(shrunk).astype(int) - pixels(small)).mean() < 12


def test_layers_that_are_skipped_change_the_picture_and_1_skips_none(mini: Session) -> None:
    plain, one, two = (pixels(drawn(mini, clip_skip=layers, steps=4)) for layers in (None, 1, 2))
    assert (plain == one).all()
    assert (plain != two).any()


@pytest.mark.parametrize("image_format", list(ImageFormat))
def test_a_file_of_every_format_shows_what_was_asked_for(mini: Session, image_format: ImageFormat) -> None:
    made = drawn(mini, format=image_format, steps=12)
    assert made.payloads[0].extension == f".{image_format}"
    assert said_of(mini, made) == STAR


@pytest.mark.parametrize("image_format", [ImageFormat.JPG, ImageFormat.WEBP, ImageFormat.AVIF])
def test_quality_is_from_1_to_100_and_more_is_nearer_to_the_pixels(mini: Session, image_format: ImageFormat) -> None:
    exact = pixels(drawn(mini, steps=4))
    worst, usual, best = (pixels(drawn(mini, steps=4, format=image_format, quality=q)) for q in (1, 90, 100))
    far, near, nearest = (abs(one - exact).mean() for one in (worst, usual, best))
    assert far > near >= nearest
    assert nearest < 3


def test_what_is_embedded_changes_no_pixel(mini: Session) -> None:
    files = [drawn(mini, steps=2, metadata=metadata).payloads[0].content for metadata in Metadata]
    assert len(set(map(len, files))) == 3
    first, *others = (Image.open(BytesIO(file)).tobytes() for file in files)
    assert all(other == first for other in others)


@pytest.mark.parametrize("image_format", list(ImageFormat))
def test_a_picture_of_every_format_is_made_again_to_the_pixel(mini: Session, image_format: ImageFormat) -> None:
    keys: dict[str, Any] = {
        "prompt": 'a large [(red:1.1)] star, "quoted: yes",\ncafé 猫 🦊',
        "negative_prompt": "blurry, (low:1.2)",
        "seed": 2**53 + 1,
        "steps": 3,
        "guidance_scale": 4.7,
        "scheduler": Scheduler.DPMPP_SDE,
        "width": 72,
        "clip_skip": 2,
        "hires": Hires(scale=1.5, strength=0.4),
    }
    exact, file = drawn(mini, **keys), drawn(mini, format=image_format, **keys)
    asked = made_again(RegenerateSpec(request=RegenerateRequest()), file.payloads[0].content, file="x")
    assert isinstance(asked, JobSpec), asked
    assert isinstance(asked.request, GenerateRequest)
    again = run_alone(mini, asked.request)
    assert isinstance(again, Produced)
    assert (pixels(again) == pixels(exact)).all()
