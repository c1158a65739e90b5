"""The ladder as a whole: whatever fails, in whatever room, a job ends, and memory that ran out is learned from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import pairwise
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aura_daemon.backoff import backoff_s
from aura_daemon.config.engine import EngineSettings
from aura_daemon.dispatch.retry_policy import GiveUp, Retry, StepDown, WaitForMemory, WaitForModel, decide
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.jobs.sampling import NATIVE_512
from aura_daemon.ladder.attempts import Attempt, RunConditions, Start, attempt_of, next_start, with_attempt
from aura_daemon.ladder.fitting import MemoryNeed, MemoryRoom, NoRoom, RungChoice, choose
from aura_daemon.ladder.measurements import after_refusal, after_success
from aura_daemon.ladder.prediction import Extent, Measured, expected_bytes, host_bytes, predicted_bytes
from aura_daemon.ladder.rungs import RUNGS, Backend, Rung, at_or_below, ladder
from aura_daemon.ladder.shortage import FIRST_WAIT_S, LONGEST_WAIT_S, passes, waited
from tests.support.examples import examples
from tests.support.sd14 import GIB, MIB, ON_GPU, on_cpu

ALLOWED = 3
SQUARE = Extent(width=512, height=512)


class End(Enum):
    """What comes of an attempt."""

    DONE = auto()
    FULL = auto()
    CRASHED = auto()
    HUNG = auto()
    KILLED_EARLY = auto()
    """The kernel took the worker before it had chosen a rung."""
    MISSING = auto()


KINDS = {
    End.FULL: FailureKind.OUT_OF_MEMORY,
    End.CRASHED: FailureKind.CRASHED,
    End.HUNG: FailureKind.DEADLINE,
    End.KILLED_EARLY: FailureKind.OUT_OF_MEMORY,
    End.MISSING: FailureKind.MODEL_UNAVAILABLE,
}


@dataclass
class Machine:
    """A daemon and its worker, as far as the rules go: what is tried, and what is learned."""

    backend: Backend = Backend.CUDA
    kind: JobKind = JobKind.GENERATE
    climb_after: int = 50
    total_bytes: int = 0
    """Of the host, with what other programs have."""
    measured: list[Measured] = field(default_factory=list)

    @property
    def rungs(self) -> tuple[Rung, ...]:
        return ladder(self.backend, self.kind)

    def need(self, rung: Rung, extent: Extent) -> MemoryNeed:
        footprint = on_cpu(2) if RUNGS[rung].on_cpu else ON_GPU
        device = self.device(rung)
        here = [one for one in self.measured if one.device == device]
        taken = expected_bytes(footprint, rung, extent, here, climb_after=self.climb_after)
        return MemoryNeed(bytes=taken, host_bytes=host_bytes(footprint, rung))

    def choose(self, start: Start, extent: Extent, room: MemoryRoom) -> RungChoice | NoRoom:
        most = extent.batch if start.most is None else min(extent.batch, start.most)
        rungs = at_or_below(start.rung, self.rungs)
        return choose(rungs, lambda rung, batch: self.need(rung, replace(extent, batch=batch)), room, batch=most)

    def tried(self, choice: RungChoice | NoRoom, extent: Extent, room: MemoryRoom, *, alone: bool) -> RunConditions:
        on_host = RUNGS[choice.rung].on_cpu
        in_all = room.host_bytes if on_host else room.device_bytes
        others = room.host_others_bytes if on_host else room.device_others_bytes
        return RunConditions(
            device=self.device(choice.rung),
            device_name=self.device(choice.rung),
            dtype="float16",
            rung=choice.rung,
            width=extent.width,
            height=extent.height,
            batch=choice.batch if isinstance(choice, RungChoice) else 1,
            alone=alone,
            guided=extent.guided,
            total_bytes=self.total_bytes if on_host else 0,
            expected_bytes=choice.need.bytes,
            room_bytes=in_all - (0 if alone else others),
        )

    def device(self, rung: Rung) -> str:
        return "cpu" if RUNGS[rung].on_cpu else f"{self.backend}:0"

    def succeeded(self, tried: RunConditions) -> None:
        self._keep(after_success(self.measured, tried, step_s=1.0))

    def refused(self, tried: RunConditions) -> None:
        self._keep(after_refusal(self.measured, tried))

    def _keep(self, changed: tuple[Measured, ...]) -> None:
        by_key = {_key(one): one for one in (*self.measured, *changed)}
        self.measured = list(by_key.values())


def _key(one: Measured) -> tuple[object, ...]:
    return one.device, one.dtype, one.rung, one.extent


AMOUNTS = st.integers(0, 8).map(lambda gib: gib * GIB) | st.integers(0, 5 * GIB)
ROOMS = st.builds(
    lambda device, host, device_others, host_others: MemoryRoom(
        device_bytes=device,
        host_bytes=host,
        device_others_bytes=min(device, device_others),
        host_others_bytes=min(host, host_others),
    ),
    AMOUNTS,
    AMOUNTS,
    st.sampled_from([0, GIB // 4, GIB]),
    st.sampled_from([0, GIB // 4, GIB]),
)
EXTENTS = st.builds(
    Extent,
    width=st.sampled_from([256, 512, 912]),
    height=st.sampled_from([256, 512]),
    batch=st.integers(1, 6),
    guided=st.booleans(),
)
MEASURED = st.lists(
    st.builds(
        Measured,
        device=st.sampled_from(["cuda:0", "cpu"]),
        dtype=st.just("float16"),
        rung=st.sampled_from(Rung),
        width=st.sampled_from([512, 912]),
        height=st.just(512),
        batch=st.integers(1, 4),
        guided=st.booleans(),
        peak_bytes=st.just(0) | st.integers(1, 8 * GIB),
        refused_bytes=st.just(0) | st.integers(1, 8 * GIB),
        refusals=st.integers(1, 9),
        good_since=st.integers(0, 200),
        size_good_since=st.integers(0, 200),
    ),
    max_size=5,
)


@given(
    st.sampled_from(Backend),
    st.sampled_from([JobKind.GENERATE, JobKind.CAPTION]),
    EXTENTS,
    MEASURED,
    st.lists(st.tuples(st.sampled_from(End), ROOMS), max_size=30),
    ROOMS,
    st.sampled_from([0, 4 * GIB, 64 * GIB]),
    st.sampled_from([0.0, 1800.0]),
)
@settings(max_examples=examples(100))
def test_whatever_fails_a_job_ends_and_no_rung_is_passed_over_on_which_it_would_fit(
    backend: Backend,
    kind: JobKind,
    extent: Extent,
    measured: list[Measured],
    script: list[tuple[End, MemoryRoom]],
    last_room: MemoryRoom,
    total_bytes: int,
    memory_wait_s: float,
) -> None:
    """As the script says; after it, memory runs out on every rung."""
    machine = Machine(backend=backend, kind=kind, measured=measured, total_bytes=total_bytes)
    tried: list[Attempt] = []
    attempts, waits, waits_for_memory, waited_s = 0, 0, 0, 0.0
    while True:
        end, room = script.pop(0) if script else (End.FULL, last_room)
        attempts += 1
        start = next_start(tried, kind)
        assert start is not None, "no rung is left, and it was not given up"
        choice = machine.choose(start, extent, room)
        _nothing_is_passed_over(machine, tried, start, choice, replace(extent, batch=1), room)
        if end is End.DONE and isinstance(choice, RungChoice):
            break
        if isinstance(choice, NoRoom) or end is End.DONE:
            end = End.FULL
        alone = isinstance(choice, NoRoom) or start.alone or choice.alone or not room.device_others_bytes
        ran = machine.tried(choice, extent, room, alone=alone)
        failure = Failure(kind=KINDS[end], message="it failed", mend="")
        ran_on = None if end is End.KILLED_EARLY else ran
        if end is not End.MISSING:
            tried.append(attempt_of(ran_on, kind=failure.kind, reason=failure.message, seconds=1.0))
        may_wait = passes(ran_on) and waited_s < memory_wait_s
        decision = decide(
            failure, kind=kind, tried=tried, attempts=attempts, attempts_allowed=ALLOWED, may_wait=may_wait
        )
        made = [one for one in tried if not one.waited]
        assert len(made) <= 1 + extent.batch.bit_length() + len(machine.rungs) + ALLOWED
        assert len([one for one in tried if one.waited and one.rung is None]) <= 1
        match decision:
            case StepDown():
                attempts -= 1
            case WaitForModel():
                attempts -= 1
                waits += 1
            case WaitForMemory():
                assert total_bytes > 0
                attempts -= 1
                waits_for_memory += 1
                waited_s += backoff_s(waits_for_memory, first_s=FIRST_WAIT_S, most_s=LONGEST_WAIT_S)
                tried = list(with_attempt(tried[:-1], waited(tried[-1], ran, waited_s)))
                assert next_start(tried, kind) == start
            case Retry():
                pass
            case GiveUp(failure=said):
                assert said.message
                assert said.mend
                break
    assert waits <= 30


def _nothing_is_passed_over(
    machine: Machine, tried: list[Attempt], start: Start, choice: RungChoice | NoRoom, single: Extent, room: MemoryRoom
) -> None:
    """A rung is left after memory ran out there, for one picture without other models, or where it does not fit."""
    full = [one for one in tried if one.kind is FailureKind.OUT_OF_MEMORY and one.rung and not one.waited]
    if full and start.rung is not full[-1].rung:
        assert (full[-1].batch, full[-1].alone) == (1, True)
        order = machine.rungs
        assert start.rung is next(rung for rung in order if order.index(rung) > order.index(full[-1].rung))
    rungs = at_or_below(start.rung, machine.rungs)
    passed = rungs if isinstance(choice, NoRoom) else rungs[: rungs.index(choice.rung)]
    for rung in passed:
        need = machine.need(rung, single)
        on_host = RUNGS[rung].on_cpu
        lacks_host = not on_host and need.host_bytes > room.host_bytes
        assert lacks_host or need.bytes > (room.host_bytes if on_host else room.device_bytes)


@dataclass
class Truth:
    """What pictures truly take on a GPU, and nobody knows: the formula is off, and blocks of memory go to waste."""

    off: dict[Rung, float]
    waste: float
    drift: float
    """Of the need, what is added with each job."""

    def peak(self, rung: Rung, extent: Extent, job: int) -> int:
        formula = predicted_bytes(ON_GPU, rung, extent)
        return int(formula * self.off.get(rung, 1.0) * (1 + self.drift * job))


SIZES = [
    Extent(width=width, height=height, guided=guided)
    for width, height in sorted({*NATIVE_512.values(), (256, 256)})
    for guided in (True, False)
]
CLIMB_AFTER = 10
"""Of a simulated machine, so that much happens in few jobs; as it is configured: the long run below."""


@dataclass
class Rooms:
    """Memory of a GPU, job by job: it wavers by less than `REFUSED`, and once it may be less, or more, from then on."""

    gib: float
    step_at: int
    step: float
    """What there is from then on, of what there was; 1: as much."""

    def at(self, number: int, more: float) -> MemoryRoom:
        return MemoryRoom(device_bytes=int(self.level(number) * more * GIB), host_bytes=64 * GIB)

    def level(self, number: int) -> float:
        return self.gib * (self.step if number >= self.step_at else 1.0)


TRUTHS = st.builds(
    Truth,
    off=st.dictionaries(st.sampled_from(Rung), st.floats(0.6, 1.6), max_size=11),
    waste=st.floats(1.0, 1.15),
    drift=st.sampled_from([0.0, 0.0, 0.0002, -0.0002]),
)


@given(
    TRUTHS,
    st.builds(
        Rooms,
        gib=st.sampled_from([1.5, 2.2, 3.0, 3.5, 5.5]),
        step_at=st.integers(10, 100),
        step=st.just(1.0) | st.floats(0.4, 2.0),
    ),
    st.lists(
        st.tuples(st.sampled_from(SIZES), st.just(1.0) | st.floats(1.0, 1.04)),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([1, 1, 4]),
)
@example(  # room that wavers about what a rung takes: what fits in more of it proves nothing
    Truth(off={Rung.RESIDENT: 1.0, Rung.TILED_DECODE: 1.5}, waste=1.09375, drift=0.0),
    Rooms(gib=2.2, step_at=0, step=1.0),
    [(Extent(width=256, height=256), 1.0)] * 4 + [(Extent(width=256, height=256), 1.03125)] * 2,
    1,
)
@settings(max_examples=30, deadline=None)
def test_once_ten_of_a_size_are_known_few_of_it_meet_a_refusal(
    truth: Truth, rooms: Rooms, arrivals: list[tuple[Extent, float]], batch: int
) -> None:
    """Of each size one, and one in `climb_after`: however sizes are mixed, whatever the formula's mistakes.

    One more where the room is another for good, and one for each rung whose need the wavering room, or a need that
    drifts, crosses. A batch meets it with all its pictures, and may once more with each half.
    """
    machine, jobs = Machine(climb_after=CLIMB_AFTER), 160
    seen: Counter[Extent] = Counter()
    met: Counter[Extent] = Counter()
    for number in range(0, jobs, batch):
        size, more = arrivals[number // batch % len(arrivals)]
        full = _run_all(machine, truth, replace(size, batch=batch), rooms.at(number, more), number)
        met[size] += full if seen[size] >= 10 else 0
        seen[size] += batch
    widest = max(more for _, more in arrivals)
    for size, count in seen.items():
        levels = {rooms.level(0), rooms.level(jobs)}
        changes = len(levels) - 1 + sum(_crosses(truth, size, level, widest, jobs) for level in levels)
        assert met[size] <= (2 * batch - 1) * (1 + changes) + (count - 10) / CLIMB_AFTER


@given(TRUTHS, st.sampled_from([1.5, 2.2, 3.0, 3.5]), st.sampled_from(SIZES), st.sampled_from(SIZES))
@settings(max_examples=15, deadline=None)
def test_not_even_a_size_that_comes_just_when_it_would_meet_one_meets_many(
    truth: Truth, gib: float, common: Extent, rare: Extent
) -> None:
    """Others do the good jobs, and it would be tried with this one every time."""
    truth.drift = 0.0
    machine, rooms = Machine(climb_after=CLIMB_AFTER), Rooms(gib=gib, step_at=0, step=1.0)
    room = rooms.at(0, 1.0)
    came = met = 0
    for number in range(200):
        choice = machine.choose(Start(), rare, room)
        would_meet = not _goes_well(machine, truth, machine.tried(choice, rare, room, alone=True), number)
        size = rare if came < 10 or would_meet else common
        full = _run_all(machine, truth, size, room, number)
        if size == rare:
            met += full if came >= 10 else 0
            came += 1
    assert met <= 1 + (came - 10) / CLIMB_AFTER


def _crosses(truth: Truth, size: Extent, level_gib: float, widest: float, jobs: int) -> int:
    """Rungs on which a picture fits at one time and does not at another."""
    needs = [
        [truth.peak(rung, size, number) * truth.waste for number in (0, jobs)]
        for rung in ladder(Backend.CUDA, JobKind.GENERATE)
        if not RUNGS[rung].on_cpu
    ]
    return sum(min(need) <= level_gib * widest * GIB and max(need) > level_gib * GIB for need in needs)


@pytest.mark.lengthy
@pytest.mark.parametrize("gib", [1.5, 2.2, 3.5])
def test_in_a_long_run_of_mixed_sizes_fewer_than_one_job_in_fifty_meets_a_refusal(gib: float) -> None:
    """As it is configured, in a room that wavers and once becomes less."""
    draw = Random(5)
    truth = Truth(off={rung: draw.uniform(0.8, 1.3) for rung in Rung}, waste=1.1, drift=0.0)
    machine = Machine(climb_after=EngineSettings().climb_after)
    rooms = Rooms(gib=gib, step_at=1500, step=0.9)
    seen: Counter[Extent] = Counter()
    met = known = 0
    for number in range(3000):
        size = draw.choices(SIZES, weights=range(1, len(SIZES) + 1))[0]
        room = rooms.at(number, draw.uniform(1.0, 1.04))
        full = _run_all(machine, truth, size, room, number)
        if seen[size] >= 10:
            met, known = met + full, known + 1
        seen[size] += 1
    assert known > 2700
    assert 0 < met <= known / 50


def test_a_rung_that_never_holds_is_tried_ever_more_rarely_but_for_ever() -> None:
    machine, room = Machine(climb_after=2), MemoryRoom(device_bytes=int(3.5 * GIB), host_bytes=64 * GIB)
    truth = Truth(off={Rung.RESIDENT: 1.5}, waste=1.0, drift=0.0)
    tries = [number for number in range(800) if _run_all(machine, truth, SQUARE, room, number)]
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert waits == [2, 4, 8, 16, 32, 64, *[128] * (len(waits) - 6)]
    assert len(waits) > 8


def _run_all(machine: Machine, truth: Truth, extent: Extent, room: MemoryRoom, number: int) -> int:
    """Runs a batch, what is left of it, and those again, one by one, that memory ran out for: how many those were."""
    left, again = extent.batch, 0
    while left:
        choice = machine.choose(Start(), replace(extent, batch=left), room)
        assert isinstance(choice, RungChoice)
        tried = machine.tried(choice, extent, room, alone=True)
        if _goes_well(machine, truth, tried, number):
            for _ in range(choice.batch):
                machine.succeeded(replace(tried, peak_bytes=truth.peak(tried.rung, tried.extent, number)))
        else:
            again += choice.batch
            for _ in range(choice.batch):
                machine.refused(tried)
                _run_again(machine, truth, tried, room, number)
        left -= choice.batch
    return again


def _run_again(machine: Machine, truth: Truth, before: RunConditions, room: MemoryRoom, number: int) -> None:
    """One picture by itself, down the ladder."""
    tried = [attempt_of(before, kind=FailureKind.OUT_OF_MEMORY, reason="", seconds=1.0)]
    extent = replace(before.extent, batch=1)
    while (start := next_start(tried, JobKind.GENERATE)) is not None:
        ran = machine.tried(machine.choose(start, extent, room), extent, room, alone=True)
        if _goes_well(machine, truth, ran, number):
            machine.succeeded(replace(ran, peak_bytes=truth.peak(ran.rung, extent, number)))
            return
        machine.refused(ran)
        tried.append(attempt_of(ran, kind=FailureKind.OUT_OF_MEMORY, reason="", seconds=1.0))
    raise AssertionError("there is room enough on the CPU")


def _goes_well(machine: Machine, truth: Truth, tried: RunConditions, number: int) -> bool:
    if RUNGS[tried.rung].on_cpu:
        return True
    return truth.peak(tried.rung, tried.extent, number) * truth.waste <= tried.room_bytes


@given(st.integers(1, 60), st.sampled_from([Rung.RESIDENT, Rung.TILED_DECODE]), st.booleans())
@settings(max_examples=30)
def test_a_refusal_is_not_met_again_in_the_same_room_before_so_many_good_jobs(
    climb_after: int, rung: Rung, alone: bool
) -> None:
    machine = Machine(climb_after=climb_after)
    room = MemoryRoom(device_bytes=int(3.5 * GIB), host_bytes=64 * GIB, device_others_bytes=0 if alone else 100 * MIB)
    wanted = Start(rung=rung)
    choice = machine.choose(wanted, SQUARE, room)
    assert isinstance(choice, RungChoice)
    assert choice.rung is rung
    tried = machine.tried(choice, SQUARE, room, alone=alone)
    machine.refused(tried)
    for _ in range(climb_after):
        now = machine.choose(wanted, SQUARE, room)
        assert isinstance(now, RungChoice)
        assert now.rung is not rung if alone else (now.rung, now.alone) == (rung, True)
        more = replace(room, device_bytes=int(room.device_bytes * 1.06))
        lifted = machine.choose(wanted, SQUARE, more)
        assert isinstance(lifted, RungChoice)
        assert (lifted.rung, lifted.alone) == (rung, False)
        machine.succeeded(replace(machine.tried(now, SQUARE, room, alone=True), peak_bytes=GIB))
    again = machine.choose(wanted, SQUARE, room)
    assert isinstance(again, RungChoice)
    assert (again.rung, again.alone) == (rung, False)


def test_after_good_jobs_one_rung_upward_is_tried_and_where_it_works_the_next() -> None:
    machine, room = Machine(climb_after=10), MemoryRoom(device_bytes=int(3.5 * GIB), host_bytes=64 * GIB)
    for rung in (Rung.RESIDENT, Rung.TILED_DECODE, Rung.SPLIT_GUIDANCE):
        choice = machine.choose(Start(rung=rung), SQUARE, room)
        machine.refused(machine.tried(choice, SQUARE, room, alone=True))
    stood_on = []
    for _ in range(14):
        choice = machine.choose(Start(), SQUARE, room)
        stood_on.append(choice.rung)
        machine.succeeded(replace(machine.tried(choice, SQUARE, room, alone=True), peak_bytes=GIB))
    climbed = [Rung.SPLIT_GUIDANCE, Rung.TILED_DECODE, Rung.RESIDENT]
    assert stood_on == [Rung.FP8_STORAGE] * 10 + [*climbed, Rung.RESIDENT]
