"""Inside the machine of `smb_check`: a server for SMB, what it shares, and daemons beside it. Out: a line for each row.

The machine's root is the outside's, read-only: all that is written lies in memory. Its loopback and users are its own.
"""

from __future__ import annotations

import codecs
import ctypes
import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from tests.powercut.filesystems import load_module
from tests.powercut.guest import mount
from tests.powercut.machine import MODULES
from tests.support.house import PNG, House
from tests.support.users import User

MARK: Final = "@@"
"""Begins a line with a row; others are the log."""

NEEDED: Final = ("cmac", "hmac", "sha512_generic", "ctr", "ghash-generic", "gcm", "ccm", "ecb", "cifs")
"""Modules that a mount by SMB 3.1.1 needs."""

BIND: Final = 4096
"""A flag of `mount`: the source is a folder."""

POWER_OFF: Final = 0x4321FEDC
"""A command of `reboot`."""

PLACE: Final = Path("/tmp")
SERVED: Final = PLACE / "served"
"""What the server shares."""
CONFIG: Final = PLACE / "smb.conf"
SAMBA: Final = PLACE / "samba"
SERVER_LOG: Final = PLACE / "smbd.log"

ADDRESS: Final = "127.0.0.1"
PASSWORD: Final = "aura-test"

TEAM: Final = 3000
"""The group of all of these."""
AURA, ALICE, BOB, CAROL = (
    User(name=name, uid=number, gid=number, groups=(number, TEAM))
    for number, name in enumerate(("aura", "alice", "bob", "carol"), 2000)
)

SHARES: Final = f"""[global]
 server min protocol = SMB3
 private dir = {SAMBA}
 lock directory = {SAMBA}
 state directory = {SAMBA}
 cache directory = {SAMBA}
 pid directory = {SAMBA}
 ncalrpc dir = {SAMBA}/ncalrpc
 passdb backend = tdbsam:{SAMBA}/passdb.tdb
 log file = {SERVER_LOG}
 bind interfaces only = yes
 interfaces = lo
 disable spoolss = yes
[nas]
 path = {SERVED}/nas
 read only = no
[team]
 path = {SERVED}/team
 read only = no
 inherit permissions = yes
"""

ON_A_SHARE: Final = "daemon on a mounted share"
ON_THE_SERVER: Final = "daemon on the server"

PATIENCE_S: Final = 120.0
POLL_S: Final = 0.2
OUTAGE_S: Final = 20.0


class Failed(Exception):
    """Something does not come that the check waits for, or a program has failed."""


def say(part: str, what: str, told: str, *, is_good: bool) -> None:
    """One row of the table outside."""
    print(MARK, json.dumps([part, what, told, is_good]), flush=True)


