"""Picture to words: the tokens of BLIP's own generate, timed and explained."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from transformers import BlipForConditionalGeneration, BlipProcessor

from aura_daemon.config.engine import CaptionSettings, Device, Dtype, EngineSettings
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind, Outcome, Produced, ResolvedCaption
from aura_daemon.jobs.tasks import Task
from tests.support.listening import Listener
from tests.support.running import run_alone


def drawing(seed: int = 0) -> Image.Image:
    pixels = numpy.random.default_rng(seed).integers(0, 255, (40, 50, 3), dtype=numpy.uint8)
    return Image.fromarray(pixels)


def png(picture: Image.Image) -> bytes:
    content = BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def run(on: Session, request: CaptionRequest, image: bytes | None = None) -> Outcome:
    return run_alone(on, request, png(drawing()) if image is None else image, "beach.png", Listener())


def produced(outcome: Outcome) -> Produced:
    assert isinstance(outcome, Produced), outcome
    return outcome


@pytest.fixture(scope="module")
def describing(captioner_folder: Path) -> Session:
    settings = CaptionSettings(model=str(captioner_folder))
    return Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, caption=settings))


@pytest.mark.parametrize("prompt", ["", "a picture of"])
def test_the_words_are_those_of_a_plain_transformers_call(
    describing: Session, captioner_folder: Path, prompt: str
) -> None:
    model = BlipForConditionalGeneration.from_pretrained(captioner_folder)
    processor = BlipProcessor.from_pretrained(captioner_folder)
    inputs = processor(images=drawing(), text=prompt or None, return_tensors="pt")
    with torch.no_grad():
        tokens = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    expected = processor.decode(tokens[0], skip_special_tokens=True).strip()
    assert produced(run(describing, CaptionRequest(prompt=prompt, max_new_tokens=12))).text == expected


def test_the_caption_is_a_text_file_of_one_line(describing: Session) -> None:
    result = produced(run(describing, CaptionRequest(max_new_tokens=5)))
    (payload,) = result.payloads
    assert payload.extension == ".txt"
    assert payload.content.decode() == f"{result.text}\n"
    assert (payload.width, payload.height) == (None, None)


def test_a_conditional_caption_begins_with_its_prompt(describing: Session) -> None:
    assert produced(run(describing, CaptionRequest(prompt="a red square"))).text.startswith("a red square")


def test_the_result_says_what_was_resolved(describing: Session, captioner_folder: Path) -> None:
    result = produced(run(describing, CaptionRequest(image="beach.png")))
    assert result.resolved == ResolvedCaption(image="beach.png", prompt="", max_new_tokens=50)
    assert (result.model, result.dtype) == (str(captioner_folder), "float32")
    assert min(result.timing.encoded_s, result.timing.decoded_s, result.peak_bytes) > 0


def test_more_words_than_the_model_has_room_for_are_said_and_not_a_crash(describing: Session) -> None:
    result = produced(run(describing, CaptionRequest(prompt="circle " * 100, max_new_tokens=500)))
    assert any("only the first 32 begin the caption" in warning for warning in result.warnings)
    assert any("more than this model has room for: 31" in warning for warning in result.warnings)


@pytest.mark.parametrize("content", [b"", b"plain words", b"\x89PNG\r\n\x1a\nhalf"])
def test_a_bad_picture_is_refused_before_any_model_is_loaded(content: bytes) -> None:
    fresh = Session(EngineSettings(device=Device.CPU, caption=CaptionSettings(model="no/such-model")))
    failure = run(fresh, CaptionRequest(), content)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.BAD_INPUT
    assert failure.message.startswith("beach.png")
    assert fresh.models == ()


def test_captions_of_one_prompt_are_written_together_as_each_is_alone(captioner_folder: Path) -> None:
    settings = CaptionSettings(model=str(captioner_folder))
    fresh = Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, caption=settings))
    tasks = [
        Task(
            job_id=str(seed),
            request=CaptionRequest(image=f"{seed}.png", prompt="a picture of", max_new_tokens=9),
            image=b"damaged" if seed == 2 else png(drawing(seed)),
            image_name=f"{seed}.png",
        )
        for seed in range(5)
    ]
    listener = Listener()
    listener.cancelled_after = {"3": 0}
    fresh.run(tasks, listener)
    assert isinstance(damaged := listener.results["2"].outcome, Failure)
    assert damaged.message.startswith("2.png")
    assert listener.results["3"].outcome is CANCELLED
    for seed in (0, 1, 4):
        together = produced(listener.results[str(seed)].outcome)
        alone = produced(run(fresh, tasks[seed].request, tasks[seed].image))
        assert (together.text, together.resolved, together.batch_size) == (alone.text, alone.resolved, 3)
        assert together.warnings == alone.warnings
