"""A conversion that OpenVINO cannot compute costs no job: it goes on eagerly, and the files are made anew or left."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from aura_daemon.config.engine import GenerateSettings
from aura_daemon.engines.families import FAMILIES
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.background import BUSY
from aura_daemon.engines.openvino.store import ConversionStore, ConvertedModel, Kind
from aura_daemon.engines.session import Session
from aura_daemon.engines.stable_diffusion.family import StableDiffusion
from aura_daemon.jobs.requests import GenerateRequest, JobKind
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.speed import EngineChoice
from tests.support.listening import Listener
from tests.support.running import run_alone
from tests.unit.engines.openvino.conftest import SETTINGS

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

PLAIN = GenerateRequest(prompt="a large red circle on a blue background", seed=7, steps=2)


@pytest.fixture
def converted(cache: Path, tmp_path: Path, files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> ConvertedModel:
    """The converted model in a cache of its own, found sound."""
    shutil.copytree(cache, tmp_path / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = ConversionStore(tmp_path / "cache" / "aura-daemon" / "openvino").of(files)
    assert found.graph(Kind.OPENVINO) is not None
    return found


class Waiting(StableDiffusion):
    """Tells when a conversion has ended."""

    def wait(self) -> int:
        assert self._converted.conversions is not None
        return self._converted.conversions.wait()


def damaged_unseen(file: Path, content: bytes) -> None:
    """Changes a file as a dying disk does: its size and age stay."""
    before = file.stat()
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def drawn(session: Session) -> Produced:
    made = run_alone(session, PLAIN, None, "", Listener())
    assert isinstance(made, Produced)
    return made


@pytest.mark.parametrize("name", ["unet.bin", "unet.xml"])
def test_a_damaged_conversion_is_deleted_and_the_job_goes_on_eagerly(converted: ConvertedModel, name: str) -> None:
    file = converted.folder / Kind.OPENVINO / name
    damaged_unseen(file, b"\xff" * file.stat().st_size)
    family = Waiting(SETTINGS)
    session = Session(SETTINGS, families={**FAMILIES, JobKind.GENERATE: lambda _: family})
    with ConversionStore(converted.folder.parent).locked():  # the child that would make it anew ends at once
        made = drawn(session)
        assert family.wait() == BUSY
    assert made.variant == "eager"
    assert made.warnings[0].endswith("it is not converted yet")
    assert converted.failure(Kind.OPENVINO) == ""
    assert not (converted.folder / Kind.OPENVINO).exists()
    eagerly = drawn(Session(replace(SETTINGS, generate=GenerateSettings(engine=EngineChoice.EAGER))))
    assert made.payloads == eagerly.payloads


def test_a_sound_conversion_that_fails_is_left_with_its_reason(converted: ConvertedModel) -> None:
    graph = converted.folder / Kind.OPENVINO / "unet.xml"
    text = graph.read_text(encoding="utf-8")
    with converted.writing(Kind.OPENVINO) as folder:  # as a library would that knows an operation more
        shutil.copy(graph.with_suffix(".bin"), folder)
        (folder / "unet.xml").write_text(text.replace('type="Swish"', 'type="Unheard"', 1), encoding="utf-8")
    session = Session(SETTINGS)
    made = drawn(session)
    assert made.variant == "eager"
    assert "Unheard" in converted.failure(Kind.OPENVINO)
    assert "Unheard" in made.warnings[0]
    assert drawn(session).variant == "eager"
    assert converted.graph(Kind.OPENVINO) is not None
