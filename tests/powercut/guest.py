"""The first process of a machine: mounts the disk, starts the daemon, has files delivered, until the power is cut.

In: a plan (`plan.Plan`). Out: lines on a serial line whose other end is outside. The machine's root is the outside's,
read-only; whatever is written goes to the disk under test, or to memory.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import mmap
import os
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from tests.powercut.filesystems import FILESYSTEMS, load_module
from tests.powercut.plan import MARK, Plan, Said, Way, read_plan

if TYPE_CHECKING:
    from tests.support.house import House

DISK: Final = (98, 0)
SERIAL: Final = (4, 64)
"""Device numbers of the first disk and the first serial line of user-mode Linux."""

PATIENCE_S: Final = 120.0
"""Until files without a fate count as lost."""

REST_S: Final = 10.0
"""The same once the daemon sleeps with nothing under way; what still lies in the inbox then is left there."""

POLL_S: Final = 0.1
"""Between two looks, which are counted: a machine that is kept from running has no time, whatever its clock says."""

LOG_BYTES: Final = 3000
"""Of the daemon's log, where it has failed."""

SETTINGS: Final[dict[str, Any]] = {
    "pair_wait": 0.3,
    "reference_wait": 3,
    "gallery": {"outbox": True, "page_size": 10},
}

NO_PRELOAD: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
"""The environment of programs whose fsyncs are real, whatever is done to the daemon's."""

_COUNTER: Final = struct.Struct("=I")


class Machine:
    """This machine, from its start to the cut."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._place = Path(plan.place)
        self._serial = -1
        self._shared = mmap.mmap(-1, mmap.PAGESIZE)
        """What the daemon's process shares with this one: whether named steps count, and how often each was passed."""

    def set_up(self) -> None:
        """Mounts what programs want, and opens the serial line."""
        while os.open("/dev/null", os.O_RDWR) <= 2:
            pass
        mount("proc", "/proc", "proc")
        mount("tmpfs", self._place, "tmpfs")
        os.mknod(self._place / "serial", 0o20600, os.makedev(*SERIAL))
        os.mknod(self._place / "disk", 0o60600, os.makedev(*DISK))
        self._serial = os.open(self._place / "serial", os.O_WRONLY | os.O_NOCTTY)
        for name in ("tmp", "home", "on-disk"):
            (self._place / name).mkdir()
        os.environ |= {"TMPDIR": f"{self._place}/tmp", "HOME": f"{self._place}/home", "PATH": NO_PRELOAD["PATH"]}
        log = os.open(self._place / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)

    def say(self, what: Said, value: object = "") -> None:
        os.write(self._serial, f"{MARK} {what} {json.dumps(value)}\n".encode())

    def run(self) -> None:
        """Follows the plan."""
        disk = self._place / "on-disk"
        load_module(Path(self._plan.modules), FILESYSTEMS[self._plan.filesystem].module)
        self._mount_disk()
        unmount(disk)  # what the cut left in the file system's journal is taken over: the check may find nothing then
        said = self._check()
        self._mount_disk()
        self.say(Said.UP, said)

        from tests.powercut import judging
        from tests.support.house import House

        is_new = not (disk / "inbox").exists()
        house = House(disk)
        if is_new:
            sync()
        self.say(Said.TORN, judging.torn_in(house, is_at_rest=False))
        (house.state / "health.json").unlink(missing_ok=True)  # processes have the same numbers at every boot
        daemon = self._start_daemon(house)
        self.say(Said.RUNNING)
        if self._plan.ends:
            code = self._ended(daemon)
            self._judge(house)
            unmount(disk)
            self.say(Said.ENDED, self._check() or (f"the daemon ended with {code}" if code else ""))
            return
        if self._plan.settles:
            self._wait(house, daemon, frozenset(self._plan.expected))
            self._judge(house)
        if self._plan.sendings:
            self._deliver(house, daemon)
            self.say(Said.SETTLED, self._passed())
        while os.waitpid(daemon, os.WNOHANG) == (0, 0):
            time.sleep(POLL_S)
        self.say(Said.BROKEN, f"the daemon has ended\n{self._log()}")

    def fail(self, error: str) -> None:
        """Tells why the plan cannot be followed."""
        if self._serial >= 0:
            self.say(Said.BROKEN, f"{error}\n{self._log()}")
        else:
            print(error, file=sys.stderr)

    # -- the disk ----------------------------------------------------------------------------------------------------

    def _mount_disk(self) -> None:
        mount(self._place / "disk", self._place / "on-disk", self._plan.filesystem)

    def _check(self) -> str:
        """What is wrong with the unmounted file system, as its own program says; empty where nothing is."""
        command = [*FILESYSTEMS[self._plan.filesystem].check, str(self._place / "disk")]
        ran = subprocess.run(command, env=NO_PRELOAD, capture_output=True, text=True, errors="replace", check=False)
        return "" if ran.returncode == 0 else f"{command[0]}: {ran.returncode}: {(ran.stdout + ran.stderr)[-1000:]}"

    # -- the daemon --------------------------------------------------------------------------------------------------

    def _start_daemon(self, house: House) -> int:
        """Forks it: this process has imported all of it, which takes a second or two here."""
        from loguru import logger

        from tests.support import dying
        from tests.support.outcomes import make

        logger.remove()
        logger.add(sys.stderr, level="INFO")
        child = os.fork()
        if child != 0:
            return child
        code = 70
        try:
            dying.attend(self._heed(dying.MOMENTS))
            with house.daemon(make, drain=self._plan.ends, **SETTINGS) as daemon:
                daemon.run()
                code = 0
        except BaseException:  # noqa: BLE001 - whatever ends it is told outside
            traceback.print_exc()
        finally:
            os._exit(code)

    def _heed(self, moments: Sequence[str]) -> Callable[[str], None]:
        """Counts the named steps, and stops for ever at that of the plan: the power is cut then."""
        places = {moment: _COUNTER.size * (1 + number) for number, moment in enumerate(moments)}
        chosen, times, shared = self._plan.moment, self._plan.time, self._shared

        def hear(moment: str) -> None:
            if not shared[0]:
                return
            place = places[moment]
            (count,) = _COUNTER.unpack_from(shared, place)
            _COUNTER.pack_into(shared, place, count + 1)
            if moment == chosen and count + 1 == times:
                self.say(Said.REACHED, moment)
                while True:
                    time.sleep(PATIENCE_S)

        if not self._plan.sendings:  # cut while it takes up what is there
            shared[0] = 1
        return hear

    def _passed(self) -> dict[str, int]:
        """How often each named step was passed."""
        from tests.support import dying

        return {
            moment: _COUNTER.unpack_from(self._shared, _COUNTER.size * (1 + number))[0]
            for number, moment in enumerate(dying.MOMENTS)
        }

    def _ended(self, daemon: int) -> int:
        """The exit code of a daemon that drains; -1 where it does not end."""
        for _ in range(round(PATIENCE_S / POLL_S)):
            if (ended := os.waitpid(daemon, os.WNOHANG)) != (0, 0):
                return os.waitstatus_to_exitcode(ended[1])
            time.sleep(POLL_S)
        return -1

    def _log(self) -> str:
        return (self._place / "log").read_text(errors="replace")[-LOG_BYTES:]

    # -- files -------------------------------------------------------------------------------------------------------

    def _deliver(self, house: House, daemon: int) -> None:
        """Has all files of the plan delivered, and waits until each has its fate."""
        place = self._place / "sendings"
        sendings = [
            {"name": sending.name, "content": sending.content.hex(), "way": sending.way}
            for sending in self._plan.sendings
        ]
        place.write_text(json.dumps(sendings), "utf-8")
        self._shared[0] = 1
        self.say(Said.DELIVERING)
        program = Path(__file__).with_name("sender.py")
        command = [sys.executable, "-I", "-S", str(program), str(house.inbox), str(place)]
        subprocess.run(command, env=NO_PRELOAD, stdout=self._serial, check=True)
        own = (one for one in self._plan.sendings if one.way is not Way.UNSYNCED)  # the others may share another's fate
        self._wait(house, daemon, frozenset(hashlib.sha256(one.content).hexdigest() for one in own))

    def _wait(self, house: House, daemon: int, expected: frozenset[str]) -> None:
        """Waits until each of these files has a fate and nothing is under way, or for `PATIENCE_S`."""
        from tests.powercut import judging

        rested = 0
        for _ in range(round(PATIENCE_S / POLL_S)):
            if os.waitpid(daemon, os.WNOHANG) != (0, 0):
                raise ChildProcessError("the daemon has ended")
            is_empty = not house.waiting()  # asked first: what leaves the inbox is at work
            if _is_at_work(house) or not _has_recovered(house, daemon):
                rested = 0
            elif is_empty and expected <= {digest for digest, *_ in judging.told_in(house)}:
                return
            else:
                rested += _sleeps(daemon)
            if rested > REST_S / POLL_S:
                return
            time.sleep(POLL_S)

    def _judge(self, house: House) -> None:
        """Tells what became of all files; then takes it away, as a user would, durably."""
        from tests.powercut import judging

        told, left = judging.told_in(house), judging.left_in(house)
        self.say(Said.JUDGED, {"told": told, "left": left, "torn": judging.torn_in(house, is_at_rest=True)})
        for folder, names in (
            (house.outbox, [*house.results(), *(f"failed/{name}" for name in house.failed())]),
            (house.inbox / ".aura" / "done", house.archived()),
            (house.inbox, house.waiting()),
        ):
            for name in names:
                with suppress(FileNotFoundError):
                    (folder / name).unlink()
            for left in folder.glob("sub*"):
                with suppress(OSError):
                    left.rmdir()
        sync()


