"""promtool, Prometheus' own checker (Debian's package `prometheus`), on texts."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

VARIABLE: Final = "AURA_TEST_PROMTOOL"


def promtool() -> str:
    """The program; skips the test where there is none."""
    found = os.environ.get(VARIABLE) or shutil.which("promtool")
    if found is None or not Path(found).exists():
        pytest.skip("promtool is not here: `apt-get install prometheus`, or name it in AURA_TEST_PROMTOOL")
    return found


def said(*arguments: str | Path, content: bytes = b"") -> tuple[int, str]:
    """Its exit code and all that it says."""
    run = subprocess.run(
        [promtool(), *map(str, arguments)], input=content, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return run.returncode, run.stdout.decode()
