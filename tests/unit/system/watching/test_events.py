"""Both ways of listening keep one contract; inotify promises more."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aura_daemon.system.filesystems import file_system_of
from aura_daemon.system.watching.events import Events, EventsUnavailable
from aura_daemon.system.watching.inotify_events import InotifyEvents
from aura_daemon.system.watching.listening import listen
from aura_daemon.system.watching.watchdog_events import WatchdogEvents
from tests.conftest import Mount
from tests.support.deadline import DEADLINE_S


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "inbox"
    (place / "album").mkdir(parents=True)
    (place / ".aura" / "work").mkdir(parents=True)
    return place


@pytest.fixture(params=[InotifyEvents, WatchdogEvents], ids=["inotify", "watchdog"])
def events(request: pytest.FixtureRequest, root: Path) -> Iterator[Events]:
    listening = request.param(root)
    yield listening
    listening.close()


def hear(events: Events, wanted: Callable[[dict[str, bool]], bool]) -> dict[str, bool]:
    """Everything that is named until it is enough."""
    named: dict[str, bool] = {}
    deadline_s = time.monotonic() + DEADLINE_S
    while not wanted(named):
        left_s = deadline_s - time.monotonic()
        assert left_s > 0, named
        select.select([events.descriptor], [], [], left_s)
        heard = events.hear()
        assert not heard.ended
        named |= heard.named
    return named


def test_a_file_is_named_when_it_is_written_renamed_linked_and_removed(events: Events, root: Path) -> None:
    (root / "album" / "cat.yaml").write_bytes(b"x")
    assert hear(events, lambda named: "album/cat.yaml" in named)["album/cat.yaml"] is False
    (root / "album" / "cat.yaml").rename(root / "dog.yaml")
    assert hear(events, lambda named: "dog.yaml" in named)["dog.yaml"] is True
    os.link(root / "dog.yaml", root / "bird.yaml")
    hear(events, lambda named: "bird.yaml" in named)
    (root / "bird.yaml").unlink()
    hear(events, lambda named: "bird.yaml" in named)


def test_a_temporary_name_renamed_to_the_final_one_came_whole(events: Events, root: Path) -> None:
    (root / ".cat.yaml.X7gh2").write_bytes(b"x")
    (root / ".cat.yaml.X7gh2").rename(root / "cat.yaml")
    assert hear(events, lambda named: "cat.yaml" in named) == {"cat.yaml": True}


def test_a_folder_made_or_moved_in_is_named_and_watched(events: Events, root: Path, tmp_path: Path) -> None:
    (tmp_path / "new" / "deeper").mkdir(parents=True)
    (tmp_path / "new").rename(root / "new")
    hear(events, lambda named: "new" in named)
    (root / "new" / "deeper" / "cat.yaml").write_bytes(b"x")
    hear(events, lambda named: "new/deeper/cat.yaml" in named or "new/deeper" in named)


def test_our_own_folder_names_nothing(events: Events, root: Path) -> None:
    (root / ".aura" / "work" / "1").mkdir()
    (root / ".aura" / "work" / "1" / "cat.yaml").write_bytes(b"x")
    (root / "mark.yaml").write_bytes(b"x")
    named = hear(events, lambda named: "mark.yaml" in named)
    assert set(named) <= {"mark.yaml", ""}


# -- inotify alone -----------------------------------------------------------------------------------------------------


@pytest.fixture
def inotify(root: Path) -> Iterator[InotifyEvents]:
    listening = InotifyEvents(root)
    yield listening
    listening.close()


def watches(events: Events) -> int:
    """How many watches the kernel holds for it."""
    return Path(f"/proc/self/fdinfo/{events.descriptor}").read_text().count("inotify wd:")


def test_a_folder_renamed_inside_is_watched_under_its_new_name_once(inotify: InotifyEvents, root: Path) -> None:
    (root / "album" / "deeper").mkdir()
    hear(inotify, lambda named: "album/deeper" in named)
    (root / "album").rename(root / "holiday")
    hear(inotify, lambda named: "holiday" in named)
    (root / "holiday" / "deeper" / "cat.yaml").write_bytes(b"x")
    hear(inotify, lambda named: "holiday/deeper/cat.yaml" in named)
    assert watches(inotify) == 3


def test_what_becomes_of_a_folder_that_was_moved_away_is_nobodys_business(
    inotify: InotifyEvents, root: Path, tmp_path: Path
) -> None:
    (root / "album").rename(tmp_path / "elsewhere")
    hear(inotify, lambda named: "album" in named)
    (tmp_path / "elsewhere" / "cat.yaml").write_bytes(b"x")
    (root / "mark.yaml").write_bytes(b"x")
    assert "album/cat.yaml" not in hear(inotify, lambda named: "mark.yaml" in named)
    assert watches(inotify) == 1


def test_days_of_folders_coming_and_going_leave_no_watch_behind(inotify: InotifyEvents, root: Path) -> None:
    for number in range(200):
        (root / f"{number}").mkdir()
        (root / f"{number}").rmdir()
    hear(inotify, lambda named: "199" in named)
    inotify.hear()
    assert watches(inotify) == 2


def test_an_unmounted_root_ends_the_events(root: Path, tmp_path: Path, mount: Mount) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    mount(place, "-t", "tmpfs", "tmpfs")
    listening = InotifyEvents(place)
    assert os.system(f"umount {place}") == 0
    assert listening.hear().ended
    listening.close()


@pytest.mark.parametrize("limit", ["max_user_watches", "max_user_instances"])
def test_an_exhausted_limit_is_told_by_its_name(root: Path, limit: str) -> None:
    place = Path("/proc/sys/fs/inotify") / limit
    before = place.read_text()
    try:
        place.write_text("1" if limit == "max_user_watches" else "0")
    except OSError as error:
        pytest.skip(f"the limit cannot be set here: {error.strerror}")
    try:
        with pytest.raises(EventsUnavailable, match=limit):
            InotifyEvents(root)
    finally:
        place.write_text(before)


def test_a_limit_reached_later_ends_the_events_and_says_so(inotify: InotifyEvents, root: Path) -> None:
    place = Path("/proc/sys/fs/inotify/max_user_watches")
    before = place.read_text()
    try:
        place.write_text("1")
    except OSError as error:
        pytest.skip(f"the limit cannot be set here: {error.strerror}")
    try:
        (root / "new").mkdir()
        assert "max_user_watches" in inotify.hear().ended
    finally:
        place.write_text(before)


# -- which file system -------------------------------------------------------------------------------------------------


def test_the_file_system_of_a_folder_is_known_through_names_with_spaces(tmp_path: Path, mount: Mount) -> None:
    place = tmp_path / "a disk"
    place.mkdir()
    mount(place, "-t", "ramfs", "ramfs")
    (place / "inbox").mkdir()
    assert file_system_of(place / "inbox") == "ramfs"
    assert file_system_of(tmp_path) != "ramfs"


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.rclone", "9p"])
def test_file_systems_that_others_change_unseen_are_polled(root: Path, kind: str) -> None:
    with pytest.raises(EventsUnavailable, match=kind):
        listen(root, kind)
