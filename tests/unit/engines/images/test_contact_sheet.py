"""Many pictures on one sheet, with labels."""

from __future__ import annotations

from io import BytesIO

import numpy
import pytest
from PIL import Image

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.contact_sheet import EMPTY, GAP_PX, MOST_PX, PAPER, draw_grid
from aura_daemon.jobs.requests import GridRequest

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255)]


def flat(colour: tuple[int, int, int], size: tuple[int, int] = (128, 128)) -> bytes:
    content = BytesIO()
    Image.new("RGB", size, colour).save(content, "PNG")
    return content.getvalue()


def drawn(count: int, columns: int, *, size: tuple[int, int] = (128, 128), **labels: tuple[str, ...]) -> Image.Image:
    cells = tuple(map(str, range(count)))
    pictures = [flat(COLOURS[index % len(COLOURS)], size) for index in range(count)]
    return draw_grid(GridRequest(cells=cells, columns=columns, **labels), pictures, EngineSettings())


def test_pictures_lie_row_by_row_with_gaps_between() -> None:
    sheet = drawn(5, 3)
    assert sheet.size == (3 * 128 + 2 * GAP_PX, 2 * 128 + GAP_PX)
    for index in range(5):
        row, column = divmod(index, 3)
        assert sheet.getpixel((column * (128 + GAP_PX) + 64, row * (128 + GAP_PX) + 64)) == COLOURS[index]
    assert sheet.getpixel((sheet.width - 5, sheet.height - 5)) == PAPER


def test_a_photo_before_the_pictures_takes_no_more_room_than_they_do() -> None:
    request = GridRequest(cells=("1", "2"), columns=3, image="photo.jpg")
    pictures = [flat(COLOURS[0], (4000, 3000)), flat(COLOURS[1], (64, 32)), flat(COLOURS[2], (32, 64))]
    sheet = draw_grid(request, pictures, EngineSettings())
    assert sheet.size == (3 * 64 + 2 * GAP_PX, 64)
    assert [sheet.getpixel((index * (64 + GAP_PX) + 32, 32)) for index in range(3)] == COLOURS[:3]
    assert sheet.getpixel((32, 4)) == PAPER
    lone = draw_grid(request, [flat(COLOURS[0]), None, None], EngineSettings())
    assert lone.size == (3 * 128 + 2 * GAP_PX, 128)
    assert draw_grid(request, [None, *pictures[1:]], EngineSettings()).size == sheet.size


def test_labels_stand_above_the_columns_and_left_of_the_rows() -> None:
    plain = drawn(4, 2)
    sheet = drawn(4, 2, column_labels=("steps 10", "steps 20"), row_labels=("euler", "ddim"))
    left, top = sheet.width - plain.width, sheet.height - plain.height
    assert left > 20
    assert top > 10
    numpy.testing.assert_array_equal(numpy.asarray(sheet)[top:, left:], numpy.asarray(plain))
    pixels = numpy.asarray(sheet.convert("L"))
    for written in (pixels[:top, left : left + 128], pixels[:top, left + 132 :], pixels[top : top + 128, :left]):
        assert (written < 128).sum() > 20
    assert (pixels[:top, :left] == 255).all()


def test_long_labels_take_more_lines_and_are_cut_in_the_end() -> None:
    one, many = (drawn(1, 1, column_labels=(label,)).height for label in ("short", "many more words than fit " * 9))
    assert one < many < one + 60
    assert drawn(1, 1, column_labels=("many more words than fit " * 99,)).height == many


def test_names_that_differ_at_their_ends_can_be_told_apart_however_small_the_cells() -> None:
    names = ("scheduler dpm++_2m_sde_karras", "scheduler dpm++_2m_sde")
    for side in ({"column_labels": names}, {"cell_labels": names}):
        sheet = drawn(2, 2, size=(64, 64), **side)
        first, second = (numpy.asarray(sheet)[:, left : left + 64] for left in (0, 64 + GAP_PX))
        above, below = (sheet.height - 64, None) if "column_labels" in side else (None, -(sheet.height - 64))
        assert (first[:above][below:] != second[:above][below:]).any()
    told = ("guidance scale 7.5, scheduler dpm++_2m_sde_karras", "guidance scale 7.5, scheduler dpm++_2m_sde")
    sheet = drawn(2, 1, size=(64, 64), row_labels=told)
    upper, lower = (numpy.asarray(sheet)[top : top + 64, : sheet.width - 64] for top in (0, 64 + GAP_PX))
    assert (upper != lower).any()


def test_labels_of_cells_stand_below_each_of_them() -> None:
    sheet = drawn(3, 2, cell_labels=("seed 1", "seed 2", "seed 3"))
    below = (sheet.height - 2 * 128 - GAP_PX) // 2
    assert 10 < below < 30
    pixels = numpy.asarray(sheet.convert("L"))
    for index in range(3):
        row, column = divmod(index, 2)
        top, left = row * (128 + below + GAP_PX), column * (128 + GAP_PX)
        assert sheet.getpixel((left + 64, top + 64)) == COLOURS[index]
        assert (pixels[top + 128 : top + 128 + below, left : left + 128] < 128).sum() > 20
    assert (pixels[-below:, 128 + GAP_PX :] == 255).all()


def test_a_picture_that_failed_leaves_a_cell_that_says_so() -> None:
    sheet = draw_grid(GridRequest(cells=("a", "b"), columns=2), [flat(COLOURS[0]), None], EngineSettings())
    cell = numpy.asarray(sheet)[:, 128 + GAP_PX :]
    assert tuple(cell[2, 2]) == EMPTY
    assert (cell.mean(axis=2) < 100).any()
    assert draw_grid(GridRequest(cells=("a",), columns=1), [None], EngineSettings()).size == (64, 64)


@pytest.mark.parametrize(("count", "columns", "size"), [(100, 10, (1024, 512)), (100, 1, (512, 1024))])
def test_a_sheet_stays_within_bounds(count: int, columns: int, size: tuple[int, int]) -> None:
    sheet = drawn(count, columns, size=size)
    assert max(sheet.size) <= MOST_PX
    assert sheet.getpixel((2, 2)) == COLOURS[0]


def test_pictures_of_different_sizes_keep_their_shape() -> None:
    request = GridRequest(cells=("a", "b"), columns=2)
    sheet = draw_grid(request, [flat(COLOURS[0], (128, 64)), flat(COLOURS[2], (64, 128))], EngineSettings())
    assert sheet.size == (2 * 128 + GAP_PX, 128)
    assert sheet.getpixel((64, 10)) == PAPER
    assert sheet.getpixel((64, 64)) == COLOURS[0]
    assert sheet.getpixel((128 + GAP_PX + 10, 64)) == PAPER
