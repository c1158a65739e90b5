"""A picture that runs code in the worker which decodes it, dropped into the inbox of a whole daemon."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from aura_daemon.system.sandbox.confining import support
from tests.support.house import House
from tests.support.programs import REAL, Program

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


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(bool(support().missing), reason="this kernel shuts no process in wholly")
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch's compiler starts g++")
@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_the_compiler_of_torch_works_shut_in(tmp_path: Path, mode: str) -> None:
    house = House(tmp_path)
    house.drop("cat.yaml", b"prompt: a red circle\nsteps: 2\nseed: 1\nwidth: 64\nheight: 64\n")
    cache = tmp_path / "cache"
    cache.mkdir()
    variables = {"AURA_SANDBOX": mode, "AURA_GENERATE__ENGINE": "compiled", "XDG_CACHE_HOME": str(cache)}
    ended = Program(house, REAL, **variables).call("once", timeout_s=800)
    assert ended.returncode == 0, ended.stderr
    sidecar = house.sidecar("cat.json")
    assert (sidecar["variant"], [one for one in sidecar["warnings"] if "compiled" in one]) == ("compiled", [])
    assert list((cache / "aura-daemon" / "compiled").rglob("*.so"))
    assert list((house.state / "workers").iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(bool(support().missing), reason="this kernel shuts no process in wholly")
def test_without_a_compiler_it_draws_eagerly_and_says_so(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.drop("cat.yaml", b"prompt: a red circle\nsteps: 2\nseed: 1\nwidth: 64\nheight: 64\n")
    variables = {"AURA_SANDBOX": "strict", "AURA_GENERATE__ENGINE": "compiled", "PATH": str(tmp_path)}
    ended = Program(house, REAL, XDG_CACHE_HOME=str(tmp_path / "cache"), **variables).call("once", timeout_s=800)
    assert ended.returncode == 0, ended.stderr
    sidecar = house.sidecar("cat.json")
    assert sidecar["variant"] == "eager"
    assert any("could not be compiled" in one for one in sidecar["warnings"])
