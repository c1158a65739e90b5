"""`python -m tests.checks.service_check`: the service under a real systemd that is booted for it.

It is installed by our own command, started, watched, hung, killed, reloaded, upgraded, stopped and removed. Needs root.
`tests.support.booted_systemd` makes the root, `tests.checks.service_steps` are the steps. Out: a table, as in
BENCHMARKS.md; exit code 1 where a step failed, 0 with a reason where nothing can be booted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.support.booted_systemd import BootedSystemd, obstacle, python_of

ROOT: Final = Path(__file__).parents[2]

TIMEOUT_S: Final = 900.0
SHORT_TIMEOUT_S: Final = 180.0


def main() -> int:
    """Boots, prints the table, returns the exit code."""
    parser = argparse.ArgumentParser(description="The service under a real systemd.")
    parser.add_argument("--short", action="store_true", help="the main steps, in half a minute")
    parser.add_argument("--must-boot", action="store_true", help="fail where no systemd can be booted")
    parser.add_argument("--keep", type=Path, help="a folder for the root and its results, which stay")
    given = parser.parse_args()
    reason = obstacle()
    if not reason:
        with tempfile.TemporaryDirectory(prefix="aura-service-check-") as folder:
            reason = _run(given.keep or Path(folder), is_short=given.short)
            if not reason:
                return 0
    if reason == FAILED:
        return 1
    print(f"service check: skipped: {reason}")
    return 1 if given.must_boot else 0


FAILED: Final = "failed"


def _run(folder: Path, *, is_short: bool) -> str:
    """Empty where all is well; `FAILED`; or why nothing could be booted."""
    machine = BootedSystemd(folder=folder)
    machine.make()
    (python,) = python_of(machine, sources=ROOT)
    options = " --short" if is_short else ""
    machine.start_at_boot("aura-check", f"{python} -m tests.checks.service_steps{options}")
    began_s, timeout_s = time.monotonic(), SHORT_TIMEOUT_S if is_short else TIMEOUT_S
    try:
        ran = machine.run(timeout_s)
        said = ran.stdout
    except subprocess.TimeoutExpired as error:
        said = f"nothing ended within {timeout_s:g} s\n{error.output or ''}"
    except (OSError, subprocess.CalledProcessError) as error:
        return f"systemd-nspawn cannot be had: {error}"
    steps = machine.results / "steps.jsonl"
    if not steps.exists():
        if (errors := machine.results / "errors").exists() and errors.read_text():
            print(errors.read_text(), file=sys.stderr)
            return FAILED
        return f"no systemd boots here: {said.strip().splitlines()[-1] if said.strip() else 'it says nothing'}"
    rows = [json.loads(line) for line in steps.read_text().splitlines()]
    print("| step | what came of it | s |\n|---|---|---|")
    for row in rows:
        print(f"| {row['step']} | {row['result']} | {row['seconds']:.1f} |")
    print(f"\nBooted, checked and ended in {time.monotonic() - began_s:.0f} s.")
    is_whole = rows and rows[-1]["step"] == "end"
    if not is_whole or any(row["failed"] for row in rows):
        for name in ("errors", "journal"):
            if (log := machine.results / name).exists():
                print(f"--- {name}\n{log.read_text(errors='replace')[-6000:]}", file=sys.stderr)
        return FAILED
    return ""


if __name__ == "__main__":
    sys.exit(main())
