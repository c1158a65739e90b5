"""Pictures, enlarged in a session: sizes, tiles, opacity, texts, names, memory, and what cannot be done."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aura_daemon.config.engine import Device, Dtype, EngineSettings, UpscaleSettings
from aura_daemon.engines.placement.device_memory import FreeMemory
from aura_daemon.engines.session import Session
from aura_daemon.engines.upscaling import upscaler
from aura_daemon.engines.upscaling.upscaler import Upscaler
from aura_daemon.formats.picture_metadata.embedded_texts import embedded_texts
from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.requests import ImageFormat, Metadata, UpscaleRequest
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind, IngredientKind, Outcome, Produced
from aura_daemon.ladder.attempts import Start
from aura_daemon.ladder.rungs import Rung
from tests.support.listening import Listener
from tests.support.running import run_alone
from tests.support.tiny_upscalers import random_compact, write_compact

NOISE = np.random.default_rng(1).integers(0, 256, (96, 130, 3), dtype=np.uint8)


def png(picture: Image.Image, **options: object) -> bytes:
    content = BytesIO()
    picture.save(content, "PNG", **options)
    return content.getvalue()


PHOTO = png(Image.fromarray(NOISE))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> EngineSettings:
    folder = tmp_path_factory.mktemp("upscalers")
    write_compact(folder / "soft" / "two.safetensors")
    write_compact(folder / "four.safetensors", scale=4)
    return EngineSettings(
        device=Device.CPU, dtype=Dtype.FLOAT32, upscale=UpscaleSettings(model="two", folder=str(folder))
    )


@pytest.fixture(scope="module")
def session(settings: EngineSettings) -> Session:
    return Session(settings)


def asked(session: Session, image: bytes = PHOTO, listener: Listener | None = None, **keys: object) -> Outcome:
    upscale = {key: keys.pop(key) for key in ("model", "scale", "tile") if key in keys}
    request = replace(UpscaleRequest(upscale=Upscale(**upscale)), **keys)  # type: ignore[arg-type]
    return run_alone(session, request, image, "photo.png", listener)


def made(session: Session, image: bytes = PHOTO, listener: Listener | None = None, **keys: object) -> Produced:
    outcome = asked(session, image, listener, **keys)
    assert isinstance(outcome, Produced), outcome
    return outcome


def picture_of(produced: Produced) -> Image.Image:
    picture = Image.open(BytesIO(produced.payloads[0].content))
    picture.load()
    return picture


def failed(outcome: Outcome) -> Failure:
    assert isinstance(outcome, Failure)
    return outcome


def test_a_picture_comes_out_as_the_network_makes_it(session: Session) -> None:
    produced = made(session)
    with torch.inference_mode():
        out = random_compact()(torch.from_numpy(NOISE).permute(2, 0, 1)[None].float() / 255)
    expected = (out[0].clamp(0, 1) * 255).permute(1, 2, 0).numpy().round()
    assert np.abs(np.asarray(picture_of(produced)) - expected).max() <= 1
    assert (produced.model, produced.dtype, produced.rung) == ("soft/two", "float32", Rung.CPU)
    assert (produced.payloads[0].width, produced.payloads[0].height) == (260, 192)
    assert [one.kind for one in produced.ingredients] == [IngredientKind.IMAGE]
    assert produced.timing.decoded_s > produced.timing.filed_s > 0


@pytest.mark.parametrize(
    ("model", "scale", "size", "said"),
    [
        ("four", 2, (260, 192), "enlarges 4 times: the result was made smaller (Lanczos) to 2 times"),
        ("two", 1.5, (195, 144), "enlarges 2 times: the result was made smaller (Lanczos) to 1.5 times"),
        ("two", 4, (520, 384), "the upscaler enlarges 2 times: it ran twice"),
        ("two", 3, (390, 288), "runs twice, and enlarges 4 times: the result was made smaller (Lanczos) to 3 times"),
        ("two", 2, (260, 192), ""),
    ],
)
def test_a_scale_that_is_not_the_networks_own_is_reached(
    session: Session, model: str, scale: float, size: tuple[int, int], said: str
) -> None:
    produced = made(session, model=model, scale=scale)
    assert picture_of(produced).size == size
    assert said in " ".join(produced.warnings)
    assert bool(said) == bool(produced.warnings)


def test_more_than_twice_is_refused(session: Session) -> None:
    failure = failed(asked(session, scale=5))
    assert failure.kind is FailureKind.BAD_INPUT
    assert "enlarges 2 times, and 4 times when it runs twice; 5 is asked for" in failure.message


def test_tiles_show_no_seam_and_are_told_one_by_one(session: Session) -> None:
    listener = Listener()
    tiled, whole = made(session, tile=64, listener=listener), made(session)
    assert listener.steps == [(number, 8) for number in range(1, 9)]
    apart = np.abs(np.asarray(picture_of(tiled)).astype(int) - np.asarray(picture_of(whole)).astype(int))
    assert apart.max() <= 1


def test_a_cancelled_picture_ends_between_two_tiles(session: Session) -> None:
    listener = Listener()
    listener.cancelled_after = {"job-0": 3}
    assert asked(session, tile=64, listener=listener) == CANCELLED
    assert len(listener.steps) == 3


@pytest.mark.parametrize("image_format", [ImageFormat.PNG, ImageFormat.WEBP])
def test_transparent_parts_stay_transparent_and_keep_their_colours(session: Session, image_format: ImageFormat) -> None:
    picture = Image.new("RGBA", (80, 64), (200, 30, 30, 255))
    picture.paste((200, 30, 30, 128), (40, 0, 60, 64))
    picture.paste((0, 0, 0, 0), (60, 0, 80, 64))
    large = picture_of(made(session, png(picture), format=image_format, quality=100))
    opaque = picture_of(made(session, png(picture.convert("RGB").crop((0, 0, 40, 64)))))
    assert (large.mode, large.size) == ("RGBA", (160, 128))
    assert [large.getpixel((x, 64))[3] for x in (20, 100, 150)] == [255, 128, 0]  # type: ignore[index]
    assert large.getpixel((20, 64))[:3] == pytest.approx(
        opaque.getpixel((20, 64)),
        abs=8 if image_format is ImageFormat.PNG else 40,  # which rounds colours
    )  # type: ignore[index]


def test_a_jpeg_is_white_where_the_picture_is_transparent(session: Session) -> None:
    produced = made(session, png(Image.new("RGBA", (40, 40), (9, 9, 9, 0))), format=ImageFormat.JPG)
    assert picture_of(produced).mode == "RGB"
    assert min(picture_of(produced).getpixel((40, 40))) > 200  # type: ignore[type-var,arg-type]
    assert "a JPEG has no transparent parts: they are white" in produced.warnings


def test_the_texts_of_a_picture_are_kept_and_completed(session: Session) -> None:
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_text("parameters", "a cat\nSteps: 20, Sampler: Euler, Seed: 5, Size: 64x64")
    image = png(Image.fromarray(NOISE), pnginfo=texts)
    content = made(session, image, scale=2, metadata=Metadata.FULL).payloads[0].content
    parameters = embedded_texts(content)["parameters"]
    assert parameters.endswith("Size: 64x64, Postprocess upscale by: 2, Postprocess upscaler: soft/two")
    assert b"algorithmicallyEnhanced" in content
    minimal = made(session, image, metadata=Metadata.MINIMAL).payloads[0].content
    assert "parameters" not in embedded_texts(minimal)
    assert b"algorithmicallyEnhanced" in minimal
    assert b"algorithmicallyEnhanced" not in made(session, image, metadata=Metadata.NONE).payloads[0].content


def test_a_picture_that_would_be_too_large_is_refused_before_it_is_enlarged(settings: EngineSettings) -> None:
    few = Session(replace(settings, max_image_pixels=50_000))
    failure = failed(asked(few, scale=4))
    assert "it would be 520x384, more than the 50,000 pixels that are allowed" in failure.message
    wide = png(Image.new("RGB", (9000, 2)))
    failure = failed(asked(Session(settings), wide, format=ImageFormat.WEBP))
    assert "webp has room for 16,383 pixels a side" in failure.message


def test_a_name_that_is_not_allowed_is_refused_with_the_nearest_one(session: Session, settings: EngineSettings) -> None:
    failure = failed(asked(session, model="fuor"))
    assert failure.message == "upscaler fuor is none that the configuration allows"
    assert failure.mend == "did you mean four?"
    assert settings.upscale.folder is not None
    Path(settings.upscale.folder, "old.pth").write_bytes(b"pickle")
    assert "model old.pth: it is a pickle" in failed(asked(session, model="old")).message


def test_little_memory_makes_tiles_smaller(settings: EngineSettings) -> None:
    large = png(Image.fromarray(np.zeros((600, 600, 3), dtype=np.uint8)))
    roomy = made(Session(settings), large)
    assert (roomy.rung, roomy.resolved.upscale.tile) == (Rung.CPU, 512)  # type: ignore[union-attr]
    session = Session(settings)
    short = run_alone(session, UpscaleRequest(), large, "a.png", start=Start(rung=Rung.CPU_TILED_DECODE))
    assert isinstance(short, Produced)
    assert (short.rung, short.resolved.upscale.tile) == (Rung.CPU_TILED_DECODE, 256)  # type: ignore[union-attr]
    none = Session(settings, free=lambda _: FreeMemory(device_bytes=0, host_bytes=1))
    assert failed(asked(none)).kind is FailureKind.OUT_OF_MEMORY


def test_memory_that_runs_out_is_told_as_such(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(Upscaler, "_run", run_out)
    assert failed(asked(session)).kind is FailureKind.OUT_OF_MEMORY


def test_a_network_that_makes_no_numbers_is_the_models_fault(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upscaler.Upscaler, "_run", lambda *_: None)
    failure = failed(asked(session))
    assert failure.kind is FailureKind.MODEL_UNAVAILABLE
    assert "it makes no picture but NaN" in failure.message
