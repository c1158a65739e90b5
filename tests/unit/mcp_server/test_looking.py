"""A result itself comes back, small enough to look at; nothing else of the disk does."""

from __future__ import annotations

import json
import os
from io import BytesIO

import pytest
from PIL import Image

from tests.support.agents import Ask, asking, config_of
from tests.support.house import PNG, House


def picture(kind: str, size: tuple[int, int], mode: str = "RGB") -> bytes:
    written = BytesIO()
    Image.effect_noise(size, 80).convert(mode).save(written, kind)
    return written.getvalue()


def test_a_picture_comes_back_as_it_is_with_what_is_written_of_it(house: House, ask: Ask) -> None:
    house.drop("cat.yaml", b"prompt: a red circle\nseed: 5\n")
    house.drain()
    (house.outbox / "cat.png").write_bytes(picture("png", (64, 64)))  # a scripted worker draws nothing
    reply = ask("look", result="cat.png")
    assert reply.pictures == (("image/png", (house.outbox / "cat.png").read_bytes()),)
    assert reply.data["sidecar"]["request"]["prompt"] == "a red circle"
    assert 'prompt "a red circle", seed 5' in reply.text
    assert reply.data["kind"] == "picture"


@pytest.mark.parametrize(
    ("kind", "size", "shown"),
    [
        ("png", (2048, 1024), (1024, 512)),
        ("jpeg", (1025, 400), (1024, 400)),
        ("webp", (300, 2000), (154, 1024)),
        ("avif", (64, 64), (64, 64)),
    ],
)
def test_a_large_picture_is_scaled(
    house: House, ask: Ask, kind: str, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    (house.outbox / f"cat.{kind}").write_bytes(picture(kind, size))
    reply = ask("look", result=f"cat.{kind}")
    ((mime_type, content),) = reply.pictures
    assert mime_type == "image/jpeg"
    assert Image.open(BytesIO(content)).size == shown
    assert (reply.data["width"], reply.data["height"]) == size
    assert (reply.data["shown_width"], reply.data["shown_height"]) == shown


def test_the_size_can_be_chosen_and_what_is_clear_becomes_white(house: House, ask: Ask) -> None:
    clear = BytesIO()
    Image.new("RGBA", (300, 300), (0, 0, 0, 0)).save(clear, "png")
    (house.outbox / "cat.png").write_bytes(clear.getvalue())
    ((_, content),) = ask("look", result="cat.png", most_px=100).pictures
    seen = Image.open(BytesIO(content))
    assert (seen.size, seen.getpixel((50, 50))) == ((100, 100), (255, 255, 255))


def test_a_heavy_picture_is_made_lighter(house: House, ask: Ask) -> None:
    (house.outbox / "cat.png").write_bytes(picture("png", (900, 900)) + bytes(1_000_000))
    ((mime_type, content),) = ask("look", result="cat.png").pictures
    assert (mime_type, Image.open(BytesIO(content)).size) == ("image/jpeg", (900, 900))


def test_a_caption_comes_back_as_text(house: House, ask: Ask) -> None:
    house.drop("cat.png", PNG)
    house.drain()
    reply = ask("look", result="cat.txt")
    assert (reply.data["kind"], reply.data["text"]) == ("text", reply.text)
    assert reply.text == (house.outbox / "cat.txt").read_text().strip()
    assert reply.data["sidecar"]["request"]["task"] == "caption"
    assert json.loads(ask("look", result="cat.json").text)["caption"] == reply.text


def test_a_long_text_is_cut(house: House, ask: Ask) -> None:
    (house.outbox / "long.txt").write_text("é" * 50_000)
    assert len(ask("look", result="long.txt").text) == 20_000


@pytest.mark.parametrize("sidecar", [b"", b"[1]", b"[" * 5000, b'{"request": 5, "model": []}'])
def test_a_sidecar_that_is_none_hides_no_picture(house: House, ask: Ask, sidecar: bytes) -> None:
    (house.outbox / "cat.png").write_bytes(picture("png", (64, 64)))
    (house.outbox / "cat.json").write_bytes(sidecar)
    reply = ask("look", result="cat.png")
    assert len(reply.pictures) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone.png", "cannot be read"),
        ("link.png", "cannot be read"),
        ("linked/secret.txt", "a link on the way leads out of the outbox"),
        ("linked/gone.txt", "a link on the way leads out of the outbox"),
        ("within/cat.txt", "cannot be read"),
        ("link.txt", "cannot be read"),
        ("../secret.txt", "must be a name below the outbox"),
        ("noise.png", "cannot be read as a picture"),
        ("cut.png", "cannot be read as a picture"),
        ("cut.jpg", "cannot be read as a picture"),
        ("program.exe", "is no result that can be looked at"),
        ("fifo.txt", "cannot be read"),
    ],
)
def test_nothing_else_can_be_looked_at(house: House, ask: Ask, name: str, reason: str) -> None:
    (house.root / "secret.txt").write_text("secret")
    (house.outbox / "link.txt").symlink_to(house.root / "secret.txt")
    (house.outbox / "link.png").symlink_to(house.root / "secret.txt")
    (house.outbox / "linked").symlink_to(house.root)
    (house.outbox / "within").symlink_to(house.outbox)
    (house.outbox / "noise.png").write_bytes(b"noise" * 100)
    (house.outbox / "cut.png").write_bytes(picture("png", (2000, 100))[:5000])
    (house.outbox / "cut.jpg").write_bytes(picture("jpeg", (400, 400))[:5000])
    (house.outbox / "program.exe").write_bytes(b"MZ")
    os.mkfifo(house.outbox / "fifo.txt")
    reply = ask("look", result=name)
    assert reply.is_refused
    assert reason in reply.text
    assert "secret" not in reply.text.replace(name, "")
    assert reply.pictures == ()


def test_a_picture_of_too_many_pixels_is_not_unpacked(house: House) -> None:
    (house.outbox / "cat.png").write_bytes(picture("png", (200, 200)))
    reply = asking(config_of(house, limits={"image_pixels": 10_000}))("look", result="cat.png")
    assert "the picture has 40,000 pixels, more than 10,000 (limits.image_pixels)" in reply.text
