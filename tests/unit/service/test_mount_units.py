"""Units that mount folders are called as systemd calls them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from aura_daemon.service.mount_units import mount_units


def test_each_folder_on_the_way_is_named_once_and_the_root_is_not() -> None:
    assert list(mount_units(("/srv/nas/in", "/srv/nas/out"))) == [
        "srv.mount", "srv-nas.mount", "srv-nas-in.mount", "srv-nas-out.mount",
    ]  # fmt: skip


def test_names_are_escaped() -> None:
    assert list(mount_units(("/.x/ä-b.c",))) == [r"\x2ex.mount", r"\x2ex-\xc3\xa4\x2db.c.mount"]


@pytest.mark.skipif(shutil.which("systemd-escape") is None, reason="systemd-escape is not installed (package systemd)")
@pytest.mark.parametrize("folder", ["/srv/.hidden/a.b", "/.x/ü y-1/..a", '/srv/my "aura" 50%/in box', "/a/b\\c:d_e"])
def test_names_are_escaped_as_systemd_does_it(folder: str) -> None:
    escaped = subprocess.run(["systemd-escape", "--path", folder], capture_output=True, text=True, check=True)
    assert list(mount_units((folder,)))[-1] == f"{escaped.stdout.strip()}.mount"
