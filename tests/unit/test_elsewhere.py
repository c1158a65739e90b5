"""What differs between operating systems stands in `system/`, so that everything else runs on any of them.

The other systems are simulated (`tests.support.elsewhere`). `make coverage` runs the tests of the rules on such a
Windows, `make elsewhere` on such a macOS.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from aura_daemon.cli.app import NOT_ON_WINDOWS
from tests.support.house import PROMPT, House

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
        r"|sysconf|getgrouplist|initgroups|pidfd_open|memfd_create|eventfd\w*|statvfs|uname|nice|openpty|sync|getloadavg|name"
    ),
    "signal": re.compile(r"SIG(HUP|KILL|USR\d|CHLD|ALRM|STOP|CONT|QUIT|PIPE|URG|BUS)|pthread_\w+|set_wakeup_fd|alarm"),
    "mmap": re.compile(r"(PROT|MAP|MADV)_\w+"),
    "select": re.compile(r".*"),
    "socket": re.compile(r"AF_UNIX|socketpair|MSG_\w+|SCM_\w+|SO_PEERCRED|fromfd|send_fds|recv_fds"),
    "sys": re.compile(r"platform|getwindowsversion"),
    "time": re.compile(r"clock_\w+|CLOCK_\w+"),
    "subprocess": re.compile(r"STARTUP\w+|CREATE_\w+"),
}
"""Attributes of modules that every system has, but not with these."""

ARGUMENTS: Final = frozenset({"dir_fd", "src_dir_fd", "dst_dir_fd", "pass_fds", "preexec_fn", "start_new_session"})

PLACES: Final = re.compile(r"/(proc|sys|dev)(/\S*)?")
"""Folders that Linux alone has, and what lies in them."""


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
                found = [text] if PLACES.fullmatch(text) else []
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


OF_LINUX_ALONE: Final = frozenset({"aura_daemon.system.watching.inotify_events"})

IMPORTED: Final = """
import importlib, pathlib, sys
with_torch = {"engines", "mini", "training"}
for file in sorted(pathlib.Path("aura_daemon").rglob("*.py")):
    name = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
    if not with_torch & set(file.parts) and name not in sys.argv[1:]:
        importlib.import_module(name)
print(sys.platform, sum(name.startswith("aura_daemon") for name in sys.modules))
"""
"""Imports every module whose path is not given; torch is imported by none of them that is not given."""

CALLED: Final = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from aura_daemon.cli.app import main
called = {}
for command in json.loads(sys.argv[1]):
    sys.argv[1:] = command.split()
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        try:
            main()
        except SystemExit as error:
            code = error.code
    called[command] = code, said.getvalue()
print(json.dumps(called))
"""
"""Runs commands, given as JSON: command -> [exit code, what it printed]."""


def ran(platform: str, code: str, *arguments: str, house: House | None = None) -> str:
    """What code prints on a simulated system."""
    command = [sys.executable, "-m", "tests.support.elsewhere", platform, "-c", code, *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AURA_")}
    if house is not None:
        folders = {"inbox": house.inbox, "outbox": house.outbox, "state": house.state}
        environment |= {f"AURA_{key.upper()}": str(folder) for key, folder in folders.items()}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_every_module_without_torch_is_imported_elsewhere(platform: str) -> None:
    given = OF_LINUX_ALONE | {"aura_daemon.__main__", "aura_daemon.workers.engine_runner"}
    given |= {"aura_daemon.doctor.torch_findings", "aura_daemon.bench.bare_pictures"}
    given |= {
        f"aura_daemon.bench.children.{name}"
        for name in ("ceilings", "plain", "plain_captions", "random_models", "switched_pictures")
    }
    given |= {"aura_daemon.workers.converting.convert_main"}
    # The hub's client imports Python's own modules for Windows, which are not here.
    given |= {f"aura_daemon.cli.setup.{name}" for name in ("fetch", "fetchable_models")}
    given |= {"aura_daemon.workers.fetching.fetch_main"}
    said, count = ran(platform, IMPORTED, *given).split()
    assert said == platform
    assert int(count) > 200


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_commands_that_only_look_answer_elsewhere(platform: str, house: House) -> None:
    house.drop("good.yaml", PROMPT)
    house.drain()
    house.drop("next.yaml", PROMPT)
    house.drop("wrong.yaml", b"promt: a red circle\n")
    good, wrong = house.inbox / "next.yaml", house.inbox / "wrong.yaml"
    commands = [f"check {good}", f"check {wrong}", "schema job", "why good.yaml", "why next.yaml", "status"]
    called = json.loads(ran(platform, CALLED, json.dumps(commands), house=house))
    codes, said = zip(*(called[command] for command in commands), strict=True)
    assert codes == (0, 1, 0, 0, 0, 0)
    assert "1 job: 1 to draw" in said[0]
    assert "did you mean `prompt`?" in said[1]
    assert json.loads(said[2])["anyOf"]
    assert "done" in said[3]
    assert "1 done" in said[5]


def test_native_windows_is_told_at_once_that_the_daemon_runs_under_wsl2(house: House) -> None:
    commands = sorted(NOT_ON_WINDOWS)
    called = json.loads(ran("win32", CALLED, json.dumps(commands), house=house))
    told = "error: aura-daemon runs on Windows only under WSL2: install it inside, as docs/windows.md says\n"
    assert called == {command: [2, told] for command in commands}
    assert list(house.inbox.iterdir()) == []
