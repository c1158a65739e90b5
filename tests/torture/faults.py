"""Real faults: kills; full, read-only and unmounted disks; clocks, floods, limits, permissions, names."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from aura_daemon.cli.run import FAILED
from tests.support import dying
from tests.support.house import House
from tests.support.light_daemon import DIE_AT
from tests.support.programs import ROOT, Program
from tests.torture.ledger import Ledger, Verdict, living, place_of, torture_program

QUOTA_DISK_BYTES = 256 << 20
"""btrfs needs more than 100 MB."""


def killed_at_random(house: House, times: int) -> Verdict:
    """kill -9 at random instants while files arrive; then one daemon finishes."""
    ledger, dice = Ledger(house), random.Random(0)
    for number in range(times):
        program = torture_program(house)
        program.start("run")
        for file in range(3):
            name = f"{number}-{file}.{'png' if file == 2 else 'yaml'}"
            temp = house.inbox / f".{name}.tmp"
            temp.write_bytes(ledger.content(name))
            temp.rename(house.inbox / name)
        time.sleep(dice.uniform(0.1, 1.2))
        program.end(signal.SIGKILL)
    _finish(house)
    verdict = ledger.verdict()
    verdict.wrong += [f"left behind: {name}" for name in (*house.temporary(), *house.waiting())]
    return verdict


def killed_at_named_steps(house: House, times: int) -> Verdict:
    """kill -9 before and after each step of `dying.STEPS`, every time; then one daemon finishes."""
    verdict = Verdict(tried=0)
    with ThreadPoolExecutor(max_workers=2) as pool:
        for place, died in pool.map(partial(_killed_every_time, house.root, times), dying.MOMENTS):
            verdict.add(died, place)
    return verdict


def _killed_every_time(root: Path, times: int, moment: str) -> tuple[str, Verdict]:
    """Kills daemons at the first, second, … occurrence of one moment, until a daemon reaches its end."""
    verdict = Verdict(tried=0)
    for number in range(1, times + 1):
        house = House(root / f"{moment}:{number}")
        ledger = Ledger(house)
        dying.fill(house)
        for name, content, documents in dying.FILES:
            ledger.note(name, content, documents=documents)
        if torture_program(house, **{DIE_AT: house.root.name}).call("once").returncode != -signal.SIGKILL:
            break
        code = torture_program(house).call("once").returncode
        survived = ledger.verdict()
        survived.wrong += [] if code in (0, FAILED) else [f"exit code {code}"]  # one of the files is no job
        left = [name for name in (*house.temporary(), *house.waiting()) if name != dying.COMPANION[0]]
        survived.wrong += [f"left behind: {name}" for name in left]
        verdict.add(survived, str(number))
    return moment, verdict


def state_machine(house: House, examples: int, steps: int, seed: int) -> Verdict:
    """Sequences of deliveries, rewrites, deletions, crashes and faults that Hypothesis draws."""
    options = (f"--examples={examples}", f"--steps={steps}", f"--seed={seed}")
    ran = subprocess.run(
        [sys.executable, "-m", "tests.torture.machine", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        return Verdict(tried=1, wrong=["see the sequence above"])
    print(ran.stdout, file=sys.stderr, end="")
    counts = dict(pair.split("=") for pair in ran.stdout.split())
    return Verdict(tried=int(counts["delivered"]))


def full_disk(house: House) -> Verdict:
    """The disk of the outbox fills, then has room again."""
    with mounted(house.outbox, "-t", "tmpfs", "-o", "size=256k", "tmpfs"):

        def work(program: Program, ledger: Ledger) -> None:
            filler = house.outbox / ".filler"
            fill(filler)
            _drop(house, ledger, 5)
            program.until(lambda: program.health().get("status") == "degraded")
            filler.unlink()

        return living(house, work, AURA_RETRY_FIRST="0.3", AURA_RETRY_AT_MOST="0.5")


def used_up_quota(house: House) -> Verdict:
    """The outbox's quota is used up (EDQUOT, by a quota group of btrfs, which holds for root too), then not."""
    image = house.root / "btrfs"
    with image.open("wb") as file:
        file.truncate(QUOTA_DISK_BYTES)
    _run("mkfs.btrfs", "-q", image)
    with mounted(house.outbox, "-o", "loop", str(image)):
        _run("btrfs", "quota", "enable", house.outbox)
        _run("btrfs", "qgroup", "limit", "8M", house.outbox)

        def work(program: Program, ledger: Ledger) -> None:
            filler = house.outbox / ".filler"
            fill(filler)
            _run("btrfs", "filesystem", "sync", house.outbox)
            _drop(house, ledger, 5)
            program.until(lambda: "quota of" in str(program.health().get("holdups")))
            filler.unlink()
            _run("btrfs", "filesystem", "sync", house.outbox)

        return living(house, work, AURA_RETRY_FIRST="0.3", AURA_RETRY_AT_MOST="0.5")


