"""POSIX access lists are read and written as other programs do, and let nobody in by accident."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from aura_daemon.system.files import access_lists
from aura_daemon.system.files.access_lists import Tag

CAROL = 54321


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of mode 0750 whose file system knows access lists."""
    place = tmp_path / "folder"
    place.mkdir()
    place.chmod(0o750)
    try:
        os.getxattr(place, access_lists.ACCESS)
    except (AttributeError, OSError) as error:
        if getattr(error, "errno", None) != errno.ENODATA:  # it has none, but could
            pytest.skip(f"no access lists here: {error}")
    return place


def test_a_folder_without_a_list_has_none(folder: Path) -> None:
    assert access_lists.of(folder) is None
    assert access_lists.of(folder / "gone") is None


def test_one_more_user_is_let_in_and_nobody_else(folder: Path) -> None:
    access_lists.give(folder, access_lists.with_user(access_lists.of_mode(0o750), CAROL, 0o7))
    assert access_lists.of(folder) == {
        (Tag.OWNER, -1): 7,
        (Tag.USER, CAROL): 7,
        (Tag.OWNING_GROUP, -1): 5,
        (Tag.MASK, -1): 7,
        (Tag.OTHER, -1): 0,
    }
    assert access_lists.group_rights(folder, folder.stat()) == 5
    (folder / "inner").write_bytes(b"x")
    inner = access_lists.of(folder / "inner")
    assert inner is not None
    assert inner[Tag.USER, CAROL] & inner[Tag.MASK, -1] == access_lists.READ | access_lists.WRITE


def test_what_a_mask_kept_out_stays_out_when_the_mask_is_raised() -> None:
    before = {
        (Tag.OWNER, -1): 7,
        (Tag.USER, 1): 7,
        (Tag.OWNING_GROUP, -1): 7,
        (Tag.GROUP, 2): 6,
        (Tag.MASK, -1): 4,
        (Tag.OTHER, -1): 0,
    }
    after = access_lists.with_user(before, CAROL, 7)
    assert after[Tag.MASK, -1] == 7
    assert (after[Tag.USER, 1], after[Tag.OWNING_GROUP, -1], after[Tag.GROUP, 2]) == (4, 4, 4)


def test_without_a_list_the_group_has_what_the_mode_says(folder: Path) -> None:
    assert access_lists.group_rights(folder, folder.stat()) == 5


def test_it_is_the_list_that_setfacl_and_getfacl_know(folder: Path) -> None:
    if shutil.which("setfacl") is None:
        pytest.skip("setfacl is not installed (apt-get install acl)")
    subprocess.run(["setfacl", "-m", f"u:{CAROL}:rx", folder], check=True)
    found = access_lists.of(folder)
    assert found is not None
    assert found[Tag.USER, CAROL] == 5
    access_lists.give(folder, access_lists.with_user(found, CAROL + 1, 6))
    told = subprocess.run(["getfacl", "-cnp", folder], capture_output=True, text=True, check=True).stdout
    assert f"user:{CAROL + 1}:rw-" in told
    assert f"default:user:{CAROL}:r-x" in told
