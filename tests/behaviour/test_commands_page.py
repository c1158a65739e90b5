"""Every example in docs/commands.md runs as it is written, on one daemon; what needs a shell has one."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest

from aura_daemon.cli.app import PROGRAM, app
from aura_daemon.cli.errors import exit_code_of
from tests.support.house import PNG, House
from tests.support.programs import DEADLINE_S, LIGHT, REAL, ROOT, Program

EXAMPLES = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / "commands.md").read_text(), re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_page_run(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = house.root / "bin" / PROGRAM
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m {REAL} "$@"\n')
    program.chmod(0o755)
    (house.root / "photo.png").write_bytes(PNG)
    (house.root / "jobs.yaml").write_text("prompt: a cat\n")
    daemon = Program(house, LIGHT, AURA_PAIR_WAIT="2")
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    for name, value in {**daemon.environment(), "PATH": path}.items():
        monkeypatch.setenv(name, value)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(house.root)
    daemon.start("run")
    try:
        daemon.until(daemon.health)
        for line in "".join(EXAMPLES).splitlines():
            code = _in_a_shell(line) if re.search(r"[|<>]", line) else _here(line)
            assert code == 0, f"{line}: {capsys.readouterr().err}"
    finally:
        daemon.end()
    printed = capsys.readouterr().out
    for result in ("a-red-circle-1.png", "a-blue-square-2.png", "photo.txt", "boats/first.png"):
        assert f"{house.outbox / result}\n" in printed
    assert "_aura_daemon_completion" in (house.root / "_aura-daemon").read_text()


def _here(line: str) -> int:
    _, *words = shlex.split(line)
    return exit_code_of(lambda: app(words, prog_name=PROGRAM, standalone_mode=False))


def _in_a_shell(line: str) -> int:
    return subprocess.run(["bash", "-c", line], capture_output=True, timeout=DEADLINE_S, check=False).returncode
