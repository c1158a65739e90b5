"""Florence-2: the tokens of transformers' own generate, for each of its tasks; and tags."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoProcessor, Florence2ForConditionalGeneration

from aura_daemon.config.engine import CaptionSettings, Device, Dtype, EngineSettings
from aura_daemon.engines.captioning.florence2 import TASKS, Florence2Captioner
from aura_daemon.engines.captioning.model_format import CAPTIONS
from aura_daemon.engines.captioning.writing import WrittenTokens
from aura_daemon.engines.model_files.find import ModelFiles, find_model
from aura_daemon.engines.placement.devices import Devices, find_devices
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import CaptionRequest, Describe
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.rungs import Rung
from tests.support.listening import Listener
from tests.support.running import run_alone
from tests.support.tiny_models import write_captioner, write_florence2
from tests.unit.engines.captioning.test_blip import drawing, png, produced


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_florence2(tmp_path_factory.mktemp("models") / "florence2")


def session(folder: Path) -> Session:
    settings = CaptionSettings(model=str(folder))
    return Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, caption=settings))


def plain(folder: Path, seed: int, task: str, prompt: str, beams: int) -> str:
    """As the model's page on the hub says."""
    model, processor = (
        Florence2ForConditionalGeneration.from_pretrained(folder).eval(),
        AutoProcessor.from_pretrained(folder),
    )
    told = processor(text=task, images=drawing(seed), return_tensors="pt")
    words = processor.tokenizer(prompt, add_special_tokens=False).input_ids
    start = {"decoder_input_ids": torch.tensor([[2, 0, *words]])} if prompt else {}
    tokens = model.generate(**told, max_new_tokens=9 + (not prompt), do_sample=False, num_beams=beams, **start)
    return str(processor.batch_decode(tokens, skip_special_tokens=True)[0]).strip()


@pytest.mark.parametrize(
    ("describe", "prompt", "beams"),
    [
        (Describe.SENTENCE, "", 1),
        (Describe.SENTENCE, "a picture of", 1),
        (Describe.DETAILED, "", 3),
        (Describe.PARAGRAPH, "", 1),
    ],
)
def test_each_task_is_written_as_a_plain_transformers_call_writes_it_alone_and_in_a_batch(
    folder: Path, describe: Describe, prompt: str, beams: int
) -> None:
    describing, listener = session(folder), Listener()
    tasks = [
        Task(
            job_id=str(seed),
            request=CaptionRequest(prompt=begun, max_new_tokens=9, beams=beams, describe=describe),
            image=png(drawing(seed)),
            image_name=f"{seed}.png",
        )
        for seed, begun in enumerate([prompt, prompt, "a red circle"])
    ]
    describing.run(tasks, listener)
    for seed, task in enumerate(tasks):
        assert isinstance(task.request, CaptionRequest)
        expected = plain(folder, seed, TASKS[describe], task.request.prompt, beams)
        together = produced(listener.results[task.job_id].outcome)
        alone = produced(run_alone(describing, task.request, task.image))
        assert together.text == alone.text == expected
        assert (together.batch_size, alone.batch_size) == (3, 1)


CORNERS = "<loc_1><loc_2><loc_3><loc_4>"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f"car{CORNERS}door handle{CORNERS}{CORNERS}", "car, door handle"),
        (f"car{CORNERS}wheel{CORNERS}car{CORNERS}", "car, wheel"),
        ("a red car", "a red car"),
    ],
)
def test_what_lies_somewhere_is_a_tag_once(folder: Path, said: str, told: str) -> None:
    settings = CaptionSettings(model=str(folder))
    files = find_model(settings, CAPTIONS, half=False, reporter=Listener())
    devices = find_devices(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32))
    assert isinstance(files, ModelFiles)
    assert isinstance(devices, Devices)
    captioner = Florence2Captioner(files, devices.on(Rung.CPU), settings)
    tokens = AutoProcessor.from_pretrained(folder).tokenizer(f"</s><s>{said}</s>", add_special_tokens=False).input_ids
    written = WrittenTokens(tokens=(), log_probability=0.0, probability=1.0)
    caption = captioner._in_words(tokens, written, 0)
    assert caption.text == told


def test_a_captioner_of_sentences_refuses_tags_in_one_line(tmp_path: Path) -> None:
    folder = write_captioner(tmp_path / "blip")
    failure = run_alone(session(folder), CaptionRequest(describe=Describe.TAGS), png(drawing()))
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.BAD_INPUT
    assert "cannot be asked for `describe: tags`: it writes sentences" in failure.message


def test_the_layout_of_its_first_release_is_refused_as_such(folder: Path, tmp_path: Path) -> None:
    first = Path(shutil.copytree(folder, tmp_path / "first"))
    config = json.loads((first / "config.json").read_text())
    (first / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoConfig": "configuration.Florence2"}}))
    failure = run_alone(session(first), CaptionRequest(), png(drawing()))
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.MODEL_UNAVAILABLE
    assert "the layout of its first release" in failure.message
