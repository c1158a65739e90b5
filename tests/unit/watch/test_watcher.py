"""Events only wake; what is told is what `lstat` says."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from aura_daemon.system.watching.events import Events, EventsUnavailable
from aura_daemon.watch.watcher import Observation, Watcher
from tests.support.deadline import DEADLINE_S
from tests.support.remembered_status import remember
from tests.torture.faults import limit

NOW = 0.0
"""The periodic scan is due at 60 s and no earlier: what is found meanwhile is found by events."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "inbox"
    place.mkdir()
    return place


@pytest.fixture
def queue_of_64_events() -> Iterator[None]:
    """The kernel's least queue, so that it overflows for real."""
    with ExitStack() as limited:
        try:
            limited.enter_context(limit("max_queued_events", "64"))
        except OSError as error:
            pytest.skip(f"the limit cannot be set here: {error.strerror}")
        yield


@pytest.fixture
def watch(root: Path) -> Iterator[Watcher]:
    watching = Watcher(root, scan_interval_s=60.0, poll_interval_s=5.0)
    watching.start()
    assert watching.look(NOW, ()).complete
    yield watching
    watching.stop()


def until(watch: Watcher, is_it: Callable[[dict[str, int], set[str]], bool]) -> tuple[dict[str, int], set[str]]:
    """Looks whenever the watch says so; returns the sizes seen last, and the names that went."""
    sizes: dict[str, int] = {}
    gone: set[str] = set()
    deadline_s = time.monotonic() + DEADLINE_S
    while not is_it(sizes, gone):
        left_s = deadline_s - time.monotonic()
        assert left_s > 0, (sizes, gone)
        select.select(watch.waitables(), [], [], left_s)
        look = watch.look(NOW, ())
        assert not look.complete
        sizes |= {sighting.path: sighting.stamp.size_bytes for sighting in look.seen}
        gone |= set(look.gone)
    return sizes, gone


def seen(look: Observation) -> dict[str, bool]:
    return {sighting.path: sighting.is_regular for sighting in look.seen}


def test_a_file_written_in_place_is_seen_when_it_is_made_and_when_it_is_closed(watch: Watcher, root: Path) -> None:
    with (root / "cat.yaml").open("wb") as file:
        until(watch, lambda sizes, gone: sizes.get("cat.yaml") == 0)
        file.write(b"prompt: x")
    until(watch, lambda sizes, gone: sizes.get("cat.yaml") == 9)


def test_a_file_renamed_inside_is_seen_under_its_final_name(watch: Watcher, root: Path) -> None:
    (root / ".cat.yaml.x7Gh2").write_bytes(b"prompt: x")
    (root / ".cat.yaml.x7Gh2").rename(root / "cat.yaml")
    sizes, _ = until(watch, lambda sizes, gone: "cat.yaml" in sizes)
    assert sizes == {"cat.yaml": 9}


@pytest.mark.parametrize("deliver", [os.rename, os.link], ids=["renamed", "hard-linked"])
def test_a_file_from_outside_is_seen_whole(
    watch: Watcher, root: Path, tmp_path: Path, deliver: Callable[[Path, Path], None]
) -> None:
    (tmp_path / "cat.yaml").write_bytes(b"prompt: x")
    deliver(tmp_path / "cat.yaml", root / "cat.yaml")
    until(watch, lambda sizes, gone: sizes.get("cat.yaml") == 9)


def test_a_folder_moved_in_is_looked_through_and_watched(watch: Watcher, root: Path, tmp_path: Path) -> None:
    (tmp_path / "album" / "deeper").mkdir(parents=True)
    (tmp_path / "album" / "deeper" / "cat.yaml").write_bytes(b"x")
    (tmp_path / "album").rename(root / "album")
    until(watch, lambda sizes, gone: "album/deeper/cat.yaml" in sizes)
    (root / "album" / "deeper" / "dog.yaml").write_bytes(b"xx")
    until(watch, lambda sizes, gone: sizes.get("album/deeper/dog.yaml") == 2)


