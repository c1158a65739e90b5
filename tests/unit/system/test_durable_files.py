"""The module that writes files: a file is written whole or not at all, over no other file, through no link."""

from __future__ import annotations

import errno
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_daemon.system import durable_files
from aura_daemon.system.files import regular_files, syncing
from tests.conftest import Mount
from tests.support.dying import in_a_process
from tests.support.house import sha256

FILE_SYSTEMS = (Path("/dev/shm"), Path("/var/tmp"), Path(__file__).parent)
"""Folders of which one is on another file system than the tests' folders."""


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    return tmp_path / ".own" / "tmp"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    here = tmp_path.stat().st_dev
    others = [place for place in FILE_SYSTEMS if os.access(place, os.W_OK) and place.stat().st_dev != here]
    if not others:
        pytest.skip("there is but one file system here")
    with tempfile.TemporaryDirectory(dir=others[0]) as folder:
        yield Path(folder)


@pytest.fixture
def umask() -> Iterator[int]:
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


def test_what_is_written_is_there_whole_and_nothing_else(tmp_path: Path, temp: Path) -> None:
    durable_files.write(tmp_path / "a" / "b" / "cat.png", b"content", temp_folder=temp)
    assert (tmp_path / "a" / "b" / "cat.png").read_bytes() == b"content"
    assert list(temp.iterdir()) == []


def test_nothing_that_exists_is_replaced(tmp_path: Path, temp: Path) -> None:
    target = tmp_path / "cat.png"
    target.write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        durable_files.write(target, b"ours", temp_folder=temp)
    assert target.read_bytes() == b"theirs"
    assert list(temp.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.EIO])
