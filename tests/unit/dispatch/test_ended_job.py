"""The model that a job ran on, as workers and the journal's measurements name it."""

import pytest

from aura_daemon.config.settings import CaptionConfig, Settings
from aura_daemon.dispatch.ended_job import model_of
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, MatchRequest, Request
from tests.unit.gallery.test_made_entries import job

SETTINGS = Settings(
    caption=CaptionConfig(model="blip-base", question_model="blip-vqa-base", matching_model="blip-itm-base")
)


@pytest.mark.parametrize(
    ("request_", "model"),
    [
        (GenerateRequest(prompt="x"), "aura-mini"),
        (CaptionRequest(), "blip-base"),
        (CaptionRequest(question="what is it?"), "blip-vqa-base"),
        (MatchRequest(texts=("a red circle",)), "blip-itm-base"),
    ],
)
def test_a_job_runs_on_the_model_that_its_request_needs(request_: Request, model: str) -> None:
    assert model_of(job(request_), SETTINGS) == model


def test_a_question_that_no_model_answers_has_none_nor_has_a_comparison_without_one() -> None:
    assert model_of(job(CaptionRequest(question="what is it?")), Settings()) == ""
    assert model_of(job(MatchRequest(texts=("a red circle",))), Settings()) == ""
