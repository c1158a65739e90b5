"""A file is complete when nobody writes it any more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aura_daemon.watch.completeness import (
    AFTERTHOUGHT_S,
    LAST_LINE_S,
    CompletenessTracker,
    Writer,
    incompleteness,
    writer_of,
)
from tests.support.remembered_status import remember


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "cat.yaml"
    place.write_bytes(b"prompt: x")
    return place


def test_a_writer_is_known_until_it_closes_the_file_and_a_reader_does_not_count(file: Path) -> None:
    with file.open("rb"):
        assert writer_of(file) is Writer.NONE
    with file.open("ab"):
        assert writer_of(file) is Writer.SOMEBODY
    assert writer_of(file) is Writer.NONE


@pytest.mark.skipif(shutil.which("rclone") is None or shutil.which("fusermount3") is None, reason="takes rclone, fuse")
def test_of_writers_behind_fuse_nobody_knows(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    command = ["rclone", "mount", str(there), str(here), "--daemon"]
    mounted = subprocess.run(command, env={**os.environ, "RCLONE_CONFIG": ""}, capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount here: {mounted.stderr!r}")
    try:
        with (there / "cat.yaml").open("wb", buffering=0) as writer:
            writer.write(b"prompt: half of i")
            assert writer_of(here / "cat.yaml") is Writer.UNKNOWN
    finally:
        subprocess.run(["fusermount3", "-uz", str(here)], check=True)


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_where_other_machines_write_a_lease_tells_nothing(
    file: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "major", lambda device: 0)  # as of every file system without a disk of its own
    assert writer_of(file, kind) is Writer.UNKNOWN


def test_a_writer_in_another_process_is_known(file: Path) -> None:
    code = "import sys; f = open(sys.argv[1], 'ab'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        assert writer_of(file) is Writer.SOMEBODY
        writer.communicate("")
    assert writer_of(file) is Writer.NONE


def test_a_hard_link_with_a_writer_has_a_writer(file: Path, tmp_path: Path) -> None:
    os.link(file, tmp_path / "other.yaml")
    with (tmp_path / "other.yaml").open("ab"):
        assert writer_of(file) is Writer.SOMEBODY


def test_asking_while_others_open_the_file_harms_nobody(file: Path) -> None:
    """A lease that is broken while it is held sends a signal; the usual one would end the process."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            with file.open("ab"):
                pass

    thread = threading.Thread(target=write)
    thread.start()
    try:
        answers = {writer_of(file) for _ in range(3_000)}
    finally:
        stop.set()
        thread.join()
    assert answers <= {Writer.NONE, Writer.SOMEBODY}


@pytest.mark.parametrize(
    ("came_whole", "unchanged_s", "is_complete"),
    [(True, 0.0, True), (False, 0.0, False), (False, AFTERTHOUGHT_S, True)],
)
def test_a_file_in_place_gets_a_moment_for_its_times_and_rights_and_one_renamed_in_needs_none(
    file: Path, came_whole: bool, unchanged_s: float, is_complete: bool
) -> None:
    found = incompleteness(file, unchanged_s=unchanged_s, settle_s=2.0, came_whole=came_whole)
    assert (found is None) is is_complete


@pytest.mark.parametrize(
    ("name", "content", "wait_s"),
    [
        ("list.txt", b"a cat\n", AFTERTHOUGHT_S),
        ("list.txt", b"a cat\r", AFTERTHOUGHT_S),
        ("list.txt", "a cat\n".encode("utf-16"), AFTERTHOUGHT_S),
        ("list.txt", b"a cat", LAST_LINE_S),
        ("list.CSV", b"prompt\na cat", LAST_LINE_S),
        ("list.jsonl", b'{"prompt": "a cat"}', LAST_LINE_S),
        ("list.json", b'{"prompt": "a cat"}', AFTERTHOUGHT_S),
        ("cat.yaml", b"prompt: a cat", AFTERTHOUGHT_S),
    ],
)
def test_a_list_whose_last_line_has_no_end_gets_longer_in_case_the_rest_of_the_line_follows(
    tmp_path: Path, name: str, content: bytes, wait_s: float
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    found = incompleteness(file, unchanged_s=0.0, settle_s=10.0, came_whole=False)
    assert found is not None
    assert found.unchanged_s == wait_s
    assert incompleteness(file, unchanged_s=wait_s, settle_s=10.0, came_whole=False) is None
    assert incompleteness(file, unchanged_s=0.0, settle_s=10.0, came_whole=True) is None
    assert incompleteness(file, unchanged_s=0.0, settle_s=0.0, came_whole=False) is None


def test_an_open_file_waits_however_long_it_has_been_unchanged(file: Path) -> None:
    with file.open("ab"):
        found = incompleteness(file, unchanged_s=1e6, settle_s=2.0, came_whole=True)
    assert found is not None
    assert found.reason == "a writer has it open"
    assert found.unchanged_s == 1e6 + 2.0
    assert found.may_last


def test_without_leases_the_settle_time_counts(file: Path, no_leases: None) -> None:
    found = incompleteness(file, unchanged_s=1.9, settle_s=2.0, came_whole=True)
    assert found is not None
    assert found.unchanged_s == 2.0
    assert incompleteness(file, unchanged_s=2.0, settle_s=2.0, came_whole=True) is None


def test_for_how_long_a_file_has_not_changed_its_server_says(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    tracker = CompletenessTracker(2.0, now=lambda: now)
    remember(file.parent, monkeypatch)
    assert tracker.unchanged_s(file) == 0.0
    now = 3.0
    assert tracker.unchanged_s(file) == 3.0
    file.write_bytes(b"prompt: x, and more")
    assert tracker.unchanged_s(file) == 0.0
