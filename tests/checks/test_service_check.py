"""The whole service check as a test: minutes, so that `make test-slow` alone runs it; CI runs its short version."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.booted_systemd import obstacle
from tests.support.programs import ROOT


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(bool(obstacle()), reason=obstacle())
def test_in_a_real_systemd_the_service_does_what_its_page_says() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.checks.service_check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if "skipped:" in ran.stdout:
        pytest.skip(ran.stdout.strip())
    assert ran.returncode == 0, ran.stdout + ran.stderr
