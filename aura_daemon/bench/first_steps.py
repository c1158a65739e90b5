"""From dropping a prompt to its first step, as a user sees it. In: a folder. Out: seconds, with where they went."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from aura_daemon.bench.watched_daemon import CLAIMED, DELIVERED, PLACED, STARTED, STEPPED, WatchedDaemon

REST_S = 0.5
"""Between two prompts: the daemon has come to rest, as it does between two of a person's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstStep:
    """Seconds from one moment to the next; the first counts from the rename into the inbox."""

    claimed_s: float
    """Seen, claimed, read and queued."""
    started_s: float
    """Given to the worker."""
    placed_s: float
    """The worker has taken it; of a cold one: its start, its imports."""
    stepped_s: float
    """The model is loaded where it was not, the prompt encoded, the first step done."""

    @property
    def whole_s(self) -> float:
        return self.claimed_s + self.started_s + self.placed_s + self.stepped_s


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstSteps:
    """What was measured."""

    cold: tuple[FirstStep, ...]
    """Of daemons that have just been started and run no worker."""
    warm: tuple[FirstStep, ...]
    """Of a worker that has drawn with the model before."""


def measure(folder: Path, *, cold: int, warm: int) -> FirstSteps:
    """Starts `cold` daemons, one after the other, in new folders below `folder`; `warm` prompts for the last one."""
    colds: list[FirstStep] = []
    warms: list[FirstStep] = []
    for number in range(cold):
        with WatchedDaemon(folder / str(number)) as daemon:
            time.sleep(REST_S)
            colds.append(_one(daemon, "first"))
            for prompt in range(warm if number == cold - 1 else 0):
                time.sleep(REST_S)
                warms.append(_one(daemon, f"next-{prompt}"))
    return FirstSteps(cold=tuple(colds), warm=tuple(warms))


def _one(daemon: WatchedDaemon, stem: str) -> FirstStep:
    name = f"{stem}.yaml"
    dropped_s = daemon.drop(name, "prompt: a small red circle on a blue background\n")
    at_s: dict[str, float] = {}
    for event in daemon.seen(DELIVERED, [name]):
        if event.name == name:  # the file before is told of again once it is put away
            at_s.setdefault(event.what, event.at_s)
    return FirstStep(
        claimed_s=at_s[CLAIMED] - dropped_s,
        started_s=at_s[STARTED] - at_s[CLAIMED],
        placed_s=at_s[PLACED] - at_s[STARTED],
        stepped_s=at_s[STEPPED] - at_s[PLACED],
    )
