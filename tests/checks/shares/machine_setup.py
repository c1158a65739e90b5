"""Makes the machine one in which servers, clients and users of our own can live: mounts, modules, users, loopback.

Its root is the outside's, read-only: all that is written lies in memory.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.checks.shares.rows import run, wait
from tests.checks.shares.server import PLACE, SERVED, Server, answers
from tests.checks.shares.users import group_lines, passwd_lines
from tests.powercut.filesystems import load_module
from tests.powercut.guest import mount
from tests.powercut.machine import MODULES, ROOT

BIND: Final = 4096
"""A flag of `mount`: the source is a folder."""


def set_up(server: Server) -> None:
    """Makes all that the stories need; at the end the server answers."""
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), *(("tmpfs", one) for one in ("/tmp", "/run", "/mnt"))):
        mount(kind, place, kind)
    mount("tmpfs", "/var/log", "tmpfs")
    PLACE.chmod(0o1777)
    _let_all_read((ROOT, Path(sys.prefix), Path(sys.base_prefix)))
    _know_users()
    for folder in (PLACE / "home", *(SERVED / share for share in server.shares)):
        folder.mkdir(parents=True)
    os.environ |= {"HOME": f"{PLACE}/home", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    for module in server.modules:
        load_module(MODULES, module)
    run("ip", "link", "set", "lo", "up")
    server.set_up()
    server.start()
    wait(lambda: answers(server), "the server answers")


def _let_all_read(places: Iterable[Path]) -> None:
    """Has every user find Python and this project, where a folder on the way is shut (`/root`): it is hidden."""
    shut = {place: _first_shut(place) for place in places}
    for folder in {one for one in shut.values() if one is not None}:
        mount("tmpfs", folder, "tmpfs", options="mode=755")
    for place, folder in shut.items():
        if folder is not None:
            place.mkdir(parents=True, exist_ok=True)
            mount("none", place, "hostfs", options=os.fspath(place))


def _first_shut(place: Path) -> Path | None:
    """The first folder on the way that others may not enter."""
    return next((one for one in reversed(place.parents) if not one.stat().st_mode & stat.S_IXOTH), None)


def _know_users() -> None:
    """Puts a folder in memory over /etc, with what programs read there, and the users."""
    etc = Path("/run/etc")
    etc.mkdir()
    for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache", "hosts", "services", "localtime"):
        with suppress(FileNotFoundError):
            shutil.copy(Path("/etc") / name, etc / name)
    for name, lines in (("passwd", passwd_lines()), ("group", group_lines())):
        with (etc / name).open("a") as file:
            file.write(lines)
    mount(etc, "/etc", "", flags=BIND)
