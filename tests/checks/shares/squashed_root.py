"""A daemon of root on a share whose server takes root for nobody (root_squash)."""

from __future__ import annotations

import os
from typing import Final

from tests.checks.shares.daemons import LightDaemon, delivered
from tests.checks.shares.rows import say
from tests.checks.shares.server import PLACE, SERVED, Server
from tests.checks.shares.users import ALICE, AURA, ROOT, TEAM

PART: Final = "daemon of root on a share"


def tell(server: Server) -> None:
    """First in folders of a team, then in folders that are open to all."""
    here, there = SERVED / "of-root", server.mounted("of-root", ROOT)
    inbox, outbox = here / "inbox", here / "outbox"
    for folder in (inbox, outbox):
        folder.mkdir()
        os.chown(folder, AURA.uid, TEAM)
        folder.chmod(0o2770)
    daemon = LightDaemon(
        user=ROOT,
        inbox=there / "inbox",
        outbox=there / "outbox",
        state=PLACE / "state-of-root",
        settings={"PAIR_WAIT": 0.2},
    )
    refused = daemon.ran("once")
    is_told = "root_squash" in refused.stderr
    told = f"exit code {refused.returncode}, what to do is {'told' if is_told else 'not told'}"
    say(PART, "folders of a team", told, is_good=refused.returncode == 2 and is_told)

    for folder in (inbox, outbox):
        folder.chmod(0o777)
    with ALICE.acting(umask=0o022):
        (there / "inbox" / "cat.yaml").write_text("prompt: a cat\n")
    with ALICE.acting(umask=0o077):
        (there / "inbox" / "own.yaml").write_text("prompt: her own cat\n")
    code = daemon.ran("once").returncode
    found = {name: (outbox / name).stat().st_uid for name in sorted(delivered(outbox))}
    left = [place.name for place in inbox.glob("*.yaml")]
    told = f"exit code {code}, results and their owners: {found}, left in the inbox: {left}"
    is_good = set(found) == {"cat.png", "cat.json"} and left == ["own.yaml"]
    say(PART, "folders that are open to all, one file that is not", told, is_good=is_good)
