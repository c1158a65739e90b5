"""docs/recipes.md: recipes are run as they are written. Those that take tools of others are in tests/checks."""

from __future__ import annotations

import fcntl
import json
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from tests.support.programs import DEADLINE_S, LIGHT, REAL
from tests.support.recipes import Desk, needs, recipes

RECIPES = recipes()

real = pytest.param(REAL, marks=pytest.mark.slow)


UNFINISHED = (
    ".syncthing.IMG_0001.JPG.tmp",
    "~syncthing~IMG_0001.JPG.tmp",
    ".IMG_0001.JPG.~4f2a",
    "IMG_0001.JPG.part",
    "IMG_0001.JPG.filepart",
    "IMG_0001.JPG.!sync",
    "IMG_0001.JPG.tmp",
)
"""What a photo is called while Syncthing-Fork, Nextcloud, Resilio Sync and others transfer it."""

PHOTO, HEIC = BytesIO(), BytesIO()
Image.new("RGB", (96, 64), "red").save(PHOTO, "JPEG")
pillow_heif.from_pillow(Image.new("RGB", (96, 64), "blue")).save(HEIC)


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


def test_no_recipe_has_a_block_that_is_not_run() -> None:
    """A block that is added here needs a test that follows it."""
    assert {heading: [block.language for block in blocks] for heading, blocks in RECIPES.items() if blocks} == {
        "Syncthing": ["sh", "yaml", "sh"],
        "rclone bisync": ["sh", "yaml", "sh"],
        "A NAS share": ["fstab", "sh", "yaml"],
        "Two daemons in a chain": ["yaml", "yaml", "sh"],
        "cron": ["yaml", "sh", "cron"],
        "A container": ["sh", "sh"],
        "A phone": ["yaml", "sh"],
    }


@needs("findmnt")
def test_the_lines_for_fstab_are_such(tmp_path: Path) -> None:
    block, *_ = RECIPES["A NAS share"]
    (tmp_path / "fstab").write_text(block.text)
    asked = ["findmnt", "--tab-file", tmp_path / "fstab", "--noheadings", "--raw", "--output", "SOURCE,TARGET,FSTYPE"]
    found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert found.splitlines() == ["//nas/aura /srv/nas cifs", "nas:/aura /srv/nfs nfs"]


@pytest.mark.parametrize("module", [LIGHT, real])
def test_what_one_daemon_draws_the_next_one_captions(desk: Desk, module: str) -> None:
    desk.follow(*RECIPES["Two daemons in a chain"])
    desk.drop("~/aura/inbox/cat.yaml")
    desk.drop("~/aura/inbox/bad.yaml", b"steps: 0\n")
    desk.until_there("~/aura/captions/cat.txt", "~/aura/captions/cat.json", "~/aura/pictures/failed/bad.yaml.json")
    desk.until_there("~/aura/pictures/index.html")
    if module is REAL:
        desk.until(lambda: any(desk.place("~/aura/pictures").rglob("*.webp")), "no thumbnail came")
    desk.drop("~/aura/inbox/dog.yaml")
    desk.until_there("~/aura/captions/dog.json")
    of_pictures = ["cat.json", "cat.txt", "dog.json", "dog.txt"]
    assert results_in(desk, "~/aura/captions") == of_pictures, "the gallery of the first one is nothing to caption"
    desk.type("aura-daemon service print --user --name aura-draw --config ~/aura/draw/aura.yaml > ~/unit")
    assert f"--config {desk.home}/aura/draw/aura.yaml" in (desk.home / "unit").read_text()
    assert {"cat.png", "cat.json", "dog.png", "failed/bad.yaml"} <= set(desk.files("~/aura/pictures"))
    assert json.loads(desk.place("~/aura/captions/health.json").read_bytes())["jobs"]["failed"] == 0


def results_in(desk: Desk, path: str) -> list[str]:
    """The files of an outbox, without those that tell of the daemon."""
    told = ("health.json", "index.html")
    return [name for name in desk.files(path) if name not in told and not name.startswith("aura-gallery/")]


def crontab_line() -> str:
    (block,) = (block for block in RECIPES["cron"] if block.language == "cron")
    (line,) = (line for line in block.text.splitlines() if not line.startswith("#"))
    return line


@pytest.mark.parametrize("module", [LIGHT, real])
def test_cron_drains_the_inbox_with_nothing_but_crons_environment(desk: Desk) -> None:
    desk.follow(*(block for block in RECIPES["cron"] if block.language != "cron"))
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


@pytest.mark.parametrize("module", [LIGHT, real])
def test_what_the_apps_of_phones_write_is_taken_when_it_is_there_under_its_name(desk: Desk) -> None:
    desk.follow(*RECIPES["A phone"])
    for name in UNFINISHED:
        desk.place(f"~/aura/inbox/{name}").write_bytes(PHOTO.getvalue())
    desk.type("aura-daemon once")
    assert desk.files("~/aura/inbox") == sorted(name for name in UNFINISHED if not name.startswith("."))
    assert results_in(desk, "~/aura/outbox") == [], "half a photo was taken"
    for name in UNFINISHED:
        desk.place(f"~/aura/inbox/{name}").rename(desk.place("~/aura/inbox/IMG_0001.JPG"))
    desk.place("~/aura/inbox/IMG_0002.HEIC").write_bytes(HEIC.getvalue())
    desk.place("~/aura/inbox/CAT.TXT").write_bytes(b"a small red circle on a blue background")
    desk.type("aura-daemon once")
    results = set(desk.files("~/aura/outbox"))
    assert {"IMG_0001.txt", "IMG_0001.json", "IMG_0002.txt", "IMG_0002.json", "CAT.png", "CAT.json"} <= results
    assert desk.files("~/aura/inbox") == ["CAT.TXT", "IMG_0001.JPG", "IMG_0002.HEIC"], (
        "nothing disappears from the phone"
    )
