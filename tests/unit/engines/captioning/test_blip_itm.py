"""How well texts fit pictures: the probabilities of transformers' own call, by a model of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import BlipForImageTextRetrieval, BlipProcessor

from aura_daemon.config.engine import CaptionSettings, Device, Dtype, EngineSettings
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import CaptionRequest, MatchRequest
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.tasks import Task
from tests.support.listening import Listener
from tests.support.running import run_alone
from tests.support.tiny_models import write_matcher
from tests.unit.engines.captioning.test_blip import drawing, png, produced

TEXTS = ("a red circle", "a blue square on a red background of a picture", "a")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_matcher(tmp_path_factory.mktemp("models") / "matcher")


def session(captioner: Path, matcher: Path | None) -> Session:
    caption = CaptionSettings(model=str(captioner), matching_model=str(matcher) if matcher else None)
    return Session(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32, caption=caption))


def plain(folder: Path, seed: int, text: str) -> float:
    """As the page of the model on the hub says."""
    model, processor = BlipForImageTextRetrieval.from_pretrained(folder).eval(), BlipProcessor.from_pretrained(folder)
    with torch.no_grad():
        found = model(**processor(images=drawing(seed), text=text, return_tensors="pt")).itm_score
    return float(found.softmax(dim=-1)[0, 1])


def test_alone_and_among_other_jobs_the_score_is_that_of_a_plain_transformers_call(
    captioner_folder: Path, folder: Path
) -> None:
    comparing, listener = session(captioner_folder, folder), Listener()
    of_jobs = (TEXTS, TEXTS[:1], (), TEXTS[1:])
    tasks = [
        Task(job_id=str(seed), request=MatchRequest(texts=texts), image=png(drawing(seed)), image_name=f"{seed}.png")
        for seed, texts in enumerate(of_jobs)
    ]
    comparing.run(tasks, listener)
    for seed, (task, texts) in enumerate(zip(tasks, of_jobs, strict=True)):
        together, alone = (
            produced(listener.results[task.job_id].outcome),
            produced(run_alone(comparing, task.request, task.image)),
        )
        expected = [plain(folder, seed, text) for text in texts]
        assert together.scores == pytest.approx(expected, abs=1e-5)
        assert alone.scores == pytest.approx(expected, abs=1e-5)
        assert (together.batch_size, alone.batch_size) == (4, 1)
        assert (together.resolved, together.model) == (MatchRequest(texts=texts, embed=False), str(folder))
    assert len(set(produced(listener.results["0"].outcome).scores)) == len(TEXTS)


def test_captions_and_comparisons_have_models_of_their_own_side_by_side(captioner_folder: Path, folder: Path) -> None:
    both = session(captioner_folder, folder)
    produced(run_alone(both, CaptionRequest(max_new_tokens=3), png(drawing())))
    produced(run_alone(both, MatchRequest(texts=TEXTS), png(drawing())))
    assert both.models == (str(captioner_folder), str(folder))


def test_without_a_model_for_it_a_comparison_waits_and_tells_the_key_to_set() -> None:
    nobody, listener = session(Path("no/such-model"), None), Listener()
    failure = run_alone(nobody, MatchRequest(texts=TEXTS), png(drawing()), "", listener)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.message) == (
        FailureKind.MODEL_UNAVAILABLE,
        "no model compares pictures with texts here",
    )
    assert "caption.matching_model" in failure.mend
    assert listener.loads == []


def test_a_captioner_is_refused_where_texts_are_compared(captioner_folder: Path) -> None:
    failure = run_alone(session(captioner_folder, captioner_folder), MatchRequest(texts=TEXTS), png(drawing()))
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.MODEL_UNAVAILABLE
    assert "it is BlipForConditionalGeneration, not a model that compares pictures and texts" in failure.message
