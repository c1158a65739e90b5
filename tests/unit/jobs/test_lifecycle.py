"""The table of transitions."""

from itertools import product

import pytest

from aura_daemon.jobs.lifecycle import TRANSITIONS, JobState, is_legal


@pytest.mark.parametrize(("before", "after"), list(product(JobState, JobState)))
def test_only_transitions_in_the_table_are_legal(before: JobState, after: JobState) -> None:
    assert is_legal(before, after) == ((before, after) in TRANSITIONS)


@pytest.mark.parametrize("ended", [JobState.DONE, JobState.FAILED])
def test_nothing_follows_an_end(ended: JobState) -> None:
    assert not [after for after in JobState if is_legal(ended, after)]


def test_every_open_state_leads_to_an_end() -> None:
    reached = {JobState.DONE, JobState.FAILED}
    while more := {before for before, after in TRANSITIONS if after in reached} - reached:
        reached |= more
    assert reached == set(JobState)
