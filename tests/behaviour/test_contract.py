"""The contract as a state machine: a few short examples, always the same; `make torture` draws many new ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.programs import DEADLINE_S, ROOT

EXAMPLES, STEPS = 22, 12


def test_no_sequence_of_deliveries_crashes_and_faults_breaks_the_contract(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.torture.machine", f"--examples={EXAMPLES}", f"--steps={STEPS}", "--as-found"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},  # in memory, as the folders of all tests
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
