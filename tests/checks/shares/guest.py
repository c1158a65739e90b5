"""Inside the machine: a server of shares, and daemons on it and beside it. In: its kind. Out: a line for each row."""

from __future__ import annotations

import ctypes
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from tests.checks.shares import full_share, mounted_share, several_users, squashed_root
from tests.checks.shares.kinds import SERVERS
from tests.checks.shares.machine_setup import set_up
from tests.checks.shares.rows import say
from tests.checks.shares.server import Server

POWER_OFF: Final = 0x4321FEDC
"""A command of `reboot`."""

STORIES: Final[Mapping[str, tuple[Callable[[Server], None], ...]]] = {
    "smb": (several_users.tell_on_the_server, mounted_share.tell),
    "nfs": (
        several_users.tell_on_the_server,
        several_users.tell_on_a_client,
        squashed_root.tell,
        full_share.tell,
        mounted_share.tell,
    ),
    "nfs-soft": (mounted_share.tell,),
}


def main(kind: str) -> NoReturn:
    try:
        server = SERVERS[kind]()
        set_up(server)
        for story in STORIES[kind]:
            _told(story, server)
        say("", "", "", is_good=True)
    except BaseException:  # noqa: BLE001 - whatever is wrong is told outside
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).reboot(POWER_OFF)
    os._exit(1)


def _told(story: Callable[[Server], None], server: Server) -> None:
    """A story that breaks off is a row; the next one is told all the same."""
    try:
        story(server)
    except Exception as error:  # noqa: BLE001 - told outside
        traceback.print_exc()
        say(story.__module__.rpartition(".")[2], "comes to its end", str(error), is_good=False)


if __name__ == "__main__":
    main(sys.argv[1])
