"""`make share-check`: shares of SMB and NFS in machines of their own. In: options. Out: a table."""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.checks.shares.kinds import SERVERS
from tests.checks.shares.rows import MARK
from tests.powercut import filesystems, machine

MEMORY: Final = "768M"
LIMIT_S: Final = 900.0
LOG_CHARACTERS: Final = 6000
"""Of what the machine said, where a row is bad."""


def main() -> int:
    parser = argparse.ArgumentParser(description="The daemon and shares, and a table of what came of it.")
    parser.add_argument("--kinds", default=",".join(SERVERS), help="which, with commas between")
    parser.add_argument("--must-run", action="store_true", help="fail where no machine can be started")
    given = parser.parse_args()
    reasons = {kind: obstacle(kind) for kind in given.kinds.split(",")}
    for kind, reason in reasons.items():
        if reason:
            print(f"share check: {kind}: skipped: {reason}", file=sys.stderr)
    for folder in ("aura_daemon", "tests/checks", "tests/powercut", "tests/support"):
        compileall.compile_dir(machine.ROOT / folder, quiet=2)  # the machines cannot write what they compile
    bad = [kind for kind, reason in reasons.items() if not reason and not _is_good(kind)]
    return int(bool(bad) or (given.must_run and any(reasons.values())))


def obstacle(kind: str) -> str:
    """Why a kind cannot be tried here; empty where it can."""
    server, path = SERVERS[kind](), f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    for program, package in server.programs.items():
        if not shutil.which(program, path=path):
            return f"{program} is not installed (package {package})"
    if reason := machine.obstacle():
        return reason
    if os.geteuid() != 0:
        return "takes root: the machine reads the files of this one with the rights of its user"
    releases = list(machine.MODULES.glob("*"))
    for module in server.modules:
        if not any(filesystems.is_known(module, release) for release in releases):
            return f"the kernel of the machine has no {module}"
    return ""


def _is_good(kind: str) -> bool:
    """Prints the table of a kind, and the end of the log where something is wrong."""
    rows, log = told(kind)
    table = Table(title=kind, show_edge=False)
    for title in ("where", "what", "came of it", ""):
        table.add_column(title)
    for part, what, came, is_good in rows:
        table.add_row(part, what, came, "ok" if is_good else "BAD")
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    if all(row[3] for row in rows) and rows and not rows[-1][0]:  # the last row says that it came to its end
        return True
    print(log[-LOG_CHARACTERS:], file=sys.stderr)
    return False


def told(kind: str) -> tuple[list[list[Any]], str]:
    """The rows that the machine tells, and all that it says."""
    with tempfile.TemporaryDirectory(prefix="aura-share-") as folder:
        command = [*machine.command("tests.checks.shares.guest", folder=Path(folder), memory=MEMORY), kind]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        try:
            said = subprocess.run(
                command, env=machine.environment(Path(folder)), timeout=LIMIT_S, check=False, **streams
            ).stdout
        except subprocess.TimeoutExpired as error:
            said = (error.stdout or b"") + f"\nnot ended within {LIMIT_S:g} s\n".encode()
    log = said.decode(errors="replace")
    return [json.loads(line.partition(MARK)[2]) for line in log.splitlines() if line.startswith(MARK)], log


if __name__ == "__main__":
    sys.exit(main())
