"""One disk that is cut again and again. In: how often. Out: a verdict for each kind of instant.

Each boot takes up what the last cut left, and is judged; then new files are sent, and the power is cut. What was being
sent at a cut is judged at the next boot.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from tests.powercut.filesystems import FILESYSTEMS
from tests.powercut.judging import Account, Verdict, batch
from tests.powercut.machine import MODULES, Machine, MachineSilent, place
from tests.powercut.plan import Plan, Said

SILENCE_S: Final = 1800.0
"""Until a machine that says nothing is given up; inside it waits for two minutes of its own time."""

SPAN_S: Final = 4.0
"""How long a batch takes from the first file sent to the last fate, until that was measured."""

LEAST_SPAN_S: Final = 0.5
MOST_SPAN_S: Final = 20.0

BEYOND: Final = 1.1
"""Random instants go so far beyond that time: the last steps are met too."""

MOST_TOLD: Final = 1000
"""Characters of what a machine says when it fails."""


class Instant(StrEnum):
    """When the power is cut."""

    RANDOM = "at random"
    STEP = "at a named step"
    RECOVERY = "at random, again while that is taken up"


CYCLE: Final = (Instant.STEP, Instant.RANDOM, Instant.STEP, Instant.RECOVERY, Instant.RANDOM, Instant.STEP)
"""How the instants follow each other."""


def instants(cuts: int) -> Iterator[Instant]:
    """Instants that come to so many cuts together: the last of them takes two."""
    number = 0
    while cuts > 0:
        instant = CYCLE[number % len(CYCLE)]
        if instant is Instant.RECOVERY and cuts == 1:
            instant = Instant.RANDOM
        cuts -= 2 if instant is Instant.RECOVERY else 1
        number += 1
        yield instant


@dataclass(kw_only=True, slots=True)
class Series:
    """One file system on one disk."""

    filesystem: str
    folder: Path
    """For what the machine reads."""
    disk: Path
    """The disk, a file that is made."""
    seed: int
    steps: Counter[str]
    """How often the power was cut at each named step, here and in other series."""
    variables: dict[str, str]
    """Of the daemon's environment."""
    verdicts: dict[Instant, Verdict] = field(default_factory=lambda: {instant: Verdict() for instant in Instant})
    obstacle: str = field(init=False, default="")
    """What the kernel of a machine said that did not come up a single time."""
    _has_spoken: bool = field(init=False, default=False)
    _dice: random.Random = field(init=False, default_factory=random.Random)
    _account: Account = field(init=False, default_factory=Account)
    _last: Instant = field(init=False, default=Instant.RANDOM)
    """The instant of the last cut, whose verdict the next boot finds."""
    _passed: dict[str, int] = field(init=False, default_factory=dict)
    """How often each named step was passed with one batch, where that is known."""
    _span_s: float = field(init=False, default=SPAN_S)
    _recovery_s: float = field(init=False, default=SPAN_S)
    _began_s: float = field(init=False, default=0.0)
    """When the machine last began to recover, or to send."""
    _batches: int = field(init=False, default=0)

    def run(self, cuts: int) -> None:
        """Cuts so often, and then has a daemon end in order."""
        self._dice.seed(self.seed)
        FILESYSTEMS[self.filesystem].format(self.disk)
        try:
            for instant in instants(cuts):
                self._cut(instant)
                if instant is Instant.RECOVERY:
                    self._cut_recovery()
            machine = self._boot(ends=True, expected=self._account.expected())
            try:
                self._hear_until(machine, Said.ENDED)
            finally:
                machine.cut()
        except MachineSilent as error:
            told = str(error)[-MOST_TOLD:]
            if not self._has_spoken:
                self.obstacle = told or "it says nothing"
                return
            self.verdicts[self._last].torn.append(f"{self.filesystem}: the machine does not go on: {told}")
        finally:
            self.disk.unlink()

    def _cut(self, instant: Instant) -> None:
        """One boot: judges what the last cut met, sends new files, and cuts while they are under way."""
        sendings = batch(self._batches)
        self._dice.shuffle(sendings)
        self._batches += 1
        moment = self._least_met() if instant is Instant.STEP else ""
        time_ = self._dice.randint(1, self._passed[moment]) if moment else 1
        expected = self._account.expected()
        self._account.planned(sendings)
        machine = self._boot(sendings=tuple(sendings), moment=moment, time=time_, expected=expected)
        try:
            self._hear_until(machine, Said.DELIVERING)
            if moment or not self._passed:
                said = self._hear_until(machine, Said.REACHED, Said.SETTLED)
                instant = Instant.STEP if said is Said.REACHED else Instant.RANDOM
                self.steps[moment] += said is Said.REACHED
            else:
                self._hear_until(machine, Said.SENDING)  # what begins the span, too
                self._hear_for(machine, self._dice.uniform(0.0, BEYOND * self._span_s))
        finally:
            said_before = machine.cut()
        for what, value in said_before:
            self._heed(what, value)
        self._last = instant
        self.verdicts[instant].cuts += 1

    def _cut_recovery(self) -> None:
        """One boot that is cut while it takes up what the last cut left."""
        machine = self._boot(settles=False)
        try:
            self._hear_until(machine, Said.RUNNING)
            self._hear_for(machine, self._dice.uniform(0.0, BEYOND * self._recovery_s))
        finally:
            machine.cut()
        self._last = Instant.RECOVERY
        self.verdicts[Instant.RECOVERY].cuts += 1

    def _least_met(self) -> str:
        """A named step at which the power was cut least often; empty until it is known which are passed."""
        passed = [moment for moment, times in self._passed.items() if times]
        least = min((self.steps[moment] for moment in passed), default=0)
        return self._dice.choice([moment for moment in passed if self.steps[moment] == least] or [""])

    # -- what a machine says -----------------------------------------------------------------------------------------

    def _boot(self, **what: Any) -> Machine:
        plan = Plan(filesystem=self.filesystem, place=place(), modules=str(MODULES), **what)
        file = self.folder / "plan.json"
        plan.write(file)
        return Machine(self.disk, file, folder=self.folder, variables=self.variables)

    def _hear_until(self, machine: Machine, *awaited: Said) -> Said:
        """Heeds what it says until it says one of these, which is returned; raises MachineSilent."""
        while (said := machine.hear(SILENCE_S)) is not None:
            self._heed(*said)
            if said[0] in awaited:
                return said[0]
        raise MachineSilent(f"it has said nothing for {SILENCE_S:g} s: {machine.tail()}")

    def _hear_for(self, machine: Machine, seconds: float) -> None:
        """Heeds what it says for so long."""
        deadline_s = time.monotonic() + seconds
        while (left_s := deadline_s - time.monotonic()) > 0:
            if (said := machine.hear(left_s)) is not None:
                self._heed(*said)

    def _heed(self, what: Said, value: Any) -> None:
        self._has_spoken = True
        last = self.verdicts[self._last]
        match what:
            case Said.UP | Said.ENDED:
                last.torn += [f"{self.filesystem}: {value}"] if value else []
            case Said.TORN:
                last.torn += value
            case Said.RUNNING:
                self._began_s = time.monotonic()
            case Said.DELIVERING:
                self._began_s = 0.0
            case Said.JUDGED:
                self._recovery_s = self._since_then_s()
                told = [(digest, number, name) for digest, number, name in value["told"]]
                last.add(self._account.judge(told, value["torn"], value["left"]))
            case Said.SENDING:
                self._began_s = self._began_s or time.monotonic()
                self._account.sending(value)
            case Said.DURABLE:
                self._account.durable(value)
            case Said.SETTLED:
                self._span_s = self._since_then_s()
                self._passed = {moment: max(times, self._passed.get(moment, 0)) for moment, times in value.items()}
            case Said.BROKEN:
                raise MachineSilent(value)
            case Said.REACHED:
                pass

    def _since_then_s(self) -> float:
        return min(MOST_SPAN_S, max(LEAST_SPAN_S, time.monotonic() - self._began_s))
