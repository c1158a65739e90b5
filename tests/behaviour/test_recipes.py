"""docs/recipes.md: every recipe is run as it is written, by the tools it names where they are installed.

The slow ones are run by `make recipes-check`.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs import DEADLINE_S, LIGHT, REAL
from tests.support.recipes import PAGE, Block, Desk, recipes

RECIPES = recipes()

real = pytest.param(REAL, marks=pytest.mark.slow)


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture
def module() -> str:
    """The program that is on the path."""
    return LIGHT


@pytest.fixture
def desk(tmp_path: Path, module: str) -> Iterator[Desk]:
    """A person who has installed it."""
    person = Desk(tmp_path / "home", module)
    yield person
    person.leave()


@pytest.mark.parametrize("module", [LIGHT, real])
def test_what_one_daemon_draws_the_next_one_captions(desk: Desk) -> None:
    desk.follow(*RECIPES["Two daemons in a chain"])
    desk.drop("~/aura/inbox/cat.yaml")
    desk.drop("~/aura/inbox/bad.yaml", b"steps: 0\n")
    desk.until_there("~/aura/captions/cat.txt", "~/aura/captions/cat.json", "~/aura/pictures/failed/bad.yaml.json")
    desk.drop("~/aura/inbox/dog.yaml")
    desk.until_there("~/aura/captions/dog.json")
    of_pictures = {"cat.txt", "cat.json", "dog.txt", "dog.json"}
    assert {name for name in desk.files("~/aura/captions") if name != "health.json"} == of_pictures
    assert {"cat.png", "cat.json", "dog.png", "failed/bad.yaml"} <= set(desk.files("~/aura/pictures"))
    assert json.loads(desk.place("~/aura/captions/health.json").read_bytes())["jobs"]["failed"] == 0


def crontab_line() -> str:
    (block,) = (block for block in RECIPES["cron"] if block.language == "cron")
    (line,) = (line for line in block.text.splitlines() if not line.startswith("#"))
    return line


@pytest.mark.parametrize("module", [LIGHT, real])
def test_cron_drains_the_inbox_with_nothing_but_crons_environment(desk: Desk) -> None:
    desk.follow(*(block for block in RECIPES["cron"] if block.language == "yaml"))
    for folder in ("~/aura/inbox", "~/aura/outbox"):
        desk.place(folder).mkdir(parents=True)
    command = " ".join(crontab_line().split()[5:])
    assert "%" not in command, "cron makes a line feed of it"

    def as_cron() -> subprocess.CompletedProcess[str]:
        bare = {"HOME": str(desk.home), "LOGNAME": "somebody", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            ["/bin/sh", "-c", command], cwd=desk.home, env=bare, capture_output=True, text=True, timeout=DEADLINE_S
        )

    desk.drop("~/aura/inbox/cat.yaml")
    ran = as_cron()
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert {"cat.png", "cat.json"} <= set(desk.files("~/aura/outbox"))
    desk.drop("~/aura/inbox/bad.yaml", b"steps: 0\n")
    ran = as_cron()
    assert "bad.yaml" in ran.stdout, "cron mails what went wrong"
    assert len(ran.stdout.splitlines()) <= 5
    desk.drop("~/aura/inbox/dog.yaml")
    with desk.place("~/aura/once.lock").open("ab") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        ran = as_cron()
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", ""), "a run that is still busy keeps the next one out"
    assert desk.files("~/aura/inbox") == ["dog.yaml"]


@needs("crontab")
def test_cron_understands_the_line(tmp_path: Path) -> None:
    (block,) = (block for block in RECIPES["cron"] if block.language == "cron")
    (tmp_path / "table").write_text(block.text)
    asked = subprocess.run(["crontab", "-n", tmp_path / "table"], capture_output=True, text=True, check=False)
    if "invalid option" in asked.stderr:
        pytest.skip("this crontab cannot check without installing")
    assert asked.returncode == 0, asked.stderr
