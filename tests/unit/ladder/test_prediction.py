"""What a picture takes on a rung, by formula and by what was measured."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.jobs.sampling import NATIVE_512
from aura_daemon.ladder.prediction import (
    LONGEST,
    MARGIN,
    REFUSED,
    SPARE_BYTES,
    Extent,
    Footprint,
    Measured,
    expected_bytes,
    host_bytes,
    predicted_bytes,
    tile_px,
)
from aura_daemon.ladder.rungs import RUNGS, Rung
from tests.support.examples import examples
from tests.support.sd14 import GIB, MIB, ON_GPU, on_cpu

GPU_RUNGS = [rung for rung in Rung if not RUNGS[rung].on_cpu]
CPU_RUNGS = [rung for rung in Rung if RUNGS[rung].on_cpu]
SQUARE = Extent(width=512, height=512)

EXTENTS = st.builds(
    Extent,
    width=st.integers(1, 256).map(lambda eighths: eighths * 8),
    height=st.integers(1, 256).map(lambda eighths: eighths * 8),
    batch=st.integers(1, 8),
    guided=st.booleans(),
)


@st.composite
def footprints(draw: st.DrawFn) -> Footprint:
    """Of a model whose largest layer is no more than a quarter of its UNet: of any that was ever published."""
    unet = draw(st.integers(0, 16 * GIB))
    return Footprint(
        unet_bytes=unet,
        text_bytes=draw(st.integers(0, 8 * GIB)),
        vae_bytes=draw(st.integers(0, GIB)),
        beside_bytes=draw(st.integers(0, 2 * GIB)),
        visiting_bytes=draw(st.integers(0, GIB)),
        largest_layer_bytes=draw(st.integers(0, unet // 4)),
        element_bytes=draw(st.sampled_from([2, 4])),
        unet_elements=draw(st.floats(0, 1000)),
        vae_elements=draw(st.floats(0, 5000)),
        native_px=draw(st.sampled_from([64, 512, 1024])),
        base_bytes=draw(st.integers(0, GIB)),
        workspace_bytes=draw(st.integers(0, GIB)),
    )


def measured(rung: Rung = Rung.RESIDENT, extent: Extent = SQUARE, **changes: object) -> Measured:
    row = Measured(
        device="a GPU",
        dtype="float16",
        rung=rung,
        width=extent.width,
        height=extent.height,
        batch=extent.batch,
        guided=extent.guided,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def expected(rung: Rung = Rung.RESIDENT, extent: Extent = SQUARE, *rows: Measured, climb_after: int = 50) -> int:
    return expected_bytes(ON_GPU, rung, extent, rows, climb_after=climb_after)


def taken(needed: float) -> int:
    """For how much a need is taken."""
    return int(needed * MARGIN) + SPARE_BYTES


@given(footprints(), EXTENTS, st.sampled_from([GPU_RUNGS, CPU_RUNGS]))
@settings(max_examples=examples(100))
def test_no_rung_takes_more_than_the_one_above_it(footprint: Footprint, extent: Extent, rungs: list[Rung]) -> None:
    figures = [predicted_bytes(footprint, rung, extent) for rung in rungs]
    for upper, lower in pairwise(figures):
        assert lower <= upper


@given(footprints(), EXTENTS, st.sampled_from(Rung))
@settings(max_examples=examples(50))
def test_a_further_picture_never_takes_less(footprint: Footprint, extent: Extent, rung: Rung) -> None:
    more = replace(extent, batch=extent.batch + 1)
    assert predicted_bytes(footprint, rung, extent) <= predicted_bytes(footprint, rung, more)


@pytest.mark.parametrize(
    ("rung", "most_gib"),
    [(Rung.RESIDENT, 2.9), (Rung.FP8_STORAGE, 2.0), (Rung.SEQUENTIAL_OFFLOAD, 1.0)],
)
def test_a_square_picture_of_sd_1_4_takes_no_more_than_promised(rung: Rung, most_gib: float) -> None:
    assert predicted_bytes(ON_GPU, rung, SQUARE) <= most_gib * GIB


@pytest.mark.parametrize(
    ("rung", "mib"),
    [
        (Rung.RESIDENT, 1639 + 160 + 800 + 32),
        (Rung.TILED_DECODE, 1639 + 160 + 235 + 32),  # the text encoder is there before a tile is
        (Rung.SPLIT_GUIDANCE, 1639 + 160 + 235 + 32),
        (Rung.FP8_STORAGE, 819.5 + 57 + 160 + 235 + 32),
        (Rung.MODEL_OFFLOAD, 819.5 + 57 + 82.5 + 32),
        (Rung.GROUP_OFFLOAD, 160 + 200 + 32),
        (Rung.SEQUENTIAL_OFFLOAD, 160 + 200 + 32),
    ],
)
def test_the_formula_adds_up_what_is_there_at_once(rung: Rung, mib: float) -> None:
    assert predicted_bytes(ON_GPU, rung, SQUARE) == int(mib * MIB)


@pytest.mark.parametrize(
    ("element_bytes", "rung", "mib"),
    [
        (2, Rung.CPU, 600 + 2614 + 500 + 147.51),
        (2, Rung.CPU_TILED_DECODE, 600 + 2614 + 165 + 147.51),
        (2, Rung.CPU_SPLIT_GUIDANCE, 600 + 2614 + 125 + 147.51),
        (2, Rung.CPU_HALF_WEIGHTS, 600 + 2614 + 147.51),
        (4, Rung.CPU_SPLIT_GUIDANCE, 600 + 5228 + 250 + 295.02),
        (4, Rung.CPU_HALF_WEIGHTS, 600 + 5228 - 1639 + 114 + 250 + 295.02),
    ],
)
def test_on_the_cpu_the_process_and_all_parts_count_and_narrowed_weights_are_read_whole(
    element_bytes: int, rung: Rung, mib: float
) -> None:
    assert predicted_bytes(on_cpu(element_bytes), rung, SQUARE) == pytest.approx(mib * MIB, abs=MIB)


@pytest.mark.parametrize(
    ("file_bytes", "rung", "mib"),
    [
        (4, Rung.CPU_MAPPED_WEIGHTS, 600 + 114 + 165 + 295.02),
        (2, Rung.CPU_MAPPED_WEIGHTS, 600 + 114 + 165 + 295.02),
        (2, Rung.CPU_HALF_WEIGHTS, 600 + 114 + 165 + 295.02),
        (4, Rung.CPU_HALF_WEIGHTS, 600 + 5228 - 1639 + 114 + 250 + 295.02),
        (0, Rung.CPU_MAPPED_WEIGHTS, 600 + 5228 - 1639 + 114 + 250 + 295.02),
        (4, Rung.CPU_SPLIT_GUIDANCE, 600 + 5228 + 250 + 295.02),
    ],
)
def test_weights_that_stay_in_their_files_take_nothing_but_a_layer_and_the_text_encoder_once(
    file_bytes: int, rung: Rung, mib: float
) -> None:
    footprint = replace(on_cpu(4), file_bytes=file_bytes)
    assert predicted_bytes(footprint, rung, SQUARE) == pytest.approx(mib * MIB, abs=MIB)


def test_a_square_picture_on_the_cpu_in_bfloat16_takes_no_more_than_promised() -> None:
    assert predicted_bytes(on_cpu(2), Rung.CPU, SQUARE) <= 4.0 * GIB


def test_a_part_that_visits_takes_the_place_of_what_is_computed_where_it_is_larger() -> None:
    held = on_cpu(4)
    visiting = replace(held, text_bytes=0, beside_bytes=0, visiting_bytes=630 * MIB)
    small = Extent(width=256, height=256)
    saved = predicted_bytes(held, Rung.CPU, SQUARE) - predicted_bytes(visiting, Rung.CPU, SQUARE)
    assert saved == held.text_bytes + held.beside_bytes
    assert predicted_bytes(visiting, Rung.CPU, small) - 630 * MIB == (
        held.base_bytes + held.unet_bytes + held.vae_bytes + held.workspace_bytes
    )


def test_the_parameters_of_a_unet_are_counted_in_the_format_that_it_computes_in() -> None:
    assert Footprint(unet_bytes=1_720_000_000, element_bytes=2).parameters == 860_000_000
    assert Footprint(unet_bytes=3_440_000_000, element_bytes=4).parameters == 860_000_000


def test_without_guidance_half_the_rows_are_computed() -> None:
    many = Extent(width=512, height=512, batch=16)
    rows = predicted_bytes(ON_GPU, Rung.RESIDENT, many) - predicted_bytes(
        ON_GPU, Rung.RESIDENT, replace(many, guided=False)
    )
    assert rows == (32 * 82.5 - 16 * 82.5) * MIB


def test_a_text_encoder_larger_than_all_else_is_what_counts() -> None:
    footprint = Footprint(unet_bytes=10, vae_bytes=5, text_bytes=1000)
    assert predicted_bytes(footprint, Rung.RESIDENT, Extent(width=0, height=0)) == 1015
    assert predicted_bytes(footprint, Rung.MODEL_OFFLOAD, Extent(width=0, height=0)) == 1000


@pytest.mark.parametrize(
    ("rung", "size", "side"),
    [
        (Rung.TILED_DECODE, (512, 512), 256),
        (Rung.TILED_DECODE, (912, 512), 512),
        (Rung.TILED_DECODE, (512, 912), 512),
        (Rung.SPLIT_GUIDANCE, (912, 512), 256),
    ],
)
def test_tiles_are_of_the_native_size_where_that_is_smaller_than_the_picture_and_memory_not_short(
    rung: Rung, size: tuple[int, int], side: int
) -> None:
    assert tile_px(512, RUNGS[rung], Extent(width=size[0], height=size[1])) == side


@pytest.mark.parametrize("size", sorted(set(NATIVE_512.values())))
@pytest.mark.parametrize(("usable_gib", "rung"), [(3.5, Rung.TILED_DECODE), (2 - 0.5, Rung.FP8_STORAGE)])
def test_every_shape_of_picture_has_a_rung_on_a_small_gpu(size: tuple[int, int], usable_gib: float, rung: Rung) -> None:
    extent = Extent(width=size[0], height=size[1])
    assert expected(rung, extent) <= usable_gib * GIB


@pytest.mark.parametrize(
    ("rung", "mib"), [(Rung.RESIDENT, 600 + 3194), (Rung.GROUP_OFFLOAD, 600 + 3194), (Rung.CPU, 0)]
)
def test_weights_for_the_gpu_come_through_the_host_s_memory(rung: Rung, mib: int) -> None:
    assert host_bytes(ON_GPU, rung) == mib * MIB


def test_what_was_never_drawn_here_takes_what_the_formula_says_and_a_little_more() -> None:
    assert expected() == taken(predicted_bytes(ON_GPU, Rung.RESIDENT, SQUARE))


def test_a_size_that_was_drawn_here_takes_what_it_took() -> None:
    assert expected(Rung.RESIDENT, SQUARE, measured(peak_bytes=GIB)) == taken(GIB)


def test_other_sizes_take_more_where_the_formula_was_too_low_and_no_less_where_it_was_too_high() -> None:
    wide = Extent(width=912, height=512)
    formula = predicted_bytes(ON_GPU, Rung.RESIDENT, SQUARE)
    low, high = measured(peak_bytes=formula * 2), measured(peak_bytes=formula // 2)
    plain = predicted_bytes(ON_GPU, Rung.RESIDENT, wide)
    assert expected(Rung.RESIDENT, wide, low) == taken(plain * 2)
    assert expected(Rung.RESIDENT, wide, high) == taken(plain)
    assert expected(Rung.TILED_DECODE, wide, low) == taken(predicted_bytes(ON_GPU, Rung.TILED_DECODE, wide))


def test_a_picture_without_guidance_says_nothing_of_one_with_it() -> None:
    unguided = replace(SQUARE, batch=4, guided=False)
    peak = predicted_bytes(ON_GPU, Rung.RESIDENT, unguided)
    known = measured(extent=unguided, peak_bytes=peak // 2)
    guided = replace(unguided, guided=True)
    assert expected(Rung.RESIDENT, guided, known) == taken(predicted_bytes(ON_GPU, Rung.RESIDENT, guided))
    assert expected(Rung.RESIDENT, unguided, known) == taken(peak // 2)


def test_a_model_without_weights_does_not_divide_by_nothing() -> None:
    nothing = Extent(width=0, height=0)
    row = measured(extent=nothing, peak_bytes=5)
    said = expected_bytes(Footprint(), Rung.RESIDENT, Extent(width=8, height=0), [row], climb_after=50)
    assert said == SPARE_BYTES


@pytest.mark.parametrize(
    ("extent", "counts"),
    [
        (SQUARE, True),
        (Extent(width=912, height=512), True),
        (Extent(width=512, height=512, batch=2), True),
        (Extent(width=512, height=504), False),
        (replace(SQUARE, guided=False), False),
        (Extent(width=1024, height=512, guided=False), True),
        (Extent(width=512, height=504, batch=4), False),
    ],
)
def test_a_refusal_counts_for_every_picture_that_is_no_smaller(extent: Extent, counts: bool) -> None:
    refusal = measured(refused_bytes=20 * GIB, refusals=1)
    said = expected(Rung.RESIDENT, extent, refusal)
    assert said == (int(20 * GIB * REFUSED) if counts else expected(Rung.RESIDENT, extent))
    assert expected(Rung.TILED_DECODE, extent, refusal) == expected(Rung.TILED_DECODE, extent)


def test_more_room_lifts_a_refusal_at_once() -> None:
    said = expected(Rung.RESIDENT, SQUARE, measured(refused_bytes=4 * GIB, refusals=1))
    assert 4 * GIB < said <= 4.2 * GIB


@pytest.mark.parametrize(
    ("extent", "lower", "refusals", "good"),
    [
        (SQUARE, [], 1, 50),
        (SQUARE, [], 2, 100),
        (SQUARE, [], 7, 50 * LONGEST),
        (SQUARE, [], 99, 50 * LONGEST),
        (Extent(width=912, height=512), [], 1, 50),
        (replace(SQUARE, batch=4), [], 1, 200),
        (replace(SQUARE, batch=4), [], 2, 400),
        (SQUARE, [Rung.TILED_DECODE], 1, 100),
        (SQUARE, [Rung.TILED_DECODE], 3, 250),
        (SQUARE, [Rung.TILED_DECODE, Rung.TILED_DECODE, Rung.FP8_STORAGE], 1, 150),
    ],
)
def test_a_refusal_is_forgotten_after_so_many_good_jobs_one_rung_at_a_time(
    extent: Extent, lower: list[Rung], refusals: int, good: int
) -> None:
    below = [measured(rung, refused_bytes=GIB, refusals=1, height=500 - number) for number, rung in enumerate(lower)]

    def counts(good_since: int) -> bool:
        refusal = measured(refused_bytes=20 * GIB, refusals=refusals, good_since=good_since, size_good_since=good_since)
        return expected(Rung.RESIDENT, extent, *below, refusal) >= 20 * GIB

    assert counts(good - 1)
    assert not counts(good)


@pytest.mark.parametrize(("batch", "good"), [(1, 50), (2, 100)])
def test_a_size_that_met_a_refusal_waits_for_as_many_good_jobs_of_its_own(batch: int, good: int) -> None:
    """Whatever it was refused, on whatever rung; sizes that met none need none."""
    long_ago = measured(refused_bytes=20 * GIB, refusals=1, good_since=999, size_good_since=999, height=256)

    def counts(extent: Extent, size_good_since: int) -> bool:
        own = measured(Rung.TILED_DECODE, refused_bytes=GIB, good_since=999, size_good_since=size_good_since)
        return expected(Rung.RESIDENT, replace(extent, batch=batch), long_ago, own) >= 20 * GIB

    assert counts(SQUARE, good - 1)
    assert not counts(SQUARE, good)
    assert not counts(Extent(width=520, height=512), 0)


def test_a_rung_above_that_was_refused_makes_nobody_wait_longer() -> None:
    lower = measured(Rung.TILED_DECODE, refused_bytes=20 * GIB, refusals=1, good_since=50, size_good_since=50)
    rows = [measured(refused_bytes=GIB, refusals=5, size_good_since=50), lower]
    assert expected(Rung.TILED_DECODE, SQUARE, *rows) == expected(Rung.TILED_DECODE)


def test_images_to_describe_take_the_same_each_whatever_their_size() -> None:
    footprint = Footprint(unet_bytes=1000, row_bytes=30)
    one, eight = (Extent(width=0, height=0, batch=batch, guided=False) for batch in (1, 8))
    for rung in (Rung.CPU, Rung.RESIDENT, Rung.FP8_STORAGE):
        assert predicted_bytes(footprint, rung, eight) - predicted_bytes(footprint, rung, one) == 7 * 30
    assert one.is_within(eight)
    assert not eight.is_within(one)


def test_captions_that_are_written_at_once_take_the_same_each_beside_their_image() -> None:
    footprint = Footprint(unet_bytes=1000, row_bytes=30, caption_bytes=5)
    plain = Extent(width=0, height=0, batch=2, guided=False)
    along_four = replace(plain, width=4)
    for rung in (Rung.CPU, Rung.RESIDENT, Rung.FP8_STORAGE):
        more = predicted_bytes(footprint, rung, along_four) - predicted_bytes(footprint, rung, plain)
        assert more == (8 - 2) * 5
    assert plain.is_within(along_four)
    assert not along_four.is_within(plain)
    assert not replace(plain, batch=3).is_within(along_four)
    assert not along_four.is_of_size(plain)
