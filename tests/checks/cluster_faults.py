"""What can happen to a cluster while it works. In: a trial whose workers are busy. Out: what is done to it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psutil

from tests.support.cluster_trial import Fault, Trial
from tests.support.light_daemon import LIGHT_DRIVER
from tests.support.memorygroup import MemoryGroup
from tests.support.ray_nodes import family, freeze, is_alive, raylet, wake

LONG: Final = "steps 60 0.2"
"""A job that is still at it when its node is given up."""

NEARLY: Final = "steps 10 0.2"
"""A job that ends soon after its node is woken: too late."""

BEYOND: Final = "steps 45 0.2"
"""A job that ends after its node was given up, and before its raylet is woken."""

HELD_BYTES: Final = 64 << 20
"""What a worker may take more, until the kernel takes it."""

HELD_S: Final = 4.0
"""Seconds that a frozen node stays so after it was given up."""


def _nothing(trial: Trial) -> None:
    pass


def _worker_killed(trial: Trial) -> None:
    trial.nodes.actors()[0].kill()


def _driver_killed(trial: Trial) -> None:
    _driver(trial).kill()


def _daemon_killed(trial: Trial) -> None:
    actors = trial.nodes.actors()
    trial.program.end(signal.SIGKILL)
    _, alive = psutil.wait_procs(actors, timeout=30.0)
    assert not alive, "an actor outlives its daemon"
    trial.program.start("run")


def _removed(trial: Trial) -> None:
    trial.nodes.remove(_busy(trial), gracefully=True)


def _node_killed(trial: Trial) -> None:
    trial.nodes.remove(_busy(trial), gracefully=False)


def _frozen(trial: Trial) -> None:
    """The raylet and all that it has started, as a machine that hangs or has no network."""
    node = _busy(trial)
    _freeze(trial, node, family(raylet(node)))


def _raylet_frozen(trial: Trial) -> None:
    """The raylet alone: its worker goes on, speaks and draws."""
    node = _busy(trial)
    _freeze(trial, node, [psutil.Process(raylet(node))])


def _freeze(trial: Trial, node: Any, processes: list[psutil.Process]) -> None:
    ended = len(trial.witnessed("ended"))
    freeze(processes)
    try:
        trial.until(trial.said, "it is told", 60.0)
        time.sleep(HELD_S)
    finally:
        wake(processes)
    trial.until(lambda: len(trial.witnessed("ended")) > ended, "the rest goes on", 60.0)
    trial.nodes.forget(node)


def _raylet_killed(trial: Trial) -> None:
    node = _busy(trial)
    os.kill(raylet(node), signal.SIGKILL)
    trial.until(trial.said, "it is told", 60.0)
    with suppress(AssertionError):  # Ray may end the orphan before
        trial.until(lambda: len(trial.witnessed("ended")) >= trial.fault.workers, "the orphan goes on", 20.0)
    trial.nodes.forget(node)


def _node_added(trial: Trial) -> None:
    trial.until(trial.said, "a worker waits for a place", 60.0)
    node = trial.nodes.add()
    trial.until(lambda: trial.nodes.actors(node), "the new node has a worker", 60.0)
    before = len(trial.witnessed("begun"))
    trial.until(lambda: len(trial.witnessed("begun")) > before, "it goes on")


def _hangs(trial: Trial) -> None:
    trial.until(Path(trial.fault.first.split()[1]).exists, "it hangs")
    trial.happens()
    trial.until(trial.said, "it is told", 60.0)


def _cancelled(trial: Trial) -> None:
    trial.happens()  # the job may have ended before the command has
    told = trial.program.call("cancel", "000.yaml")
    assert told.returncode == 0, told.stderr
    trial.until(trial.said, "it is told", 60.0)


def _toppled(trial: Trial) -> None:
    """The cluster gets a node for each that the job takes down."""

    def goes_on() -> bool:
        for node in [one for one in trial.nodes.nodes if not is_alive(one)]:
            trial.nodes.forget(node)
            trial.nodes.add()
        return trial.said() is not None

    trial.until(goes_on, "the job is given up", 120.0)


def _eats(trial: Trial) -> None:
    """The kernel takes the worker, as the memory of its group is used up."""
    file = Path(trial.fault.first.split()[1])
    trial.until(lambda: file.exists() and file.read_text(), "it is asked to eat")
    group = MemoryGroup("actor", HELD_BYTES)
    try:
        (group.folder / "cgroup.procs").write_text(file.read_text())
        trial.happens()
        file.unlink()
        trial.until(trial.said, "it is told", 60.0)
        assert group.kills == 1, "the kernel killed nothing"
    finally:
        group.close()


def _token_mended(trial: Trial) -> None:
    wrong, right = Path(trial.fault.variables["AURA_WORKERS__TOKEN_FILE"]), Path(trial.nodes.token)
    trial.until(trial.said, "it is told", 90.0)
    wrong.write_text(right.read_text())


def _gcs_restarted(trial: Trial) -> None:
    trial.nodes.lose_gcs(seconds=8.0)
    trial.nodes.actors()[0].kill()  # a new one can be had


def _head_lost(trial: Trial) -> None:
    """Its jobs go on, until a worker has to be found."""
    trial.nodes.lose_gcs(seconds=8.0)
    trial.happens()
    trial.nodes.actors()[0].kill()
    trial.until(trial.said, "it is told", 90.0)
    trial.nodes.renew()


def _one_after_another(trial: Trial) -> None:
    for act in (_worker_killed, _daemon_killed):
        act(trial)
        wanted = len(trial.witnessed("begun")) + trial.fault.workers
        trial.until(lambda wanted=wanted: len(trial.witnessed("begun")) >= wanted, "the workers are busy again")
    trial.happens()
    _frozen(trial)


def _busy(trial: Trial) -> Any:
    """The last node that has a worker."""
    return next(node for node in reversed(trial.nodes.nodes) if trial.nodes.actors(node))


def _driver(trial: Trial) -> psutil.Process:
    (found,) = [child for child in psutil.Process(trial.program.pid).children() if LIGHT_DRIVER in child.cmdline()]
    return found


def everyday(folder: Path) -> list[Fault]:
    """Those after which the cluster has as many nodes as before, or gets one more. It has three."""
    bad_token = folder / "wrong-token"
    bad_token.write_text("0" * 64)
    gone = r"node (is gone|has not been heard of)"
    return [
        Fault(name="nothing happens", act=_nothing, says=""),
        Fault(name="a worker is killed (-9)", act=_worker_killed, says="the worker.s process was killed", counts=1),
        Fault(name="the driver child is killed (-9)", act=_driver_killed, says="the driver of the Ray cluster was"),
        Fault(name="the daemon is killed (-9), and started again", act=_daemon_killed, says="was interrupted"),
        Fault(
            name="an engine hangs",
            act=_hangs,
            says="no sign of life",
            first=f"stuck {folder / 'stuck'}",
            counts=1,
            waits=False,
            variables={"AURA_DEADLINE": "8"},
        ),
        Fault(
            name="the kernel takes a worker: no memory",
            act=_eats,
            says="out-of-memory killer took the worker",
            first=f"hungry {folder / 'hungry'}",
            jobs=6,
            workers=1,
            counts=1,
            waits=False,
        ),
        Fault(
            name="a node lacks the model",
            act=_nothing,
            says="is not tried for",
            script=f"lacking {folder / 'lacking'}",
            waits=False,
        ),
        Fault(
            name="a job takes node after node down, `attempts: 2`",
            act=_toppled,
            says="failed: the worker's node is gone: .* so was the node of its attempt before",
            first="topple",
            jobs=6,
            workers=1,
            fails=1,
            waits=False,
            variables={"AURA_ATTEMPTS": "2", "AURA_SANDBOX": "off"},
        ),
        Fault(name="a job is cancelled", act=_cancelled, says="cancelled", first=LONG, fails=1),
        Fault(
            name="no memory on the first rung",
            act=_nothing,
            says="goes on on rung",
            script="full",
            counts=24,
            waits=False,
        ),
        Fault(
            name="a wrong token, then the right one",
            act=_token_mended,
            says=r"no connection to the Ray cluster|does not answer",
            waits=False,
            variables={"AURA_WORKERS__TOKEN_FILE": str(bad_token)},
        ),
        Fault(
            name="a node is added while a worker waits",
            act=_node_added,
            says="a worker waits for",
            jobs=40,
            script="steps 20 0.1",
            workers=4,
            waits=False,
        ),
        Fault(name="a node is removed gracefully", act=_removed, says=gone),
        Fault(name="a node is killed", act=_node_killed, says=gone),
        Fault(name=f"a node is frozen, woken {HELD_S:g} s after it was given up", act=_frozen, says=gone, first=NEARLY),
        Fault(name="a raylet alone is frozen, then woken", act=_raylet_frozen, says=gone, first=BEYOND),
        Fault(name="a raylet alone is killed: an orphan", act=_raylet_killed, says=gone, first=LONG),
    ]


IN_SHORT: Final = Fault(
    name="a worker is killed, then the daemon, then a node is frozen",
    act=_one_after_another,
    says="node (is gone|has not been heard of)",
    workers=2,
    jobs=40,
    counts=1,
)

WITH_REDIS: Final = Fault(
    name="the head's GCS is killed and back, with Redis", act=_gcs_restarted, says="", workers=2, jobs=40, counts=1
)

WITHOUT_REDIS: Final = Fault(
    name="the head's GCS is killed and back, without Redis",
    act=_head_lost,
    says="head of the Ray cluster was started anew",
    workers=2,
    jobs=40,
    script="steps 15 0.1",
    counts=1,
)
