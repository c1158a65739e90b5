"""`make smb-check`: a share of SMB in a machine of its own, user-mode Linux: the daemon as client, and on the server.

In: options. Out: a table. Samba serves on the machine's loopback, its kernel mounts: this machine sees none of it.
"""

from __future__ import annotations

import argparse
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

from tests.checks.smb_guest import MARK
from tests.powercut import filesystems, machine

PROGRAMS: Final = {"smbd": "samba", "smbpasswd": "samba", "smbclient": "smbclient", "mount.cifs": "cifs-utils"}
"""Program -> its package."""

MEMORY: Final = "768M"
LIMIT_S: Final = 900.0
LOG_CHARACTERS: Final = 6000
"""Of what the machine said, where a row is bad."""


def main() -> int:
    parser = argparse.ArgumentParser(description="The daemon and a share of SMB, and a table of what came of it.")
    parser.add_argument("--must-run", action="store_true", help="fail where no machine can be started")
    given = parser.parse_args()
    if reason := obstacle():
        print(f"smb check: skipped: {reason}", file=sys.stderr)
        return int(given.must_run)
    rows, log = told()
    table = Table(show_edge=False)
    for title in ("where", "what", "came of it", ""):
        table.add_column(title)
    for part, what, came, is_good in rows:
        table.add_row(part, what, came, "ok" if is_good else "BAD")
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    if all(row[3] for row in rows) and rows and not rows[-1][0]:  # the last row says that it came to its end
        return 0
    print(log[-LOG_CHARACTERS:], file=sys.stderr)
    return 1


def obstacle() -> str:
    """Why nothing can be tried here; empty where it can."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    for program, package in PROGRAMS.items():
        if not shutil.which(program, path=path):
            return f"{program} is not installed (package {package})"
    if reason := machine.obstacle():
        return reason
    if os.geteuid() != 0:
        return "takes root: the machine reads the files of this one with the rights of its user"
    has_client = any(filesystems.is_known("cifs", release) for release in machine.MODULES.glob("*"))
    return "" if has_client else "the kernel of the machine has no cifs"


def told() -> tuple[list[list[Any]], str]:
    """The rows that the machine tells, and all that it says."""
    with tempfile.TemporaryDirectory(prefix="aura-smb-") as folder:
        command = machine.command("tests.checks.smb_guest", folder=Path(folder), memory=MEMORY)
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=machine.environment(Path(folder)),
            timeout=LIMIT_S,
            check=False,
        )
    log = ran.stdout.decode(errors="replace")
    return [json.loads(line.partition(MARK)[2]) for line in log.splitlines() if line.startswith(MARK)], log


if __name__ == "__main__":
    sys.exit(main())
