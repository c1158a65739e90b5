"""`init`: what is asked, what is written, and what never is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aura_daemon.cli.setup.init import init
from aura_daemon.config.folder_checks import check_folders
from aura_daemon.config.loading import load
from aura_daemon.errors import UserError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "STATE_DIRECTORY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    program = tmp_path / "bin" / "aura-daemon"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "home"


def answering(*answers: str) -> Callable[[str], str]:
    left = iter(answers)
    return lambda _: next(left)


def test_three_answers_become_a_configuration_that_is_found_from_anywhere(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(None, ask=answering("~/drop here", str(tmp_path / "results"), "sd-1.4", "")) == 0
    printed = capsys.readouterr().out
    assert [f"\n{number}. Which" in printed for number in (1, 2, 3)] == [True, True, True]
    assert "aura-daemon fetch\n" in printed
    assert "aura-daemon service install\n" in printed
    loaded = load(None)
    assert loaded.origin == str(home / ".config" / "aura-daemon" / "aura.yaml")
    assert (loaded.settings.inbox, loaded.settings.outbox) == (home / "drop here", tmp_path / "results")
    assert (loaded.settings.generate.model, loaded.settings.caption.model) == ("sd-1.4", "blip-base")
    assert check_folders(loaded) == ()


def test_an_empty_answer_takes_what_is_proposed(home: Path) -> None:
    assert init(None, ask=answering("", "", "", "n")) == 0
    settings = load(None).settings
    assert (settings.inbox, settings.outbox) == (home / "aura" / "inbox", home / "aura" / "outbox")
    assert (settings.generate.model, settings.caption.model) == ("aura-mini", "aura-mini")
    assert settings.inbox.is_dir()


def test_a_script_gives_what_it_wants_and_is_asked_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "etc" / "aura.yaml"
    (tmp_path / "work" / "model").mkdir()
    inbox, outbox = Path("in"), tmp_path / "out"
    assert init(place, inbox=inbox, outbox=outbox, model="model", asks=False, ask=answering()) == 0
    settings = load(place).settings
    assert (settings.inbox, settings.outbox) == (tmp_path / "work" / "in", outbox)
    assert settings.generate.model == str(tmp_path / "work" / "model")
    assert f"aura-daemon --config {place} run" in capsys.readouterr().out


def test_a_configuration_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    place = tmp_path / "aura.yaml"
    place.write_text("settle: 5\n")
    with pytest.raises(UserError, match="never overwritten"):
        init(place, asks=False)
    assert place.read_text() == "settle: 5\n"


@pytest.mark.parametrize(
    ("inbox", "outbox", "told"),
    [
        ("~", "out", "whole home folder"),
        ("in", "in/out", "lies inside"),
        ("in", "in", "the same folder"),
        ("file", "out", "is not a folder"),
        ("file/in", "out", "cannot be made"),
    ],
)
def test_folders_that_cannot_be_are_refused_and_nothing_is_written(
    tmp_path: Path, inbox: str, outbox: str, told: str
) -> None:
    place = tmp_path / "new" / "aura.yaml"
    Path("file").write_bytes(b"")
    with pytest.raises(UserError, match=told):
        init(place, inbox=Path(inbox), outbox=Path(outbox), asks=False)
    assert not place.parent.exists()
    assert not Path("in").exists()


def test_ctrl_c_leaves_nothing(home: Path) -> None:
    def interrupted(_: str) -> str:
        raise KeyboardInterrupt

    assert init(None, ask=interrupted) == 130
    assert list(home.iterdir()) == []


def test_a_configuration_that_counts_more_in_this_folder_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("config").mkdir()
    Path("config", "aura.yaml").write_text("")
    assert init(None, asks=False) == 0
    assert "config/aura.yaml counts before it: say --config" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("started_as", "called"),
    [
        ("work/.venv/bin/aura-daemon", ".venv/bin/aura-daemon run"),
        ("far/bin/aura-daemon", "{root}/far/bin/aura-daemon run"),
        ("far/aura_daemon/__main__.py", f"{sys.executable} -m aura_daemon run"),
    ],
)
def test_commands_to_paste_are_there_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], started_as: str, called: str
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / started_as)])
    init(None, asks=False)
    assert f"  {called.format(root=tmp_path)}\n" in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "is_installed"), [("y", True), ("Yes", True), ("", False), ("no", False)])
def test_a_service_is_offered_last_and_made_of_the_file_that_was_written(
    home: Path, answer: str, is_installed: bool
) -> None:
    installed: list[Path] = []

    def install(place: Path) -> int:
        assert place.is_file()
        installed.append(place)
        return 0

    assert init(None, ask=answering("", "", "", answer), install=install) == 0
    assert installed == ([home / ".config" / "aura-daemon" / "aura.yaml"] if is_installed else [])
