"""The list of commands in `--help`: every command in one section, on one line, in the order of its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aura_daemon.cli.app import app
from aura_daemon.cli.errors import exit_code_of
from aura_daemon.cli.shell.command_list import SECTIONS

COMMANDS = [info.name or info.callback.__name__ for info in app.registered_commands if info.callback is not None]
LISTED = [name for names in SECTIONS.values() for name in names]
PAGE = Path(__file__).parents[4] / "docs" / "commands.md"


def test_every_command_stands_in_one_section() -> None:
    assert sorted(LISTED) == sorted(COMMANDS)


def test_the_help_has_a_line_for_each_command_and_cuts_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("COLUMNS", "80")
        exit_code_of(lambda: app(["--help"], standalone_mode=False))
    printed = capsys.readouterr().out
    listed = printed.partition(next(iter(SECTIONS)))[2].splitlines()
    rows = [line.split(maxsplit=1) for line in listed if line.startswith("  ")]
    assert [name for name, _ in rows] == LISTED
    assert all(text.endswith(".") and not text.endswith("..") for _, text in rows)
    assert all(f"\n{heading}:\n" in printed for heading in SECTIONS)


def test_the_page_has_the_same_sections_in_the_same_order() -> None:
    text = PAGE.read_text(encoding="utf-8")
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert sections[: len(SECTIONS)] == list(SECTIONS)
    assert re.findall(r"^### `(.+)`$", text, re.MULTILINE) == LISTED
    assert re.findall(r"^\| \[`(\w+)`\]", text, re.MULTILINE) == LISTED
