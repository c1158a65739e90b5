"""The entry point: argv -> exit code. `run`, `status` and `why`, plainly asked, are answered without typer.

It takes 60 ms to import, which `status` and `why` would wait for, and 2 MiB that `run` would keep for months. Whatever
is not plain (other commands, help, mistakes, completion) goes to `cli.app`, which knows all of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aura_daemon.system.windows import System, this_system

COMPLETE: Final = "_AURA_DAEMON_COMPLETE"
"""What a shell that completes sets."""

_CONFIG: Final = {"--config": "config", "-c": "config"}
_OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "run": {**_CONFIG, "--log-format": "log_format"},
    "status": _CONFIG,
    "why": _CONFIG,
}
_FLAGS: Final[Mapping[str, frozenset[str]]] = {
    "run": frozenset({"--make-folders"}),
    "status": frozenset({"--json"}),
    "why": frozenset(),
}
_LOG_FORMATS: Final = ("text", "json")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plain:
    """A command line that needs no parser."""

    command: str
    options: Mapping[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()


def plain(arguments: Sequence[str]) -> Plain | None:
    """What is asked for; None where the parser has to look: it is never wrong to leave a command line to it."""
    if not arguments or arguments[0] not in _OPTIONS:
        return None
    command, rest = arguments[0], iter(arguments[1:])
    options, flags, words = dict[str, str](), set[str](), list[str]()
    for argument in rest:
        if (name := _OPTIONS[command].get(argument)) is not None:
            value = next(rest, "")
            if not value or value.startswith("-"):
                return None
            options[name] = value
        elif argument in _FLAGS[command]:
            flags.add(argument)
        elif not argument or argument.startswith("-"):
            return None
        else:
            words.append(argument)
    if len(words) != (command == "why") or options.get("log_format", "text") not in _LOG_FORMATS:
        return None
    return Plain(command=command, options=options, flags=frozenset(flags), words=tuple(words))


def main() -> None:
    """Entry point of the program."""
    asked = plain(sys.argv[1:]) if COMPLETE not in os.environ and this_system() is not System.WINDOWS else None
    if asked is None:
        from aura_daemon.cli import app

        app.main()
        return
    from aura_daemon.cli import errors

    sys.exit(errors.exit_code_of(_answer(asked)))


def _answer(asked: Plain) -> Callable[[], int]:
    config = Path(asked.options["config"]) if "config" in asked.options else None

    def answer() -> int:
        match asked.command:
            case "run":
                from aura_daemon.cli import run

                return run.run(config, asked.options.get("log_format"), makes_folders="--make-folders" in asked.flags)
            case "status":
                from aura_daemon.cli import status

                return status.status(config, as_json="--json" in asked.flags)
            case _:
                from aura_daemon.cli import why

                return why.why(Path(asked.words[0]), config)

    return answer
