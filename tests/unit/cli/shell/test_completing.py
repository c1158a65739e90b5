"""Shells complete commands, options, their values, and the jobs that can be named; a completion never complains."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest

from aura_daemon.cli.app import PROGRAM, app
from aura_daemon.cli.shell.completing import COMPLETE
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.results import FailureKind
from tests.support.house import House, fail
from tests.support.programs import DEADLINE_S, REAL, ROOT, Program

IDS = "<id>"

Completed = Callable[..., list[str]]


@pytest.fixture
def lived_in(house: House) -> House:
    """A house with a job that waits, one that failed, one that is done, and a file that was refused."""
    house.drop("done.yaml")
    house.drain()
    house.drop("broken.yaml")
    house.drain(fail(FailureKind.UNEXPECTED))
    house.drop("refused.yaml", b"steps: 0\n")
    house.drop("waits.yaml")
    house.drain(fail(FailureKind.MODEL_UNAVAILABLE))
    house.drop("new.yaml")
    return house


@pytest.fixture
def completed(lived_in: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Completed:
    """The candidates for the last word, ids put aside, as a shell asks for them."""

    def ask(shell: str, *words: str) -> list[str]:
        line = shlex.join(("aura-daemon", *words[:-1])) + " " + words[-1]
        asked = {
            "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words))},
            "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
        }[shell]
        for name, value in {**Program(lived_in).environment(), COMPLETE: f"complete_{shell}", **asked}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(lived_in.root)
        with pytest.raises(SystemExit):
            app([], prog_name=PROGRAM)
        printed = capsys.readouterr()
        assert printed.err == ""
        words_found = [line.partition("\t")[0] for line in printed.out.split("\n") if line]
        return [IDS if word.startswith("20") else word for word in words_found]

    return ask


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["st"], ["status"]),
        (["status", "--w"], ["--watch"]),
        (["schema", ""], ["job", "config", "defaults", "sidecar", "health"]),
        (["history", "--kind", ""], list(JobKind)),
        (["submit", "x", "--aspect", "16"], ["16:9"]),
        (["submit", "x", "--scheduler", "ddi"], ["ddim", "ddim_trailing"]),
        (["submit", "x", "--model", ""], ["aura-mini"]),
        (["submit", "x", "--set", "hir"], ["hires="]),
        (["cancel", ""], ["waits.yaml", IDS]),
        (["retry", ""], ["broken.yaml", IDS, "refused.yaml"]),
        (["why", "n"], ["new.yaml"]),
        (["why", "d"], ["done.yaml"]),
        (["--config", "none.yaml", "cancel", ""], []),
    ],
)
def test_what_can_follow_is_offered(completed: Completed, words: list[str], expected: list[str]) -> None:
    assert completed("bash", *words) == expected


@pytest.mark.parametrize(("word", "expected"), [("in", ["inbox/"]), ("inbox/n", ["inbox/new.yaml"]), ("no/such/", [])])
def test_fish_gets_the_files_that_bash_finds_itself(completed: Completed, word: str, expected: list[str]) -> None:
    assert completed("fish", "check", word) == expected
    assert completed("bash", "check", word) == []


@pytest.fixture
def shell_path(house: House) -> str:
    """A search path on which `aura-daemon` is this program."""
    program = house.root / "bin" / "aura-daemon"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m {REAL} "$@"\n')
    program.chmod(0o755)
    return f"{program.parent}{os.pathsep}{os.environ['PATH']}"


BASH = """
eval "$(aura-daemon completion bash)"
complete -p aura-daemon >/dev/null
COMP_WORDS=(aura-daemon retry bro) COMP_CWORD=2
_aura_daemon_completion aura-daemon
printf '%s\\n' "${COMPREPLY[@]}"
"""

FISH = """
aura-daemon completion fish | source
complete -C 'aura-daemon retry bro' | string split -f1 \\t
"""

ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; autoload -Uz compinit && compinit -u -D; source <(aura-daemon completion zsh); echo rea''dy"
zpty -r -m shell line '*ready*'
zpty -w -n shell $'aura-daemon retry bro\\t'
zpty -r -m shell line '*broken.yaml*'
print broken.yaml
"""


@pytest.mark.parametrize(("shell", "script"), [("bash", BASH), ("fish", FISH), ("zsh", ZSH)])
def test_real_shells_complete_a_job(lived_in: House, shell_path: str, shell: str, script: str) -> None:
    if (program := shutil.which(shell)) is None:
        pytest.skip(f"{shell} is not installed")
    options = {"bash": ["--norc"], "fish": ["--no-config"], "zsh": ["-f"]}[shell]
    home = lived_in.root / "home"
    home.mkdir()
    ran = subprocess.run(
        [program, *options, "-c", script],
        env={**Program(lived_in).environment(), "PATH": shell_path, "HOME": str(home), "TERM": "dumb"},
        cwd=lived_in.root,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ran.stdout.split() == ["broken.yaml"], ran.stderr
