"""`service` as a shell sees it; `tests.checks.service_check` installs for real."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.house import House
from tests.support.programs import REAL, Program


@pytest.fixture
def config(house: House) -> Path:
    file = house.root / "aura.yaml"
    file.write_text(f"inbox: {house.inbox}\noutbox: {house.outbox}\nstate: {house.state}\n")
    return file


@pytest.fixture
def shell(house: House) -> Program:
    return Program(house, REAL)


def ask(shell: Program, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in shell.environment().items() if not name.startswith("AURA_")}
    return subprocess.run(
        [sys.executable, "-m", REAL, "service", *arguments],
        cwd=shell.house.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="a unit of systemd")
def test_print_shows_the_unit_alone_and_what_to_know_beside_it(shell: Program, config: Path) -> None:
    ran = ask(shell, "print", "--user", "--cpu", "--config", str(config))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[0].startswith("# Written by `aura-daemon service install`")
    assert f"run --config {config}" in ran.stdout
    assert ran.stdout.rstrip().endswith("WantedBy=default.target")
    assert all(line.startswith("# ") for line in ran.stderr.splitlines())
    assert "It runs on the CPU; with a GPU say --gpu." in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("print", "--user", "--name", "../x"), "error: --name: must be up to 31 of a-z"),
        (("print", "--user", "--run-as", "root"), "error: --run-as: goes with --system"),
        (("print", "--system", "--run-as", "no-such-account"), "error: --run-as: there is no account of that name"),
    ],
)
def test_a_mistake_is_one_line_with_the_mend(
    shell: Program, config: Path, arguments: tuple[str, ...], message: str
) -> None:
    ran = ask(shell, *arguments, "--config", str(config))
    assert ran.returncode == 2
    assert ran.stderr.startswith(message)
    assert len(ran.stderr.splitlines()) == 1
