"""What is too old or too much in a folder of ours: what goes, what stays, and that nothing else is touched."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import psutil
import pytest

from aura_daemon.config.housekeeping import KeptFor
from aura_daemon.config.settings import Settings
from aura_daemon.housekeeping.areas import areas_of
from aura_daemon.housekeeping.folder_sweep import Area, FolderSweep
from aura_daemon.outbox.source_disposal import SourceDisposal
from aura_daemon.system.files.walking import WalkedFolder
from aura_daemon.system.logs import LogFile
from tests.conftest import Mount
from tests.support.house import Door, House
from tests.support.plain_user import as_a_plain_user

DAY_S = 86_400.0
NOW = time.time() + 1000 * DAY_S
"""Long after every file of a test: the time at which a file was changed last cannot be set, only its other time."""


def put(folder: Path, name: str, *, days: float = 1000, content: bytes = b"x" * 1000) -> Path:
    """A file that was changed so many days before `NOW`, or at the time of the test, a thousand days before."""
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    if days < 1000:
        os.utime(place, (NOW - days * DAY_S,) * 2)
    return place


def area(root: Path, **kept: Any) -> Area:
    def each(folder: WalkedFolder) -> Iterator[tuple[str, ...]]:
        return ((name,) for name in folder.names)

    return Area(name="archive", root=root, folder=PurePosixPath("done"), kept=KeptFor(**kept), groups=each)


def swept(of: Area) -> FolderSweep:
    sweep = FolderSweep(area=of, now=NOW)
    for _ in sweep.steps():
        pass
    return sweep


def left(folder: Path) -> list[str]:
    return sorted(place.relative_to(folder).as_posix() for place in folder.rglob("*"))


def test_what_is_old_goes_with_its_empty_folders(tmp_path: Path) -> None:
    put(tmp_path, "done/old.yaml", days=31)
    put(tmp_path, "done/deep/er/old.yaml", days=40)
    put(tmp_path, "done/new.yaml", days=29)
    put(tmp_path, "done/sub/new.yaml", days=1)
    put(tmp_path, "done/sub/old.yaml", days=100)
    (tmp_path / "done" / "was-empty").mkdir()
    sweep = swept(area(tmp_path, age="30d"))
    assert left(tmp_path / "done") == ["new.yaml", "sub", "sub/new.yaml", "was-empty"]
    assert (sweep.deleted, sweep.freed_bytes) == (3, 3000)
    assert sweep.told() == "3 files deleted, 0.0 MB freed"


def test_the_age_counts_from_when_a_file_came_here_and_not_from_when_it_was_written(tmp_path: Path) -> None:
    file = put(tmp_path, "done/photo.jpg")
    os.utime(file, (0, 0))
    sweep = FolderSweep(area=area(tmp_path, age="30d"), now=time.time())
    assert [None for _ in sweep.steps()] != []
    assert file.exists()


@pytest.mark.parametrize(("size", "kept"), [("10 kB", 4), ("4 kB", 4), ("3500", 3), ("1 kB", 1), ("999 B", 0), (0, 0)])
def test_of_what_is_too_much_the_oldest_goes(tmp_path: Path, size: object, kept: int) -> None:
    for days in (1, 2, 3, 4):
        put(tmp_path, f"done/{days}.yaml", days=days)
    swept(area(tmp_path, size=size))
    done = tmp_path / "done"
    assert (left(done) if done.exists() else []) == [f"{days}.yaml" for days in (1, 2, 3, 4)][:kept]


def test_of_files_of_the_same_minute_only_so_many_go_as_are_too_much(tmp_path: Path) -> None:
    for number in range(10):
        put(tmp_path, f"done/{number}.yaml", days=5)
    assert swept(area(tmp_path, size="4 kB")).deleted == 6


def test_what_is_too_old_does_not_count_as_too_much(tmp_path: Path) -> None:
    put(tmp_path, "done/old.yaml", days=50)
    put(tmp_path, "done/new.yaml", days=5)
    assert swept(area(tmp_path, age="30d", size="1 kB")).deleted == 1
    assert left(tmp_path / "done") == ["new.yaml"]


@pytest.mark.parametrize("kept", [{"age": "1d"}, {"size": 0}])
def test_links_stay_and_lead_nowhere(tmp_path: Path, kept: dict[str, Any]) -> None:
    outside = put(tmp_path, "mine/photo.jpg", days=50)
    put(tmp_path, "done/old.yaml", days=50)
    (tmp_path / "done" / "file").symlink_to(outside)
    (tmp_path / "done" / "folder").symlink_to(outside.parent)
    os.mkfifo(tmp_path / "done" / "pipe")
    assert swept(area(tmp_path, **kept)).deleted == 1
    assert outside.exists()
    assert left(tmp_path / "done") == ["file", "folder", "pipe"]


@pytest.mark.parametrize("where", ["done", "own"])
def test_a_folder_of_ours_that_somebody_made_a_link_is_not_gone_through(tmp_path: Path, where: str) -> None:
    outside = put(tmp_path, "elsewhere/done/photo.jpg", days=50)
    root = tmp_path / "inbox"
    root.mkdir()
    if where == "done":
        (root / "done").symlink_to(outside.parent)
        of = area(root, age="1d")
    else:
        (root / ".aura").symlink_to(outside.parent.parent)
        of = Area(**{**_fields(area(root, age="1d")), "folder": PurePosixPath(".aura/done")})
    with pytest.raises(OSError, match="link"):
        swept(of)
    assert outside.exists()


def _fields(of: Area) -> dict[str, Any]:
    return {name: getattr(of, name) for name in ("name", "root", "folder", "kept", "groups")}


def test_another_file_system_in_the_folder_is_left_alone(tmp_path: Path, mount: Mount) -> None:
    put(tmp_path, "done/old.yaml", days=50)
    (tmp_path / "done" / "disk").mkdir()
    disk = mount(tmp_path / "done" / "disk", "-t", "tmpfs", "tmpfs")
    on_it = put(disk, "old.yaml", days=50)
    assert swept(area(tmp_path, age="1d")).deleted == 1
    assert on_it.exists()


def test_a_missing_folder_has_nothing_to_delete(tmp_path: Path) -> None:
    assert swept(area(tmp_path, age="1d")).deleted == 0


def test_what_may_not_be_deleted_stays_and_is_told_once(place_for_all: Path, log: list[str]) -> None:
    for number in range(3):
        put(place_for_all, f"done/{number}.yaml", days=50)
    with as_a_plain_user():
        assert swept(area(place_for_all, age="1d")).deleted == 0
    assert len([line for line in log if "cannot be deleted: Permission denied" in line]) == 1


def test_a_folder_that_may_not_be_entered_keeps_its_files_and_no_other(place_for_all: Path) -> None:
    for name in ("a.yaml", "closed/b.yaml", "d.yaml"):
        put(place_for_all, f"done/{name}", days=50)
    with as_a_plain_user(owning=place_for_all):
        (place_for_all / "done" / "closed").chmod(0o400)
        try:
            assert swept(area(place_for_all, age="1d", size="0 B")).deleted == 2
        finally:
            (place_for_all / "done" / "closed").chmod(0o700)
    assert left(place_for_all / "done") == ["closed", "closed/b.yaml"]


def test_a_sweep_that_is_ended_in_the_middle_leaves_no_descriptor(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path, f"done/{number}.yaml", days=50)
    mine = psutil.Process()
    before = mine.num_fds()
    steps = FolderSweep(area=area(tmp_path, age="1d"), now=NOW).steps()
    next(steps)
    assert mine.num_fds() > before
    del steps
    assert mine.num_fds() == before


# -- the areas of a daemon -----------------------------------------------------------------------------------------


def areas(door: Door, log_file: LogFile | None = None, **retention: Any) -> dict[str, Area]:
    settings: Settings = door.house.settings(retention=retention)
    return {found.name: found for found in areas_of(settings, door.disposal(), log_file)}


def test_only_what_is_limited_is_gone_through(door: Door) -> None:
    assert areas(door) == {}
    assert list(areas(door, archive={"age": "1d"}, previews={"size": "1 MB"})) == ["archive", "previews"]


def test_the_archive_tells_how_small_it_has_become(door: Door) -> None:
    put(door.house.inbox / ".aura", "done/old.yaml", days=50)
    put(door.house.inbox / ".aura", "done/new.yaml", days=0)
    disposal: SourceDisposal = door.disposal()
    (of,) = areas_of(door.house.settings(retention={"archive": {"age": "1d"}}), disposal, None)
    assert disposal.archive_bytes == 2000
    swept(of)
    assert disposal.archive_bytes == 1000


def test_failed_files_go_with_their_reports_and_what_somebody_else_put_there_stays(house: House, door: Door) -> None:
    report = b'{\n  "schema": "aura-daemon/failure/1",\n  "job_id": "1"}'
    failed = house.outbox / "failed"
    put(failed, "a.yaml", days=50)
    put(failed, "a.yaml.json", days=50, content=report)
    put(failed, "sub/alone.png.json", days=50, content=report)
    put(failed, "young.yaml", days=50)
    put(failed, "young.yaml.json", days=0, content=report)
    put(failed, "notes.txt", days=50)
    put(failed, "notes.txt.json", days=50, content=b"{}")
    put(house.outbox, "cat.png", days=50)
    assert swept(areas(door, failed={"age": "1d"})["failed files"]).deleted == 2
    assert left(failed) == ["notes.txt", "notes.txt.json", "young.yaml", "young.yaml.json"]
    swept(areas(door, failed={"size": 0})["failed files"])
    assert left(failed) == ["notes.txt", "notes.txt.json"]
    assert (house.outbox / "cat.png").exists()


def test_only_previews_go_from_their_folder(house: House, door: Door) -> None:
    put(house.outbox, "previews/cat.20261127T120000.000-abcdef.jpg", days=50)
    put(house.outbox, "previews/mine.jpg", days=50)
    put(house.outbox, "previews/deep/cat.20261127T120000.000-abcdef.jpg", days=50)
    assert swept(areas(door, previews={"age": "1d"})["previews"]).deleted == 1
    assert left(house.outbox / "previews") == ["deep", "deep/cat.20261127T120000.000-abcdef.jpg", "mine.jpg"]


def test_only_log_files_that_were_put_aside_go(house: House, door: Door) -> None:
    logs = house.root / "logs"
    for name in ("aura.log", "aura.2026-11-01_10-00-00_123456.log", "aura.2026-11-01.txt", "other.log"):
        put(logs, name, days=50)
    log_file = LogFile(path=logs / "aura.log", size_bytes=None, age_s=None, keep=5)
    assert swept(areas(door, log_file, logs={"age": "1d"})["logs"]).deleted == 1
    assert left(logs) == ["aura.2026-11-01.txt", "aura.log", "other.log"]


def test_many_files_of_the_users_own_in_failed_are_gone_through_in_small_steps_and_stay(door: Door) -> None:
    for number in range(200):
        put(door.house.outbox / "failed", f"mine-{number}.json")
    sweep = FolderSweep(area=areas(door, failed={"age": "1d"})["failed files"], now=NOW)
    assert len(list(sweep.steps())) == 200
    assert (sweep.deleted, len(door.house.failed())) == (0, 200)
