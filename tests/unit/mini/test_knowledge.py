"""The warnings: silent where aura-mini is at home, spoken everywhere else."""

import random
import subprocess
import sys

import pytest
import torch
from PIL import Image

from aura_daemon.mini.drawing import render
from aura_daemon.mini.grammar import every_sentence
from aura_daemon.mini.knowledge import image_warnings, prompt_warnings
from aura_daemon.training.models import as_pictures, draw, name_and_trust
from tests.support.foreign import FOREIGN, foreign

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


def warned(pictures: list[Image.Image]) -> int:
    """How many of them get a warning."""
    answers = name_and_trust(pictures)
    return sum(
        bool(image_warnings(picture, caption, trust))
        for picture, (caption, trust) in zip(pictures, answers, strict=True)
    )


@pytest.mark.parametrize("sentence", every_sentence()[::37], ids=str)
def test_its_own_sentences_pass_without_a_word(sentence: object) -> None:
    assert prompt_warnings(str(sentence), 128, 64) == ()


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("an astronaut riding a horse", "'astronaut', 'riding', 'horse'"),
        ("a small pink circle on a blue background", "'pink'"),
        ("a small \u202eeulb circle", r"'\u202eeulb'"),
        ("blue background, small red circle", "one kind of sentence"),
        ("", "one kind of sentence"),
        ("one two three four five six seven", "and 2 more"),
    ],
)
def test_other_prompts_are_told_what_it_knows_and_how_to_switch(prompt: str, said: str) -> None:
    of_this_job, of_all = prompt_warnings(prompt, 64, 64)
    assert said in of_this_job
    assert of_all == prompt_warnings("a house", 64, 64)[1], "so that the log of a list says it once"
    for part in ("aura-mini", "demonstration", "purple", "triangle", "large", "generate.model: sd-1.4"):
        assert part in of_all


def test_sizes_at_which_one_thing_becomes_many_are_told() -> None:
    sentence = str(every_sentence()[0])
    told, of_all = prompt_warnings(sentence, 512, 256)
    assert told == "aura-mini draws pictures of 64x64: one of 512x256 will not show the prompt"
    assert prompt_warnings("a house", 512, 256)[1:] == (told, of_all)


def test_a_foreign_picture_is_told_what_it_knows_and_how_to_switch() -> None:
    warning = " ".join(image_warnings(foreign("photo", 1), "a small red circle on a blue background", 1.0))
    for part in ("aura-mini", "demonstration", "purple", "triangle", "large", "caption.model: blip-base"):
        assert part in warning


def test_a_caption_without_confidence_is_not_believed() -> None:
    sentence = every_sentence()[0]
    (picture,) = as_pictures(render([sentence], torch.Generator().manual_seed(0)))
    assert image_warnings(picture, str(sentence), 0.99) == ()
    assert image_warnings(picture, str(sentence), 0.3)
    assert image_warnings(picture, "a photo of a cat", 0.99)


def test_drawings_pass_without_a_word() -> None:
    sentences = random.Random(4).sample(every_sentence(), 100)
    assert warned(as_pictures(render(sentences, torch.Generator().manual_seed(4)))) <= 2


def test_generated_pictures_pass_without_a_word() -> None:
    sentences = random.Random(5).sample(every_sentence(), 16)
    assert warned(draw([str(sentence) for sentence in sentences], range(16))) <= 1


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_pictures_are_warned_of(kind: str) -> None:
    assert warned([foreign(kind, seed) for seed in range(12)]) >= 11


@pytest.mark.parametrize("size_px", [(1, 1), (3, 400), (400, 3), (64, 64)])
def test_no_size_of_picture_breaks_the_judgement(size_px: tuple[int, int]) -> None:
    assert image_warnings(Image.new("RGBA", size_px), "a small red circle on a black background", 1.0)


def test_a_prompt_is_judged_without_torch() -> None:
    call = "k.prompt_warnings('a cat', 8, 8)"
    code = f"import sys, aura_daemon.mini.knowledge as k; {call}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
