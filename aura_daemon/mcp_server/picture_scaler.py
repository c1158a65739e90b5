"""Pictures as agents get them, made small by a process that is shut in. In: bytes of a result. Out: bytes, sizes.

The server of the tools decodes nothing: a stranger's picture may lie in the outbox, as a copy with its caption.
A process does that for one picture alone (`scaling_main`), and is believed no more than a worker is.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from aura_daemon.config.settings import Settings
from aura_daemon.errors import Problem
from aura_daemon.mcp_server.scaling import MIME_TYPES, ShownPicture
from aura_daemon.problems import cut

COMMAND: Final = (sys.executable, "-P", "-m", "aura_daemon.mcp_server.scaling_main")

PATIENCE_S: Final = 120.0
"""After so long a picture is given up: the largest that the limits allow take seconds."""

LEAST_DATA_BYTES: Final = 1 << 30
DATA_BYTES_A_PIXEL: Final = 16
"""Memory that the process may take: of its libraries, and of a picture that is decoded."""

MOST_PROBLEM: Final = 400
"""Characters of what the process says is wrong."""

_ANSWER_BYTES: Final = 1 << 16
_BYTES_A_PIXEL: Final = 3
"""A JPEG that is larger than its pixels is none that was asked for."""


def scaled_picture(
    content: bytes, settings: Settings, *, most_px: int, command: Sequence[str] = COMMAND
) -> ShownPicture | Problem:
    """A picture of which no side is longer than `most_px`; a problem where it is none, or has too many pixels."""
    most_pixels = settings.limits.image_pixels
    order = {
        "mode": settings.sandbox,
        "closed": [str(place) for place in (settings.inbox, settings.outbox, settings.state_folder())],
        "data_bytes": LEAST_DATA_BYTES + DATA_BYTES_A_PIXEL * most_pixels,
        "most_px": most_px,
        "most_pixels": most_pixels,
    }
    try:
        answer = _answer([*command, json.dumps(order)], content, _ANSWER_BYTES + _BYTES_A_PIXEL * most_px**2)
    except OSError as error:
        return Problem(message=f"cannot be shown: no process could be started to decode it ({error.strerror})")
    return _believed(answer, content, most_pixels)


def _answer(command: Sequence[str], content: bytes, most_bytes: int) -> bytes:
    """What the process says, up to so many bytes; raises OSError where it cannot be started."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    assert process.stdout is not None
    feeder = threading.Thread(target=_feed, args=(process.stdin, content), name="picture", daemon=True)
    timer = threading.Timer(PATIENCE_S, process.kill)
    feeder.start()
    timer.start()
    try:
        return process.stdout.read(most_bytes)
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
        feeder.join()


def _feed(stdin: Any, content: bytes) -> None:
    with suppress(OSError), stdin:  # a process that has ended reads no more
        stdin.write(content)


def _believed(answer: bytes, content: bytes, most_pixels: int) -> ShownPicture | Problem:
    """What the process said, if it is such as it may say."""
    line, _, changed = answer.partition(b"\n")
    try:
        told = json.loads(line)
        problem, kind = told.get("problem"), told.get("mime_type")
        size, shown = _size(told.get("size"), most_pixels), _size(told.get("shown"), most_pixels)
    except (ValueError, AttributeError, RecursionError):
        problem, kind, size, shown = None, None, None, None
    if isinstance(problem, str):
        return Problem(message=cut(problem, MOST_PROBLEM))
    if kind not in MIME_TYPES or size is None or shown is None:
        return Problem(message="cannot be read as a picture: the process that decodes it gave up, or was ended")
    return ShownPicture(content=changed or content, mime_type=kind, size=size, shown=shown)


def _size(told: object, most_pixels: int) -> tuple[int, int] | None:
    """Width and height."""
    if not isinstance(told, list) or len(told) != 2 or not all(type(side) is int and side > 0 for side in told):
        return None
    width, height = told
    return (width, height) if width * height <= most_pixels else None