def test_a_file_that_goes_is_said_to_be_gone(watch: Watcher, root: Path) -> None:
    (root / "cat.yaml").write_bytes(b"x")
    until(watch, lambda sizes, gone: "cat.yaml" in sizes)
    (root / "cat.yaml").unlink()
    until(watch, lambda sizes, gone: "cat.yaml" in gone)


def test_a_pending_file_is_looked_at_without_any_event(watch: Watcher, root: Path) -> None:
    (root / "cat.yaml").write_bytes(b"x")
    assert "cat.yaml" in seen(watch.look(NOW, ("cat.yaml", "dog.yaml")))
    assert "dog.yaml" in watch.look(NOW, ("dog.yaml",)).gone


def test_one_more_file_in_a_folder_is_no_reason_to_walk_the_folder(watch: Watcher, root: Path) -> None:
    (root / "album").mkdir()
    for number in range(50):
        (root / "album" / f"{number}.yaml").write_bytes(b"x")
    (root / "mark.yaml").write_bytes(b"x")  # events keep their order: when this is seen to be whole, all are behind us
    until(watch, lambda sizes, gone: len(sizes) == 51 and sizes["mark.yaml"] == 1)
    (root / "album" / "last.yaml").write_bytes(b"x")
    sizes, _ = until(watch, lambda sizes, gone: "album/last.yaml" in sizes)
    assert set(sizes) - {"mark.yaml"} == {"album/last.yaml"}


def test_a_scan_finds_everything_but_what_is_hidden_or_failed(root: Path, tmp_path: Path) -> None:
    names = ["a.yaml", "sub/b.yaml", "sub/failed/c.yaml", ".d.yaml", ".aura/work/1/e.yaml", "sub/.f/g.yaml"]
    names += ["failed/h.yaml", "Failed/i.yaml"]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    os.mkfifo(root / "fifo.yaml")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.yaml").write_bytes(b"x")
    (root / "link.yaml").symlink_to(tmp_path / "outside" / "secret.yaml")
    (root / "folder").symlink_to(tmp_path / "outside")
    watch = Watcher(root, scan_interval_s=60.0, poll_interval_s=5.0)
    found = seen(watch.look(NOW, ()))
    watch.stop()
    assert found == {
        "a.yaml": True,
        "sub/b.yaml": True,
        "sub/failed/c.yaml": True,
        "fifo.yaml": False,
        "link.yaml": False,
        "folder": False,
    }


@pytest.mark.parametrize("name", [".aura/inbox", "inbox"])
def test_a_root_that_is_a_link_or_lies_in_a_folder_named_like_ours_gives_events(tmp_path: Path, name: str) -> None:
    (tmp_path / "real" / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / name)
    watch = Watcher(tmp_path / "link", scan_interval_s=60.0, poll_interval_s=5.0)
    watch.start()
    try:
        watch.look(NOW, ())
        (tmp_path / "link" / "cat.yaml").write_bytes(b"x")
        until(watch, lambda sizes, gone: sizes.get("cat.yaml") == 1)
    finally:
        watch.stop()


def test_a_pending_file_whose_folder_has_become_a_link_is_gone(watch: Watcher, root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "cat.yaml").write_bytes(b"prompt: x")
    (root / "sub").symlink_to(tmp_path / "outside")
    look = watch.look(NOW, ("sub/cat.yaml",))
    assert "sub/cat.yaml" not in [sighting.path for sighting in look.seen]
    assert look.gone == ("sub/cat.yaml",)


def test_our_own_reading_wakes_nobody(watch: Watcher, root: Path) -> None:
    (root / "cat.yaml").write_bytes(b"x")
    until(watch, lambda sizes, gone: sizes.get("cat.yaml") == 1)
    (root / "last.yaml").write_bytes(b"xx")
    until(watch, lambda sizes, gone: sizes.get("last.yaml") == 2)
    (root / "cat.yaml").read_bytes()
    (root / "mark.yaml").write_bytes(b"xxx")  # events keep their order: what came before this would be seen by now
    sizes, _ = until(watch, lambda sizes, gone: sizes.get("mark.yaml") == 3)
    assert "cat.yaml" not in sizes


