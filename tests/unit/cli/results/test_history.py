"""`history` is a table for people and lines of JSON for programs; times are written as people write them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from aura_daemon.cli.results.history import moment, row_of, table, wanted, when
from aura_daemon.daemon.history import Ending
from aura_daemon.errors import UserError
from aura_daemon.jobs.requests import JobKind
from tests.support.house import House
from tests.unit.cli.conftest import Call
from tests.unit.cli.watch.test_view import OUTBOX, RESULTS

HERE = timezone(timedelta(hours=2))
NOW = datetime(2026, 5, 31, 18, 0, tzinfo=HERE)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2h", "2026-05-31T16:00:00+02:00"),
        ("90 m", "2026-05-31T16:30:00+02:00"),
        ("2 days", "2026-05-29T18:00:00+02:00"),
        ("3d", "2026-05-28T18:00:00+02:00"),
        ("1w", "2026-05-24T18:00:00+02:00"),
        ("today", "2026-05-31T00:00:00+02:00"),
        ("yesterday", "2026-05-30T00:00:00+02:00"),
        ("now", "2026-05-31T18:00:00+02:00"),
        ("2026-05-01", "2026-05-01T00:00:00+02:00"),
        ("2026-05-01 07:30", "2026-05-01T07:30:00+02:00"),
        ("07:30", "2026-05-31T07:30:00+02:00"),
        ("2026-05-01T07:30:00+00:00", "2026-05-01T07:30:00+00:00"),
    ],
)
def test_times_are_read_as_people_write_them(text: str, found: str) -> None:
    assert moment("since", text, now=NOW).isoformat() == found


@pytest.mark.parametrize("text", ["", "lastweek", "2026-13-01", "2 fortnights", "h", "99999999999y"])
def test_what_is_no_time_is_told_with_what_is_one(text: str) -> None:
    with pytest.raises(UserError, match=r"until: must be a date \(2026-05-31\)"):
        moment("until", text, now=NOW)


def test_the_command_line_becomes_a_filter() -> None:
    found = wanted("cat", kind="caption", failed=True, since="2026-05-01", until=None)
    assert (found.text, found.kind, found.ending, found.until) == ("cat", JobKind.CAPTION, Ending.FAILED, None)
    assert found.since is not None
    assert wanted("", kind=None, failed=False, since=None, until=None).ending is Ending.DONE


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 5, 31, 15, 4, 5, tzinfo=UTC), "17:04:05"),
        (datetime(2026, 5, 30, 15, 4, 5, tzinfo=UTC), "May 30 17:04"),
        (datetime(2025, 5, 30, 15, 4, 5, tzinfo=UTC), "2025-05-30"),
    ],
)
def test_moments_are_as_short_as_they_are_clear(moment: datetime, text: str) -> None:
    assert when(moment, now=NOW) == text


@pytest.mark.parametrize(
    ("width", "has_time", "has_prompt"), [(100, True, True), (60, True, False), (40, False, False)]
)
def test_a_narrow_table_leaves_out_what_has_no_room(width: int, has_time: bool, has_prompt: bool) -> None:
    console = Console(file=StringIO(), width=width, highlight=False)
    console.print(table(RESULTS[:2], OUTBOX, now=NOW, width=width))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    assert ("4.1 s" in text, "[red] bicycle" in text) == (has_time, has_prompt)
    assert "a-red-bicycle" in text


def test_it_prints_a_line_an_entry_and_json_on_request(call: Call, house: House) -> None:
    house.drop("cat.yaml", b"prompt: a cat\n")
    house.drop("bad.yaml", b"steps: 0\nprompt: x\n")
    house.drain()
    code, out, _ = call("history")
    assert (code, len(out.splitlines())) == (0, 2)
    code, out, err = call("history", "--json", "a", "CAT")
    (line,) = out.splitlines()
    assert (code, err, json.loads(line)["output"]) == (0, "", str(house.outbox / "cat.png"))
    assert call("history", "unicorn") == (0, "", "nothing that ended matches\n")


def test_open_prints_the_result_and_says_why_it_was_not_opened(
    call: Call, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("cat", "dog", "catfish"):
        house.drop(f"{name}.yaml", f"prompt: a {name}\n".encode())
        house.drain()
    place = house.outbox
    note = "not opened: there is no display here\n"
    assert call("open") == (0, f"{place / 'catfish.png'}\n", note)
    assert call("open", "2", "--print") == (0, f"{place / 'dog.png'}\n", "")
    assert call("open", "cat", "--print") == (0, f"{place / 'cat.png'}\n", "")  # called so, though another is newer
    assert call("open", "atfi", "--print") == (0, f"{place / 'catfish.png'}\n", "")
    Path(place / "catfish.png").unlink()
    assert call("open", "--print") == (0, f"{place / 'dog.png'}\n", "")
    assert call("open", "9") == (1, "", "error: there are 2 results, no more\n")
    assert call("open", "bird") == (1, "", "error: no result is called bird: `aura-daemon history` lists them\n")


def test_a_benchmark_which_has_neither_prompt_nor_caption_is_called_so() -> None:
    entry = replace(RESULTS[0], kind=JobKind.BENCHMARK, ending=Ending.DONE, failure=None, text="")
    assert row_of(entry, OUTBOX, now=datetime.now(UTC))[-1].plain == "benchmark"
