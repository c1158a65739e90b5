"""The texts of enlarged pictures: what they had is kept, how they were enlarged is added, and read back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aura_daemon.formats.picture_metadata import infotext, xmp
from aura_daemon.formats.picture_metadata.enlarged_texts import SourceTexts, read, written
from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.requests import Metadata
from aura_daemon.jobs.resolved import ResolvedGenerate, ResolvedUpscale

MADE = ResolvedUpscale(image="a.png", upscale=Upscale(scale=2.0, tile=512))
DRAWN = "a cat\nSteps: 20, Sampler: Euler, Seed: 5, Size: 64x64"
PICTURE = ResolvedGenerate(
    prompt="a cat",
    negative_prompt="",
    steps=20,
    guidance_scale=7.0,
    scheduler="euler",
    seed=5,
    width=64,
    height=64,
)


def test_the_settings_of_a_picture_are_completed_and_read_back() -> None:
    texts = written(SourceTexts(parameters=DRAWN), MADE, model="soft, two", version="1")
    assert texts.parameters == f'{DRAWN}, Postprocess upscale by: 2, Postprocess upscaler: "soft, two"'
    settings = infotext.parse(texts.parameters)
    assert settings is not None
    assert settings.keys["upscale"] == {"scale": 2, "model": "soft, two"}
    assert settings.lost == ()


def test_a_picture_without_settings_has_the_enlarging_alone_which_is_nothing_to_draw_from() -> None:
    texts = written(SourceTexts(), replace(MADE, upscale=Upscale()), model="two", version="1")
    assert texts.parameters == "Postprocess upscale by: 1, Postprocess upscaler: two"
    assert infotext.parse(texts.parameters) is None
    assert "algorithmicallyEnhanced" in texts.packet
    assert "aura-daemon, model two" in texts.packet


def test_an_upscaler_that_a1111_calls_none_is_none() -> None:
    settings = infotext.parse(f"{DRAWN}, Postprocess upscale by: 4, Postprocess upscaler: None")
    assert settings is not None
    assert settings.keys["upscale"] == {"scale": 4}


@pytest.mark.parametrize(
    ("packet", "origin"),
    [
        (xmp.full(PICTURE, model="m", version="1"), "trainedAlgorithmicMedia"),
        (xmp.full(replace(PICTURE, image="b.png"), model="m", version="1"), "compositeWithTrainedAlgorithmicMedia"),
        ("", "algorithmicallyEnhanced"),
    ],
)
def test_a_drawn_picture_stays_a_drawn_one(packet: str, origin: str) -> None:
    source = read(b"\x89PNG\r\n\x1a\n" + packet.encode() + b"pixels")
    assert source.packet == packet
    full = written(source, MADE, model="two", version="1").packet
    assert f"digitalsourcetype/{origin}<" in full
    assert ("a cat" in full) == bool(packet)
    minimal = written(source, replace(MADE, metadata=Metadata.MINIMAL), model="two", version="1")
    assert f"digitalsourcetype/{origin}<" in minimal.packet
    assert (minimal.parameters, "a cat" in minimal.packet) == ("", False)
    assert written(source, replace(MADE, metadata=Metadata.NONE), model="two", version="1") == SourceTexts()


def test_a_packet_of_another_program_is_not_kept() -> None:
    foreign = xmp.origin(PICTURE).replace("xpacket begin", "xpacket begin", 1)
    assert read(foreign.encode()).packet == ""
    assert read(b"<?xpacket begin=nothing more").packet == ""
