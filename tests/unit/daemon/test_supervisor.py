"""Signals of the daemon: which stop it, which have its configuration read, which count once."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TypeVar, cast

import pytest

from aura_daemon.daemon import assembly
from aura_daemon.daemon.loop import Daemon
from aura_daemon.daemon.supervisor import ONE_STOP_S, SignalHandler, assembled_when_possible
from aura_daemon.errors import BrokenState, StateRefused, UserError
from tests.conftest import Mount
from tests.support.house import House
from tests.support.programs import ROOT, Program

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

ALONE = "SIGNALS_ALONE"
"""No name of ours: those are hidden from every test."""

Test = TypeVar("Test", bound=Callable[..., None])


def apart(test: Test) -> Test:
    """Runs a test in a process of its own: in one of the suite's, signals ended the process in whole runs."""

    @wraps(test)
    def run(*arguments: object, **options: object) -> None:
        if ALONE in os.environ:
            test(*arguments, **options)
            return
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{__file__}::{test.__name__}"]
        ran = subprocess.run(
            command, cwd=ROOT, env={**os.environ, ALONE: "1"}, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout

    return cast(Test, run)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Sets the handlers of this process back after the test."""
    before = [signal.getsignal(number) for number in SIGNALS]
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def daemon(house: House) -> Iterator[Daemon]:
    with house.daemon(drain=False) as daemon:
        yield daemon


@pytest.mark.parametrize("number", SIGNALS)
def test_each_of_them_stops_a_daemon_that_a_terminal_may_leave(tmp_path: Path, number: signal.Signals) -> None:
    """In a process of its own, which they may end: in one of the suite's a SIGHUP ended the process, now and then."""
    code = (
        "import signal, sys; from pathlib import Path; from aura_daemon.daemon.supervisor import SignalHandler; "
        "from tests.support.house import House; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        "with House(Path(sys.argv[1])).daemon(drain=False) as daemon:\n"
        "    handler = SignalHandler(daemon)\n"
        "    signal.raise_signal(int(sys.argv[2]))\n"
        "    daemon.run()\n"
        "print(int(handler.stopped_by))"
    )
    command = [sys.executable, "-c", code, str(tmp_path), str(int(number))]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, f"{int(number)}\n"), ran.stderr


@apart
def test_several_within_a_moment_are_one_order(daemon: Daemon) -> None:
    handler = SignalHandler(daemon, clock=iter([10.0, 10.0, 10.0 + ONE_STOP_S / 2]).__next__)
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP):
        signal.raise_signal(number)
    assert handler.stopped_by is signal.SIGTERM


def test_a_second_order_later_kills() -> None:
    code = (
        "import signal; from aura_daemon.daemon.supervisor import ONE_STOP_S, SignalHandler; "
        "SignalHandler(clock=iter([1.0, 1.0 + ONE_STOP_S]).__next__); "
        "signal.raise_signal(signal.SIGTERM); print('asked once', flush=True); "
        "signal.raise_signal(signal.SIGTERM); print('asked twice', flush=True)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (-signal.SIGTERM, "asked once\n")


@apart
def test_one_that_comes_before_the_daemon_stops_it_as_soon_as_it_is_there(daemon: Daemon) -> None:
    handler = SignalHandler()
    signal.raise_signal(signal.SIGINT)
    handler.watch_over(daemon)
    daemon.run()
    assert handler.stopped_by is signal.SIGINT


@apart
def test_sighup_has_a_service_read_its_configuration_however_early_it_comes(daemon: Daemon) -> None:
    handler = SignalHandler(reloads=True)
    signal.raise_signal(signal.SIGHUP)
    handler.watch_over(daemon)
    reloads = []

    def reload() -> bool:
        reloads.append(True)
        daemon.stop()
        return False

    daemon.run(reload=reload)
    assert reloads == [True]
    assert handler.stopped_by is None


def test_under_nohup_a_closing_terminal_stops_nothing() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    SignalHandler()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


class Refusing:
    """Assembles a daemon after some refusals."""

    def __init__(self, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.daemon = object()

    @contextmanager
    def __call__(self) -> Iterator[Daemon]:
        if self.refusals:
            raise self.refusals.pop(0)
        yield cast(Daemon, self.daemon)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EHOSTDOWN, errno.ESTALE])
def test_what_a_disk_refuses_at_the_start_is_tried_again(house: House, number: int, log: list[str]) -> None:
    refusals = [StateRefused("the journal: the disk is full"), *[OSError(number, os.strerror(number))] * 3]
    assemble = Refusing(*refusals)
    settings = house.settings(retry_first=0.1)
    with assembled_when_possible(assemble, settings, SignalHandler()) as daemon:
        assert daemon is assemble.daemon
    told = [line for line in log if "cannot start" in line]
    assert told[0] == "ERROR the daemon cannot start: the journal: the disk is full; tried again and again"
    assert len(told) == 2
    assert os.strerror(number) in told[1]


@pytest.mark.parametrize("error", [PermissionError(errno.EACCES, "denied"), UserError([]), BrokenState("damaged")])
def test_what_somebody_has_to_mend_at_the_start_ends_it(house: House, error: Exception) -> None:
    with (
        pytest.raises(type(error)),
        assembled_when_possible(Refusing(error), house.settings(), SignalHandler()),
    ):
        pass


@apart
def test_a_signal_ends_the_wait_for_a_disk(house: House) -> None:
    handler = SignalHandler()
    refusing = Refusing(OSError(errno.ENOSPC, "full"))
    timer = threading.Timer(0.2, signal.raise_signal, [signal.SIGTERM])
    timer.start()
    with assembled_when_possible(refusing, house.settings(retry_first=600), handler) as daemon:
        assert daemon is None
    timer.join()
    assert handler.stopped_by is signal.SIGTERM


def test_a_start_that_was_refused_keeps_no_lock(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise StateRefused("full")

    with monkeypatch.context() as patched:
        patched.setattr(assembly, "Journal", refuse)
        with pytest.raises(StateRefused), house.daemon(drain=False):
            pass
    with house.daemon(drain=False):
        pass


def test_a_daemon_starts_once_there_is_room_and_can_be_stopped_before(house: House, mount: Mount) -> None:
    mount(house.state, "-t", "tmpfs", "-o", "size=2m", "tmpfs")
    filling = house.state / "filling"
    program = Program(house)
    for ends in (True, False):
        with filling.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(b"x" * 4096)
        program.start("run")
        try:
            program.until(lambda: "the daemon cannot start: " in program.log())
            if ends:
                assert program.end() == 0
                continue
            filling.unlink()
            house.drop("cat.yaml")
            program.until(lambda: "cat.json" in house.results())
            assert program.end() == 0
        finally:
            program.close()
