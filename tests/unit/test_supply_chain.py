"""What is installed: the locked files are those of the pinned versions, with hashes; a bill of them can be made."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
WITHOUT_TORCH = {"torch"}
"""Each index has builds of its own under one version, so that no hash is everybody's."""


def pinned() -> dict[str, str]:
    """Name -> version, as in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines if "==" in line}


def locked() -> dict[str, tuple[str, list[str]]]:
    """Name -> version and hashes, as in requirements.lock."""
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if match := re.match(r"([\w.-]+)==(\S+)(.*)", line):
            found[canonicalize_name(match[1])] = match[2], re.findall(r"--hash=sha256:([0-9a-f]{64})\b", match[3])
    return found


def needed() -> set[str]:
    """What an installation on this machine needs, found by what is installed; torch's own builds left out."""
    wanted = list(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    found: set[str] = set()
    while wanted:
        requirement = Requirement(wanted.pop())
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        wanted += requires(name) or ()
    return found - WITHOUT_TORCH


def test_the_lock_holds_what_an_installation_needs_in_the_pinned_versions_with_hashes() -> None:
    assert needed() <= locked().keys()
    assert not WITHOUT_TORCH & locked().keys()
    for name, (version, hashes) in locked().items():
        assert hashes, name
        assert pinned().get(name, version) == version, f"{name}: run `make lock`"


def test_nothing_is_locked_that_is_not_pinned() -> None:
    of_other_systems = {"colorama", "win32-setctime", "httpx2-jsfetch"}
    assert {name for name in locked() if name not in pinned()} <= {*of_other_systems, "setuptools"}


@pytest.mark.skipif(not find_spec("cyclonedx_py"), reason="cyclonedx-bom is not installed")
def test_the_bill_names_every_locked_package_with_its_hashes(tmp_path: Path) -> None:
    bill = tmp_path / "bill.cdx.json"
    command = (sys.executable, "-m", "cyclonedx_py", "requirements", "requirements.lock")
    options = ("--pyproject", "pyproject.toml", "--output-reproducible", "--of", "JSON", "-o", str(bill))
    subprocess.run((*command, *options), cwd=ROOT, check=True, capture_output=True)
    document = json.loads(bill.read_text())
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "aura-daemon"
    components = {canonicalize_name(one["name"]): one for one in document["components"]}
    assert components.keys() == locked().keys()
    for name, (version, hashes) in locked().items():
        assert components[name]["version"] == version
        told = {one["content"] for reference in components[name]["externalReferences"] for one in reference["hashes"]}
        assert told == set(hashes)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_with_hashes_nothing_is_installed_that_has_none_but_torch_s_own(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    make = ["make", "-n", f"{venv}/.installed", f"VENV={venv}", "HASHES=1", f"TORCH_HASH={'0' * 64}"]
    said = subprocess.run(make, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    installs = [line for line in said.splitlines() if " -m pip install " in line]
    hashed = [line for line in installs if line.endswith(".lock") and "--no-deps --require-hashes -r " in line]
    torch, package = [line for line in installs if line not in hashed]
    assert len(hashed) == 2
    assert torch.endswith(" -c constraints.txt torch")  # which is there: only what a build for CUDA needs is fetched
    assert package.endswith(" --no-deps --no-build-isolation -e .")  # pip would fetch what builds it, without a hash
    assert "setuptools" in locked()
    assert f"{venv}/bin/python -m pip check" in said  # what the lock lacks is missing, not fetched