def read_only_outbox(house: House) -> Verdict:
    """The outbox is remounted read-only, then writable."""
    with mounted(house.outbox, "-t", "tmpfs", "tmpfs"):

        def work(program: Program, ledger: Ledger) -> None:
            _run("mount", "-o", "remount,ro", house.outbox)
            _drop(house, ledger, 5)
            program.until(lambda: program.health().get("status") == "degraded")
            _run("mount", "-o", "remount,rw", house.outbox)

        return living(house, work, AURA_RETRY_FIRST="0.3", AURA_RETRY_AT_MOST="0.5")


def full_state_disk(house: House) -> Verdict:
    """The journal's disk fills: claiming stops, nothing is lost, and the daemon goes on when there is room."""
    with mounted(house.state, "-t", "tmpfs", "-o", "size=16m", "tmpfs"):

        def work(program: Program, ledger: Ledger) -> None:
            filler = house.state / "filler"
            fill(filler)
            _drop(house, ledger, 40)
            time.sleep(2)
            filler.unlink()

        return living(house, work, AURA_RETRY_FIRST="0.3", AURA_RETRY_AT_MOST="0.5")


def unmounted(which: str) -> object:
    """A folder is unmounted and mounted again while files are delivered to the disk below the mount."""

    def fault(house: House) -> Verdict:
        disk, place = place_of(house.root / "disk"), house.root / which
        with mounted(place, "--bind", str(disk)):

            def work(program: Program, ledger: Ledger) -> None:
                _drop(house, ledger, 3)
                ledger.wait(program)
                _run("umount", "-l", place)
                program.until(lambda: program.health().get("status") == "paused")
                assert not any(place.iterdir()), "something was written to the bare mount point"
                target = disk if which == "inbox" else house.inbox
                for number in range(3):
                    (target / f"late-{number}.yaml").write_bytes(ledger.content(f"late-{number}.yaml"))
                _run("mount", "--bind", disk, place)

            return living(house, work)

    return fault


def unreadable(house: House) -> Verdict:
    """Files of mode 000 whose mode is mended later; a daemon of root gives up the right to read them."""
    under = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()

    def work(program: Program, ledger: Ledger) -> None:
        for name in ("secret.yaml", "secret.png"):
            place = house.inbox / name
            temp = house.inbox / f".{name}"
            temp.write_bytes(ledger.content(name))
            temp.chmod(0)
            temp.rename(place)
            program.until(lambda name=name: f"waiting: {name}: it cannot be read: Permission denied" in program.log())
        for name in ("secret.yaml", "secret.png"):
            (house.inbox / name).chmod(0o644)

    return living(house, work, under=under)