def run(*command: str | Path, given: str = "") -> None:
    """Runs a program; raises Failed."""
    ran = subprocess.run(list(map(str, command)), input=given, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise Failed(f"{command[0]}: {ran.returncode}: {ran.stdout}{ran.stderr}")


def wait(is_so: Callable[[], bool], what: str) -> str:
    """Returns how long it took until something is so; raises Failed."""
    began_s = time.monotonic()
    while not is_so():
        if time.monotonic() - began_s > PATIENCE_S:
            raise Failed(f"not within {PATIENCE_S:g} s: {what}")
        time.sleep(POLL_S)
    return f"{time.monotonic() - began_s:.1f} s"


def set_up() -> None:
    """Mounts what programs want, loads modules, makes users and the server's configuration."""
    for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), *(("tmpfs", one) for one in ("/tmp", "/run", "/mnt"))):
        mount(kind, place, kind)
    mount("tmpfs", "/var/log", "tmpfs")
    PLACE.chmod(0o1777)
    etc = Path("/run/etc")
    etc.mkdir()
    for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache", "hosts", "services", "localtime"):
        with suppress(FileNotFoundError):
            shutil.copy(Path("/etc") / name, etc / name)
    with (etc / "passwd").open("a") as users, (etc / "group").open("a") as groups:
        everybody = (AURA, ALICE, BOB, CAROL)
        groups.write(f"team:x:{TEAM}:{','.join(user.name for user in everybody)}\n")
        for user in everybody:
            users.write(f"{user.name}:x:{user.uid}:{user.gid}::/nonexistent:/bin/sh\n")
            groups.write(f"{user.name}:x:{user.gid}:\n")
    _bind(etc, Path("/etc"))
    for folder in (SAMBA, PLACE / "home", Path("/var/log/samba"), SERVED / "nas", SERVED / "team"):
        folder.mkdir(parents=True)
    os.environ |= {"HOME": f"{PLACE}/home", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    for module in NEEDED:
        load_module(MODULES, module)
    run("ip", "link", "set", "lo", "up")
    CONFIG.write_text(SHARES)
    for user in everybody:
        run("smbpasswd", "-c", CONFIG, "-a", "-s", user.name, given=f"{PASSWORD}\n{PASSWORD}\n")


def _bind(source: Path, target: Path) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.mount(os.fsencode(source), os.fsencode(target), None, BIND, None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}")


class Server:
    """smbd, which can go away and come back."""

    def start(self) -> None:
        command = ["smbd", "--foreground", "--no-process-group", "-s", CONFIG]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        wait(lambda: self.asked("-L", ADDRESS) == 0, "the server answers")

    def asked(self, *command: str, given: int | None = subprocess.DEVNULL) -> int:
        """The exit code of a client that is no mount."""
        asks = ["smbclient", "-s", str(CONFIG), "-U", f"{AURA.name}%{PASSWORD}", *command]
        return subprocess.run(asks, stdin=given, capture_output=True, check=False).returncode

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def mounted(share: str, user: User) -> Path:
    """A share as a user has mounted it."""
    place = Path("/mnt") / f"{share}-{user.name}"
    place.mkdir()
    options = f"ip={ADDRESS},user={user.name},pass={PASSWORD},vers=3.1.1"
    run("mount.cifs", f"//{ADDRESS}/{share}", place, "-o", options)
    return place


# -- a daemon whose inbox and outbox lie on a share ------------------------------------------------------------------


def on_a_share(server: Server) -> None:
    """`once`, then `run` beside others who write, while the server goes away and comes back."""
    here = SERVED / "nas"
    shutil.chown(here, AURA.uid, AURA.gid)
    there = mounted("nas", AURA)
    inbox, outbox = here / "inbox", here / "outbox"
    for name in ("inbox", "outbox"):
        (there / name).mkdir()
    known = capabilities(there / "inbox")
    say(ON_A_SHARE, "what the mount knows", ", ".join(f"{what}: {how}" for what, how in known.items()), is_good=True)
    (there / "inbox" / "cat.yaml").write_text("prompt: a cat\n")
    drop(inbox / "dogs.yaml", "prompt: a dog\ncount: 2\n")
    drop(inbox / "bad.yaml", "steps: [\n")
    command = [sys.executable, "-m", "tests.support.light_daemon"]
    settings = {"INBOX": there / "inbox", "OUTBOX": there / "outbox", "STATE": PLACE / "state", "PAIR_WAIT": 0.2}
    environment = {**os.environ, **{f"AURA_{name}": str(value) for name, value in settings.items()}}
    subprocess.run([*command, "once"], env=environment, check=False)
    found = delivered(outbox)
    wanted = {f"{name}.{kind}" for name in ("cat", "dogs-1", "dogs-2") for kind in ("png", "json")}
    wanted |= {"failed/bad.yaml", "failed/bad.yaml.json"}
    left = [*House.visible(inbox), *House.visible(outbox / ".aura" / "tmp"), *House.visible(inbox / ".aura" / "work")]
    say(
        ON_A_SHARE,
        "`once`: three pictures, one failure",
        f"not as it should be: {sorted(wanted ^ found)}, left: {left}",
        is_good=wanted == found and not left,
    )

    daemon = subprocess.Popen([*command, "run"], env=environment)
    try:
        wait(lambda: _pid(PLACE / "state" / "health.json") == daemon.pid, "the daemon runs")
        with (inbox / "slow.yaml").open("w") as file:
            shutil.chown(file.name, AURA.uid, AURA.gid)
            write_slowly(file.write, file.flush)
        took = wait((outbox / "slow.json").exists, "slow.yaml is drawn")
        say(
            ON_A_SHARE,
            "written slowly, on the server itself",
            f"{took}, once whole",
            is_good=is_whole(outbox / "slow.json"),
        )
        reading, writing = os.pipe()
        client = os.fork()
        if client == 0:
            os.close(writing)
            os._exit(server.asked(f"//{ADDRESS}/nas", "-c", "put - inbox/client.yaml", given=reading))
        os.close(reading)
        write_slowly(lambda text: os.write(writing, text.encode()), lambda: None)
        os.close(writing)
        code = os.waitstatus_to_exitcode(os.waitpid(client, 0)[1])
        took = wait((outbox / "client.json").exists, "client.yaml is drawn")
        say(
            ON_A_SHARE,
            "written slowly, by another client",
            f"{took}, once whole",
            is_good=code == 0 and is_whole(outbox / "client.json"),
        )
        server.stop()
        drop(inbox / "after.yaml", "prompt: after\n")
        time.sleep(OUTAGE_S)
        is_gone = server.asked("-L", ADDRESS) != 0 and not (outbox / "after.json").exists()
        is_good = is_gone and daemon.poll() is None
        say(ON_A_SHARE, f"the server is gone for {OUTAGE_S:g} s", "nothing is drawn, the daemon waits", is_good=is_good)
        began_s = time.monotonic()
        server.start()
        wait((outbox / "after.json").exists, "after.yaml is drawn")
        took_s = time.monotonic() - began_s
        say(ON_A_SHARE, "the server comes back", f"drawn {took_s:.1f} s after its start", is_good=True)
    finally:
        daemon.terminate()
        code = daemon.wait(PATIENCE_S)
    wanted |= {f"{name}.{kind}" for name in ("slow", "client", "after") for kind in ("png", "json")}
    found = delivered(outbox)
    told = f"exit code {code}; not as it should be: {sorted(found ^ wanted)}"
    say(ON_A_SHARE, "in the end each result is there once", told, is_good=code == 0 and found == wanted)


def delivered(outbox: Path) -> set[str]:
    """Results and failures, without the gallery and the health document."""
    return {name for name in House.visible(outbox) if name not in ("health.json", "index.html")}


def capabilities(folder: Path) -> dict[str, str]:
    """What a file system does of what the daemon asks for: `yes`, or the error."""

    def tried(action: Callable[[], object]) -> str:
        try:
            action()
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        return "yes"

    first, second = folder / ".first", folder / ".second"
    first.write_bytes(b"x")
    file, itself = os.open(first, os.O_RDWR), os.open(folder, os.O_RDONLY)
    found = {
        "fsync": tried(lambda: os.fsync(file)),
        "fsync of a folder": tried(lambda: os.fsync(itself)),
        "flock": tried(lambda: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)),
        "hard links": tried(lambda: os.link(first, second)),
        "files without a name": tried(lambda: os.close(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666))),
    }
    os.close(file)
    os.close(itself)
    first.unlink()
    second.unlink(missing_ok=True)
    return found


