"""The desktop notification that is shipped: what it says, by which program, and that prompts stay text."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aura_daemon.hooks.desktop_notification import notifier_for, texts_of
from aura_daemon.system.windows import System

HOSTILE = '"; do shell script "reboot" -- $(reboot) <b>&'


@pytest.mark.parametrize(
    ("variables", "texts"),
    [
        ({"EVENT": "done", "SOURCE": "cat.yaml", "PROMPT": "a\ncat"}, ("cat.yaml is done", "a cat")),
        ({"EVENT": "done", "SOURCE": "cat.jpg", "CAPTION": "a cat"}, ("cat.jpg is done", "a cat")),
        (
            {"EVENT": "failed", "SOURCE": "x.yaml", "REASON": "no memory", "MEND": "End others."},
            ("x.yaml failed", "no memory. End others."),
        ),
        ({"EVENT": "idle", "DONE": "3", "FAILED": "1"}, ("Nothing is left to do", "3 done, 1 failed")),
    ],
)
def test_every_event_has_its_words(variables: dict[str, str], texts: tuple[str, str]) -> None:
    assert texts_of({f"AURADAEMON_{name}": value for name, value in variables.items()}) == texts


def test_a_long_prompt_is_cut() -> None:
    _, text = texts_of({"AURADAEMON_EVENT": "done", "AURADAEMON_PROMPT": "x" * 1000})
    assert text == "x" * 199 + "…"


def test_hostile_text_is_an_argument_or_a_variable_and_never_a_script() -> None:
    linux = notifier_for(System.LINUX, HOSTILE, HOSTILE, "/a.png").command
    assert linux[-3:] == ("--", HOSTILE, '"; do shell script "reboot" -- $(reboot) &lt;b&gt;&amp;')
    assert "--icon=/a.png" in linux
    apple = notifier_for(System.MACOS, HOSTILE, HOSTILE).command
    assert [part for part in apple if HOSTILE in part] == [HOSTILE, HOSTILE]
    windows = notifier_for(System.WSL2, HOSTILE, HOSTILE)
    assert not any(HOSTILE in part for part in windows.command)
    assert windows.variables["AURADAEMON_TEXT"] == HOSTILE


def run(path: str, **variables: str) -> subprocess.CompletedProcess[str]:
    given = {f"AURADAEMON_{name}": value for name, value in variables.items()}
    return subprocess.run(
        [sys.executable, "-m", "aura_daemon.hooks.desktop_notification"],
        env={**os.environ, **given, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_program_is_called_with_the_texts_and_the_picture(tmp_path: Path) -> None:
    program = tmp_path / "notify-send"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/given\n', encoding="utf-8")
    program.chmod(0o755)
    ran = run(str(tmp_path), EVENT="done", SOURCE="cat.yaml", PROMPT="a cat", OUTPUTS="/o/cat.png\n/o/x.png")
    assert (ran.returncode, ran.stderr) == (0, "")
    given = (tmp_path / "given").read_text(encoding="utf-8").splitlines()
    assert given == ["--app-name=aura-daemon", "--icon=/o/cat.png", "--", "cat.yaml is done", "a cat"]


def test_a_missing_program_is_told_with_the_mend(tmp_path: Path) -> None:
    ran = run(str(tmp_path), EVENT="idle", DONE="1", FAILED="0")
    assert ran.returncode == 1
    assert ran.stderr == "notify-send is not there: install it (Debian: libnotify-bin)\n"
