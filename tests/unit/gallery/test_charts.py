from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from aura_daemon.gallery.charts import HEIGHT, LEFT, MOST_BARS, TOP, WIDTH, chart
from aura_daemon.gallery.entries import STAGES, EntryKind, GalleryEntry
from aura_daemon.gallery.rendering import IndexContent, Renderer


def entry(number: int, seconds: float = 1.0, rung: str = "cpu", kind: EntryKind = EntryKind.PICTURE) -> GalleryEntry:
    stages = {stage: seconds / len(STAGES) for stage in STAGES}
    return GalleryEntry(number=number, id=f"job-{number}", kind=kind, name=f"{number}.png", stages=stages, rung=rung)


@pytest.mark.parametrize("entries", [[], [entry(1)], [entry(1, kind=EntryKind.FAILURE)] * 5])
def test_fewer_than_two_results_are_no_chart(entries: list[GalleryEntry]) -> None:
    assert chart(entries) is None


@pytest.mark.parametrize("seconds", [0.0004, 0.03, 1.0, 2.4, 95.0, 7000.0])
def test_every_bar_lies_within_the_drawing(seconds: float) -> None:
    drawn = chart([entry(number, seconds * number) for number in range(1, 90)])
    assert drawn is not None
    assert len(drawn.columns) == MOST_BARS
    for column in drawn.columns:
        for bar in column.bars:
            assert bar.x >= LEFT and bar.x + bar.width <= WIDTH
            assert bar.y >= TOP - 1 and bar.y + bar.height <= TOP + HEIGHT + 1
    assert drawn.ticks[0][1] == "0"


def test_rungs_have_rows_in_the_order_of_the_ladder_and_unknown_ones_come_last() -> None:
    drawn = chart([entry(1, rung="cpu"), entry(2, rung="resident"), entry(3, rung="a new one"), entry(4, rung="cpu")])
    assert drawn is not None
    assert [name for _, name in drawn.rungs] == ["resident", "cpu", "a new one"]
    assert len({column.rung_y for column in drawn.columns}) == 3


def test_stages_that_took_no_time_are_not_in_the_legend() -> None:
    stages = {**dict.fromkeys(STAGES, 0.0), "denoised": 12.0}
    one = GalleryEntry(number=1, id="a", kind=EntryKind.PICTURE, name="a.png", stages=stages, rung="cpu")
    drawn = chart([one, one])
    assert drawn is not None
    assert [(row.name, row.median) for row in drawn.stages] == [("denoise", "12.0 s")]
    assert "denoise 12.0 s" in drawn.summary


def test_results_that_took_no_time_at_all_are_drawn_too() -> None:
    stages = dict.fromkeys(STAGES, 0.0)
    one = GalleryEntry(number=1, id="a", kind=EntryKind.CAPTION, name="a.txt", stages=stages, rung="none")
    assert chart([one, one]) is not None


def test_the_drawing_is_well_formed_and_names_are_text_in_it() -> None:
    hostile = GalleryEntry(
        number=1, id="a", kind=EntryKind.PICTURE, name='</title><b>&"', stages=entry(1).stages, rung="<i>"
    )
    content = IndexContent(now="2026-01-01T00:00:00+00:00")
    page = Renderer(title="outbox", page_size=48).index(content, [], [], chart([hostile, entry(2)])).decode()
    svg = page[page.index('<svg viewBox="0 0 720') :]
    tree = ET.fromstring(svg[: svg.index("</svg>") + 6])
    assert tree.findall("g/title")[
        0
    ].text == '</title><b>&": load 200 ms, encode 200 ms, denoise 200 ms, decode 200 ms, ' + ("write 200 ms; rung <i>")
