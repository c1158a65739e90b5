"""Sets up the log on stderr, as text or as JSON. In: level and format. Out: one line per event, job id first."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

from loguru import logger

if TYPE_CHECKING:
    from loguru import Message

TEXT_FORMAT: Final = "<green>{time:YYYY-MM-DD HH:mm:ss}</green> <level>{level: <7}</level> {extra[prefix]}{message}"


def set_up(level: str, log_format: str, *, prefix: str = "") -> None:
    """Sends the log to stderr, replacing earlier settings; `prefix` stands before each message."""
    logger.remove()
    logger.configure(extra={"prefix": prefix})
    if log_format == "json":
        logger.add(_write_json, level=level, format="{message}", backtrace=False, diagnose=False)
    else:
        logger.add(sys.stderr, level=level, format=TEXT_FORMAT, backtrace=False, diagnose=False)


def _write_json(message: Message) -> None:
    record = message.record
    fields = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": record["extra"].get("prefix", "") + record["message"],
        "module": record["name"],
    }
    if record["exception"] is not None:
        fields["exception"] = str(record["exception"].value)
    sys.stderr.write(json.dumps(fields) + "\n")
    sys.stderr.flush()
