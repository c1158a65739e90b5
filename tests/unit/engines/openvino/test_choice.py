"""Which engine draws: what was measured decides, or the configuration, and what cannot be done is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aura_daemon.config.engine import Attention, EngineSettings, GenerateSettings
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.choice import chosen, is_convertible, machine_of
from aura_daemon.engines.openvino.store import ConvertedModel, Kind
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.session import Session
from aura_daemon.jobs.guidance.controls import Control
from aura_daemon.jobs.guidance.picture_prompts import PicturePrompt
from aura_daemon.jobs.requests import GenerateRequest, Lora
from aura_daemon.jobs.results import Produced
from aura_daemon.jobs.speed import EngineChoice, Speed
from aura_daemon.ladder.rungs import Rung
from tests.support.listening import Listener
from tests.support.running import run_alone
from tests.unit.engines.openvino.conftest import SETTINGS

pytestmark = pytest.mark.filterwarnings(  # diffusers' own: its schedulers pass tensors to numpy.array
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)

PLAIN = GenerateRequest(prompt="a large red circle on a blue background", seed=7, steps=3)


def settings(engine: EngineChoice = EngineChoice.AUTO, **named: object) -> EngineSettings:
    return replace(SETTINGS, generate=GenerateSettings(engine=engine), **named)


@pytest.fixture
def large(files: ModelFiles, tmp_path: Path) -> ModelFiles:
    """A model that `auto` thinks worth it."""
    with (tmp_path / "weights").open("wb") as file:
        file.truncate(1 << 30)
    return replace(files, folder=tmp_path, weights=replace(files.weights, names=("weights",)))


@pytest.fixture
def converted(tmp_path: Path) -> ConvertedModel:
    """A model converted into both kinds, not measured."""
    model = ConvertedModel(folder=tmp_path / "model")
    for kind in Kind:
        with model.writing(kind) as folder:
            (folder / "unet.xml").touch()
    return model


@pytest.mark.parametrize(
    ("step_s", "speed", "variant"),
    [
        ({}, Speed.EXACT, "eager"),
        ({"eager": 6.0, "openvino": 4.2, "openvino-int8": 2.9}, Speed.EXACT, "openvino"),
        ({"eager": 6.0, "openvino": 4.2, "openvino-int8": 2.9}, Speed.TURBO, "openvino-int8"),
        ({"eager": 6.0, "openvino": 4.2, "openvino-int8": 2.9}, Speed.FAST, "openvino-int8"),
        ({"eager": 6.0, "openvino": 4.2, "openvino-int8": 2.9}, Speed.BALANCED, "openvino"),
        ({"eager": 6.0, "openvino": 4.2, "openvino-int8": 40.0}, Speed.TURBO, "openvino"),
        ({"eager": 4.0, "openvino": 4.2}, Speed.FAST, "eager"),
    ],
)
def test_auto_takes_what_was_measured_to_be_fastest(
    large: ModelFiles,
    placement: Placement,
    converted: ConvertedModel,
    step_s: dict[str, float],
    speed: Speed,
    variant: str,
) -> None:
    converted.record(machine_of(placement), step_s)
    found = chosen(settings(), replace(PLAIN, speed=speed), large, placement, converted)
    assert found.variant == variant
    assert found.why in ("it is not measured yet",) or found.why.startswith(
        f"measured, a step in seconds of one core: {variant} "
    )


def test_what_another_processor_measured_does_not_count(
    large: ModelFiles, placement: Placement, converted: ConvertedModel
) -> None:
    converted.record(machine_of(replace(placement, device_name="another")), {"eager": 6.0, "openvino": 4.2})
    assert chosen(settings(), PLAIN, large, placement, converted).why == "it is not measured yet"


def test_a_sidecar_asks_for_the_variant_it_was_made_with(
    files: ModelFiles, placement: Placement, converted: ConvertedModel
) -> None:
    forced = settings(EngineChoice.OPENVINO)
    for variant in ("eager", "openvino", "openvino-int8"):
        assert chosen(forced, replace(PLAIN, variant=variant), files, placement, converted).variant == variant
    assert chosen(forced, replace(PLAIN, variant="tensorrt"), files, placement, converted).variant == "openvino"


@pytest.mark.parametrize(
    ("asked", "request_", "on", "why"),
    [
        (settings(EngineChoice.EAGER), PLAIN, Rung.CPU, "engine: eager is configured"),
        (settings(), PLAIN, Rung.CPU, "the model is small; engine: openvino converts it all the same"),
        (settings(EngineChoice.OPENVINO), PLAIN, Rung.CPU_HALF_WEIGHTS, "rung cpu_half_weights computes without it"),
        (
            settings(EngineChoice.OPENVINO, attention=Attention.SLICED),
            PLAIN,
            Rung.CPU,
            "attention: sliced is configured",
        ),
        (
            settings(EngineChoice.OPENVINO),
            replace(PLAIN, loras=(Lora(name="ink", weight=1.0),)),
            Rung.CPU,
            "the job has LoRAs",
        ),
        (
            settings(EngineChoice.OPENVINO),
            replace(PLAIN, control=(Control(image="x.png", model="canny"),)),
            Rung.CPU,
            "the job has `control`",
        ),
        (
            settings(EngineChoice.OPENVINO),
            replace(PLAIN, like=(PicturePrompt(image="style.png"),)),
            Rung.CPU,
            "the job has `like`",
        ),
    ],
)
def test_eager_where_openvino_cannot_or_shall_not(
    files: ModelFiles,
    placement: Placement,
    converted: ConvertedModel,
    asked: EngineSettings,
    request_: GenerateRequest,
    on: Rung,
    why: str,
) -> None:
    found = chosen(asked, request_, files, replace(placement, rung=on), converted)
    assert (found.variant, found.why) == ("eager", why)


def test_a_failed_conversion_is_told(files: ModelFiles, placement: Placement, tmp_path: Path) -> None:
    model = ConvertedModel(folder=tmp_path / "model")
    model.record_failure(Kind.OPENVINO, "NoCut: no block")
    found = chosen(settings(EngineChoice.OPENVINO), PLAIN, files, placement, model)
    assert found.why == "its conversion failed: NoCut: no block"
    assert chosen(settings(EngineChoice.OPENVINO), PLAIN, files, placement, None).variant == "eager"


def test_a_large_model_is_worth_its_conversion(large: ModelFiles, files: ModelFiles, placement: Placement) -> None:
    assert is_convertible(settings(), large, placement) == ""
    assert is_convertible(settings(), files, placement) != ""


def test_a_job_is_drawn_on_openvino_and_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    made = run_alone(Session(SETTINGS), PLAIN, None, "", Listener())
    assert isinstance(made, Produced)
    assert made.variant == "openvino"
    assert made.warnings == ()


def test_a_job_before_the_conversion_is_drawn_eagerly_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: ModelFiles
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = tmp_path / "aura-daemon" / "openvino"
    from aura_daemon.engines.openvino.store import ConversionStore

    ConversionStore(place).of(files).record_failure(Kind.OPENVINO, "NoCut: no block")
    made = run_alone(Session(SETTINGS), PLAIN, None, "", Listener())
    assert isinstance(made, Produced)
    assert made.variant == "eager"
    assert made.warnings == (
        "engine: openvino is configured, but PyTorch drew this: its conversion failed: NoCut: no block",
    )
