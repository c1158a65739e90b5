"""Recipes of a page, run as they are written.

A block whose first line names a file is written to that file; `sh` blocks are typed at a shell. Nothing in them is
changed: `~` is a temporary home folder, and `aura-daemon` on the path is the one under test.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.programs import DEADLINE_S, LIGHT, ROOT

PAGE: Final = ROOT / "docs" / "recipes.md"

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECTION: Final = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A block of a page."""

    language: str
    text: str

    @property
    def file(self) -> str:
        """What its first line names; empty where it is to be typed."""
        return self.text.partition("\n")[0].removeprefix("# ") if self.text.startswith("# ") else ""


def recipes() -> dict[str, tuple[Block, ...]]:
    """Heading -> blocks."""
    page = PAGE.read_text(encoding="utf-8")
    return {
        heading: tuple(Block(language=language, text=text) for language, text in _FENCE.findall(section))
        for heading, section in _SECTION.findall(page)
    }


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skips a test where one of the programs is missing, and says which."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


class Desk:
    """A person's home folder, and what they have started."""

    def __init__(self, home: Path, module: str = LIGHT) -> None:
        self.home = home
        program = home / ".local" / "bin" / "aura-daemon"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m {module} "$@"\n')
        program.chmod(0o755)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AURA_", "XDG_"))}
        self.environment = {
            **inherited,
            "HOME": str(home),
            "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
            "RCLONE_CONFIG": str(home / "rclone.conf"),
        }
        self._started: list[subprocess.Popen[bytes]] = []

    def place(self, path: str) -> Path:
        """`~/x` in this home folder."""
        return self.home / path.removeprefix("~/")

    def write(self, block: Block) -> None:
        """Writes the file that a block is."""
        assert block.file.startswith("~/"), block.file
        place = self.place(block.file)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(block.text)

    def type(self, text: str, **variables: str) -> None:
        """Types lines at a shell; what they start in the background goes on until `leave`."""
        log = self.home / "shell.log"
        with log.open("ab") as output:
            shell = subprocess.Popen(
                ["bash", "-e", "-c", text],
                cwd=self.home,
                env={**self.environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._started.append(shell)
        assert shell.wait(DEADLINE_S) == 0, f"{text}\n{log.read_text(errors='replace')}"

    def follow(self, *blocks: Block, **variables: str) -> None:
        """Does what the blocks say, in their order."""
        for block in blocks:
            if block.file:
                self.write(block)
            else:
                assert block.language == "sh", block
                self.type(block.text, **variables)

    def drop(self, path: str, content: bytes = b"prompt: a red circle\n") -> None:
        """Renames a whole file into place."""
        place = self.place(path)
        hidden = place.with_name(f".{place.name}.new")
        hidden.write_bytes(content)
        hidden.rename(place)

    def until(self, is_it: Callable[[], Any], what: str) -> None:
        """Waits until a condition holds."""
        deadline_s = time.monotonic() + DEADLINE_S
        while not is_it():
            assert time.monotonic() < deadline_s, f"{what}\n{self.log()}\n{self.files()}"
            time.sleep(0.05)

    def until_there(self, *paths: str) -> None:
        """Waits for files."""
        for path in paths:
            self.until(self.place(path).exists, f"{path} never came")

    def log(self) -> str:
        """What was said so far."""
        return (self.home / "shell.log").read_text(errors="replace")[-6000:]

    def files(self, path: str = "~/") -> list[str]:
        """The visible files below a folder."""
        top = self.place(path)
        found: list[str] = []
        for place, folders, names in os.walk(top):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [(Path(place) / name).relative_to(top).as_posix() for name in names if not name.startswith(".")]
        return sorted(found)

    def leave(self) -> None:
        """Ends all that was started here."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in self._started:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            deadline_s = time.monotonic() + 20
            while self._is_somebody_there() and time.monotonic() < deadline_s:
                time.sleep(0.05)

    def _is_somebody_there(self) -> bool:
        for process in self._started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 0)
                return True
        return False
