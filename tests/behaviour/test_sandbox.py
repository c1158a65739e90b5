"""A picture that runs code in the worker which decodes it, dropped into the inbox of a whole daemon."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from aura_daemon.system.sandbox.confining import support
from tests.support.house import House
from tests.support.programs import Program

SECRET = "the secret of a home folder"

CODE = """
import pathlib
home, outbox, state, inbox = map(pathlib.Path, {places!r})
def tell(text):
    (outbox / "stolen.txt").write_text(text)
for attempt in (
    lambda: tell((home / "secret").read_text()),
    lambda: tell((state / "journal.sqlite3").read_bytes().hex()),
    lambda: (home / "planted").write_text("x"),
    lambda: (inbox / ".planted").write_text("x"),
    lambda: (home / "secret").unlink(),
):
    try:
        attempt()
    except OSError:
        pass
"""


def laid_out(root: Path) -> tuple[House, Path]:
    """A house, and a home folder beside it with a secret."""
    house, home = House(root / "house"), root / "home"
    home.mkdir()
    (home / "secret").write_text(SECRET, encoding="utf-8")
    return house, home


def drop_exploit(house: House, home: Path) -> None:
    """A picture whose decoding runs code."""
    texts, file = PngImagePlugin.PngInfo(), io.BytesIO()
    places = [str(place) for place in (home, house.outbox, house.state, house.inbox)]
    texts.add_text("run", CODE.format(places=places))
    Image.new("RGB", (32, 32), "red").save(file, "PNG", pnginfo=texts)
    (house.inbox / "holiday.png").write_bytes(file.getvalue())


@pytest.mark.skipif(bool(support().missing), reason="this kernel shuts no process in wholly")
def test_an_exploited_decoder_reads_no_secret_and_writes_none(tmp_path: Path) -> None:
    house, home = laid_out(tmp_path)
    drop_exploit(house, home)
    ended = Program(house, "tests.support.exploited_daemon", AURA_SANDBOX="strict").call("once")
    assert ended.returncode == 0, ended.stderr
    assert (house.outbox / "holiday.txt").exists()  # and the picture has its caption
    assert (home / "secret").read_text(encoding="utf-8") == SECRET
    assert [place.name for place in home.iterdir()] == ["secret"]
    assert not (house.outbox / "stolen.txt").exists()
    assert not (house.inbox / ".planted").exists()
    assert list((house.state / "workers").iterdir()) == []


def test_without_a_sandbox_it_would_have(tmp_path: Path) -> None:
    house, home = laid_out(tmp_path)
    drop_exploit(house, home)
    ended = Program(house, "tests.support.exploited_daemon", AURA_SANDBOX="off").call("once")
    assert ended.returncode == 0, ended.stderr
    assert (house.outbox / "stolen.txt").exists()
    assert sorted(place.name for place in home.iterdir()) == ["planted"]