def drop(place: Path, content: str) -> None:
    """A file that comes without an event for whoever has mounted the share."""
    place.write_text(content)
    shutil.chown(place, AURA.uid, AURA.gid)


def write_slowly(write: Callable[[str], object], flush: Callable[[], object]) -> None:
    """Writes a job for longer than the daemon takes between two looks."""
    for part in ("prompt: a ", *["very "] * 14, "slow bird\n", "seed: 3\n"):
        write(part)
        flush()
        time.sleep(0.5)


def is_whole(sidecar: Path) -> bool:
    return '"seed": 3' in sidecar.read_text()


def _pid(health: Path) -> int:
    try:
        document = json.loads(health.read_bytes())
    except (OSError, ValueError):
        return 0
    return int(document["pid"]) if document["status"] != "starting" else 0


# -- a daemon on the server ------------------------------------------------------------------------------------------


def on_the_server() -> None:
    """Three users of the server, each with the share mounted: whose results, readable by whom."""
    load_all(House(PLACE / "loaded"))
    house = House(SERVED / "team")
    SERVED.joinpath("team").chmod(0o755)
    for folder, mode in ((house.inbox, 0o2770), (house.outbox, 0o2770), (house.state, 0o700)):
        os.chown(folder, AURA.uid, AURA.gid if folder == house.state else TEAM)
        folder.chmod(mode)
    own = house.inbox / "alice"
    own.mkdir()
    os.chown(own, ALICE.uid, AURA.gid)
    own.chmod(0o2770)
    seen = {user.name: mounted("team", user) for user in (ALICE, BOB, CAROL)}
    (seen["alice"] / "inbox" / "alice" / "cat.yaml").write_text("prompt: her own cat\n")
    (seen["alice"] / "inbox" / "alice" / "bad.yaml").write_text("prompt: her bad cat\nsteps: 0\n")
    (seen["alice"] / "inbox" / "alice" / "secret.png").write_bytes(PNG)
    (seen["bob"] / "inbox" / "dog.yaml").write_text("prompt: a dog for all\n")
    (seen["bob"] / "inbox" / "spy.yaml").write_text("task: caption\nimage: alice/secret.png\n")
    (seen["carol"] / "inbox" / "bad.yaml").write_text("prompt: a bad bird\nsteps: 0\n")
    owners = {place.name: place.stat().st_uid for place in house.inbox.rglob("*.*")}
    wanted = {"cat.yaml": ALICE.uid, "secret.png": ALICE.uid, "dog.yaml": BOB.uid, "spy.yaml": BOB.uid}
    say(
        ON_THE_SERVER,
        "each file belongs to who dropped it",
        f"{len(wanted)} files",
        is_good=wanted.items() <= owners.items(),
    )
    with AURA.acting():
        house.drain()
    for what, names, who in (
        (
            "results and failures of the team",
            ("dog.png", "dog.json", "failed/bad.yaml", "failed/bad.yaml.json"),
            "alice bob carol",
        ),
        ("those of alice's folder", ("alice/cat.png", "alice/cat.json", "failed/alice/bad.yaml"), "alice"),
    ):
        readers = {
            name: sorted(user for user, place in seen.items() if reads(place / "outbox" / name)) for name in names
        }
        told = "; ".join(sorted({" ".join(users) or "nobody" for users in readers.values()}))
        say(ON_THE_SERVER, f"who reads {what}", told, is_good=all(users == who.split() for users in readers.values()))
    is_caught = (house.outbox / "failed" / "spy.yaml.json").exists()
    say(
        ON_THE_SERVER,
        "bob names a picture of alice's",
        "not found, for him" if is_caught else str(house.results()),
        is_good=is_caught,
    )


def load_all(house: House) -> None:
    """Has this process load, as root, the modules that lie where no other user may read."""
    house.drop("cat.yaml")
    house.drop("bad.yaml", b"prompt: a cat\nsteps: 0\n")
    house.drop("sea.png", PNG)
    house.drop("say.yaml", b"task: caption\nimage: nowhere.png\n")
    house.drain()
    for encoding in ("ascii", "unicode_escape"):
        codecs.lookup(encoding)


def reads(place: Path) -> bool:
    try:
        place.read_bytes()
    except PermissionError:
        return False
    return True


def main() -> NoReturn:
    try:
        set_up()
        server = Server()
        server.start()
        on_the_server()
        on_a_share(server)
        say("", "", "", is_good=True)
    except BaseException:  # noqa: BLE001 - whatever is wrong is told outside
        traceback.print_exc()
        with suppress(OSError):
            print(SERVER_LOG.read_text()[-2000:])
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).reboot(POWER_OFF)
    os._exit(1)


if __name__ == "__main__":
    main()
