"""What every process may read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from aura_daemon.system.sandbox.landlock import WRITE, FileAccess, known_rights
from aura_daemon.system.sandbox.machine_files import rules
from aura_daemon.system.sandbox.plan import SandboxMode, SandboxPlan


def test_a_checkout_with_the_inbox_in_it_is_not_opened_for_its_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "checkout"), str(tmp_path / "other")])
    inbox = str(tmp_path / "checkout" / "inbox")
    places = [place for place, _ in rules(SandboxPlan(mode=SandboxMode.AUTO, closed=(inbox,)))]
    assert str(tmp_path / "other") in places
    assert str(tmp_path / "checkout") not in places
    assert "" not in places


def test_nothing_is_written_but_the_own_folder_devices_and_the_count_of_memory() -> None:
    plan = SandboxPlan(mode=SandboxMode.AUTO, folder="/own", reads=("/models",))
    written = {
        place for place, rights in rules(plan) if rights & (WRITE & ~FileAccess.READ_FILE & ~FileAccess.READ_DIR)
    }
    assert {place for place in written if not place.startswith("/dev/")} == {"/own", "/proc/self/clear_refs"}


def test_names_of_machines_and_other_processes_are_read_only_where_they_are_needed() -> None:
    plain = {place for place, _ in rules(SandboxPlan(mode=SandboxMode.AUTO))}
    connects = {place for place, _ in rules(SandboxPlan(mode=SandboxMode.AUTO, network=True))}
    starts = {place for place, _ in rules(SandboxPlan(mode=SandboxMode.AUTO, programs=("/usr/bin/cc",)))}
    assert "/etc/resolv.conf" in connects - plain
    assert starts - plain == {"/proc", "/usr/bin/cc"}
    assert not any(place in ("/", "/etc", "/home", "/root", "/tmp", "/proc", "/var") for place in plain)


@pytest.mark.parametrize(
    ("version", "right"), [(2, FileAccess.REFER), (3, FileAccess.TRUNCATE), (5, FileAccess.IOCTL_DEV)]
)
def test_a_right_counts_from_the_version_that_knows_it(version: int, right: FileAccess) -> None:
    assert not known_rights(version - 1) & right
    assert known_rights(version) & right
    assert int(known_rights(7)) == (1 << 16) - 1
    assert int(known_rights(1)) == (1 << 13) - 1
