"""The check of a GPU, as far as it goes without one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.checks.gpu_speed_table import AGAIN, COMPILED, DEFAULTS, EAGER, FOUR_GB, GRAPHS, ORIGIN, PLAIN

ROOT = Path(__file__).parents[2]


def check(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.checks.gpu_check", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: run the check")
def test_without_a_gpu_it_says_so_and_nothing_else() -> None:
    done = check()
    assert (done.returncode, done.stdout) == (0, "not yet run on a GPU\n"), done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_rehearsal_draws_on_every_rung(tmp_path: Path) -> None:
    done = check(
        "--rehearse",
        "--parts",
        "ladder",
        "--cards",
        "4",
        "--models",
        str(tmp_path / "models"),
        "--output",
        str(tmp_path / "out"),
    )
    assert done.returncode == 0, done.stderr
    said = (tmp_path / "out").read_text(encoding="utf-8")
    assert "| all | 5 of 5 | yes |" in said, said
    assert said.count("| 4 GB |") == 5, said


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_rehearsal_measures_every_engine_beside_plain_diffusers(tmp_path: Path) -> None:
    models, out = str(tmp_path / "models"), tmp_path / "out"
    done = check("--rehearse", "--parts", "speed", "--models", models, "--output", str(out))
    assert done.returncode == 0, done.stderr
    said = out.read_text(encoding="utf-8")
    for engine in (PLAIN, EAGER, DEFAULTS, GRAPHS, ORIGIN, FOUR_GB, COMPILED, AGAIN):
        assert f"| {engine} |" in said, said
    assert "captions a second one at a time" in said
