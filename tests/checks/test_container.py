"""The container of docs/recipes.md, built and run as it is written, by a person without root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.programs import ROOT
from tests.support.recipes import recipes
from tests.support.rootless_podman import NUMBER, RootlessPodman, obstacle

BUILD, RUN = (block.text for block in recipes()["A container"] if block.language == "sh")

BASE = re.findall(r"^ARG BASE=(\S+)$", (ROOT / "Containerfile").read_text(), re.MULTILINE)[0]

BUILT_FROM = ("Containerfile", ".containerignore", "pyproject.toml", "constraints.txt", "README.md", "LICENSE")

PACKAGES = "python3,python3-venv,ca-certificates"

JOB = "prompt: a small red circle on a blue background"

AFTERWARDS = """
echo "steps: 0" > ~/aura/inbox/bad.yaml
echo "{job}" > ~/aura/inbox/cat.yaml
for second in $(seq 120); do test -e ~/aura/outbox/cat.json && break; sleep 1; done
echo "who: $(podman exec aura id -u)"
podman exec aura touch /x /opt/aura-daemon/x 2> ~/touched || true
podman exec aura cat /proc/1/status > ~/status
podman exec aura ls /sys/class/net > ~/net
podman healthcheck run aura && echo "health: well"
podman stop --time 60 aura > /dev/null
echo "ended: $(podman inspect --format '{{{{.State.ExitCode}}}}' aura)"
podman logs aura
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that others may enter, unlike pytest's."""
    place = Path(tempfile.mkdtemp(prefix="aura-container-"))
    place.chmod(0o755)
    yield place
    subprocess.run(["rm", "-rf", place], check=False)  # 70,000 files of two images


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.skipif(bool(obstacle()), reason=obstacle())
def test_the_image_is_built_and_makes_a_picture_as_the_page_says(folder: Path) -> None:
    person = RootlessPodman(folder=folder / "person")
    person.make()
    repository = person.home / "repository"
    for name in ("aura_daemon", "config"):
        shutil.copytree(ROOT / name, repository / name, symlinks=True)
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, repository / name)
    if person.run(f"timeout 60 podman pull --quiet {BASE}", timeout_s=90).returncode != 0:
        tar = stand_in(folder)
        imported = person.run(f"podman import --quiet {tar} {BASE}", timeout_s=300)
        assert imported.returncode == 0, imported.stderr
    built = person.run(f"cd ~/repository\n{BUILD}", timeout_s=1500)
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    ran = person.run(RUN + AFTERWARDS.format(job=JOB), timeout_s=300)
    said = ran.stdout + ran.stderr
    assert {"who: 10001", "health: well", "ended: 0"} <= set(ran.stdout.splitlines()), said
    outbox = person.home / "aura" / "outbox"
    assert (outbox / "cat.png").read_bytes().startswith(b"\x89PNG")
    assert (outbox / "failed" / "bad.yaml.json").exists(), "across two mounts"
    assert {place.stat().st_uid for place in outbox.iterdir()} == {NUMBER}, "outside, results are the person's own"
    assert (person.home / "touched").read_text().count("Read-only file system") == 2
    assert re.search(r"^CapBnd:\s0+$", (person.home / "status").read_text(), re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s1$", (person.home / "status").read_text(), re.MULTILINE)
    assert (person.home / "net").read_text().split() == ["lo"]
    assert "stopped: 1 done, 1 failed" in said


def stand_in(folder: Path) -> Path:
    """Where the base cannot be fetched: Debian's Python, as a tar."""
    if given := os.environ.get("AURA_TEST_BASE"):
        return Path(given)
    if shutil.which("debootstrap") is None:
        pytest.skip(f"neither {BASE} nor debootstrap is to be had")
    made = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", folder / "base"]
    subprocess.run(made, check=True, capture_output=True)
    subprocess.run(["tar", "-C", folder / "base", "-cf", folder / "base.tar", "."], check=True)
    shutil.rmtree(folder / "base")
    return folder / "base.tar"


def test_quadlet_and_compose_say_what_the_page_says() -> None:
    quadlet = (ROOT / "contrib/container/aura-daemon.container").read_text()
    compose = yaml.safe_load((ROOT / "contrib/container/compose.yaml").read_text())["services"]["aura"]
    volumes = re.findall(r"-v ~/aura/(\S+)", RUN)
    assert volumes == re.findall(r"^Volume=%h/aura/(\S+)", quadlet, re.MULTILINE)
    assert volumes == [volume.removeprefix("./") for volume in compose["volumes"]]
    for option, line, key, value in (
        ("--userns keep-id:uid=10001,gid=10001", "UserNS=keep-id:uid=10001,gid=10001", None, None),
        ("--read-only", "ReadOnly=true", "read_only", True),
        ("--tmpfs /tmp", "Tmpfs=/tmp", "tmpfs", ["/tmp"]),
        ("--cap-drop all", "DropCapability=all", "cap_drop", ["ALL"]),
        ("--security-opt no-new-privileges", "NoNewPrivileges=true", "security_opt", ["no-new-privileges:true"]),
        ("--network none", "Network=none", "network_mode", "none"),
        ("localhost/aura-daemon", "Image=localhost/aura-daemon", "image", "localhost/aura-daemon"),
    ):
        assert option in RUN
        assert line in quadlet.splitlines()
        assert key is None or compose[key] == value


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="not installed: hadolint")
def test_the_containerfile_is_as_its_linter_wants_it() -> None:
    judged = subprocess.run(["hadolint", ROOT / "Containerfile"], capture_output=True, text=True, check=False)
    assert judged.stdout == ""
