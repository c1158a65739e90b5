"""Signals of the daemon: which stop it, which have its configuration read, which count once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import TypeVar, cast

import pytest

from aura_daemon.daemon.loop import Daemon
from aura_daemon.daemon.supervisor import ONE_STOP_S, SignalHandler
from tests.support.house import House
from tests.support.programs import ROOT

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
