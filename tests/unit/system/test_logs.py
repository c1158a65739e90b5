"""The log file: its lines, when it is put aside, and how many are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from aura_daemon.daemon.assembly import log_file_of
from aura_daemon.errors import UserError
from aura_daemon.system import logs
from aura_daemon.system.logs import LogFile, Rotation
from tests.support.house import House
from tests.support.plain_user import as_a_plain_user


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "aura.log"


@pytest.fixture(autouse=True)
def no_sinks() -> Iterator[None]:
    yield
    logger.remove()
    logger.configure(extra={"prefix": ""})


def log_file(path: Path, **changes: Any) -> LogFile:
    return LogFile(**{"path": path, "size_bytes": None, "age_s": None, "keep": 5, **changes})


def test_lines_go_to_stderr_and_to_the_file_which_has_no_colours(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up("INFO", "text", log_file=log_file(path))
    logger.info("a job with <red> and {braces}")
    logger.debug("not told")
    (line,) = path.read_text(encoding="utf-8").splitlines()
    assert line[20:] == "INFO    a job with <red> and {braces}"
    assert "a job with <red> and {braces}" in capsys.readouterr().err


def test_lines_of_json_are_the_same_in_both(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("INFO", "json", log_file=log_file(path))
    logger.info("a {} job", "fine")
    (line,) = path.read_text(encoding="utf-8").splitlines()
    assert line == capsys.readouterr().err.strip()
    assert json.loads(line)["message"] == "a fine job"


def test_a_large_file_is_put_aside_and_only_so_many_are_kept(path: Path) -> None:
    kept = log_file(path, size_bytes=1000, keep=2)
    logs.set_up("INFO", "text", log_file=kept)
    (path.parent / "aura.yaml").write_text("somebody's", encoding="utf-8")
    for number in range(100):
        logger.info("line {} {}", number, "x" * 60)
    names = sorted(place.name for place in path.parent.iterdir())
    assert len(names) == 4
    assert len(kept.aside(names)) == 2
    assert all(place.stat().st_size <= 1000 for place in path.parent.iterdir())
    assert "line 99" in path.read_text(encoding="utf-8")


def test_none_is_kept_where_that_is_said(path: Path) -> None:
    logs.set_up("INFO", "text", log_file=log_file(path, size_bytes=200, keep=0))
    for number in range(20):
        logger.info("line {} {}", number, "x" * 60)
    logger.remove()
    assert [place.name for place in path.parent.iterdir()] == ["aura.log"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_old_file_is_put_aside_whatever_process_began_it(path: Path, log_format: str) -> None:
    old = log_file(path, age_s=3600.0)
    logs.set_up("INFO", log_format, log_file=old)
    logger.info("the first line")
    logger.remove()
    rotation = Rotation(old)
    with path.open("a", encoding="utf-8") as file:
        for minutes, is_due in ((0, False), (59, False), (61, True)):
            message: Any = type("Line", (str,), {"record": {"time": datetime.now() + timedelta(minutes=minutes)}})("x")
            assert rotation(message, file) is is_due


def test_an_empty_file_is_never_put_aside(path: Path) -> None:
    small = log_file(path, size_bytes=1, age_s=1.0)
    small.prepare()
    message: Any = type("Line", (str,), {"record": {"time": datetime.now()}})("a long line")
    with path.open("a", encoding="utf-8") as file:
        assert not Rotation(small)(message, file)


def test_a_file_that_cannot_be_written_is_refused_with_the_mend(place_for_all: Path) -> None:
    (place_for_all / "closed").mkdir(mode=0o555)
    with as_a_plain_user(), pytest.raises(UserError, match=r"log_file.path: .*aura.log cannot be written: .*chmod"):
        log_file(place_for_all / "closed" / "aura.log").prepare()


def test_it_is_where_the_configuration_says(house: House) -> None:
    assert log_file_of(house.settings()) is None
    found = log_file_of(house.settings(log_file={"path": "/var/log/aura.log", "size": "1 MB", "age": "7d", "keep": 3}))
    assert found == LogFile(path=Path("/var/log/aura.log"), size_bytes=10**6, age_s=604_800, keep=3)
