"""A share that is full: the daemon waits, and goes on when there is room."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

from tests.checks.shares.daemons import LightDaemon, delivered
from tests.checks.shares.rows import say, wait
from tests.checks.shares.server import PLACE, SERVED, Server
from tests.checks.shares.users import AURA

PART: Final = "daemon on a share that is full"

SHARE: Final = "small"


def tell(server: Server) -> None:
    """The share is filled on its server, by somebody else, before a job comes."""
    here, there = SERVED / SHARE, server.mounted(SHARE, AURA)
    for name in ("inbox", "outbox"):
        (here / name).mkdir()
        os.chown(here / name, AURA.uid, AURA.gid)
    inbox, outbox, filler = here / "inbox", here / "outbox", here / "filler"
    daemon = LightDaemon(
        user=AURA,
        inbox=there / "inbox",
        outbox=there / "outbox",
        state=PLACE / "state-of-small",
        settings={"PAIR_WAIT": 0.2, "RETRY_FIRST": 2},
    )
    with daemon.running() as process:
        job = inbox / ".cat.yaml"
        job.write_text("prompt: a cat\n")
        os.chown(job, AURA.uid, AURA.gid)
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        job.rename(inbox / "cat.yaml")
        wait(lambda: bool(daemon.health().get("holdups")), "the daemon says that there is no room")
        reason = daemon.health()["holdups"][0]["reason"]
        is_good = not (outbox / "cat.png").exists() and process.poll() is None
        say(PART, "a job comes", f"nothing is drawn; held up: {reason}", is_good=is_good)
        filler.unlink()
        took = wait((outbox / "cat.json").exists, "cat.yaml is drawn")
    found = delivered(outbox)
    say(PART, "there is room again", f"drawn {took} later", is_good=found == {"cat.png", "cat.json"})
