"""Which models a worker may ask for: those that the configuration names, with the revisions that it names."""

from __future__ import annotations

import pytest

from aura_daemon.config.engine import CaptionSettings, EngineSettings, GenerateSettings, ModelSettings
from aura_daemon.config.workers.services import ModelRole, WantedModel, configured
from aura_daemon.jobs.speed import Speed

SETTINGS = EngineSettings(
    generate=GenerateSettings(model="a/first", revision="v2", models=("a/second",), allow_pickle=True),
    caption=CaptionSettings(model="a/captioner", question_model="a/answers", matching_model="a/matches"),
)


def test_a_configured_generator_has_its_revision_and_a_further_one_the_usual() -> None:
    first = configured(SETTINGS, WantedModel(role=ModelRole.GENERATOR, model="a/first"))
    second = configured(SETTINGS, WantedModel(role=ModelRole.GENERATOR, model="a/second", at_turbo=True))
    assert isinstance(first, GenerateSettings)
    assert isinstance(second, GenerateSettings)
    assert (first.model, first.revision, first.at_turbo) == ("a/first", "v2", False)
    assert (second.model, second.revision, second.speed) == ("a/second", None, Speed.TURBO)


@pytest.mark.parametrize(
    ("role", "settings"),
    [
        (ModelRole.CAPTIONER, SETTINGS.caption),
        (ModelRole.ANSWERS, SETTINGS.caption.answering),
        (ModelRole.MATCHES, SETTINGS.caption.matching),
    ],
)
def test_models_that_read_pictures_are_those_of_the_captioner(role: ModelRole, settings: ModelSettings) -> None:
    assert configured(SETTINGS, WantedModel(role=role, model=settings.model)) == settings
    assert configured(SETTINGS, WantedModel(role=role, model="a/first")) is None


def test_where_none_is_configured_none_may_be_asked_for() -> None:
    for role in (ModelRole.ANSWERS, ModelRole.MATCHES):
        assert configured(EngineSettings(), WantedModel(role=role, model="a/answers")) is None
