"""Photos and scans as people drop them: the embedded captioner sees what every viewer shows."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from aura_daemon.config.engine import Device, EngineSettings
from aura_daemon.engines.session import Session
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.results import Failure, Produced
from tests.support.listening import Listener
from tests.support.running import run_alone

PHOTOS: Final = Path(__file__).parents[1] / "corpus" / "photos"

CIRCLE: Final = "a large red circle on a blue background"


@pytest.fixture(scope="module")
def mini() -> Session:
    return Session(EngineSettings(device=Device.CPU))


def outcome(mini: Session, name: str) -> object:
    return run_alone(mini, CaptionRequest(), (PHOTOS / name).read_bytes(), name, Listener())


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("huge-ztxt.png", CIRCLE),
        ("itxt-1.3MB.png", CIRCLE),
        ("icc-swapped.png", CIRCLE),
        ("prophoto-purple-ring.png", "a large purple ring on a blue background"),
        ("icc-exchanged.png", "a large red circle on a white background"),
        ("float01.tif", "a large white ring on a black background"),
        ("rgbfloat.tif", CIRCLE),
        ("samsung-20240101_120000.jpg", CIRCLE),
        ("ultrahdr.jpg", CIRCLE),
    ],
)
def test_a_picture_is_captioned_as_a_person_sees_it(mini: Session, name: str, caption: str) -> None:
    produced = outcome(mini, name)
    assert isinstance(produced, Produced), produced
    assert produced.text == caption


def test_a_copy_of_a_photo_holds_what_the_captioner_saw_in_it(mini: Session) -> None:
    photo = (PHOTOS / "ultrahdr.jpg").read_bytes()
    produced = run_alone(mini, CaptionRequest(embed=True), photo, "ultrahdr.jpg", Listener())
    assert isinstance(produced, Produced)
    assert produced.copy is not None
    description = f'<rdf:li xml:lang="x-default">{CIRCLE}</rdf:li>'.encode()
    assert produced.copy.made_of(photo).count(description) == 2


def test_what_is_told_of_a_picture_stands_in_the_warnings_of_its_caption(mini: Session) -> None:
    produced = outcome(mini, "64-million-pixels.png")
    assert isinstance(produced, Produced), produced
    assert "64-million-pixels.png: it has 64,016,001 pixels (8001x8001) and is read as 4001x4001" in produced.warnings


@pytest.mark.parametrize(("limit", "key"), [("max_image_pixels", "image_pixels"), ("max_image_bytes", "image_bytes")])
def test_a_limit_is_named_as_the_configuration_has_it(limit: str, key: str) -> None:
    tight = Session(EngineSettings(device=Device.CPU, **{limit: 1000}))
    failed = outcome(tight, "ref-circle.png")
    assert isinstance(failed, Failure)
    assert f"raise limits.{key}" in failed.mend
