"""The line to the driver, with children that are no drivers: what is said of one that does not answer, or ends."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable, Iterator

import pytest

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.cluster import ClusterSettings
from aura_daemon.jobs.results import FailureKind
from aura_daemon.workers.cluster.driver import ANSWERS_S, FIRST_WAIT_S, Driver, DriverAway
from aura_daemon.workers.cluster.messages import ActorEnded, Begin


class Clock:
    """A clock that stands until it is set."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def driver_of(clock: Clock) -> Iterator[Callable[[str], Driver]]:
    made: list[Driver] = []

    def make(script: str) -> Driver:
        cluster = ClusterSettings(address="head:6379")
        made.append(Driver(cluster, EngineSettings(), command=(sys.executable, "-c", script), clock=clock))
        return made[-1]

    yield make
    for driver in made:
        driver.stop(0.0)


def test_a_cluster_that_does_not_answer_is_told_of(driver_of: Callable[[str], Driver], clock: Clock) -> None:
    driver = driver_of("import time; time.sleep(600)")
    driver.tell(0, driver.new_attempt(), Begin())
    assert driver.take(0) == []
    assert not driver.trouble
    clock.now_s = ANSWERS_S
    assert driver.take(0) == []
    assert "the Ray cluster at head:6379 does not answer" in driver.trouble


def test_a_driver_that_ends_fails_what_runs_and_is_tried_again_later(
    driver_of: Callable[[str], Driver], clock: Clock
) -> None:
    driver = driver_of("raise SystemExit(7)")
    driver.tell(0, driver.new_attempt(), Begin())
    while not (heard := driver.take(0)):
        select.select(driver.waitables(), [], [], 1.0)
    ((attempt, ended),) = heard
    assert attempt is None
    assert isinstance(ended, ActorEnded)
    assert (ended.failure.kind, "exit code 7" in driver.trouble) == (FailureKind.INTERRUPTED, True)
    with pytest.raises(DriverAway, match="exit code 7"):
        driver.tell(0, driver.new_attempt(), Begin())
    clock.now_s = FIRST_WAIT_S
    driver.tell(0, driver.new_attempt(), Begin())


def test_a_driver_that_says_what_no_driver_says_is_ended_and_fails_what_runs(
    driver_of: Callable[[str], Driver],
) -> None:
    frame = "bytes(7) + bytes([5]) + b'wrong'"
    driver = driver_of(f"import os, sys, time; os.write(int(sys.argv[1]), {frame}); time.sleep(600)")
    driver.tell(0, driver.new_attempt(), Begin())
    while not (heard := driver.take(0)):
        select.select(driver.waitables(), [], [], 1.0)
    ((_, ended),) = heard
    assert isinstance(ended, ActorEnded)
    assert driver.waitables() == []
