"""One soak: deliveries, disturbances and samples side by side, for so long; then the ledger and the slopes."""

from __future__ import annotations

import json
import sched
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import psutil

from tests.soak.deliveries import Sender
from tests.soak.disturbances import Disturbances, clock_variables, mount, unmount
from tests.soak.fates import Fates
from tests.soak.figures import sample
from tests.soak.slopes import HOUR_S
from tests.support.house import House
from tests.support.light_worker import THUMBNAILS
from tests.support.programs import Program
from tests.torture.faults import is_root_with_mounts
from tests.torture.ledger import place_of

MINUTE_S: Final = 60.0

LAST_S: Final = 180.0
"""How long the last files are waited for."""

PATIENCE_S: Final = 0.2

DAEMON: Final = "tests.soak.daemon"

WITHOUT_TERMINAL: Final = ("sh", "-c", 'exec "$0" "$@" </dev/null')
"""At a terminal SIGHUP means that the terminal closes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Extent:
    """How long, how much, how often."""

    hours: float = 2.0
    rate: float = 20.0
    """Jobs a minute."""
    engine: str = "mini"
    """mini: one job in ten is drawn or captioned by aura-mini; light: all are scripted."""
    every: float = 15.0
    """Seconds between two samples."""
    pace: float = 1.0
    """How much more often than usual the daemon is disturbed."""
    seed: int = 0


@dataclass(kw_only=True, slots=True)
class Record:
    """What a soak has found so far; it is written after each sample."""

    place: Path
    extent: Extent
    samples: list[tuple[float, dict[str, float]]]
    """Seconds since the start, and the figures."""
    done: dict[str, int]
    fates: dict[str, Any]
    notes: list[str]

    @property
    def hours(self) -> float:
        return self.samples[-1][0] / HOUR_S if self.samples else 0.0

    def write(self) -> None:
        document = {
            "extent": asdict(self.extent),
            "hours": self.hours,
            "done": self.done,
            "fates": self.fates,
            "notes": self.notes,
            "samples": self.samples,
        }
        temp = self.place.with_suffix(".tmp")
        temp.write_text(json.dumps(document))
        temp.replace(self.place)

    @classmethod
    def read(cls, place: Path) -> Record:
        found = json.loads(place.read_bytes())
        return cls(
            place=place,
            extent=Extent(**found["extent"]),
            samples=[(at_s, values) for at_s, values in found["samples"]],
            done=found["done"],
            fates=found["fates"],
            notes=found["notes"],
        )


class Soak:
    """A daemon and all that is done to it."""

    def __init__(self, folder: Path, extent: Extent) -> None:
        self._extent = extent
        self._house = house = House(folder / "house")
        self._mounts = is_root_with_mounts()
        disk = folder / "disk" if self._mounts else house.root
        self._disks = {name: place_of(disk / name) for name in ("inbox", "outbox")}
        self._fates = Fates(outbox=self._disks["outbox"])
        self._sender = Sender(self._disks["inbox"], self._fates, seed=extent.seed, engine=extent.engine == "mini")
        clock, config = folder / "clock", folder / "aura.yaml"
        clock_is = clock_variables(clock)
        self._has_clock = bool(clock_is)
        self._program = Program(
            house,
            DAEMON,
            under=WITHOUT_TERMINAL,
            AURA_CONFIG=str(config),
            AURA_PAIR_WAIT="2",
            **{THUMBNAILS: "1"},
            **clock_is,
        )
        self._disturbances = Disturbances(self._program, config, clock, settings(house))
        self._away: str | None = None
        self._scheduler = sched.scheduler(time.monotonic, time.sleep)
        self._began_s = 0.0
        self.is_over = False
        """Set it to end before the time is up."""
        self.record = Record(place=folder / "soak.json", extent=extent, samples=[], done={}, fates={}, notes=[])

    def run(self) -> Record:
        """Runs for the configured time, or until `is_over`."""
        if not self._mounts:
            self.record.notes.append("nothing was unmounted: takes root and mount")
        if not self._has_clock:
            self.record.notes.append("the clock was not set: there is no C compiler")
        try:
            for name, disk in self._disks.items() if self._mounts else ():
                mount(disk, self._house.root / name)
            self._program.start("run")
            self._program.until(lambda: self._program.health().get("status") == "ok", "it starts")
            self._live()
            self._finish()
        finally:
            self._program.close()
            for name in self._disks if self._mounts else ():
                unmount(self._house.root / name)
        self.record.write()
        return self.record

    def _live(self) -> None:
        extent = self._extent
        self._began_s = time.monotonic()
        ends_s = self._began_s + extent.hours * HOUR_S
        self._every(extent.every, self._look)
        self._deliver()
        self._every(3 * MINUTE_S / extent.pace, self._ask)
        self._every(4 * MINUTE_S / extent.pace, self._disturbances.kill_worker)
        self._every(10 * MINUTE_S / extent.pace, self._disturbances.reload)
        if self._has_clock:
            self._every(14 * MINUTE_S / extent.pace, self._disturbances.set_clock)
        if self._mounts:
            self._every(9 * MINUTE_S / extent.pace, self._take_away)
        while not self.is_over and time.monotonic() < ends_s:
            next_s = self._scheduler.run(blocking=False) or 0.0
            time.sleep(min(next_s, PATIENCE_S))

    def _every(self, seconds: float, deed: Callable[[], None]) -> None:
        """Does something again and again, the first time after so many seconds."""

        def again() -> None:
            deed()
            self._scheduler.enter(seconds, 0, again)

        self._scheduler.enter(seconds, 0, again)

    def _deliver(self) -> None:
        jobs = self._sender.drop()
        self._scheduler.enter(jobs * MINUTE_S / self._extent.rate, 1, self._deliver)

    def _look(self) -> None:
        now_s = time.monotonic()
        assert self._program.process is not None
        assert self._program.process.poll() is None, f"the daemon has ended\n{self._program.log()[-5000:]}"
        self._fates.collect(now_s)
        self._fates.pick_up(now_s - min(5 * MINUTE_S, self._extent.hours * HOUR_S / 4))
        self._sender.tidy()
        found = sample(psutil.Process(self._program.pid), state=self._house.state, **self._disks)
        self.record.samples.append((round(now_s - self._began_s, 1), found))
        self._judge()
        self.record.write()

    def _ask(self) -> None:
        if self._sender.dropped:
            self._disturbances.ask(self._sender.dropped[-1])

    def _take_away(self) -> None:
        """Unmounts inbox and outbox in turn, for a third of a minute; files are delivered to the disk meanwhile."""
        if self._away is not None:
            return
        self._away = ("inbox", "outbox")[self._disturbances.done["folders unmounted"] % 2]
        self._disturbances.done["folders unmounted"] += 1
        place = self._house.root / self._away
        unmount(place)
        self._scheduler.enter(MINUTE_S / 3 / self._extent.pace, 0, partial(self._bring_back, place))

    def _bring_back(self, place: Path) -> None:
        if any(place.iterdir()):
            self._disturbances.complaints.append(f"something was written to the bare {place.name}")
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(exist_ok=True)
        mount(self._disks[place.name], place)
        self._away = None

    def _finish(self) -> None:
        """No file and no fault any more: what was delivered gets its fate, and the daemon ends in order."""
        if self._away is not None:
            self._bring_back(self._house.root / self._away)
        self._disturbances.configure({})
        deadline_s = time.monotonic() + LAST_S
        while not self._fates.all_are_there() and time.monotonic() < deadline_s:
            time.sleep(PATIENCE_S)
            self._fates.collect(time.monotonic())
        time.sleep(1.0)  # a second result would come soon
        self._fates.collect(time.monotonic())
        code = self._program.end()
        if code != 0:
            self._disturbances.complaints.append(f"exit code {code}")
        if "Traceback" in (log := self._program.log()):
            self._disturbances.complaints.append(f"a traceback in the log: {log[log.index('Traceback') :][:500]}")
        self._judge()

    def _judge(self) -> None:
        verdict = self._fates.verdict()
        wrong = [*verdict.wrong, *self._disturbances.complaints]
        self.record.done = dict(self._disturbances.done)
        self.record.fates = {
            "expected": verdict.tried,
            "open or lost": verdict.lost,
            "doubled": verdict.doubled,
            "wrong": wrong,
        }


def settings(house: House) -> dict[str, Any]:
    """Everything on, and retention so tight that what it sweeps stays as large as it is."""
    return {
        "health_interval": 300,
        "threads": 1,
        "unload_after": 300,
        "hooks": {"on_done": ["true"], "on_failed": ["true"]},
        "gallery": {"outbox": True, "page_size": 24},
        "metrics": {"textfile": str(house.root / "aura.prom")},
        "log_file": {"path": str(house.root / "aura.log"), "size": "1 MB", "keep": 2},
        "retention": {
            "archive": {"size": "20 KB"},
            "failed": {"size": "60 KB"},
            "journal": {"size": "300 KB"},
            "logs": {"age": "1d"},
        },
    }