def read_only_inbox(house: House) -> Verdict:
    """A read-only inbox, filled and rewritten from elsewhere; no file runs twice, and nothing is written there."""
    disk = place_of(house.root / "disk")
    with mounted(house.inbox, "--bind", str(disk)):
        _run("mount", "-o", "remount,ro,bind", house.inbox)

        def deliver(names: tuple[str, ...], ledger: Ledger) -> None:
            for name in names:
                place_of((disk / name).parent)
                (disk / name).write_bytes(ledger.content(name))

        def work(program: Program, ledger: Ledger) -> None:
            deliver(("a.yaml", "sub/b.yaml", "c.png"), ledger)
            ledger.wait(program)
            deliver(("a.yaml",), ledger)
            ledger.wait(program)
            time.sleep(3)  # several scans

        verdict = living(house, work, AURA_SCAN_INTERVAL="1")
        verdict.wrong += [f"left in the inbox: {place.name}" for place in disk.rglob(".*")]
        return verdict


def behind_fuse(house: House) -> Verdict:
    """An inbox behind FUSE, where leases tell nothing, filled by writers that pause while they write."""
    disk = place_of(house.root / "disk")
    options = ("--daemon", "--vfs-cache-mode", "writes", "--dir-cache-time", "100ms")
    command = ["rclone", "mount", str(disk), str(house.inbox), *options]
    subprocess.run(command, env={**os.environ, "RCLONE_CONFIG": ""}, check=True, capture_output=True, timeout=60)
    try:

        def work(program: Program, ledger: Ledger) -> None:
            for name in ("a.yaml", "b.yaml", "c.png"):
                content = ledger.content(name)
                with (disk / name).open("wb", buffering=0) as writer:
                    for start in range(0, len(content), 1 + len(content) // 4):
                        writer.write(content[start : start + 1 + len(content) // 4])
                        time.sleep(1.0)

        return living(house, work, AURA_SETTLE="3", AURA_POLL_INTERVAL="0.5", AURA_PAIR_WAIT="0.1")
    finally:
        subprocess.run(["umount", "-l", str(house.inbox)], check=False, capture_output=True)


def clock_jumps(house: House) -> Verdict:
    """The wall clock is a day behind or ahead from run to run."""
    ledger = Ledger(house)
    for shift in ("-1d", "+1d", "+0", "-1d"):
        _drop(house, ledger, 3, prefix=shift.strip("+-"))
        program = torture_program(house)
        command = ["faketime", "-f", shift, *_command(program), "once"]
        subprocess.run(command, env=program.environment(), cwd=house.root, check=True, capture_output=True, timeout=90)
    return ledger.verdict()


def flood(house: House, count: int) -> Verdict:
    """More files at once than the kernel's queue of events holds."""
    with limit("max_queued_events", "256"):

        def work(program: Program, ledger: Ledger) -> None:
            _drop(house, ledger, count)
            deadline_s = time.monotonic() + 600
            while not ledger.all_have_one() and time.monotonic() < deadline_s:
                time.sleep(1)

        return living(house, work, AURA_SCAN_INTERVAL="30")


def no_watches(house: House) -> Verdict:
    """The limit on inotify watches is reached: the daemon polls."""
    with limit("max_user_watches", "0"):

        def work(program: Program, ledger: Ledger) -> None:
            assert "max_user_watches" in program.health()["polls_because"]
            _drop(house, ledger, 5)

        return living(house, work, AURA_POLL_INTERVAL="0.5")


def killed_worker(house: House) -> Verdict:
    """The worker dies of one job again and again; that job fails, and the other jobs run."""

    def work(program: Program, ledger: Ledger) -> None:
        gate = house.root / "gate"
        content = f"prompt: wait {gate}\n".encode()
        (house.inbox / "stuck.yaml").write_bytes(content)
        for attempt in range(1, 4):
            program.until(lambda attempt=attempt: f"(attempt {attempt})" in program.log())
            time.sleep(1.5)  # until the health document tells about this attempt
            program.until(program.is_running_a_job)  # a worker that dies before it is ready costs no attempt
            program.worker().kill()
        _drop(house, ledger, 3)
        program.until(lambda: house.failed() == ["stuck.yaml", "stuck.yaml.json"])
        ledger.note("stuck.yaml", content)

    return living(house, work)


NAMES_OF_OTHERS = (
    ".syncthing.a.yaml.tmp", "~syncthing~a.yaml.tmp", ".a.yaml.X7gh2k", "a.yaml.0a1b2c3d.partial",
    ".unison.a.yaml.0123.unison.tmp", ".a.yaml.~1f3", "a.yaml.filepart", "a.yaml.part", "a.yaml.sbak", "#a.yaml#",
    "a.yaml~", "~a.yaml", ".~a.yaml", "a.yaml.tmp", "a.yaml.!sync", "a.yaml.bts", "a.yaml.SyncPart", "a.yaml.SyncTemp",
    "a.yaml.SyncOld", ".dropbox.attr", ".a.yaml.icloud", "a.yaml.crdownload", "Unconfirmed 123.yaml", "a.yaml.download",
    "a.yaml.insyncdl", "4913", ".a.yaml.swp", ".#a.yaml", "a.yaml___jb_tmp___", ".goutputstream-X", "~$a.yaml",
    ".~lock.a.yaml#", "._a.yaml", ".DS_Store", "Thumbs.db", "desktop.ini", ".nfs000123", ".fuse_hidden0001",
    "a.sync-conflict-20260101-120000-ABCDEFG.yaml", "a.conflict1.yaml", "a (conflict 1_on_2026-01-01).yaml",
    "a (conflicted copy 2026-01-01).yaml", "a_conflict-20260101.yaml", "a (SFConflict x 2026-01-01).yaml",
    "a (case conflict 1).yaml", "a-host-safeBackup-0001.yaml", "a.Conflict.yaml", "a (x's conflicted copy).yaml",
    ".stversions/a.yaml", ".~tmp~/a.yaml", ".rsync-partial/a.yaml", "@eaDir/a.yaml", "__MACOSX/a.yaml", ".sync/a.yaml",
    ".dropbox.cache/a.yaml", ".Trashes/a.yaml",
)  # fmt: skip


def names_of_others(house: House) -> Verdict:
    """Temporary files and conflict copies of every known tool are never run, and stay in the inbox."""
    for name in NAMES_OF_OTHERS:
        place_of((house.inbox / name).parent)
        (house.inbox / name).write_bytes(b"prompt: not mine\n")

    def work(program: Program, ledger: Ledger) -> None:
        _drop(house, ledger, 1)

    verdict = living(house, work)
    verdict.tried += len(NAMES_OF_OTHERS)
    verdict.lost += [name for name in NAMES_OF_OTHERS if not (house.inbox / name).exists()]
    return verdict


# -- below -------------------------------------------------------------------------------------------------------------


def _drop(house: House, ledger: Ledger, count: int, *, prefix: str = "") -> None:
    for number in range(count):
        name = f"{prefix}{number}.yaml"
        temp = house.inbox / f".{name}.tmp"
        temp.write_bytes(ledger.content(name))
        temp.rename(house.inbox / name)


def _finish(house: House) -> None:
    ran = torture_program(house).call("once")
    assert ran.returncode == 0, ran.stderr


def _command(program: Program) -> list[str]:
    return [sys.executable, "-m", program.module]


def _run(*command: str | Path) -> None:
    subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=60)


def fill(place: Path) -> None:
    """Fills the disk with one file."""
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while True:
            os.write(descriptor, bytes(4096))
    os.close(descriptor)


@contextmanager
def mounted(place: Path, *arguments: str) -> Iterator[None]:
    """A real mount, for as long as the context lasts."""
    _run("mount", *arguments, place)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


@contextmanager
def limit(name: str, value: str) -> Iterator[None]:
    """Sets a limit of inotify while the context lasts. The limit is the machine's: other processes that set it wait."""
    place = Path("/proc/sys/fs/inotify") / name
    with place.open(encoding="ascii") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        before = place.read_text()
        place.write_text(value)
        try:
            yield
        finally:
            place.write_text(before)


def is_root_with_mounts() -> bool:
    """Whether this process can mount file systems."""
    return os.geteuid() == 0 and shutil.which("mount") is not None
