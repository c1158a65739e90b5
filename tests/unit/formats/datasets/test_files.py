"""The files of a captioned set: JSON Lines, CSV and the contact sheet."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from io import StringIO

import pytest

from aura_daemon.formats.datasets import page
from aura_daemon.formats.datasets.page import contact_sheet
from aura_daemon.formats.datasets.rows import SetRow, alike, metadata_lines, table
from aura_daemon.jobs.tasks import PictureState, SetPicture

STYLE = "p{margin:0}"
NASTY = '"><script>alert(1)</script>&\u202e'


def row(
    name: str, text: str = "a cat", state: PictureState = PictureState.CAPTIONED, *, like: str = "", reason: str = ""
) -> SetRow:
    picture = SetPicture(file_name=name, image=f"set/{name}", place="", state=state, text=text, reason=reason)
    return SetRow(picture=picture, width=64, height=48, thumbnail=b"webp", looks_like=like)


ROWS = (
    row("a.png", "a cat, \u00e4\nblack"),
    row("in/b.png", like="a.png"),
    row("k.png", "mine", PictureState.KEPT),
    row("f.png", "", PictureState.FAILED, reason="it is broken, really"),
)


@pytest.mark.parametrize(
    ("holds_kept", "names"), [(False, ["a.png", "in/b.png"]), (True, ["a.png", "in/b.png", "k.png"])]
)
def test_the_list_has_a_line_for_each_picture_with_a_caption(holds_kept: bool, names: list[str]) -> None:
    found = [json.loads(line) for line in metadata_lines(ROWS, holds_kept=holds_kept).decode().splitlines()]
    assert [line["file_name"] for line in found] == names
    assert found[0] == {"file_name": "a.png", "text": "a cat, \u00e4\nblack"}


def test_the_table_has_a_line_for_every_picture() -> None:
    found = list(csv.DictReader(StringIO(table(ROWS).decode())))
    assert [line["state"] for line in found] == ["captioned", "captioned", "kept", "failed"]
    assert found[0]["text"] == "a cat, \u00e4\nblack"
    assert found[1]["looks_like"] == "a.png"
    assert found[3]["reason"] == "it is broken, really"
    unreadable = SetRow(picture=row("u.png").picture)
    assert next(csv.DictReader(StringIO(table([unreadable]).decode())))["width"] == ""


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r"])
def test_no_spreadsheet_computes_what_a_name_or_a_caption_says(begins: str) -> None:
    nasty = f'{begins}HYPERLINK("http://x","y").png'
    one = SetRow(picture=row(nasty, nasty, reason=nasty).picture, looks_like=nasty)
    found = next(csv.DictReader(StringIO(table([one]).decode(), newline="")))
    assert {name: cell for name, cell in found.items() if cell == f"'{nasty}"}.keys() == {
        *("file_name", "text", "looks_like", "reason")
    }
    assert found["image"] == f"set/{nasty}"
    assert json.loads(metadata_lines([one], holds_kept=False))["file_name"] == nasty


def test_names_that_are_no_text_are_escaped() -> None:
    odd = row("caf\udce9.png")
    assert json.loads(metadata_lines([odd], holds_kept=False))["file_name"] == "caf\\xe9.png"
    assert b"caf\\xe9.png" in table([odd])
    sheet = contact_sheet("set", ["*"], [odd], STYLE, has_pictures=True)
    assert b'href="./caf%E9.png"' in sheet


def test_groups_begin_with_the_first_picture() -> None:
    assert [[one.picture.file_name for one in group] for group in alike(ROWS)] == [["a.png", "in/b.png"]]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.mark.parametrize("has_pictures", [False, True])
def test_the_contact_sheet_needs_no_script_and_no_other_file(has_pictures: bool) -> None:
    rows = [*ROWS, row(f"{NASTY}.png", NASTY, reason=NASTY), SetRow(picture=row("u.png").picture)]
    sheet = contact_sheet(NASTY, [NASTY], rows, STYLE, has_pictures=has_pictures).decode()
    tags = Tags()
    tags.feed(sheet)
    assert "script" not in tags.names
    assert "\u202e" not in sheet
    links = [address for address in tags.addresses if not address.startswith("data:image/webp;base64,")]
    assert all(link.startswith("./") for link in links)
    assert bool(links) == has_pictures
    assert not re.search(r"url\(|@import|http", sheet)
    assert "not readable" in sheet


def test_the_figures_at_the_top_are_those_of_the_set() -> None:
    sheet = contact_sheet("set", ["*"], ROWS, STYLE, has_pictures=True).decode()
    assert re.findall(r"<b>([\d,]+)</b><span>([^<]+)", sheet) == [
        *(("4", "pictures"), ("2", "captioned"), ("1", "had their texts"), ("1", "failed")),
        ("1", "look like an earlier one"),
    ]
    alone = contact_sheet("set", ["*"], ROWS[:1], STYLE, has_pictures=True).decode()
    assert re.findall(r"<b>([\d,]+)</b><span>([^<]+)", alone) == [("1", "picture"), ("1", "captioned")]
    assert "Look alike" not in alone


def test_of_many_groups_the_first_are_shown() -> None:
    pairs = [one for n in range(page.MOST_GROUPS + 2) for one in (row(f"{n}a.png"), row(f"{n}b.png", like=f"{n}a.png"))]
    assert "2 more groups are in the table" in contact_sheet("set", ["*"], pairs, STYLE, has_pictures=False).decode()
