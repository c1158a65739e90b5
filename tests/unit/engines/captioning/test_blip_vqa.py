"""Questions about pictures: answered as transformers' own generate does, by a model of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import BlipForQuestionAnswering, BlipProcessor

from aura_daemon.config.engine import CaptionSettings, Device, Dtype, EngineSettings
from aura_daemon.engines.captioning.family import Captioning, CaptionPicture
from aura_daemon.engines.interface import DecodedTask
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.device_memory import FreeMemory
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import CaptionRequest, JobKind
from aura_daemon.jobs.resolved import ResolvedCaption
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.prediction import Footprint
from tests.support.listening import Listener
from tests.support.running import run_alone
from tests.support.tiny_models import write_answerer
from tests.unit.engines.captioning.test_blip import drawing, png, produced

GIB = 1 << 30

QUESTIONS = (
    "what is on it?",
    "a red square or a blue circle on the background of the picture?",
    "red?",
    "blue?",
    "red?",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_answerer(tmp_path_factory.mktemp("models") / "answerer")


def session(captioner: Path, answerer: Path | None) -> Session:
    caption = CaptionSettings(model=str(captioner), question_model=str(answerer) if answerer else None)
    return Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, caption=caption))


def plain(folder: Path, questions: Sequence[str], beams: int) -> list[str]:
    """As the page of the model on the hub says, one by one."""
    model, processor = BlipForQuestionAnswering.from_pretrained(folder).eval(), BlipProcessor.from_pretrained(folder)
    answers = []
    for seed, question in enumerate(questions):
        inputs = processor(images=drawing(seed), text=question, return_tensors="pt")
        with torch.no_grad():
            tokens = model.generate(**inputs, max_new_tokens=9, do_sample=False, num_beams=beams)
        answers.append(processor.decode(tokens[0], skip_special_tokens=True).strip())
    return answers


@pytest.mark.parametrize("beams", [1, 3])
def test_alone_and_among_longer_questions_the_answer_is_that_of_a_plain_transformers_call(
    captioner_folder: Path, folder: Path, beams: int
) -> None:
    answering, listener = session(captioner_folder, folder), Listener()
    tasks = [
        Task(
            job_id=str(seed),
            request=CaptionRequest(question=question, max_new_tokens=9, beams=beams),
            image=png(drawing(seed)),
            image_name=f"{seed}.png",
        )
        for seed, question in enumerate(QUESTIONS)
    ]
    answering.run(tasks, listener)
    for task, expected in zip(tasks, plain(folder, QUESTIONS, beams), strict=True):
        together, alone = listener.results[task.job_id].outcome, run_alone(answering, task.request, task.image)
        assert produced(together).text == produced(alone).text == expected
        assert (produced(together).batch_size, produced(alone).batch_size) == (5, 1)


def test_captions_and_answers_have_models_of_their_own_side_by_side(captioner_folder: Path, folder: Path) -> None:
    both = session(captioner_folder, folder)
    caption = produced(run_alone(both, CaptionRequest(), png(drawing())))
    answer = produced(run_alone(both, CaptionRequest(question="what is it?"), png(drawing())))
    assert both.models == (str(captioner_folder), str(folder)) == (caption.model, answer.model)
    assert answer.resolved == ResolvedCaption(image=None, prompt="", max_new_tokens=50, question="what is it?")
    (payload,) = answer.payloads
    assert payload.content.decode() == f"{answer.text}\n"


class LargeModels(Captioning):
    """As if each model took a GiB."""

    def footprint(
        self, files: ModelFiles, placement: Placement, tasks: Sequence[DecodedTask[CaptionPicture]] = ()
    ) -> Footprint:
        return replace(super().footprint(files, placement, tasks), unet_bytes=GIB)


def test_where_memory_is_short_captions_and_answers_take_turns(captioner_folder: Path, folder: Path) -> None:
    host_bytes = 1 << 40
    caption = CaptionSettings(model=str(captioner_folder), question_model=str(folder))
    short = Session(
        EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, caption=caption),
        families={JobKind.CAPTION: LargeModels},
        free=lambda _: FreeMemory(device_bytes=0, host_bytes=host_bytes),
    )
    host_bytes = short.base_bytes + 3 * GIB // 2
    for question, loaded in (("", captioner_folder), ("what is it?", folder), ("", captioner_folder)):
        produced(run_alone(short, CaptionRequest(question=question, max_new_tokens=3), png(drawing())))
        assert short.models == (str(loaded),)


def test_a_prompt_begins_the_answer(captioner_folder: Path, folder: Path) -> None:
    request = CaptionRequest(question="what is it?", prompt="a red square")
    assert produced(run_alone(session(captioner_folder, folder), request, png(drawing()))).text.startswith(
        "a red square"
    )


def test_a_question_that_is_too_long_is_cut_and_that_is_said(captioner_folder: Path, folder: Path) -> None:
    request = CaptionRequest(question="circle " * 100)
    warnings = produced(run_alone(session(captioner_folder, folder), request, png(drawing()))).warnings
    assert "the question has 102 tokens; only the first 64 are read" in warnings


def test_without_a_model_for_it_a_question_is_refused_before_any_model_is_looked_for() -> None:
    nobody, listener = session(Path("no/such-model"), None), Listener()
    failure = run_alone(nobody, CaptionRequest(question="what is it?"), png(drawing()), "", listener)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.message) == (FailureKind.BAD_INPUT, "no model answers questions about pictures here")
    assert "caption.question_model" in failure.mend
    assert (listener.loads, nobody.models) == ([], ())


def test_a_captioner_is_refused_where_questions_are_asked_and_a_model_for_questions_where_captions_are(
    captioner_folder: Path, folder: Path
) -> None:
    crossed = session(folder, captioner_folder)
    for request, words in (
        (CaptionRequest(question="what is it?"), "it is BlipForConditionalGeneration, not a model that answers"),
        (CaptionRequest(), "it is BlipForQuestionAnswering, not a captioner"),
    ):
        failure = run_alone(crossed, request, png(drawing()))
        assert isinstance(failure, Failure)
        assert failure.kind is FailureKind.MODEL_UNAVAILABLE
        assert words in failure.message


def test_one_model_named_for_both_captions_nothing_even_after_it_has_answered(folder: Path) -> None:
    same = session(folder, folder)
    produced(run_alone(same, CaptionRequest(question="what is it?"), png(drawing())))
    assert isinstance(run_alone(same, CaptionRequest(), png(drawing())), Failure)
