"""Which of the waiting jobs is next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.dispatch.next_job import MOST_OVERTAKEN, QueueHead, chosen


def head(number: int, model: str, priority: int = 0) -> QueueHead:
    return QueueHead(id=f"{number:06d}", priority=priority, model=model)


@pytest.mark.parametrize(
    ("heads", "loaded", "overtaken", "expected"),
    [
        ([], {"a"}, 0, None),
        ([head(2, "a"), head(1, "b")], set(), 0, "b"),
        ([head(2, "a"), head(1, "b")], {"a"}, 0, "a"),
        ([head(2, "a"), head(1, "b")], {"a", "b"}, 0, "b"),
        ([head(2, "a"), head(1, "b")], {"a"}, MOST_OVERTAKEN, "b"),
        ([head(2, "a"), head(1, "b", priority=1)], {"a"}, 0, "b"),
        ([head(2, ""), head(1, "b")], {"a"}, 0, ""),
        ([head(3, "c"), head(2, "b")], {"a"}, 0, "b"),
    ],
)
def test_a_loaded_model_goes_first_among_equals_for_a_while(
    heads: list[QueueHead], loaded: set[str], overtaken: int, expected: str | None
) -> None:
    found = chosen(heads, loaded=loaded, overtaken=overtaken)
    assert (found.model if found is not None else None) == expected


ARRIVALS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), min_size=1, max_size=80)


@given(ARRIVALS)
def test_everything_runs_once_in_order_within_a_model_and_nothing_starves(arrivals: list[tuple[str, int]]) -> None:
    """Simulates a worker that keeps one model loaded; before every job more jobs arrive."""
    todo = [(number, model) for number, (model, _) in enumerate(arrivals)]
    pauses = [pause for _, pause in arrivals]
    queued: list[tuple[int, str]] = []
    loaded, overtaken, ran = "", 0, []
    passed: dict[int, int] = {}
    while todo or queued:
        for _ in range(1 + (pauses[len(ran) % len(pauses)])):
            queued += [todo.pop(0)] if todo else []
        heads = [
            head(number, model)
            for number, model in {model: (number, model) for number, model in reversed(queued)}.values()
        ]
        found = chosen(heads, loaded={loaded}, overtaken=overtaken)
        assert found is not None
        oldest = min(queued)
        overtaken = 0 if int(found.id) == oldest[0] else overtaken + 1
        passed[oldest[0]] = passed.get(oldest[0], 0) + (int(found.id) != oldest[0])
        loaded = found.model
        queued.remove((int(found.id), found.model))
        ran.append((int(found.id), found.model))
    assert sorted(ran) == list(enumerate(model for model, _ in arrivals))
    for model in "abc":
        numbers = [number for number, name in ran if name == model]
        assert numbers == sorted(numbers)
    assert max(passed.values()) <= MOST_OVERTAKEN
