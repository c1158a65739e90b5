"""Can what `http` and `metrics` name be used? In: settings. Out: every problem; the token of the HTTP server."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from aura_daemon.config.monitoring import HttpConfig
from aura_daemon.config.settings import Settings
from aura_daemon.errors import Problem, UserError
from aura_daemon.system import durable_files, private_state
from aura_daemon.system.files import regular_files

MOST_TOKEN_BYTES: Final = 512

_TOKEN: Final = re.compile(r"[!-~]{16,512}")
_WHAT_IS_A_TOKEN: Final = "a token is 16 to 512 letters, digits and signs without a space"
_MAKE_ONE: Final = "`openssl rand -hex 32` makes a good one"


def check_monitoring(settings: Settings) -> tuple[Problem, ...]:
    """Problems of the token and of the textfile's folder."""
    problems: list[Problem] = []
    try:
        token_of(settings.http)
    except UserError as error:
        problems.extend(error.problems)
    textfile = settings.metrics.textfile
    if textfile is not None and (obstacle := _obstacle(textfile.parent)):
        problems.append(Problem(key="metrics.textfile", message=obstacle))
    return tuple(problems)


def token_of(http: HttpConfig) -> bytes | None:
    """The token that whoever asks must know; None where none is configured. Raises UserError."""
    if http.token_file is not None and http.token is not None:
        raise UserError(
            [Problem(key="http.token", message="stands beside `http.token_file`: only one of them can count")]
        )
    if http.token_file is not None:
        key, given = "http.token_file", _content(http.token_file)
    elif http.token is not None:
        key, given = "http.token", http.token.get_secret_value()
    else:
        return None
    token = given.strip()
    if not _TOKEN.fullmatch(token):
        raise UserError([Problem(key=key, message=f"holds no token: {_WHAT_IS_A_TOKEN}; {_MAKE_ONE}")])
    return token.encode()


def is_open_secret(http: HttpConfig) -> bool:
    """Whether every user of this machine can read the file of the token; raises OSError."""
    return http.token_file is not None and private_state.is_everybodys(http.token_file.stat())


def _content(file: Path) -> str:
    try:
        read = regular_files.read(file, most_bytes=MOST_TOKEN_BYTES + 2)
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror or error}; {_MAKE_ONE}"
        raise UserError([Problem(key="http.token_file", message=message)]) from None
    return read.content.decode("ascii", errors="replace")


def _obstacle(folder: Path) -> str:
    """Why no file can be written into a folder; empty where one can."""
    if not os.path.isdir(folder):  # noqa: PTH112 - never raises
        return f"{folder} is no folder: make it, or name the one that node_exporter reads"
    return "" if durable_files.is_writable(folder) else f"{folder} cannot be written: mend its permissions"
