from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.gallery.paging import Page, Paging, page_named, thumbnail_name

COUNTS = st.integers(0, 60_000)
SIZES = st.integers(1, 100)


@given(COUNTS, SIZES)
def test_every_result_stands_on_a_full_page_or_on_the_index(ended: int, size: int) -> None:
    paging = Paging(size=size, ended=ended)
    assert paging.full * size < paging.first_on_no_page <= ended + 1
    assert ended - paging.first_on_no_page + 1 < size
    assert paging.first_of_index <= paging.first_on_no_page


@given(COUNTS, SIZES, st.data())
def test_one_more_result_changes_no_page_that_is_full(ended: int, size: int, data: st.DataObject) -> None:
    before, after = Paging(size=size, ended=ended), Paging(size=size, ended=ended + 1)
    assert after.full - before.full in (0, 1)
    if before.full:
        page = before.page(data.draw(st.integers(0, before.full - 1)))
        assert after.page_of(page.first) == page
        assert (before.newer(page), before.older(page)) == (after.newer(page), after.older(page))


@given(st.integers(1, 60_000), SIZES)
def test_a_number_stands_on_the_page_whose_name_says_so(number: int, size: int) -> None:
    page = Paging(size=size, ended=number).page_of(number)
    assert page.first <= number <= page.last
    assert page_named(page.name) == page


def test_pages_lead_to_their_neighbours() -> None:
    paging = Paging(size=10, ended=35)
    assert paging.older(paging.page(0)) is None
    assert paging.older(paging.page(1)) == Page(first=1, last=10)
    assert paging.newer(paging.page(1)) == Page(first=21, last=30)


def test_what_is_missing_is_found_by_names_and_the_newest_is_made_first() -> None:
    paging = Paging(size=10, ended=35)
    assert paging.missing([paging.page(1).name, "index.html"]) == [Page(first=21, last=30), Page(first=1, last=10)]


def test_pages_of_another_size_are_strange_and_foreign_files_are_not_ours_to_judge() -> None:
    strange = ["results-0000001-0000048.html", "results-0000003-0000012.html"]
    names = ["results-0000001-0000010.html", *strange, "notes.html"]
    assert Paging(size=10, ended=35).strange(names) == strange


@pytest.mark.parametrize(
    "name", ["results-1-10.html", "results-0000000-0000010.html", "results-0000001-0000010.htm", "x"]
)
def test_other_names_are_no_pages(name: str) -> None:
    assert page_named(name) is None


def test_thumbnails_lie_in_a_folder_for_each_day() -> None:
    name = thumbnail_name("20261127T223222.356-76f64f-001")
    assert name == "aura-gallery/thumbnails/20261127/20261127T223222.356-76f64f-001.webp"


@pytest.mark.parametrize(
    ("ended", "first", "pages"),
    [
        (0, 1, []),
        (9, 1, []),
        (10, 1, []),
        (10, 5, [(1, 10)]),
        (25, 11, [(1, 10)]),
        (25, 14, [(11, 20), (1, 10)]),
        (35, 21, [(11, 20), (1, 10)]),
        (35, 25, [(21, 30), (1, 10)]),
    ],
)
def test_the_index_leads_to_the_page_with_what_it_does_not_show(
    ended: int, first: int, pages: list[tuple[int, int]]
) -> None:
    found = Paging(size=10, ended=ended).behind_index(first)
    assert [(page.first, page.last) for page in found] == pages
