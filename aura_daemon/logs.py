"""One log, one line a transition, job id first: text for people, JSON for machines. In: level, format. Out: stderr."""

from __future__ import annotations

import json
import sys
from typing import Final, TextIO

from loguru import logger

HUMAN: Final = "<green>{time:YYYY-MM-DD HH:mm:ss}</green> <level>{level: <7}</level> {message}"


def set_up(level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Sends the log to a stream (default: stderr), in place of whatever was set up before."""
    sink = stream if stream is not None else sys.stderr
    logger.remove()
    if log_format == "json":
        logger.add(lambda message: _write_json(sink, message), level=level, format="{message}", backtrace=False)
    else:
        logger.add(sink, level=level, format=HUMAN, backtrace=False, diagnose=False)


def _write_json(sink: TextIO, message: object) -> None:
    """One JSON object a line."""
    record = message.record  # type: ignore[attr-defined]
    fields = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": record["message"],
        "module": record["name"],
    }
    if record["exception"] is not None:
        fields["exception"] = str(record["exception"].value)
    sink.write(json.dumps(fields, ensure_ascii=False) + "\n")
    sink.flush()
