"""The entry point: what is answered without a parser, and that it is what the parser would have understood."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer.main

from aura_daemon.cli import entry
from aura_daemon.cli.app import app
from aura_daemon.cli.entry import Plain, plain
from aura_daemon.cli.shell import completing
from tests.support.house import House
from tests.support.programs import REAL, Program

LOADED = (
    "import sys; sys.argv[1:] = {arguments!r}; from aura_daemon.cli.entry import main\ntry:\n    main()\nfinally:\n"
)


@pytest.mark.parametrize(
    ("line", "understood"),
    [
        ("run", Plain(command="run")),
        ("run --config a.yaml", Plain(command="run", options={"config": "a.yaml"})),
        ("run -c a --log-format json", Plain(command="run", options={"config": "a", "log_format": "json"})),
        ("run --make-folders", Plain(command="run", flags=frozenset({"--make-folders"}))),
        ("status --json -c b", Plain(command="status", options={"config": "b"}, flags=frozenset({"--json"}))),
        ("why cat.yaml", Plain(command="why", words=("cat.yaml",))),
        ("why --config a cat.yaml", Plain(command="why", options={"config": "a"}, words=("cat.yaml",))),
    ],
)
def test_plain_command_lines_are_understood(line: str, understood: Plain) -> None:
    assert plain(line.split()) == understood


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--config a run",
        "once",
        "run --help",
        "run now",
        "run --config",
        "run --config --make-folders",
        "run --config=a",
        "run --log-format xml",
        "status --watch",
        "status --log-format json",
        "why",
        "why -- -x",
        "why a b",
    ],
)
def test_everything_else_is_left_to_the_parser(line: str) -> None:
    assert plain(line.split()) is None


def test_an_empty_word_is_left_to_the_parser() -> None:
    assert plain(["why", ""]) is None


@pytest.mark.parametrize("command", ["run", "status", "why"])
def test_every_option_of_a_plain_command_is_one_of_the_parser(command: str) -> None:
    parameters = typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
    known = {name for parameter in parameters for name in parameter.opts}
    assert {name for name in entry._OPTIONS[command] if name.startswith("--")} <= known
    assert entry._FLAGS[command] <= known


def test_a_shell_that_completes_is_answered_by_the_parser() -> None:
    assert entry.COMPLETE == completing.COMPLETE


@pytest.mark.parametrize(("arguments", "code"), [(["status"], 1), (["why", "cat.yaml"], 1), (["run", "-c", "none"], 2)])
def test_a_plain_command_line_takes_no_parser(house: House, arguments: list[str], code: int) -> None:
    program = Program(house, REAL)
    told = LOADED.format(arguments=arguments) + "    print('typer' in sys.modules, file=sys.stderr)"
    ran = subprocess.run(
        [sys.executable, "-c", told],
        cwd=house.root,
        env=program.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr.splitlines()[-1]) == (code, "False"), ran.stderr
