"""GIT: the tokens of transformers' own generate."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoProcessor, GitForCausalLM

from aura_daemon.config.engine import CaptionSettings, Device, Dtype, EngineSettings
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.tasks import Task
from tests.support.listening import Listener
from tests.support.running import run_alone
from tests.support.tiny_models import write_git
from tests.unit.engines.captioning.test_blip import drawing, png, produced


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_git(tmp_path_factory.mktemp("models") / "git")


def session(folder: Path) -> Session:
    settings = CaptionSettings(model=str(folder))
    return Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, caption=settings))


def plain(folder: Path, seed: int, prompt: str, beams: int) -> str:
    """As GIT's page on the hub says, with a beginning as its authors give questions to it."""
    model, processor = GitForCausalLM.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder)
    words = processor.tokenizer(prompt, add_special_tokens=False).input_ids
    start = {"input_ids": torch.tensor([[processor.tokenizer.cls_token_id, *words]])} if prompt else {}
    pixels = processor(images=drawing(seed), return_tensors="pt").pixel_values
    tokens = model.generate(pixel_values=pixels, max_new_tokens=9, do_sample=False, num_beams=beams, **start)
    return str(processor.batch_decode(tokens, skip_special_tokens=True)[0]).strip()


@pytest.mark.parametrize(("prompt", "beams"), [("", 1), ("a picture of", 1), ("a picture of", 3)])
def test_alone_and_in_a_batch_the_words_are_those_of_a_plain_transformers_call(
    folder: Path, prompt: str, beams: int
) -> None:
    describing, listener = session(folder), Listener()
    prompts = [prompt, prompt, "a red circle"]
    tasks = [
        Task(
            job_id=str(seed),
            request=CaptionRequest(prompt=begun, max_new_tokens=9, beams=beams),
            image=png(drawing(seed)),
            image_name=f"{seed}.png",
        )
        for seed, begun in enumerate(prompts)
    ]
    describing.run(tasks, listener)
    for seed, (begun, task) in enumerate(zip(prompts, tasks, strict=True)):
        expected = plain(folder, seed, begun, beams)
        together = produced(listener.results[task.job_id].outcome)
        alone = produced(run_alone(describing, task.request, task.image))
        assert together.text == alone.text == expected
        assert together.text.startswith(begun)
        assert (together.batch_size, alone.batch_size) == (3, 1)


def test_more_words_than_the_model_has_room_for_are_said(folder: Path) -> None:
    request = CaptionRequest(prompt="circle " * 100, max_new_tokens=200)
    warnings = produced(run_alone(session(folder), request, png(drawing()))).warnings
    assert any("only the first 32 begin the caption" in warning for warning in warnings)
    assert any("more than this model has room for: 31" in warning for warning in warnings)


def test_one_that_describes_films_is_refused_as_such(folder: Path, tmp_path: Path) -> None:
    films = Path(shutil.copytree(folder, tmp_path / "films"))
    config = json.loads((films / "config.json").read_text())
    (films / "config.json").write_text(json.dumps({**config, "num_image_with_embedding": 6}))
    failure = run_alone(session(films), CaptionRequest(), png(drawing()))
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.MODEL_UNAVAILABLE
    assert "it describes films, not pictures" in failure.message
