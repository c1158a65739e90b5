"""What differs between operating systems stands in `system/`, so that everything else runs on any of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "aura_daemon"

MODULES: Final = frozenset(
    {
        "ctypes",
        "fcntl",
        "grp",
        "inotify_simple",
        "msvcrt",
        "posix",
        "pty",
        "pwd",
        "resource",
        "syslog",
        "termios",
        "tty",
    }
    | {"watchdog", "winreg"}
)
"""They are missing on some systems, or do something else there."""

ATTRIBUTES: Final = {
    "os": re.compile(
        r"O_(?!RDONLY|WRONLY|RDWR|CREAT|EXCL|TRUNC|APPEND)\w+|(get|set)(e?[ug]id|res[ug]id|pgid|sid|groups|priority)"
        r"|fork\w*|forkpty|pipe2?|set_blocking|wait(3|4|id)|kill(pg)?|mk(fifo|nod)|sched_\w+|l?chown|fch(own|mod|dir)"
        r"|pidfd_open|memfd_create|eventfd\w*|statvfs|uname|nice|openpty|sync|getloadavg|name"
    ),
    "signal": re.compile(r"SIG(HUP|KILL|USR\d|CHLD|ALRM|STOP|CONT|QUIT|PIPE|URG|BUS)|pthread_\w+|set_wakeup_fd|alarm"),
    "select": re.compile(r".*"),
    "socket": re.compile(r"AF_UNIX|socketpair|MSG_\w+|SCM_\w+|SO_PEERCRED|fromfd|send_fds|recv_fds"),
    "sys": re.compile(r"platform|getwindowsversion"),
    "time": re.compile(r"clock_\w+|CLOCK_\w+"),
    "subprocess": re.compile(r"STARTUP\w+|CREATE_\w+"),
}
"""Attributes of modules that every system has, but not with these."""

ARGUMENTS: Final = frozenset({"dir_fd", "src_dir_fd", "dst_dir_fd", "pass_fds", "preexec_fn", "start_new_session"})

PLACES: Final = re.compile(r"/(proc|sys|dev)(/|$)")
"""Folders that Linux alone has."""


def is_special(module: str, name: str) -> bool:
    return module in ATTRIBUTES and ATTRIBUTES[module].fullmatch(name) is not None


def uses(file: Path) -> Iterator[str]:
    """Whatever in a module some systems lack: `12: os.O_NOFOLLOW`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                found = [alias.name for alias in names if alias.name.partition(".")[0] in MODULES]
            case ast.ImportFrom(module=str(module), names=names, level=0):
                known = ATTRIBUTES.get(module)
                found = [
                    f"{module}.{alias.name}" for alias in names if known is not None and known.fullmatch(alias.name)
                ]
                found += [module] if module.partition(".")[0] in MODULES else []
            case ast.Attribute(value=ast.Name(id=module), attr=name):
                found = [f"{module}.{name}"] if is_special(module, name) else []
            case ast.keyword(arg=str(name)):
                found = [name] if name in ARGUMENTS else []
            case ast.Constant(value=str(text)):
                found = [text] if PLACES.match(text) else []
            case _:
                continue
        yield from (f"{getattr(node, 'lineno', 0)}: {one}" for one in found)


@pytest.mark.parametrize(
    "code",
    [
        "import fcntl",
        "def f():\n    from pwd import getpwuid",
        "import os\nos.O_NOFOLLOW",
        "from os import geteuid",
        "import os\nos.rename('a', 'b', src_dir_fd=3)",
        "import signal\nsignal.SIGHUP",
        "import select\nselect.poll()",
        "import sys\nsys.platform == 'linux'",
        "from pathlib import Path\nPath('/proc/self/status')",
        "import os\nos.kill(1, 0)",
    ],
)
def test_what_some_systems_lack_is_noticed(code: str, tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(code, encoding="utf-8")
    assert len(list(uses(file))) == 1


def test_only_system_uses_what_other_operating_systems_lack() -> None:
    files = (file for file in PACKAGE.rglob("*.py") if not file.is_relative_to(PACKAGE / "system"))
    found = {str(file.relative_to(ROOT)): named for file in files if (named := list(uses(file)))}
    assert not found, "move it to aura_daemon/system/"