def test_where_there_are_no_hard_links_it_is_renamed_and_still_replaces_nothing(
    tmp_path: Path, temp: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*paths: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "cat.png"
    durable_files.write(target, b"ours", temp_folder=temp)
    with pytest.raises(FileExistsError):
        durable_files.write(target, b"other", temp_folder=temp)
    assert (target.read_bytes(), list(temp.iterdir())) == (b"ours", [])


def test_a_dangling_link_counts_as_something_that_exists(tmp_path: Path, temp: Path) -> None:
    target = tmp_path / "cat.png"
    target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        durable_files.write(target, b"ours", temp_folder=temp)
    assert not (tmp_path / "nowhere").exists()


def test_what_may_be_replaced_is_replaced_and_a_link_is_not_followed(tmp_path: Path, temp: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"theirs")
    target = tmp_path / "health.json"
    target.symlink_to(tmp_path / "theirs")
    durable_files.write(target, b"ours", temp_folder=temp, replace=True)
    assert (target.read_bytes(), target.is_symlink()) == (b"ours", False)
    assert (tmp_path / "theirs").read_bytes() == b"theirs"


def test_the_mode_follows_the_umask(tmp_path: Path, temp: Path, umask: int) -> None:
    durable_files.write(tmp_path / "cat.png", b"content", temp_folder=temp)
    durable_files.copy(tmp_path / "cat.png", tmp_path / "copy.png", temp_folder=temp)
    for name in ("cat.png", "copy.png"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize(("theirs", "ours"), [(0o600, 0o600), (0o640, 0o640), (0o444, 0o644), (0o666, 0o644)])
def test_a_copy_lets_in_nobody_whom_its_source_does_not(tmp_path: Path, temp: Path, theirs: int, ours: int) -> None:
    source, stands_for = tmp_path / "source", tmp_path / "stands for"
    source.write_bytes(b"x")
    source.chmod(theirs)
    durable_files.copy(source, tmp_path / "copy", temp_folder=temp)
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == ours
    source.chmod(0o600)
    stands_for.touch()
    stands_for.chmod(theirs)
    durable_files.copy(source, tmp_path / "other", temp_folder=temp, stands_for=stands_for)
    assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == ours


def test_a_full_disk_leaves_nothing_half_written(small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        durable_files.write(small_disk / "cat.png", b"x" * 200_000, temp_folder=small_disk / "tmp")
    assert [path.name for path in small_disk.rglob("*")] == ["tmp"]
    durable_files.write(small_disk / "cat.png", b"x" * 2_000, temp_folder=small_disk / "tmp")


def test_a_file_where_a_folder_is_needed_is_no_file_that_exists(tmp_path: Path, temp: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"a file")
    for target in (tmp_path / "cat.png" / "dog.png", tmp_path / "cat.png" / "deeper" / "dog.png"):
        with pytest.raises(NotADirectoryError):
            durable_files.write(target, b"ours", temp_folder=temp)


def test_a_move_keeps_the_file_and_takes_no_name_from_another(tmp_path: Path, temp: Path) -> None:
    source, target = tmp_path / "cat.yaml", tmp_path / "done" / "cat.yaml"
    source.write_bytes(b"first")
    inode = source.stat().st_ino
    durable_files.move(source, target, temp_folder=temp)
    assert (target.stat().st_ino, source.exists()) == (inode, False)
    source.write_bytes(b"second")
    with pytest.raises(FileExistsError):
        durable_files.move(source, target, temp_folder=temp)
    assert (source.read_bytes(), target.read_bytes()) == (b"second", b"first")


def test_a_move_to_another_file_system_copies_verifies_and_removes(tmp_path: Path, elsewhere: Path) -> None:
    source, target = tmp_path / "cat.yaml", elsewhere / "done" / "cat.yaml"
    source.write_bytes(b"content" * 500_000)
    os.utime(source, ns=(1, 2_000_000_000))
    durable_files.move(source, target, temp_folder=elsewhere / "tmp")
    assert not source.exists()
    assert regular_files.sha256_of(target) == sha256(b"content" * 500_000)
    assert target.stat().st_mtime_ns == 2_000_000_000
    assert list((elsewhere / "tmp").iterdir()) == []


def test_a_move_to_another_file_system_takes_no_name_from_another(tmp_path: Path, elsewhere: Path) -> None:
    source, target = tmp_path / "cat.yaml", elsewhere / "cat.yaml"
    source.write_bytes(b"ours")
    target.write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        durable_files.move(source, target, temp_folder=elsewhere / "tmp")
    assert (source.read_bytes(), target.read_bytes()) == (b"ours", b"theirs")


def test_a_move_to_a_full_disk_keeps_the_source(tmp_path: Path, small_disk: Path) -> None:
    source = tmp_path / "cat.yaml"
    source.write_bytes(b"x" * 200_000)
    with pytest.raises(OSError, match="No space left"):
        durable_files.move(source, small_disk / "cat.yaml", temp_folder=small_disk / "tmp")
    assert source.stat().st_size == 200_000
    assert list((small_disk / "tmp").iterdir()) == []


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.fspath(path))


def _link(path: Path) -> None:
    (path.parent / "secret").write_bytes(b"secret")
    path.symlink_to(path.parent / "secret")


def _dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [_fifo, _socket, _link, _dangling, _device, Path.mkdir])
@pytest.mark.timeout(60)  # a FIFO that is opened to be read blocks for ever
def test_only_regular_files_are_opened(tmp_path: Path, temp: Path, make: object) -> None:
    path = tmp_path / "x.yaml"
    assert callable(make)
    make(path)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for read in (
        regular_files.read,
        regular_files.sha256_of,
        lambda file: durable_files.copy(file, tmp_path / "c", temp_folder=temp),
    ):
        with pytest.raises(regular_files.NotARegularFile):
            read(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert not (tmp_path / "c").exists()


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        regular_files.read(tmp_path / "x.yaml")


@pytest.mark.parametrize(("size", "head"), [(0, 0), (3, 3), (10, 4)])
def test_the_head_of_a_file_is_its_beginning(tmp_path: Path, size: int, head: int) -> None:
    content = bytes(range(size))
    (tmp_path / "x").write_bytes(content)
    found = regular_files.head(tmp_path / "x", most_bytes=4)
    assert (found[0], found[1].st_size) == (content[:head], size)


def test_a_folder_mounted_read_only_is_not_writable(mount: Mount, tmp_path: Path) -> None:
    place = tmp_path / "nas"
    place.mkdir()
    assert durable_files.is_writable(place)
    mount(place, "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs")
    assert not durable_files.is_writable(place)
    with pytest.raises(OSError, match="Read-only"):
        durable_files.write(place / "x", b"x", temp_folder=place / "tmp")


def test_files_that_belong_together_come_all_or_none(tmp_path: Path) -> None:
    first, second, temp = tmp_path / "a" / "job.yaml", tmp_path / "a" / "cat.png", tmp_path / "temp"
    durable_files.write_all({first: b"1", second: b"2"}, temp_folder=temp)
    assert (first.read_bytes(), second.read_bytes()) == (b"1", b"2")
    first.unlink()
    with pytest.raises(FileExistsError):
        durable_files.write_all({first: b"3", second: b"4"}, temp_folder=temp)
    assert (first.exists(), second.read_bytes(), list(temp.iterdir())) == (False, b"2", [])


def test_a_forked_process_waits_for_the_disk_with_threads_of_its_own(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    assert syncing.at_once(syncing.sync_folder, folders) == [None, None]
    assert in_a_process(lambda: syncing.at_once(syncing.sync_folder, folders) != [None, None]) == 0


def test_what_cannot_be_opened_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    for name in ("gone", "link"):
        syncing.sync_file(tmp_path / name)
        syncing.sync_folder(tmp_path / name)
    with syncing.together():
        syncing.sync_file(tmp_path / "gone")
        syncing.sync_folder(tmp_path)
