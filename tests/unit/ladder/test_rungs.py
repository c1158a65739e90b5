"""The rungs, their order, and what each backend has of them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from aura_daemon.jobs.requests import JobKind
from aura_daemon.ladder.rungs import RUNGS, Backend, Offload, Rung, Storage, at_or_below, below, ladder

ON_GPU = [rung for rung in Rung if not RUNGS[rung].on_cpu]
ON_CPU = [rung for rung in Rung if RUNGS[rung].on_cpu]
LOW = [Rung.CPU_HALF_WEIGHTS, Rung.CPU_MAPPED_WEIGHTS]


def test_every_rung_stands_in_the_table_once_with_a_caption_of_its_own() -> None:
    assert list(RUNGS) == list(Rung)
    captions = [measures.caption for measures in RUNGS.values()]
    assert all(captions)
    assert len(set(captions)) == len(captions)


def test_the_cpu_comes_after_every_rung_of_the_gpu() -> None:
    assert list(RUNGS) == [*ON_GPU, *ON_CPU]


@pytest.mark.parametrize("rungs", [ON_GPU, ON_CPU], ids=["gpu", "cpu"])
def test_what_is_done_on_one_rung_is_done_below_it_but_that_streamed_weights_are_exact(rungs: list[Rung]) -> None:
    for upper, lower in pairwise(RUNGS[rung] for rung in rungs):
        assert upper.tiles <= lower.tiles
        assert upper.splits <= lower.splits
        assert list(Offload).index(upper.offload) <= list(Offload).index(lower.offload)
        is_streamed = lower.offload in (Offload.GROUP, Offload.SEQUENTIAL)
        assert is_streamed or list(Storage).index(upper.storage) <= list(Storage).index(lower.storage)


@pytest.mark.parametrize(
    ("upper", "lower", "placed_afresh"),
    [
        (Rung.RESIDENT, Rung.TILED_DECODE, False),
        (Rung.TILED_DECODE, Rung.SPLIT_GUIDANCE, False),
        (Rung.SPLIT_GUIDANCE, Rung.FP8_STORAGE, True),
        (Rung.FP8_STORAGE, Rung.MODEL_OFFLOAD, True),
        (Rung.MODEL_OFFLOAD, Rung.GROUP_OFFLOAD, True),
        (Rung.GROUP_OFFLOAD, Rung.SEQUENTIAL_OFFLOAD, True),
        (Rung.SEQUENTIAL_OFFLOAD, Rung.CPU, True),
        (Rung.CPU, Rung.CPU_TILED_DECODE, False),
        (Rung.CPU_TILED_DECODE, Rung.CPU_SPLIT_GUIDANCE, False),
        (Rung.CPU_SPLIT_GUIDANCE, Rung.CPU_HALF_WEIGHTS, True),
        (Rung.CPU_HALF_WEIGHTS, Rung.CPU_MAPPED_WEIGHTS, True),
    ],
)
def test_a_model_is_loaded_again_only_where_its_weights_lie_otherwise(
    upper: Rung, lower: Rung, placed_afresh: bool
) -> None:
    assert (RUNGS[upper].loading != RUNGS[lower].loading) is placed_afresh


@pytest.mark.parametrize(
    ("backend", "kind", "rungs"),
    [
        (Backend.CUDA, JobKind.GENERATE, list(Rung)),
        (Backend.XPU, JobKind.GENERATE, [rung for rung in Rung if rung is not Rung.GROUP_OFFLOAD]),
        (
            Backend.MPS,
            JobKind.GENERATE,
            [Rung.RESIDENT, Rung.TILED_DECODE, Rung.SPLIT_GUIDANCE, *ON_CPU],
        ),
        (Backend.CPU, JobKind.GENERATE, ON_CPU),
        (Backend.CUDA, JobKind.CAPTION, [Rung.RESIDENT, Rung.CPU, *LOW]),
        (Backend.CPU, JobKind.CAPTION, [Rung.CPU, *LOW]),
    ],
)
def test_each_backend_has_the_rungs_that_it_can_do(backend: Backend, kind: JobKind, rungs: list[Rung]) -> None:
    assert list(ladder(backend, kind)) == rungs


@pytest.mark.parametrize("backend", Backend)
@pytest.mark.parametrize("kind", [JobKind.GENERATE, JobKind.CAPTION])
def test_going_down_visits_every_rung_once_and_ends(backend: Backend, kind: JobKind) -> None:
    rungs = ladder(backend, kind)
    visited, rung = [], below(rungs[0], rungs)
    while rung is not None:
        visited.append(rung)
        rung = below(rung, rungs)
    assert (rungs[0], *visited) == rungs


@pytest.mark.parametrize(
    ("start", "backend", "left"),
    [
        (None, Backend.CPU, ON_CPU),
        (Rung.CPU_SPLIT_GUIDANCE, Backend.CPU, [Rung.CPU_SPLIT_GUIDANCE, *LOW]),
        (Rung.GROUP_OFFLOAD, Backend.XPU, [Rung.SEQUENTIAL_OFFLOAD, *ON_CPU]),
        (Rung.FP8_STORAGE, Backend.CPU, ON_CPU),
    ],
)
def test_a_ladder_is_entered_at_a_rung_or_where_the_table_has_it(
    start: Rung | None, backend: Backend, left: list[Rung]
) -> None:
    assert list(at_or_below(start, ladder(backend, JobKind.GENERATE))) == left


def test_a_rung_of_another_ladder_is_left_to_the_next_one_of_this() -> None:
    assert below(Rung.GROUP_OFFLOAD, ladder(Backend.MPS, JobKind.GENERATE)) is Rung.CPU
    assert below(Rung.TILED_DECODE, ladder(Backend.CUDA, JobKind.CAPTION)) is Rung.CPU
