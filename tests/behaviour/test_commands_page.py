"""Every example in docs/commands.md runs as it is written, on one daemon."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.house import PNG, House
from tests.support.programs import LIGHT, REAL, ROOT, Program

EXAMPLES = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / "commands.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.timeout(110)
def test_the_examples_of_the_page_run(house: House) -> None:
    program = house.root / "bin" / "aura-daemon"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m {REAL} "$@"\n')
    program.chmod(0o755)
    (house.root / "photo.png").write_bytes(PNG)
    (house.root / "jobs.yaml").write_text("prompt: a cat\n")
    daemon = Program(house, LIGHT)
    environment = {**daemon.environment(), "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"):
        environment.pop(name, None)
    daemon.start("run")
    try:
        daemon.until(daemon.health)
        assert len(EXAMPLES) >= 4
        ran = subprocess.run(
            ["bash", "-eux", "-c", "".join(EXAMPLES)],
            cwd=house.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    finally:
        daemon.end()
    assert ran.returncode == 0, ran.stderr[-2000:]
    results = {Path(line).name for line in ran.stdout.splitlines() if line.startswith(str(house.outbox))}
    assert {"a-red-circle-1.png", "a-blue-square-2.png", "photo.txt"} <= results
    assert "_aura_daemon_completion" in (house.root / "_aura-daemon").read_text()
