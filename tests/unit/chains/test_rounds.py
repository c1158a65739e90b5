"""The rounds of a reflection, and their sheet."""

from __future__ import annotations

from itertools import pairwise

import pytest

from aura_daemon.chains.rounds import linked, round_requests, sheets
from aura_daemon.jobs.requests import GenerateRequest, GridRequest, ImageFormat
from aura_daemon.journal.records import Job


@pytest.mark.parametrize(("count", "columns"), [(1, 2), (3, 4), (4, 3), (8, 3), (20, 5)])
def test_each_round_has_the_next_seed_and_few_pictures_stand_in_one_row(count: int, columns: int) -> None:
    first = GenerateRequest(prompt="{caption}", described="a.png", image="a.png", strength=0.5)
    requests = round_requests(first, count, seed=7)
    assert [one.seed for one in requests] == [*range(7, 7 + count)]
    numbers = [0, *range(1, count + 1), 0]
    jobs = linked([job(number, one) for number, one in enumerate((first, *requests, first))], numbers, ImageFormat.PNG)
    assert jobs[0].waits_for == jobs[1].waits_for == jobs[-1].waits_for == ()
    for before, after in pairwise(jobs[1:-1]):
        assert isinstance(after.request, GenerateRequest)
        assert (after.request.described, after.request.image) == (f"{before.stem}.png", f"{before.stem}.png")
        assert (after.request.follows, after.waits_for) == (before.id, (before.id,))
    (sheet,) = sheets(jobs, numbers, number=40)
    assert isinstance(sheet.request, GridRequest)
    assert (sheet.id, sheet.stem, sheet.request.columns) == ("s-040", "a-grid" if count else "", columns)
    assert sheet.waits_for == tuple(one.id for one in jobs[1:-1])


def job(number: int, request: GenerateRequest) -> Job:
    return Job(
        id=f"s-{number:03d}", source_id="s", number=number, kind="generate", request=request, text=b"", folder="",
        stem=f"a-{number}",
    )  # fmt: skip
