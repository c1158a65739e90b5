"""Several users, one inbox: each has the share mounted; whose results, readable by whom."""

from __future__ import annotations

import os
from typing import Final

from aura_daemon.system.files import access_lists
from tests.checks.shares.daemons import LightDaemon, delivered
from tests.checks.shares.rows import say
from tests.checks.shares.server import PLACE, SERVED, Server
from tests.checks.shares.users import ALICE, AURA, BOB, CAROL, TEAM
from tests.support.house import PNG
from tests.support.users import User

OF_THE_TEAM: Final = ("dog.png", "dog.json", "failed/bad.yaml", "failed/bad.yaml.json")
OF_ALICE: Final = ("alice/cat.png", "alice/cat.json", "failed/alice/bad.yaml", "failed/alice/bad.yaml.json")
OF_CAROL: Final = ("carol/secret.txt", "carol/secret.json")


def tell_on_the_server(server: Server) -> None:
    """The daemon runs on the server, which knows access lists: alice lets in the daemon's group alone."""
    _tell(server, "team", is_client=False)


def tell_on_a_client(server: Server) -> None:
    """The daemon is a client as the users are, without access lists: it is in a group of alice's."""
    _tell(server, "mounted-team", is_client=True)


def _tell(server: Server, share: str, *, is_client: bool) -> None:
    part = "several users, daemon on a client" if is_client else "several users, daemon on the server"
    here = SERVED / share
    for folder, owner, group in (
        (here / "inbox", AURA, TEAM),
        (here / "outbox", AURA, TEAM),
        (here / "inbox" / "alice", ALICE, ALICE.gid if is_client else AURA.gid),
    ):
        folder.mkdir()
        os.chown(folder, owner.uid, group)
        folder.chmod(0o2770)
    hers = access_lists.with_user(access_lists.of_mode(0o700), AURA.uid, 7)
    carols = here / "inbox" / "carol"  # of the team by its mode, whose group bits are a list's mask
    carols.mkdir()
    os.chown(carols, CAROL.uid, TEAM)
    access_lists.give(carols, hers)
    seen = {user: server.mounted(share, user) for user in (ALICE, BOB, CAROL)}
    drops: tuple[tuple[User, str, bytes], ...] = (
        (ALICE, "alice/cat.yaml", b"prompt: her own cat\n"),
        (ALICE, "alice/bad.yaml", b"prompt: her bad cat\nsteps: 0\n"),
        (ALICE, "alice/secret.png", PNG),
        (BOB, "dog.yaml", b"prompt: a dog for all\n"),
        (BOB, "spy.yaml", b"task: caption\nimage: alice/secret.png\n"),
        (CAROL, "carol/secret.png", PNG),
        (BOB, "spy-again.yaml", b"task: caption\nimage: carol/secret.png\n"),
        (CAROL, "bad.yaml", b"prompt: a bad bird\nsteps: 0\n"),
    )
    for user, name, content in drops:
        with user.acting():
            (seen[user] / "inbox" / name).write_bytes(content)
    others = [name for user, name, _ in drops if (here / "inbox" / name).stat().st_uid != user.uid]
    told = f"{len(drops)} files, of others: {others}"
    say(part, "each file belongs to who dropped it", told, is_good=not others)

    place = server.mounted(share, AURA) if is_client else here
    daemon = LightDaemon(
        user=AURA,
        inbox=place / "inbox",
        outbox=place / "outbox",
        state=PLACE / f"state-of-{share}",
        settings={"PAIR_WAIT": 0.2, "REFERENCE_WAIT": 0},
    )
    code = daemon.ran("once").returncode
    outbox = here / "outbox"
    for what, names, readers in (
        ("results and failures of the team", OF_THE_TEAM, "alice bob carol"),
        ("those of alice's folder", OF_ALICE, "alice"),
        # A client can give no list, so that nobody but the daemon's user gets in.
        ("those of a folder that an access list shuts", OF_CAROL, "nobody" if is_client else "carol"),
    ):
        missing = [name for name in names if not (outbox / name).exists()]
        found = {
            " ".join(user.name for user, mount in seen.items() if user.reads(mount / "outbox" / name)) or "nobody"
            for name in names
            if name not in missing
        }
        told = "; ".join(sorted(found)) + (f"; missing: {missing}" if missing else "")
        say(part, f"who reads {what}", told, is_good=told == readers)
    for what, name in (("of alice's", "spy"), ("in a folder that an access list shuts", "spy-again")):
        is_caught = (outbox / "failed" / f"{name}.yaml.json").exists()
        told = "not found, for him" if is_caught else f"exit code {code}: {sorted(delivered(outbox))}"
        say(part, f"bob names a picture {what}", told, is_good=is_caught)
