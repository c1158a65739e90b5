"""The daemon against a bare loop of the same diffusers calls, in turn. In: how many jobs. Out: seconds of each.

Both have loaded the model before. The daemon claims, journals, draws, publishes with sidecar and thumbnail, and
archives; the loop draws and writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aura_daemon.bench.children import commands as children
from aura_daemon.bench.children.commands import PlainSettings
from aura_daemon.bench.children.served import EngineProcess
from aura_daemon.bench.watched_daemon import DELIVERED, WatchedDaemon
from aura_daemon.config.engine import EMBEDDED

SCHEDULER: Final = "dpm++_2m_karras"
"""As `PlainSettings.karras`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """The same jobs, once by each."""

    daemon_s: float
    """From the first rename into the inbox to the last sidecar."""
    bare_s: float

    @property
    def ratio(self) -> float:
        """How many times the bare loop's throughput the daemon reaches."""
        return self.bare_s / self.daemon_s


def measure(folder: Path, *, jobs: int, pairs: int) -> tuple[Pair, ...]:
    """Measures `pairs` times `jobs` jobs on the embedded model, below `folder`."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    measured: list[Pair] = []
    with WatchedDaemon(folder / "daemon") as daemon:
        _drawn(daemon, 0, 2)
        settings = _settings_of(json.loads((folder / "daemon" / "outbox" / "1.json").read_bytes()))
        with EngineProcess(children.bare_pictures(settings, str(pictures))) as loop:
            loop.ask("draw 0 2")
            for number in range(pairs):
                first = 2 + number * jobs
                daemon_s = _drawn(daemon, first, jobs)
                bare_s = loop.ask(f"draw {first} {jobs}").seconds
                measured.append(Pair(daemon_s=daemon_s, bare_s=bare_s))
    return tuple(measured)


def prompt_of(seed: int) -> str:
    """A prompt that the embedded model knows; many different ones follow each other."""
    sizes, colours, shapes = ("small", "large"), ("red", "green", "yellow", "white"), ("circle", "square", "triangle")
    rest, size = divmod(seed, len(sizes))
    rest, colour = divmod(rest, len(colours))
    _, shape = divmod(rest, len(shapes))
    return f"a {sizes[size]} {colours[colour]} {shapes[shape]} on a {'blue' if rest % 2 else 'black'} background"


def _drawn(daemon: WatchedDaemon, first: int, count: int) -> float:
    names = [f"{seed}.yaml" for seed in range(first, first + count)]
    dropped_s = [
        daemon.drop(name, f"prompt: {prompt_of(seed)}\nseed: {seed}\nscheduler: {SCHEDULER}\nspeed: exact\n")
        for seed, name in enumerate(names, start=first)
    ]
    return max(event.at_s for event in daemon.seen(DELIVERED, names)) - dropped_s[0]


def _settings_of(sidecar: Mapping[str, Any]) -> PlainSettings:
    """What the daemon did, for the loop to do."""
    request = sidecar["request"]
    return PlainSettings(
        model=EMBEDDED,
        device="auto",
        dtype=sidecar["dtype"],
        karras=True,
        steps=request["steps"],
        guidance_scale=request["guidance_scale"],
        width=request["width"],
        height=request["height"],
    )