def test_lost_events_bring_a_complete_look_and_are_counted(
    root: Path, log: list[str], queue_of_64_events: None
) -> None:
    watch = Watcher(root, scan_interval_s=60.0, poll_interval_s=5.0)
    watch.start()
    watch.look(NOW, ())
    (root / "album").mkdir()
    for number in range(80):
        (root / f"{number}.yaml").write_bytes(b"x")
    look = watch.look(NOW, ())
    assert look.complete
    assert len(seen(look)) == 80
    assert watch.losses == 1
    assert not watch.look(NOW, ()).complete
    assert any("events were lost" in line for line in log)
    watch.stop()


@pytest.mark.parametrize("end", ["deleted", "renamed", "replaced"])
def test_a_root_that_goes_ends_the_events_and_one_that_is_back_brings_them_back(
    root: Path, tmp_path: Path, end: str, log: list[str]
) -> None:
    watch = Watcher(root, scan_interval_s=60.0, poll_interval_s=5.0)
    watch.start()
    watch.look(NOW, ())
    if end == "deleted":
        root.rmdir()
    else:
        root.rename(tmp_path / "elsewhere")
    if end == "replaced":
        root.mkdir()
    assert seen(watch.look(1.0, ())) == {}
    assert watch.losses == 1
    assert watch.polls_because == "the folder was moved, deleted or unmounted"
    root.mkdir(exist_ok=True)
    (root / "cat.yaml").write_bytes(b"x")
    assert "cat.yaml" in seen(watch.look(7.0, ()))
    assert watch.polls_because == ""
    (root / "dog.yaml").write_bytes(b"x")
    assert "dog.yaml" in seen(watch.look(7.5, ()))
    assert any("file events for" in line and "again" in line for line in log)
    watch.stop()


def test_of_a_file_that_is_due_on_a_share_the_server_is_asked(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(root: Path) -> Events:
        raise EventsUnavailable("nfs4 tells nobody here what other machines change")

    watch = Watcher(root, scan_interval_s=60.0, poll_interval_s=5.0, listen=refuse)
    watch.start()
    watch.look(NOW, ())
    remember(root, monkeypatch)
    for content in (b"prompt: half", b"prompt: half of it"):
        (root / "cat.yaml").write_bytes(content)
        (sighting,) = watch.look(1.0, ["cat.yaml"]).seen
        assert sighting.stamp.size_bytes == len(content)
    assert seen(watch.look(1.0, ["gone.yaml"])) == {}


def test_where_no_events_are_to_be_had_the_folder_is_polled_and_the_log_says_why(root: Path, log: list[str]) -> None:
    def refuse(root: Path) -> Events:
        raise EventsUnavailable("nfs4 tells nobody here what other machines change")

    watch = Watcher(root, scan_interval_s=60.0, poll_interval_s=5.0, listen=refuse)
    watch.start()
    watch.look(NOW, ())
    assert watch.scan_due_s() == 5.0
    assert watch.polls_because.startswith("nfs4")
    assert sum("no file events" in line for line in log) == 1
    watch.stop()


def test_everything_is_looked_at_again_when_the_scan_is_due(watch: Watcher, root: Path) -> None:
    assert watch.scan_due_s() == 60.0
    assert not watch.look(59.9, ()).complete
    assert watch.look(60.0, ()).complete
    assert watch.scan_due_s() == 120.0


def test_five_thousand_files_at_once_are_all_found(watch: Watcher, root: Path) -> None:
    for number in range(5_000):
        (root / f"{number}.yaml").touch()
    names: set[str] = set()
    deadline_s = time.monotonic() + DEADLINE_S
    while len(names) < 5_000 and time.monotonic() < deadline_s:
        names |= {sighting.path for sighting in watch.look(NOW, ()).seen}  # complete where the queue ran over
        select.select(watch.waitables(), [], [], 0.5)
    assert len(names) == 5_000


@pytest.mark.parametrize("name", [b"caf\xe9.yaml", b"new\nline.yaml", b"-rf", "\u202efig.yaml".encode(), b"x" * 255])
def test_any_name_is_seen(watch: Watcher, root: Path, name: bytes) -> None:
    (root / os.fsdecode(name)).write_bytes(b"x")
    until(watch, lambda sizes, gone: os.fsdecode(name) in sizes)
