"""Which of several workers a queued job waits for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.dispatch.placing import (
    EARLIER,
    PATIENCE_S,
    Candidate,
    Choice,
    WorkerOffer,
    better,
    choice,
    predicted_s,
)
from aura_daemon.ladder.prediction import Extent, Measured
from aura_daemon.ladder.rungs import Rung
from tests.support.examples import examples

HERE = WorkerOffer(seconds=10.0, device_name="slow")
FAST = WorkerOffer(seconds=2.0, device_name="fast")
UNKNOWN = WorkerOffer(seconds=None, device_name="slow")
BUSY_UNKNOWN = replace(FAST, rest_s=None)


@pytest.mark.parametrize(
    ("here", "others", "left_s", "found"),
    [
        (HERE, [], 0, None),
        (HERE, [FAST], 0, 0),
        (HERE, [replace(FAST, rest_s=7.0)], 0, 0),
        (HERE, [replace(FAST, rest_s=7.5)], 0, None),  # earlier, but by less than a tenth
        (HERE, [replace(FAST, rest_s=5.0), replace(FAST, rest_s=3.0)], 0, 1),
        (HERE, [replace(FAST, loading_s=7.5)], 0, None),
        (HERE, [replace(FAST, loading_s=7.5, is_loaded=True)], 0, 0),
        # It has been left for so long that it would have been done here by now:
        (HERE, [FAST], 7.0, 0),
        (HERE, [FAST], 7.1, None),
        # Nobody knows when the other is free, or how long it takes:
        (HERE, [BUSY_UNKNOWN], 0, None),
        (HERE, [UNKNOWN], 0, None),
        # Where nothing was measured here, it is tried:
        (UNKNOWN, [FAST], 0, None),
        # A free worker of the same model that has what this one would have to load:
        (UNKNOWN, [replace(UNKNOWN, is_loaded=True)], 0, 0),
        (UNKNOWN, [replace(UNKNOWN, is_loaded=True)], PATIENCE_S + 1, None),
        (replace(UNKNOWN, is_loaded=True), [replace(UNKNOWN, is_loaded=True)], 0, None),
        (UNKNOWN, [replace(UNKNOWN, is_loaded=True, device_name="fast")], 0, None),
        (UNKNOWN, [replace(UNKNOWN, is_loaded=True, rest_s=1.0)], 0, None),
        (HERE, [replace(HERE, is_loaded=True)], 0, 0),
        # Memory ran out here, and how long it takes on the lower rung was never measured:
        (replace(UNKNOWN, is_lower=True), [replace(UNKNOWN, device_name="fast")], 0, 0),
        (replace(UNKNOWN, is_lower=True), [replace(FAST, rest_s=9.0), replace(FAST, rest_s=5.0)], 0, 1),
        (replace(UNKNOWN, is_lower=True), [BUSY_UNKNOWN], 0, None),
        (replace(UNKNOWN, is_lower=True), [replace(UNKNOWN, is_lower=True)], 0, None),
        (replace(UNKNOWN, is_lower=True), [FAST], PATIENCE_S + 1, None),
        (replace(HERE, is_lower=True), [replace(FAST, rest_s=9.0)], 0, None),  # measured: by time
        # The worker ended with it:
        (replace(FAST, has_ended=True), [replace(HERE, has_ended=True), BUSY_UNKNOWN], 0, 1),
        (replace(FAST, has_ended=True), [replace(HERE, has_ended=True)], 0, None),
        (replace(FAST, has_ended=True), [HERE], PATIENCE_S + 1, None),
        # No rung is left here:
        (replace(HERE, fits=False), [FAST, replace(FAST, rest_s=None)], 99, 0),
        (replace(HERE, fits=False), [replace(FAST, fits=False), BUSY_UNKNOWN], 99, 1),
        (replace(HERE, fits=False), [replace(FAST, fits=False)], 0, None),  # nor elsewhere: here it ends
        (HERE, [replace(FAST, fits=False)], 0, None),
        # One looks for a place, or ended with the job:
        (HERE, [replace(FAST, has_place=False)], 0, None),
        (HERE, [replace(FAST, has_ended=True)], 0, None),
        (replace(FAST, has_ended=True), [replace(BUSY_UNKNOWN, has_place=False)], 0, None),
        (replace(HERE, fits=False), [replace(FAST, has_place=False), replace(FAST, rest_s=50.0)], 0, 1),
        (replace(HERE, fits=False), [replace(FAST, has_place=False)], 0, 0),
    ],
)
def test_a_job_is_left_to_who_is_done_earlier(
    here: WorkerOffer, others: list[WorkerOffer], left_s: float, found: int | None
) -> None:
    assert better(here, others, left_s=left_s) == found


def test_jobs_that_are_left_are_counted_for_those_after_them() -> None:
    jobs = [Candidate(id=name, here=HERE, others=(FAST,)) for name in "abcdefg"]
    assert choice(jobs) == Choice(takes="e", left=("a", "b", "c", "d"))  # it would wait for four: 10 s, as here
    assert choice(jobs[:4]) == Choice(takes=None, left=("a", "b", "c", "d"))
    assert choice([]) == Choice(takes=None, left=())


def test_a_small_job_passes_a_large_one_that_waits_for_the_fast_card() -> None:
    large = Candidate(id="large", here=replace(HERE, seconds=300.0), others=(WorkerOffer(seconds=20.0, rest_s=15.0),))
    small = Candidate(id="small", here=HERE, others=(replace(FAST, rest_s=15.0),))
    assert choice([large, small]) == Choice(takes="small", left=("large",))


def test_jobs_after_one_that_nobody_knows_the_time_of_are_not_thought_later() -> None:
    unfit = Candidate(id="a", here=replace(HERE, fits=False), others=(UNKNOWN, BUSY_UNKNOWN))
    assert choice([unfit, Candidate(id="b", here=HERE, others=(FAST, BUSY_UNKNOWN))]).left == ("a", "b")


SECONDS = st.one_of(st.none(), st.floats(0.1, 1000))
OFFERS = st.builds(
    WorkerOffer,
    seconds=SECONDS,
    rest_s=st.one_of(st.none(), st.just(0.0), st.floats(0, 1000)),
    loading_s=st.floats(0, 100),
    is_loaded=st.booleans(),
    device_name=st.sampled_from(["a", "b", "c"]),
    has_place=st.booleans(),
    fits=st.booleans(),
    is_lower=st.booleans(),
    has_ended=st.booleans(),
)
FREE = OFFERS.map(lambda offer: replace(offer, rest_s=0.0))


@given(FREE, st.lists(OFFERS, max_size=5), st.floats(0, 10_000))
def test_nothing_starves_and_nothing_waits_for_nothing(
    here: WorkerOffer, others: list[WorkerOffer], left_s: float
) -> None:
    found = better(here, others, left_s=left_s)
    if found is not None:
        assert others[found].fits
        assert others[found].has_place or not here.fits
    if here.fits and left_s > max(PATIENCE_S, here.ends_s or 0.0):
        assert found is None  # in all at most twice as long as here, or the patience and that
    if not here.fits:
        assert (found is None) is not any(offer.fits for offer in others)


@given(FREE, st.lists(OFFERS, max_size=5), st.floats(0, 100))
def test_what_is_left_by_time_is_promised_to_be_done_earlier(
    here: WorkerOffer, others: list[WorkerOffer], left_s: float
) -> None:
    here = replace(here, fits=True, has_ended=False)
    found = better(here, others, left_s=left_s)
    if here.ends_s is not None and found is not None:
        ends_s = others[found].ends_s
        assert ends_s is not None
        assert left_s + ends_s <= here.ends_s


@settings(max_examples=examples(50), deadline=None)
@given(st.floats(0.5, 50), st.lists(st.floats(0.5, 50), min_size=1, max_size=4), st.integers(1, 40))
def test_workers_that_differ_run_each_job_once_and_are_never_much_slower_than_the_best_alone(
    own_s: float, others_s: list[float], count: int
) -> None:
    """Simulates workers of different speeds that take jobs as they become free."""
    speeds = [own_s, *others_s]
    free_at, queue, ran, now = [0.0] * len(speeds), list(range(count)), list[int](), 0.0
    since: dict[tuple[int, str], float] = {}
    while queue:
        for number, seconds in enumerate(speeds):
            if free_at[number] > now or not queue:
                continue
            others = [(free_at[other] - now, speeds[other]) for other in range(len(speeds)) if other != number]
            made = choice(
                Candidate(
                    id=str(job),
                    here=WorkerOffer(seconds=seconds),
                    others=tuple(WorkerOffer(seconds=one, rest_s=max(0.0, rest)) for rest, one in others),
                    left_s=now - since.get((number, str(job)), now),
                )
                for job in queue
            )
            since |= {(number, job): since.get((number, job), now) for job in made.left}
            if made.takes is not None:
                queue.remove(int(made.takes))
                ran.append(int(made.takes))
                free_at[number] = now + seconds
        now = min([one for one in free_at if one > now], default=now)
    assert sorted(ran) == list(range(count))
    assert max(free_at) <= count * min(speeds) / EARLIER + max(speeds) * 1e-6


def measured(px: int, step_s: float, *, device: str = "a", rung: Rung = Rung.RESIDENT, batch: int = 1) -> Measured:
    return Measured(device=device, dtype="float16", rung=rung, width=px, height=px, batch=batch, step_s=step_s)


def refused(px: int, rung: Rung = Rung.RESIDENT) -> Measured:
    return replace(measured(px, 0.0, rung=rung), refused_bytes=1000)


@pytest.mark.parametrize(
    ("known", "start", "px", "seconds"),
    [
        ([], None, 512, None),
        ([measured(512, 2.0)], None, 512, 20.0),
        ([measured(512, 2.0, device="b")], None, 512, None),
        ([measured(512, 2.0, device="processor", rung=Rung.CPU)], None, 512, 20.0),
        ([measured(512, 2.0)], None, 1024, 80.0),
        ([measured(512, 2.0)], None, 2048, None),  # too large to tell by that
        ([measured(512, 2.0), measured(1024, 9.0)], None, 768, 50.625),
        ([measured(512, 2.0), measured(1024, 9.0)], None, 1024, 90.0),
        ([measured(512, 2.0), measured(512, 4.0, batch=4)], None, 512, 10.0),
        ([measured(512, 2.0), refused(512)], None, 512, None),  # a rung that will not be taken
        ([measured(512, 2.0), refused(1024)], None, 512, 20.0),
        ([measured(512, 2.0), refused(512), measured(512, 5.0, rung=Rung.TILED_DECODE)], None, 512, 50.0),
        ([measured(512, 2.0)], Rung.TILED_DECODE, 512, None),
        ([measured(512, 2.0), measured(512, 5.0, rung=Rung.TILED_DECODE)], Rung.TILED_DECODE, 512, 50.0),
        ([measured(512, 2.0, rung=Rung.TILED_DECODE), measured(512, 9.0, rung=Rung.CPU)], None, 600, 27.5),
        ([measured(512, 2.0)], None, 0, None),  # a caption
        ([refused(64, rung) for rung in Rung], None, 512, None),
    ],
)
def test_the_time_of_a_picture_is_predicted_by_what_its_model_of_device_took(
    known: list[Measured], start: Rung | None, px: int, seconds: float | None
) -> None:
    extent = Extent(width=px, height=px)
    found = predicted_s(known, {"a", "processor"}, start=start, extent=extent, steps=10)
    assert found == (pytest.approx(seconds, rel=0.01) if seconds is not None else None)


def captioned(batch: int, step_s: float, *, candidates: int = 0, device: str = "a") -> Measured:
    """What a batch of captions took."""
    rows = Extent(width=candidates, height=0, batch=batch)
    return Measured(
        device=device, dtype="float16", rung=Rung.RESIDENT, width=rows.width, height=0, batch=batch, step_s=step_s
    )


@pytest.mark.parametrize(
    ("known", "candidates", "seconds"),
    [
        ([], 0, None),
        ([measured(512, 2.0)], 0, None),  # a picture
        ([captioned(1, 2.0, device="b")], 0, None),
        ([captioned(1, 2.0)], 0, 2.0),
        ([captioned(8, 4.0)], 0, 0.5),
        ([captioned(1, 2.0), captioned(8, 4.0)], 0, 0.5),
        ([captioned(1, 2.0, candidates=1)], 3, 6.0),
        ([captioned(1, 2.0, candidates=3), captioned(1, 1.0)], 3, 2.0),
        ([captioned(1, 2.0, candidates=1)], 5, None),  # too many to tell by that
    ],
)
def test_the_time_of_a_caption_is_predicted_by_its_share_of_the_batches_before(
    known: list[Measured], candidates: int, seconds: float | None
) -> None:
    extent = Extent(width=candidates, height=0)
    assert predicted_s(known, {"a"}, start=None, extent=extent, steps=1) == seconds
