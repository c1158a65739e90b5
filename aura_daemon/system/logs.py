"""Sets up the log on stderr and in a file, as text or JSON. In: level, format. Out: a line per event, job id first."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from loguru import logger

if TYPE_CHECKING:
    from loguru import Message, Record

    from aura_daemon.system.log_file import LogFile

TEXT_FORMAT: Final = "<green>{time:YYYY-MM-DD HH:mm:ss}</green> <level>{level: <7}</level> {extra[prefix]}{message}"
WORKER: Final = "worker: "
"""Stands before the messages of a worker."""

_JSON_FORMAT: Final = "{extra[json]}\n"


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
        from aura_daemon.system.log_file import Rotation

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
