"""Sets up the log on stderr and in a file, as text or JSON. In: level, format. Out: a line per event, job id first.

loguru puts a file aside as `NAME.<date>.log` when it is large or old. The daemon writes the worker's lines too
(`relay`): two processes that write one file would lose lines when it is put aside.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from loguru import logger

from aura_daemon.errors import Problem, UserError
from aura_daemon.system.permissions import why_denied

if TYPE_CHECKING:
    from loguru import Message, Record

TEXT_FORMAT: Final = "<green>{time:YYYY-MM-DD HH:mm:ss}</green> <level>{level: <7}</level> {extra[prefix]}{message}"
WORKER: Final = "worker: "
"""Stands before the messages of a worker."""

_JSON_FORMAT: Final = "{extra[json]}\n"

_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d")
"""The time of a line, as text or within JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogFile:
    """Where the file is, and when it is put aside; None: never."""

    path: Path
    size_bytes: int | None
    age_s: float | None
    keep: int
    """Number of files that were put aside and are kept."""

    def prepare(self) -> None:
        """Makes its folder; raises UserError where the file cannot be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8"):
                pass
        except OSError as error:
            message = f"{self.path} cannot be written: {why_denied(error, self.path, writes=True)}"
            raise UserError([Problem(key="log_file.path", message=message)]) from None

    def aside(self, files: Iterable[str]) -> list[Path]:
        """Those of some files that were put aside, the oldest first."""
        name = re.compile(re.escape(self.path.stem) + r"\.\d{4}-\d\d-\d\d_.*" + re.escape(self.path.suffix))
        return sorted((file for file in map(Path, files) if name.fullmatch(file.name)), key=lambda file: file.name)

    def forget_oldest(self, files: Iterable[str]) -> None:
        """Deletes more files than are to be kept; called by loguru."""
        aside = self.aside(files)
        for file in aside[: max(0, len(aside) - self.keep)]:
            with suppress(OSError):  # it is tried again with the next one
                file.unlink()


def set_up(level: str, log_format: str, *, prefix: str = "", log_file: LogFile | None = None) -> None:
    """Sends the log to stderr and to a file, replacing earlier settings; `prefix` stands before each message.

    Raises UserError where the file cannot be written.
    """
    logger.remove()
    logger.configure(extra={"prefix": prefix})
    if log_format == "json":
        logger.add(_write_json, level=level, format="{message}", backtrace=False, diagnose=False, filter=_is_own)
    else:
        logger.add(sys.stderr, level=level, format=TEXT_FORMAT, backtrace=False, diagnose=False, filter=_is_own)
    if log_file is not None:
        log_file.prepare()
        logger.add(
            log_file.path,
            level=level,
            format=_json_line if log_format == "json" else TEXT_FORMAT,
            colorize=False,
            backtrace=False,
            diagnose=False,
            encoding="utf-8",
            rotation=Rotation(log_file),
            retention=log_file.forget_oldest,
        )


def relay(level: str, message: str, *, prefix: str) -> None:
    """Writes a line of another process, which has written it to stderr itself, to the file."""
    logger.bind(is_relayed=True, prefix=prefix).log(level, "{}", message)


def send(write: Callable[[Message], None], level: str) -> None:
    """Passes every line on to a function, too."""
    logger.add(write, level=level, format="{message}", backtrace=False, diagnose=False)


class Rotation:
    """Decides before each line whether the file is put aside; called by loguru."""

    def __init__(self, log_file: LogFile) -> None:
        self._log_file = log_file
        self._born: datetime | None = None

    def __call__(self, message: Message, file: TextIO) -> bool:
        """Whether the file is too large for the line, or too old."""
        file.seek(0, os.SEEK_END)
        length, now = file.tell(), message.record["time"].replace(tzinfo=None)
        if self._born is None or length == 0:
            self._born = _first_time(self._log_file.path) or now
        size_bytes, age_s = self._log_file.size_bytes, self._log_file.age_s
        is_large = size_bytes is not None and length + len(message.encode()) > size_bytes
        is_old = age_s is not None and (now - self._born).total_seconds() > age_s
        return length > 0 and (is_large or is_old)


def _first_time(path: Path) -> datetime | None:
    """The local time of the first line of a file; None where it has none."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            found = _STAMP.search(file.readline(200))
        return datetime.fromisoformat(found[0]) if found is not None else None
    except (OSError, ValueError):
        return None


def _is_own(record: Record) -> bool:
    """Whether a line was written by this process."""
    return "is_relayed" not in record["extra"]


def _write_json(message: Message) -> None:
    sys.stderr.write(_as_json(message.record) + "\n")
    sys.stderr.flush()


def _json_line(record: Record) -> str:
    record["extra"]["json"] = _as_json(record)
    return _JSON_FORMAT


def _as_json(record: Record) -> str:
    fields = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": record["extra"].get("prefix", "") + record["message"],
        "module": record["name"],
    }
    if record["exception"] is not None:
        fields["exception"] = str(record["exception"].value)
    return json.dumps(fields)
