"""Linux's limits on file events, and how much of them is used. In: /proc. Out: numbers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from aura_daemon.system.permissions import user_id

INOTIFY: Final = "anon_inode:inotify"
"""The target of the link in /proc for a descriptor of an inotify instance."""

NAMES: Final = ("max_user_watches", "max_user_instances", "max_queued_events")


def limits(proc: Path) -> dict[str, int] | None:
    """A value for each of `NAMES`; None where the system has no inotify."""
    folder = proc / "sys" / "fs" / "inotify"
    try:
        return {name: int((folder / name).read_text(encoding="ascii")) for name in NAMES}
    except (OSError, ValueError):
        return None


def watches_by_instance(proc: Path, *, except_pid: int | None) -> list[int]:
    """The number of watches of each inotify instance of this user's processes, as far as /proc may be read."""
    return list(_instances(proc, except_pid))


def _instances(proc: Path, except_pid: int | None) -> Iterator[int]:
    for process in proc.iterdir():
        if not process.name.isdigit() or process.name == str(except_pid):
            continue
        with suppress(OSError):
            if process.stat().st_uid != user_id():
                continue
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    if os.readlink(descriptor) == INOTIFY:  # noqa: PTH115 - the target is no path
                        yield _watches(process / "fdinfo" / descriptor.name)


def _watches(info: Path) -> int:
    return sum(line.startswith("inotify ") for line in info.read_text(encoding="ascii", errors="replace").splitlines())
