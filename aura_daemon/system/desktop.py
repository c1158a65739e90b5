"""Opens a file in the program that the desktop has for it. In: a file. Out: nothing, or why it was not opened."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MOST_S: Final = 10.0
"""An opener hands the file over and ends; one that does not is left alone."""

NO_DISPLAY: Final = "there is no display here"


def show(file: Path) -> str:
    """Opens a file; why that did not go, or an empty text."""
    opener = opener_of(sys.platform, os.environ)
    if opener is None:
        return NO_DISPLAY
    if (program := shutil.which(opener)) is None:
        return f"`{opener}` is not installed"
    try:
        ended = subprocess.run(
            [program, os.fspath(file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=MOST_S,
            start_new_session=True,  # a viewer outlives this terminal's Ctrl-C
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    except OSError as error:
        return f"`{opener}` cannot be started: {error.strerror}"
    said = ended.stderr.decode("utf-8", "replace").strip().splitlines()
    return "" if ended.returncode == 0 else f"`{opener}` said: {said[-1] if said else ended.returncode}"


def opener_of(platform: str, environment: Mapping[str, str]) -> str | None:
    """The program that opens files; None where there is no display. `wslview` (wslu) opens them in Windows."""
    if platform == "darwin":
        return None if "SSH_CONNECTION" in environment else "open"
    if "WSL_DISTRO_NAME" in environment:
        return "wslview"
    return "xdg-open" if "DISPLAY" in environment or "WAYLAND_DISPLAY" in environment else None
