"""What a running daemon holds now: memory, descriptors, threads, watches, and the size of what it keeps on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Final

import psutil

from aura_daemon.file_names import GALLERY_FOLDER, OWN_FOLDER
from aura_daemon.journal.journal import FILE_NAME
from tests.soak.slopes import Figure

MIB: Final = 1024.0 * 1024.0
KIB: Final = 1024.0

FIGURES: Final = (
    Figure(name="daemon, resident", unit="MiB", noise=6, an_hour=2, scale=MIB),
    Figure(name="daemon, its own (USS)", unit="MiB", noise=6, an_hour=2, scale=MIB),
    Figure(name="daemon, processor", unit="ms/s", noise=30, an_hour=5),
    Figure(name="descriptors", unit="", noise=3, an_hour=1),
    Figure(name="threads", unit="", noise=2, an_hour=1),
    Figure(name="inotify watches", unit="", noise=8, an_hour=2),
    Figure(name="children", unit="", noise=1, an_hour=0.5),
    Figure(name="worker, resident", unit="MiB", noise=400, an_hour=40, scale=MIB),
    Figure(name="journal", unit="KiB", noise=400, an_hour=100, scale=KIB),
    Figure(name="journal's log (WAL)", unit="KiB", noise=5000, an_hour=100, scale=KIB),
    Figure(name="archive", unit="KiB", noise=300, an_hour=50, scale=KIB),
    Figure(name="archive, entries", unit="", noise=300, an_hour=50),
    Figure(name="failed", unit="KiB", noise=100, an_hour=20, scale=KIB),
    Figure(name="inbox, private (no archive)", unit="entries", noise=40, an_hour=1),
    Figure(name="outbox, private", unit="entries", noise=6, an_hour=1),
    Figure(name="gallery", unit="KiB", noise=0, an_hour=inf, scale=KIB),
    Figure(name="gallery, entries", unit="", noise=0, an_hour=inf),
    Figure(name="state (no journal)", unit="entries", noise=10, an_hour=1),
)
"""Noise is what a single moment may add: jobs that are under way, a journal's log, what waits for the next sweep. The
gallery keeps a thumbnail and a line of every result, as its page says: it is shown, and not judged."""


def sample(daemon: psutil.Process, *, inbox: Path, outbox: Path, state: Path) -> dict[str, float]:
    """One value for each of `FIGURES`. `inbox`, `outbox`: where they lie on the disk, mounted or not."""
    with daemon.oneshot():
        memory = daemon.memory_full_info()
        processor = daemon.cpu_times()
        threads = daemon.num_threads()
    children = daemon.children()
    own, archive = inbox / OWN_FOLDER, inbox / OWN_FOLDER / "done"
    archived, gallery = list(below(archive)), list(below(outbox / GALLERY_FOLDER))
    return {
        "daemon, resident": memory.rss,
        "daemon, its own (USS)": memory.uss,
        "daemon, processor": (processor.user + processor.system) * 1000,
        "descriptors": daemon.num_fds(),
        "threads": threads,
        "inotify watches": watches(daemon.pid),
        "children": len(children),
        "worker, resident": sum(resident_bytes(child) for child in children),
        "journal": size_bytes(state / FILE_NAME),
        "journal's log (WAL)": size_bytes(state / f"{FILE_NAME}-wal"),
        "archive": sum(map(size_bytes, archived)),
        "archive, entries": len(archived),
        "failed": sum(map(size_bytes, below(outbox / "failed"))),
        "inbox, private (no archive)": len([place for place in below(own) if not place.is_relative_to(archive)]),
        "outbox, private": len(list(below(outbox / OWN_FOLDER))),
        "gallery": sum(map(size_bytes, gallery)) + size_bytes(outbox / "index.html"),
        "gallery, entries": len(gallery),
        "state (no journal)": len([place for place in below(state) if not place.name.startswith(FILE_NAME)]),
    }


def rates(samples: list[tuple[float, dict[str, float]]]) -> list[tuple[float, dict[str, float]]]:
    """Samples whose processor time, a sum so far, is the time per second since the sample before."""
    name = "daemon, processor"
    return [
        (at_s, {**values, name: (values[name] - before[name]) / (at_s - before_s)})
        for (before_s, before), (at_s, values) in pairwise(samples)
    ]


def below(folder: Path) -> Iterable[Path]:
    """All files and folders below a folder; it and they may vanish meanwhile."""
    for place, folders, files in os.walk(folder):
        yield from (Path(place) / name for name in (*folders, *files))


def size_bytes(place: Path) -> int:
    """The size of a file; 0 of a folder, or of what has gone."""
    with suppress(OSError):
        return place.lstat().st_size if not place.is_dir() else 0
    return 0


def resident_bytes(process: psutil.Process) -> int:
    """The memory of a process; 0 of one that has gone."""
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def watches(pid: int) -> int:
    """The watches of all inotify instances of a process."""
    found = 0
    for place in Path(f"/proc/{pid}/fdinfo").iterdir():
        with suppress(OSError):
            found += place.read_text().count("inotify wd:")
    return found
