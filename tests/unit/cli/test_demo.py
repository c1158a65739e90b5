"""What `demo` prints in the end."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from aura_daemon.cli.demo import DemoRow, Results, shown, table_of
from aura_daemon.jobs.results import FailureKind
from tests.support.house import PNG, House, fail
from tests.support.programs import Program

ROWS = [
    DemoRow(
        dropped="cross.txt",
        prompt="a large purple cross on an orange background",
        result="outbox/cross.png",
        time="0.7 s",
    ),
    DemoRow(
        dropped="a[b]:smile:.png",
        result="outbox/holidays/[red]drawing.txt",
        message="says: a large orange star on a blue background",
        time="0.1 s\n+ 1.1 s loading",
    ),
]


def printed(rows: list[DemoRow], width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(table_of(rows, width))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return str(text).splitlines()


@pytest.mark.parametrize("width", [1000, 160, 100, 80, 72])
def test_names_and_times_are_whole_at_every_usual_width(width: int) -> None:
    lines = printed(ROWS, width)
    text = "\n".join(lines)
    for whole in (
        "cross.txt",
        "a[b]:smile:.png",
        "outbox/cross.png",
        "outbox/holidays/[red]drawing.txt",
        "+ 1.1 s loading",
    ):
        assert whole in text
    assert max(map(len, lines)) <= width


def test_where_there_is_room_nothing_is_broken() -> None:
    text = "\n".join(printed(ROWS, 160))
    assert "a large purple cross on an orange background" in text
    assert "says: a large orange star on a blue background" in text


def test_where_there_is_no_room_nothing_is_lost() -> None:
    letters = "".join(line.split("│")[1].strip() for line in printed(ROWS, 40) if line.count("│") == 2)
    assert "outbox/holidays/[red]drawing.txt" in letters


def test_without_results_there_is_only_the_heading() -> None:
    assert printed([], 80)[0].split() == ["dropped", "┃", "result", "┃", "time"]


def test_paths_are_as_one_would_type_them_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "outbox" / "a.png") == "outbox/a.png"
    assert shown(tmp_path.parent / "a\x1b[31m.png") == f"{tmp_path.parent}/a\\x1b[31m.png"


def test_what_was_dropped_is_printed_without_harm(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(house.root)
    house.drop("[red]\x1b[1m.yaml", b'prompt: "[bold]x[/bold]\\n\\u202e' + b"y" * 500 + b'"')
    house.drop("bad.yaml", b"steps: 0\n")
    results = Results()
    with house.daemon(listeners=[results]) as daemon:
        daemon.run()
    results.print()
    text = capsys.readouterr().out
    assert "[red]\\x1b[1m.yaml" in text
    assert "[bold]x[/bold]\\n\\u202ey" in text
    assert "y" * 61 not in text
    assert "outbox/[red]-[1m.png" in text
    assert "bad.yaml" in text
    assert "failed: " in text
    assert "\x1b" not in text


def test_what_an_earlier_inbox_left_in_the_queue_is_told_but_is_no_failure_of_the_demo(house: House) -> None:
    house.drop("drawing.png", PNG)
    assert house.drain(fail(FailureKind.MODEL_UNAVAILABLE)).waiting == 1
    shutil.rmtree(house.inbox)  # the whole folder was thrown away and made anew
    house.inbox.mkdir()
    ended = Program(house).call("demo")
    assert "drawing.png (of an earlier run)" in ended.stdout
    assert "index.html, for any browser" in ended.stdout
    assert ended.returncode == 0, ended.stderr
