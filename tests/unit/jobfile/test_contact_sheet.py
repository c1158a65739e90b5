"""Which pictures lie where on one sheet."""

from __future__ import annotations

import pytest

from aura_daemon.jobfile.contact_sheet import ContactSheet
from aura_daemon.jobfile.parser import ParsedFile
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobs.sources import SourceKind


def sheets(text: str) -> list[ContactSheet]:
    found = parse(SourceKind.JOB_FILE, text.encode(), file="a.yaml")
    assert isinstance(found, ParsedFile), found
    return [sheet for sheet, _ in found.sheets]


@pytest.mark.parametrize(
    ("text", "columns", "across", "down"),
    [
        ("count: 3\nseed: 5", 3, ("seed 5", "seed 6", "seed 7"), ()),
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


@pytest.mark.parametrize(
    ("prompt", "across", "down"),
    [
        ("a {red|blue} cat", ("… red …", "… blue …"), ()),
        ("{red|blue} cat", ("red …", "blue …"), ()),
        ("a cat{| asleep| that runs}", ("…", "… asleep", "… that runs"), ()),
        ("{a a|a a a}", ("…", "… a"), ()),
        ("{cat|dog}", ("cat", "dog"), ()),
        ("a {red|blue} {cat|dog}", ("… cat", "… dog"), ("… red …", "… blue …")),
    ],
)
def test_of_texts_the_words_that_differ_are_said(prompt: str, across: tuple[str, ...], down: tuple[str, ...]) -> None:
    matrix = f"matrix: {{prompt: ['{prompt}']}}" if not down else ""
    if down:
        first, second = (prompt.replace("{red|blue}", colour) for colour in ("red", "blue"))
        matrix = f"matrix: {{prompt: ['{first}', '{second}']}}"
    (sheet,) = sheets(f"grid: true\nseed: 1\n{matrix}\n")
    assert (sheet.column_labels, sheet.row_labels, sheet.cell_labels) == (across, down, ())


@pytest.mark.parametrize(
    ("text", "columns", "labels"),
    [
        ("prompt: x\ncount: 12\nseed: 5", 4, tuple(f"seed {seed}" for seed in range(5, 17))),
        # What stands below one another has nothing in common, or there are not as many of it.
        ("seed: 1\nmatrix: {prompt: ['{a|b}', x, y]}", 2, ("a", "b", "x", "y")),
        ("seed: 1\nmatrix: {prompt: [x, '{a|b}']}", 2, ("x", "a", "b")),
        ("seed: 1\nmatrix: {prompt: ['{a|b|c|d|e|f|g|h|i|j|k|l}', x]}", 10, (*"abcdefghijkl", "x")),
    ],
)
def test_where_columns_and_rows_have_no_label_each_cell_has_its_own(
    text: str, columns: int, labels: tuple[str, ...]
) -> None:
    (sheet,) = sheets(f"grid: true\n{text}\n")
    assert (sheet.columns, sheet.cell_labels) == (columns, labels)
    assert (sheet.column_labels, sheet.row_labels) == ((), ())


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
