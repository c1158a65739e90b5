"""How well texts match a picture: the probabilities of transformers' own call."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import BlipForImageTextRetrieval, BlipProcessor

from aura_daemon.config.engine import Device, Dtype, EngineSettings, ModelSettings
from aura_daemon.engines.captioning.blip_itm import BlipMatcher
from aura_daemon.engines.captioning.model_format import MATCHES
from aura_daemon.engines.images.decode import ReadPicture
from aura_daemon.engines.model_files.find import ModelFiles, find_model
from aura_daemon.engines.placement.devices import Devices, find_devices
from aura_daemon.ladder.rungs import Rung
from tests.support.listening import Listener
from tests.support.tiny_models import write_matcher
from tests.unit.engines.captioning.test_blip import drawing

TEXTS = ("a red circle", "a blue square on a red background of a picture", "a")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_matcher(tmp_path_factory.mktemp("models") / "matcher")


@pytest.fixture(scope="module")
def matcher(folder: Path) -> BlipMatcher:
    devices = find_devices(EngineSettings(device=Device.CPU, dtype=Dtype.FLOAT32))
    files = find_model(ModelSettings(model=str(folder)), MATCHES, half=False, reporter=Listener())
    assert isinstance(devices, Devices)
    assert isinstance(files, ModelFiles)
    return BlipMatcher(files, devices.on(Rung.CPU))


def test_alone_and_among_longer_texts_the_score_is_that_of_a_plain_transformers_call(
    matcher: BlipMatcher, folder: Path
) -> None:
    model, processor = BlipForImageTextRetrieval.from_pretrained(folder).eval(), BlipProcessor.from_pretrained(folder)
    picture = matcher.prepare(ReadPicture(image=drawing()))
    together = matcher.score(picture, TEXTS)
    for text, score in zip(TEXTS, together, strict=True):
        with torch.no_grad():
            found = model(**processor(images=drawing(), text=text, return_tensors="pt")).itm_score
        assert score == pytest.approx(float(found.softmax(dim=-1)[0, 1]), abs=1e-5)
        assert matcher.score(picture, [text]) == pytest.approx([score], abs=1e-5)
        assert 0 < score < 1
    assert len(set(together)) == len(TEXTS)


def test_no_text_has_no_score(matcher: BlipMatcher) -> None:
    assert matcher.score(matcher.prepare(ReadPicture(image=drawing())), []) == []
