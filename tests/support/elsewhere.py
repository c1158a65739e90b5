"""Runs a program of Python as on another system: `python -m tests.support.elsewhere win32 -m aura_daemon why cat.yaml`.

The libraries and the standard library are imported first, for they are at home on those systems. Then `sys.platform`
changes, what the system lacks vanishes from the modules, and the folders that Linux alone has cannot be opened. Paths
stay those of this machine. What only the real system shows (its file systems, its consoles) is not simulated.
"""

from __future__ import annotations

import builtins
import importlib
import io
import os
import re
import runpy
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]

HEAVY: Final = frozenset(
    {
        *("torch", "diffusers", "transformers", "accelerate", "peft", "safetensors", "huggingface_hub", "tokenizers"),
        *("nncf", "openvino", "skimage"),
    }
)
"""Libraries that only the engines need, and tests that make models: seconds of every start."""

IMPORT: Final = re.compile(r"^[ \t]*(?:from[ \t]+(\w[\w.]*)[ \t]+import\b|import[ \t]+(\w[\w., \t]*))", re.MULTILINE)
"""A statement, at any depth: a parser takes fifty times as long, and finds the same."""

LINUX_ONLY: Final[dict[ModuleType, tuple[str, ...]]] = {
    os: (
        *("O_DIRECT", "O_LARGEFILE", "O_NOATIME", "O_PATH", "O_RSYNC"),
        *("eventfd", "memfd_create", "pidfd_open", "sched_getaffinity", "sched_setaffinity", "getxattr", "setxattr"),
    ),
    select: ("epoll",),
    signal: ("SIGPWR", "SIGSTKFLT", "SIGPOLL", "SIGRTMIN", "SIGRTMAX"),
    socket: ("SOCK_CLOEXEC", "SOCK_NONBLOCK", "SO_PEERCRED", "SO_PASSCRED", "AF_NETLINK", "AF_VSOCK"),
    time: ("CLOCK_BOOTTIME",),
}
POSIX_ONLY: Final[dict[ModuleType, tuple[str, ...]]] = {
    os: (
        *("O_CLOEXEC", "O_DIRECTORY", "O_DSYNC", "O_NDELAY", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK", "O_SYNC"),
        *("getuid", "geteuid", "getgid", "getegid", "getgroups", "getpgid", "getpgrp", "getsid", "getpriority"),
        *("setuid", "seteuid", "setgid", "setegid", "setgroups", "setpgid", "setsid", "setpriority", "nice"),
        *("fork", "forkpty", "openpty", "wait", "wait3", "wait4", "waitid", "killpg", "mkfifo", "mknod", "chown"),
        *("lchown", "fchown", "fchmod", "fchdir", "pipe2", "get_blocking", "set_blocking", "sendfile"),
        *("uname", "getloadavg", "sync", "fdatasync", "register_at_fork", "preadv", "pwritev", "lockf"),
    ),
    select: ("poll",),
    signal: (
        *("SIGALRM", "SIGBUS", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP"),
        *("SIGURG", "SIGUSR1", "SIGUSR2", "SIGWINCH", "alarm", "pthread_kill", "pthread_sigmask", "SIG_BLOCK"),
        *("SIG_UNBLOCK", "SIG_SETMASK", "sigwait", "sigpending", "setitimer", "siginterrupt"),
    ),
    socket: ("AF_UNIX", "MSG_DONTWAIT", "MSG_NOSIGNAL", "SCM_RIGHTS", "send_fds", "recv_fds"),
    time: ("clock_gettime", "clock_settime", "pthread_getcpuclockid"),
}
MISSING: Final = {
    "darwin": ("inotify_simple", "prctl", "spwd"),
    "win32": ("fcntl", "grp", "inotify_simple", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"),
}
"""Modules."""

PLACES: Final = ("/proc", "/sys/", "/dev/dxg")
"""Where nothing is found."""


def imported() -> set[str]:
    """The modules of others that the package imports, and those of the tests that are to run."""
    folders = [ROOT / "aura_daemon"]
    if "pytest" in sys.argv:
        folders += [ROOT / "tests" / "support", *(ROOT / given for given in sys.argv if given.startswith("tests/"))]
    names = set[str]()
    for file in (file for place in folders for file in (place.rglob("*.py") if place.is_dir() else (place,))):
        for module, listed in IMPORT.findall(file.read_text(encoding="utf-8")):
            names |= {module} if module else {one.split()[0] for one in listed.split(",") if one.strip()}
    return {name for name in names if name.partition(".")[0] not in {"aura_daemon", "tests"} | HEAVY}


def become(platform: str) -> None:
    """Makes this process look like one of a system: `darwin` or `win32`."""
    for name in sorted(imported()):
        with suppress(ModuleNotFoundError):  # a part of another system's standard library
            importlib.import_module(name)
    _close_places()
    sys.platform = platform
    lacking = [LINUX_ONLY, POSIX_ONLY] if platform == "win32" else [LINUX_ONLY]
    for attributes in lacking:
        for module, names in attributes.items():
            for name in names:
                _take(module, name)
    for name in MISSING[platform]:
        sys.modules[name] = None  # type: ignore[assignment]  # so says the import system of what is not to be found
    if platform == "win32":
        os.O_BINARY = 0  # type: ignore[attr-defined]
        io._WindowsConsoleIO = type("_WindowsConsoleIO", (io.RawIOBase,), {})  # type: ignore[attr-defined]
        os.supports_dir_fd.clear()
        os.supports_follow_symlinks.clear()


def _take(module: ModuleType, name: str) -> None:
    """Removes an attribute, and a signal from their enumeration."""
    if hasattr(module, name):
        delattr(module, name)
    signal.Signals._member_map_.pop(name, None)
    if name in signal.Signals._member_names_:
        signal.Signals._member_names_.remove(name)


def _close_places() -> None:
    """Has every way into Linux's own folders end as where there are none, but for psutil, at home on every system."""

    def closed(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*given: Any, **named: Any) -> Any:
            place = given[0] if given else None
            is_hidden = isinstance(place, str | os.PathLike) and os.fspath(place).startswith(PLACES)
            if is_hidden and not sys._getframe(1).f_globals.get("__name__", "").startswith("psutil"):
                raise FileNotFoundError(2, "No such file or directory", os.fspath(place))
            return function(*given, **named)

        return called

    for name in ("listdir", "lstat", "open", "readlink", "scandir", "stat"):
        setattr(os, name, closed(getattr(os, name)))
    io.open = builtins.open = closed(builtins.open)


def main(arguments: list[str]) -> None:
    """`PLATFORM -m MODULE …` or `PLATFORM -c CODE …`."""
    platform, option, program, *rest = arguments
    become(platform)
    if program == "pytest":
        rest = ["-W", "ignore:Module already imported", *rest]
    sys.argv = [program, *rest]
    if option == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        exec(compile(program, "<elsewhere>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    main(sys.argv[1:])
