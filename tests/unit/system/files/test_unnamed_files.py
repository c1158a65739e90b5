"""What is written where it will lie has no name before it is whole; elsewhere it takes its folder's group."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.system import durable_files
from aura_daemon.system.files import unnamed_files
from tests.support.plain_user import NOBODY


def test_a_file_is_seen_when_it_gets_its_name(tmp_path: Path) -> None:
    opened = unnamed_files.opened(tmp_path, tmp_path / "temp")
    if opened is None or not opened[1]:
        pytest.skip("there are no files without names here")
    with opened[0] as file:
        file.write(b"whole")
        file.flush()
        assert list(tmp_path.iterdir()) == []
        unnamed_files.name(file, tmp_path / "named")
        with pytest.raises(FileExistsError):
            unnamed_files.name(file, tmp_path / "named")
    assert (tmp_path / "named").read_bytes() == b"whole"


def test_where_there_is_none_of_them_nothing_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temp = tmp_path / "temp"
    assert unnamed_files.opened(tmp_path / "gone", temp) is None
    monkeypatch.setattr(unnamed_files, "_link_to", lambda descriptor: "/without/proc")
    assert unnamed_files.opened(tmp_path, temp) is None
    assert not temp.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux numbers its file systems")
def test_where_fsync_does_nothing_for_them_they_get_a_temporary_name_before_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/proc/self/status").open("rb") as status:
        assert unnamed_files.file_system_number(status.fileno()) == 0x9FA0
    assert unnamed_files.file_system_number(-1) == 0
    monkeypatch.setattr(unnamed_files, "file_system_number", lambda descriptor: 0x9123683E)  # btrfs
    temp = tmp_path / "temp"
    temp.write_bytes(b"what a killed daemon left")
    opened = unnamed_files.opened(tmp_path, temp)
    if opened is None:
        pytest.skip("there are no files without names here")
    file, is_unnamed = opened
    with file:
        assert not is_unnamed
        assert (os.fstat(file.fileno()).st_ino, temp.read_bytes()) == (temp.stat().st_ino, b"")
    assert unnamed_files.opened(tmp_path, tmp_path / "no folder" / "temp") is None


@pytest.mark.parametrize("replace", [False, True])
def test_without_them_files_are_written_under_a_temporary_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: bool
) -> None:
    open_file, unnamed = os.open, getattr(os, "O_TMPFILE", 0)

    def refuse(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if unnamed and flags & unnamed == unnamed:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return open_file(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    place, temp = tmp_path / "sub" / "cat.png", tmp_path / "tmp"
    durable_files.write(place, b"one", temp_folder=temp)
    if replace:
        durable_files.write(place, b"two", temp_folder=temp, replace=True)
    else:
        with pytest.raises(FileExistsError):
            durable_files.write(place, b"two", temp_folder=temp)
    durable_files.copy(place, tmp_path / "copy.png", temp_folder=temp)
    assert place.read_bytes() == (tmp_path / "copy.png").read_bytes() == (b"two" if replace else b"one")
    assert list(temp.iterdir()) == []
    assert stat.S_IMODE(temp.stat().st_mode) == 0o700


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="takes root to give a folder another group")
def test_a_file_that_was_made_elsewhere_takes_the_group_of_a_folder_that_gives_it(tmp_path: Path) -> None:
    shared, file = tmp_path / "shared", tmp_path / "file"
    shared.mkdir()
    os.chown(shared, -1, NOBODY)
    file.write_bytes(b"x")
    with file.open("rb") as opened:
        unnamed_files.take_group(opened.fileno(), shared)
        assert file.stat().st_gid != NOBODY
        shared.chmod(0o2775)
        unnamed_files.take_group(opened.fileno(), shared)
        assert file.stat().st_gid == NOBODY
