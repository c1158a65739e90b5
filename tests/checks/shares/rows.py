"""What the machine tells: a line for each row of the table outside. Waits for what is to come, and runs programs."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

MARK: Final = "@@"
"""Begins a line with a row; others are the log."""

PATIENCE_S: Final = 120.0
POLL_S: Final = 0.2


class Failed(Exception):
    """Something does not come that the check waits for, or a program has failed."""


def say(part: str, what: str, told: str, *, is_good: bool) -> None:
    """One row of the table outside."""
    print(MARK, json.dumps([part, what, told, is_good]), flush=True)


def run(*command: str | Path, given: str = "") -> None:
    """Runs a program; raises Failed."""
    ran = subprocess.run(list(map(str, command)), input=given, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise Failed(f"{command[0]}: {ran.returncode}: {ran.stdout}{ran.stderr}")


def wait(is_so: Callable[[], bool], what: str) -> str:
    """Returns how long it took until something is so; raises Failed."""
    began_s = time.monotonic()
    while not is_so():
        if time.monotonic() - began_s > PATIENCE_S:
            raise Failed(f"not within {PATIENCE_S:g} s: {what}")
        time.sleep(POLL_S)
    return f"{time.monotonic() - began_s:.1f} s"
