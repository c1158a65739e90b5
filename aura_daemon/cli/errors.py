"""Every error of the command line, on one line with its mend. In: what runs. Out: an exit code."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aura_daemon.errors import AuraError, UserError, with_mend
from aura_daemon.file_names import escaped
from aura_daemon.system.permissions import why_denied

if TYPE_CHECKING:
    from typer.exceptions import TyperException

MENDABLE = 2
STOPPED = 130
UNREAD = 141
"""What a shell reports of a program whose reader has ended: 128 and the number of SIGPIPE."""

_MENDS: Final = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room: your quota on that disk is used up",
    errno.EROFS: "mount it writable, or name another folder",
    errno.EACCES: "run it as the owner, or mend the permissions",
    errno.EPERM: "run it as the owner, or mend the permissions",
    errno.EMFILE: "raise the limit of open files",
}


def exit_code_of(run: Callable[[], object]) -> int:
    """Runs the command line; its exit code."""
    try:
        try:
            code = run()
        finally:
            if sys.stdout is not None:  # a shell may have closed it: `>&-`
                sys.stdout.flush()
    except BrokenPipeError:
        _leave_stdout()
        return UNREAD
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # which typer ends with 1, as if a job had failed
            return UNREAD
        raise
    except _typer_errors("TyperException") as error:
        if error.format_message().startswith("Usage:"):  # no command at all: the help
            print(error.format_message())
            return MENDABLE
        return _told([_usage(error)])
    except UserError as error:
        return _told(str(problem) for problem in error.problems)
    except AuraError as error:
        return _told([str(error)])
    except KeyboardInterrupt:
        return _stopped()
    except _typer_errors("Abort"):
        return _stopped()
    except OSError as error:
        _leave_stdout()  # it may be what is full
        return _told([_of_system(error)])
    return code if isinstance(code, int) else 0


def _stopped() -> int:
    print("stopped", file=sys.stderr)
    return STOPPED


def _typer_errors(name: str) -> tuple[type[TyperException], ...]:
    """An exception of typer's; nothing where typer was not imported, so that nothing can have raised it."""
    module = sys.modules.get("typer.exceptions")
    return (getattr(module, name),) if module is not None else ()


def _told(lines: Iterable[str]) -> int:
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    return MENDABLE


def _usage(error: TyperException) -> str:
    """What is wrong with the command line, and where it is described."""
    message = " ".join(error.format_message().split()).replace(". Choose from: ", ": one of ").rstrip(".")
    if message.endswith("?"):
        message = re.sub(r"\. (Did you mean .*)\?", lambda found: f"; d{found[1][1:]}?", message)
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "aura-daemon"
    end = " " if message.endswith("?") else "; "
    return f"{message[:1].lower()}{message[1:]}{end}`{command} --help` tells more"


def _of_system(error: OSError) -> str:
    """What the system refused, with the file and, for what is common, the mend."""
    reason = error.strerror or str(error)
    place = escaped(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else ""
    if isinstance(error, PermissionError) and place:
        file = Path(os.fsdecode(error.filename)).absolute()
        return f"{place}: {why_denied(error, file, writes=not os.path.lexists(file), updates=True)}"
    mend = _MENDS.get(error.errno or 0, "")
    return with_mend(f"{place}: {reason}" if place else reason, mend)


def _leave_stdout() -> None:
    """Nothing more is written at the exit of the interpreter, which would complain again."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
