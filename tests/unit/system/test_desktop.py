"""A result is opened by what the desktop has for it, and it is said where that does not go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aura_daemon.system.desktop import NO_DISPLAY, opener_of, show


@pytest.mark.parametrize(
    ("platform", "environment", "opener"),
    [
        ("linux", {"DISPLAY": ":0"}, "xdg-open"),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, "xdg-open"),
        ("linux", {}, None),
        ("linux", {"WSL_DISTRO_NAME": "Debian"}, "wslview"),
        ("darwin", {}, "open"),
        ("darwin", {"SSH_CONNECTION": "x"}, None),
    ],
)
def test_every_system_has_its_opener(platform: str, environment: dict[str, str], opener: str | None) -> None:
    assert opener_of(platform, environment) == opener


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for programs, alone on the path, and a display."""
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("WSL_DISTRO_NAME", raising=False)
    return tmp_path


def test_the_opener_gets_the_file(desk: Path) -> None:
    opener = desk / "xdg-open"
    opener.write_text(f'#!/bin/sh\nprintf %s "$1" > {desk}/opened\n')
    opener.chmod(0o755)
    assert show(desk / "a cat.png") == ""
    assert (desk / "opened").read_text() == f"{desk}/a cat.png"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("#!/bin/sh\necho no viewer >&2\nexit 3\n", "`xdg-open` said: no viewer"),
        ("#!/bin/sh\nexit 3\n", "`xdg-open` said: 3"),
        ("#!/no/such/program\n", "`xdg-open` cannot be started: No such file or directory"),
    ],
)
def test_an_opener_that_fails_is_told(desk: Path, script: str, reason: str) -> None:
    (desk / "xdg-open").write_text(script)
    (desk / "xdg-open").chmod(0o755)
    assert show(desk / "cat.png") == reason


def test_without_an_opener_or_a_display_it_says_so(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert show(desk / "cat.png") == "`xdg-open` is not installed"
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert show(desk / "cat.png") == NO_DISPLAY
