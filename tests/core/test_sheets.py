"""Which pictures lie where on one sheet."""

from __future__ import annotations

import pytest

from aura_daemon.core.request import Parsed, parse_job_file
from aura_daemon.core.sheets import Sheet


def sheets(text: str) -> list[Sheet]:
    found = parse_job_file(text.encode(), file="a.yaml")
    assert isinstance(found, Parsed), found
    return [sheet for sheet, _ in found.sheets]


@pytest.mark.parametrize(
    ("text", "columns", "across", "down"),
    [
        ("count: 3\nseed: 5", 3, ("seed 5", "seed 6", "seed 7"), ()),
        ("count: 12\nseed: 5", 4, (), ()),
        ("matrix: {steps: [4, 8]}", 2, ("steps 4", "steps 8"), ()),
        (
            "matrix: {steps: [4, 8], scheduler: [euler, ddim, lms]}",
            3,
            ("scheduler euler", "scheduler ddim", "scheduler lms"),
            ("steps 4", "steps 8"),
        ),
        (
            "seed: [1, 2]\nmatrix: {steps: [4, 8], guidance_scale: [3.0]}",
            2,
            ("seed 1", "seed 2"),
            ("steps 4", "steps 8"),
        ),
        (
            "matrix: {clip_skip: [1, 2], steps: [4, 8], hires: [null, {scale: 1.5}]}",
            2,
            ("hires none", "hires 1.5:0.5"),
            ("steps 4, clip skip 1", "steps 8, clip skip 1", "steps 4, clip skip 2", "steps 8, clip skip 2"),
        ),
        (
            "matrix: {loras: [[], [ink], [{name: ink, weight: 0.5}, oil]]}",
            3,
            ("loras none", "loras ink:1", "loras ink:0.5 + oil:1"),
            (),
        ),
    ],
)
def test_the_part_that_varies_fastest_runs_across(
    text: str, columns: int, across: tuple[str, ...], down: tuple[str, ...]
) -> None:
    (sheet,) = sheets(f"prompt: x\ngrid: true\n{text}\n")
    assert (sheet.columns, sheet.column_labels, sheet.row_labels) == (columns, across, down)


def test_long_words_are_cut_and_made_harmless() -> None:
    long = "word " * 30
    (sheet,) = sheets(f"prompt: '{{{long}|b}}'\nseed: 1\ngrid: true\n")
    assert [len(label) for label in sheet.column_labels] == [60, 1]
    assert sheet.column_labels[0].endswith("…")


def test_a_single_picture_needs_no_sheet_and_each_document_has_its_own() -> None:
    assert sheets("prompt: x\ngrid: true\n") == []
    assert sheets("prompt: x\ncount: 2\n") == []
    both = sheets("prompt: x\ncount: 2\ngrid: true\n---\nprompt: y\n---\nprompt: z\ncount: 3\ngrid: true\n")
    assert [(sheet.first, sheet.cells) for sheet in both] == [(0, 2), (3, 3)]
