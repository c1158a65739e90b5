"""Whatever a user can mend is told on one line a mistake, with the mend, and never as a traceback."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from aura_daemon.cli.app import app
from aura_daemon.cli.errors import exit_code_of
from aura_daemon.journal.journal import FILE_NAME
from tests.support.house import House
from tests.support.plain_user import NOBODY, as_a_plain_user
from tests.support.programs import DEADLINE_S, REAL, Program
from tests.unit.cli.conftest import Call

COMMANDS = sorted(info.name or info.callback.__name__ for info in app.registered_commands if info.callback is not None)

QUESTIONS = (["status"], ["status", "--json"], ["why", "x.yaml"], ["history"], ["open"], ["submit", "a cat"])
"""Commands that only look, or put a file into the inbox."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_option_is_one_line_that_names_the_help(call: Call, command: str) -> None:
    code, out, err = call(command, "--nonsense")
    assert (code, out) == (2, "")
    assert err.startswith("error: no such option: --nonsense")
    assert err.endswith(f"; `aura-daemon {command} --help` tells more\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stauts"], "no such command 'stauts'; did you mean 'status'? `aura-daemon --help` tells more\n"),
        (["check"], "missing argument 'files'"),
        (["schema"], "missing argument 'name': one of job, config, defaults, sidecar, health; `aura-daemon schema"),
        (["schema", "jobb"], "'jobb' is not one of 'job', 'config'"),
        (["doctor", "--batch", "x"], "invalid value for '--batch'"),
        (["completion", "tcsh"], "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
        (["history", "--since", "lastweek"], "since: must be a date (2026-05-31)"),
        (["history", "--limit", "0"], "--limit"),
        (["submit"], "missing argument"),
        (["submit", "a", "red", "cat"], 'put the prompt in quotes: aura-daemon submit "a red cat"'),
        (["submit", "cat.png"], "cat.png: cannot be read: No such file"),
        (["submit", "a cat", "--steps", "900"], "steps: must be a whole number from 1 to 150 (given: 900)"),
        (["submit", "a cat", "--size", "big"], "size: must be WIDTHxHEIGHT in pixels, such as 912x512 (given: big)"),
        (["submit", "a cat", "--set", "hires.scale=9"], "hires.scale: must be a number from 1 to 4"),
        (["submit", "a cat", "--set", "steps"], "set: must be KEY=VALUE (given: steps)"),
        (["submit", "a cat", "--set", "loras=[x"], "loras: is no value as YAML has it (given: [x)"),
        (["submit", "a cat", "--sed", "1"], "no such option: --sed"),
        (["submit", "a cat", "--question", "what?"], "question: goes with a picture, not with a prompt"),
        (["submit", "a cat", "a dog", "--name", "x"], "name: goes with one prompt or file"),
        (["submit", "a cat", "--name", "../x"], "name: must stay in the inbox"),
        (["submit", "a cat", "--image", "none.png"], "none.png: cannot be read"),
        (["submit", "a cat \udcff"], "the text is no UTF-8"),
        (["--config", "none.yaml", "status"], "none.yaml"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(call: Call, arguments: list[str], message: str) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_several_mistakes_are_a_line_each(call: Call, house: House) -> None:
    code, _, err = call("submit", "a cat", "--steps", "900", "--seed", "x")
    assert code == 2
    assert [line.split(":")[1].strip() for line in err.splitlines()] == ["steps", "seed"]
    assert house.waiting() == []


@pytest.mark.parametrize("arguments", QUESTIONS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"stpes: 1\n", "stpes: unknown key"),
        (b"{", "bad.yaml:"),
        (b"\xff\xfe\xff", "bad.yaml"),
        (b"accept: [1]\n", "accept"),
    ],
)
def test_an_unreadable_configuration_is_told(
    call: Call, house: House, arguments: list[str], content: bytes, message: str
) -> None:
    (house.root / "bad.yaml").write_bytes(content)
    code, out, err = call("--config", str(house.root / "bad.yaml"), *arguments)
    assert (code, out) == (2, "")
    assert all(line.startswith("error: ") for line in err.splitlines())
    assert message in err


@pytest.mark.parametrize("arguments", [["history"], ["history", "--json"], ["open"], ["open", "cat"]])
def test_without_a_journal_there_is_nothing_to_tell(call: Call, arguments: list[str]) -> None:
    code, _, err = call(*arguments)
    assert code == 2
    assert err.startswith("error: nothing has run here yet")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", QUESTIONS[:-1])
def test_a_journal_of_a_later_version_is_refused_on_one_line(call: Call, house: House, arguments: list[str]) -> None:
    with closing(sqlite3.connect(house.state / FILE_NAME)) as database:
        database.execute("PRAGMA user_version = 999")
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert "of version 999, this program knows" in err
    assert "Traceback" not in err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_a_journal_of_somebody_else_names_its_owner(place_for_all: Path) -> None:
    house = House(place_for_all)
    house.drain()
    ran = Program(house, REAL, under=("setpriv", f"--reuid={NOBODY}", "--clear-groups")).call("history")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("error: the journal cannot be read: ")
    assert ran.stderr.endswith("is root's alone: ask as that user, or read outbox/health.json\n")


def test_an_inbox_that_may_not_be_written_is_told_with_its_owner(
    place_for_all: Path, call_in: Callable[[House], Call]
) -> None:
    house = House(place_for_all)
    house.inbox.chmod(0o555)
    with as_a_plain_user():
        code, _, err = call_in(house)("submit", "a cat")
    assert code == 2
    assert err.startswith(f"error: inbox: nothing was submitted: {house.inbox} cannot be written: Permission denied")
    assert "chmod or chown that folder" in err


def test_what_the_system_denies_is_told_with_whose_it_is(
    place_for_all: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = place_for_all / "log"
    file.touch(mode=0o000)
    with as_a_plain_user():
        assert exit_code_of(file.read_bytes) == 2
    assert capsys.readouterr().err.startswith(f"error: {file}: Permission denied: it belongs to {file.owner()} with ")


def test_a_reader_that_has_enough_ends_the_command_quietly(house: House) -> None:
    house.drop("many.yaml", b"prompt: x\ncount: 40\n")
    house.drain()
    reader, writer = os.pipe()
    os.close(reader)
    program = Program(house, REAL)
    ran = subprocess.run(
        [sys.executable, "-m", REAL, "history", "--json", "--limit", "1000"],
        env=program.environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (141, "")


def test_a_full_disk_below_the_output_is_told(house: House) -> None:
    house.drop("cat.yaml")
    house.drain()
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a device
        ran = subprocess.run(
            [sys.executable, "-m", REAL, "history"],
            env=Program(house, REAL).environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    assert (ran.returncode, ran.stderr) == (2, "error: No space left on device. Make room on that disk\n")


def test_ctrl_c_while_waiting_leaves_the_job_in_the_queue_and_says_so(house: House) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", REAL, "submit", "a red circle", "--wait"],
        env=Program(house, REAL).environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("no daemon runs: ")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert err.startswith("not waiting any longer; what is not done stays in the queue: a-red-circle.yaml")
    assert house.waiting() == ["a-red-circle.yaml"]
