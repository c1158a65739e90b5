"""Picture to words: the tokens of BLIP's own generate, timed and explained."""

from __future__ import annotations

import threading
from io import BytesIO
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from transformers import BlipForConditionalGeneration, BlipProcessor

from aura_daemon.config.engine import CaptionSettings, Device, Dtype, EngineSettings
from aura_daemon.engines.captioning.blip import Captioner, PreparedPicture
from aura_daemon.engines.captioning.family import Captioning, CaptionPicture
from aura_daemon.engines.captioning.interface import CaptioningEngine
from aura_daemon.engines.captioning.model_format import CAPTIONS
from aura_daemon.engines.images.decode import ReadPicture
from aura_daemon.engines.model_files.find import ModelFiles, find_model
from aura_daemon.engines.placement.devices import Devices, find_devices
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import CaptionRequest, JobKind
from aura_daemon.jobs.resolved import ResolvedCaption
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind, Outcome, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.rungs import Rung
from tests.support.deadline import DEADLINE_S
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


class Watched(Captioning):
    """Notes which thread prepares a picture; a picture that is one pixel high cannot be prepared."""

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        self.threads: list[str] = []
        self.is_ahead = threading.Event()

    def prepare(self, engine: CaptioningEngine, picture: CaptionPicture) -> PreparedPicture:
        if isinstance(picture, PreparedPicture):
            return super().prepare(engine, picture)
        self.threads.append(threading.current_thread().name.partition("_")[0])
        if len(self.threads) == 3:
            self.is_ahead.set()
        if picture.image.height == 1:
            raise ValueError("too flat")
        return super().prepare(engine, picture)


def test_the_pictures_of_the_next_batch_are_read_while_this_one_is_described(captioner_folder: Path) -> None:
    family: Watched | None = None

    class Waiting(Watched):
        def run(self, engine, tasks, reporter, peak):  # type: ignore[no-untyped-def]
            assert self.is_ahead.wait(DEADLINE_S), "nothing is read meanwhile"
            return super().run(engine, tasks, reporter, peak)

    def made(settings: EngineSettings) -> Watched:
        nonlocal family
        family = Waiting(settings)
        return family

    settings = EngineSettings(
        device=Device.CPU, dtype=Dtype.FLOAT32, caption=CaptionSettings(model=str(captioner_folder))
    )
    reading = Session(settings, families={JobKind.CAPTION: made})
    images = [png(drawing(seed)) for seed in range(7)]
    images[3], images[4] = b"damaged", png(drawing().resize((9, 1)))
    tasks = [
        Task(job_id=str(seed), request=CaptionRequest(max_new_tokens=9), image=image, image_name=f"{seed}.png")
        for seed, image in enumerate(images)
    ]
    listener = Listener()
    reading.run(tasks, listener, together=2)
    outcomes = [listener.results[task.job_id].outcome for task in tasks]
    assert isinstance(outcomes[3], Failure)
    assert outcomes[3].message.startswith("3.png")
    assert isinstance(outcomes[4], Failure)
    assert outcomes[4].message == "ValueError: too flat"
    plain = Session(settings)
    for seed in (0, 1, 2, 5, 6):
        alone = produced(run(plain, tasks[seed].request, images[seed]))
        assert produced(outcomes[seed]).text == alone.text
        assert produced(outcomes[seed]).thumbnail == alone.thumbnail
    assert [produced(outcomes[seed]).batch_size for seed in (0, 1, 2, 5, 6)] == [2, 2, 1, 1, 1]
    assert family is not None
    assert family.threads == ["MainThread"] * 2 + ["read-ahead"] * 4


def test_a_picture_is_prepared_as_the_processor_does_it(captioner_folder: Path) -> None:
    devices = find_devices(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32))
    files = find_model(CaptionSettings(model=str(captioner_folder)), CAPTIONS, half=False, reporter=Listener())
    assert isinstance(devices, Devices)
    assert isinstance(files, ModelFiles)
    captioner = Captioner(files, devices.on(Rung.CPU), CaptionSettings())
    picture = drawing().resize((700, 300))
    prepared = captioner.prepare(ReadPicture(image=picture), with_thumbnail=False)
    processor = BlipProcessor.from_pretrained(captioner_folder)
    assert torch.equal(prepared.pixels, processor(images=picture, return_tensors="pt").pixel_values[0])
    assert prepared.image is None
