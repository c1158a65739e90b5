"""Commands, run in the process of the test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aura_daemon.cli.app import PROGRAM, app
from aura_daemon.cli.errors import exit_code_of
from tests.support.house import House
from tests.support.programs import Program

Call = Callable[..., tuple[int, str, str]]
"""The words of a command -> its exit code, what it printed, and what it printed on standard error."""


@pytest.fixture
def call_in(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[House], Call]:
    """Runs commands on a house; the exit code and what was printed."""

    def on(house: House) -> Call:
        for name, value in Program(house).environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(house.root)
        return run

    def run(*arguments: str) -> tuple[int, str, str]:
        code = exit_code_of(lambda: app(list(arguments), prog_name=PROGRAM, standalone_mode=False))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return on


@pytest.fixture
def call(house: House, call_in: Callable[[House], Call]) -> Call:
    """Runs commands on the house of the test."""
    return call_in(house)
