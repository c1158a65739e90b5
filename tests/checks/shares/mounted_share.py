"""A daemon whose inbox and outbox lie on a mounted share: `once`, then `run` while others write and the server goes."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from aura_daemon.service.systemd_unit import ABORT_S
from tests.checks.shares.daemons import LightDaemon, delivered
from tests.checks.shares.rows import say, wait
from tests.checks.shares.server import PLACE, SERVED, Server, answers
from tests.checks.shares.users import AURA
from tests.support.house import House

PART: Final = "daemon on a mounted share"

OUTAGE_S: Final = 40.0
"""Longer than it takes until a daemon that is not heard of counts as one that hangs."""


def tell(server: Server) -> None:
    """A daemon of its own user, to whom the share belongs."""
    here = SERVED / "nas"
    shutil.chown(here, AURA.uid, AURA.gid)
    there = server.mounted("nas", AURA)
    inbox, outbox = here / "inbox", here / "outbox"
    with AURA.acting():
        for name in ("inbox", "outbox"):
            (there / name).mkdir()
        known = capabilities(there / "inbox")
        (there / "inbox" / "cat.yaml").write_text("prompt: a cat\n")
    say(PART, "what the mount knows", ", ".join(f"{what}: {how}" for what, how in known.items()), is_good=True)
    drop(inbox / "dogs.yaml", "prompt: a dog\ncount: 2\n")
    drop(inbox / "bad.yaml", "steps: [\n")
    daemon = LightDaemon(
        user=AURA,
        inbox=there / "inbox",
        outbox=there / "outbox",
        state=PLACE / "state-of-nas",
        settings={"PAIR_WAIT": 0.2},
    )
    daemon.ran("once")
    found = delivered(outbox)
    wanted = {f"{name}.{kind}" for name in ("cat", "dogs-1", "dogs-2") for kind in ("png", "json")}
    wanted |= {"failed/bad.yaml", "failed/bad.yaml.json"}
    left = [*House.visible(inbox), *House.visible(outbox / ".aura" / "tmp"), *House.visible(inbox / ".aura" / "work")]
    told = f"not as it should be: {sorted(wanted ^ found)}, left: {left}"
    say(PART, "`once`: three pictures, one failure", told, is_good=wanted == found and not left)

    with daemon.running() as process:
        with (inbox / "slow.yaml").open("w") as file:
            shutil.chown(file.name, AURA.uid, AURA.gid)
            write_slowly(lambda text: print(text, end="", file=file, flush=True))
        say_drawn("written slowly, on the server itself", outbox / "slow.json")
        with server.writing("nas", "inbox/client.yaml") as write:
            write_slowly(write)
        say_drawn("written slowly, by another client", outbox / "client.json")

        server.stop()
        drop(inbox / "after.yaml", "prompt: after\n")
        time.sleep(OUTAGE_S)
        is_good = not answers(server) and not (outbox / "after.json").exists() and process.poll() is None
        told = f"nothing is drawn; {status_line(daemon)}"
        say(PART, f"the server is gone for {OUTAGE_S:g} s", told, is_good=is_good)
        server.start()
        took = wait((outbox / "after.json").exists, "after.yaml is drawn")
        say(PART, "the server comes back", f"drawn {took} after its start", is_good=True)

        server.stop()
        drop(inbox / "restarted.yaml", "prompt: restarted\n")
        say_killed(process)
        with daemon.starting() as next_process:
            time.sleep(OUTAGE_S)
            code = next_process.poll()
            told = f"it waits; {status_line(daemon)}" if code is None else f"exit code {code}"
            say(PART, f"started anew meanwhile, for {OUTAGE_S:g} s", told, is_good=code is None)
            server.start()
            took = wait((outbox / "restarted.json").exists, "restarted.yaml is drawn")
            say(PART, "the server comes back", f"drawn {took} after its start", is_good=True)
    wanted |= {f"{name}.{kind}" for name in ("slow", "client", "after", "restarted") for kind in ("png", "json")}
    found = delivered(outbox)
    told = f"exit code {next_process.returncode}; not as it should be: {sorted(found ^ wanted)}"
    is_good = next_process.returncode == 0 and found == wanted
    say(PART, "in the end each result is there once", told, is_good=is_good)


def status_line(daemon: LightDaemon) -> str:
    """What `status` says of the daemon itself."""
    said = daemon.ran("status").stdout.splitlines()
    told = "; ".join(" ".join(line.split()) for line in said if line.startswith(("daemon ", "held up ")))
    return f"`status`: {told}"


def say_killed(process: subprocess.Popen[bytes]) -> None:
    """Ends the daemon as systemd does where its watchdog is not fed. On NFS it cannot give its lock back."""
    for send in (lambda: process.send_signal(signal.SIGABRT), process.kill):
        send()
        with suppress(subprocess.TimeoutExpired):
            process.wait(ABORT_S)
    code = process.poll()
    told = f"it cannot end, and is there after {2 * ABORT_S} s" if code is None else f"it ends with {code}"
    say(PART, "gone again; SIGABRT, then SIGKILL, as by systemd", told, is_good=code is None or code < 0)


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


def write_slowly(write: Callable[[str], object]) -> None:
    """Writes a job for longer than the daemon takes between two looks."""
    for part in ("prompt: a ", *["very "] * 14, "slow bird\n", "seed: 3\n"):
        write(part)
        time.sleep(0.5)


def say_drawn(what: str, sidecar: Path) -> None:
    """Waits until a job of `write_slowly` is drawn, and tells whether it was whole."""
    took = wait(sidecar.exists, f"{sidecar.stem}.yaml is drawn")
    is_whole = '"seed": 3' in sidecar.read_text()
    say(PART, what, f"{took}, {'once whole' if is_whole else 'in part'}", is_good=is_whole)