def _is_at_work(house: House) -> bool:
    """Whether a claim is under way."""
    for work in (house.inbox / ".aura" / "work", house.state / "work"):
        with suppress(FileNotFoundError), os.scandir(work) as entries:
            if any(True for _ in entries):
                return True
    return False


def _sleeps(daemon: int) -> bool:
    """Whether a process waits for something; one that is kept from running does not."""
    state = Path(f"/proc/{daemon}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    return state == "S"


def _has_recovered(house: House, daemon: int) -> bool:
    """Whether this daemon has taken up what the last cut left."""
    try:
        health = json.loads((house.state / "health.json").read_bytes())
    except (OSError, ValueError):
        return False
    return bool(health["pid"] == daemon and health["status"] != "starting")


def sync() -> None:
    """Returns when all that was written lies on the disk."""
    subprocess.run(["sync"], env=NO_PRELOAD, check=True)


def mount(source: str | Path, target: str | Path, filesystem: str, *, flags: int = 0, options: str = "") -> None:
    """Mounts a file system; raises OSError."""
    _call("mount", os.fsencode(source), os.fsencode(target), filesystem.encode(), flags, options.encode())


def unmount(target: Path) -> None:
    """Unmounts a file system; raises OSError."""
    _call("umount2", os.fsencode(target), 0)


def _call(name: str, *arguments: bytes | int | None) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def main(place: str) -> NoReturn:
    machine = Machine(read_plan(Path(place)))
    try:
        machine.set_up()
        machine.run()
    except BaseException:  # noqa: BLE001 - the first process of a machine may not end
        machine.fail(traceback.format_exc())
    while True:
        time.sleep(PATIENCE_S)


if __name__ == "__main__":
    main(sys.argv[1])
