"""One run of a hook: what it is given, how it ends, and what is left of it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_daemon.hooks.process import REAP_S, TERM_S, HookProcess
from tests.support import dying
from tests.support.plain_user import NOBODY


def started(script: str, content: bytes = b"", *, time_limit_s: float = 60.0, **variables: str) -> HookProcess:
    environment = {os.fsencode(name): os.fsencode(value) for name, value in {**os.environ, **variables}.items()}
    return HookProcess(["sh", "-c", script], environment, content, time_limit_s=time_limit_s)


def ended(process: HookProcess) -> str:
    """Waits as the loop does."""
    while (outcome := process.poll()) is None:
        poll = select.poll()
        for descriptor in process.waitables():
            poll.register(descriptor, select.POLLIN)
        poll.poll(1000 * process.due_in_s())
    assert process.waitables() == []
    return outcome


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ("true", "ok"),
        ("exit 3", "it ended with exit code 3"),
        ("kill -KILL $$", "it was killed by signal SIGKILL"),
    ],
)
def test_it_is_told_how_a_hook_ended(script: str, outcome: str) -> None:
    assert ended(started(script)) == outcome


def test_it_gets_bytes_and_variables_and_its_last_lines_are_kept() -> None:
    process = started('cat; echo "$PROMPT" >&2; seq 100000 100009', b"a sidecar\n", PROMPT="$(rm -rf /); a cat")
    assert ended(process) == "ok"
    assert process.output == "100005 | 100006 | 100007 | 100008 | 100009"
    process = started('cat; echo "$PROMPT" >&2', b"a sidecar\n", PROMPT="$(rm -rf /); a cat\x1b[31m")
    assert ended(process) == "ok"
    assert process.output == "a sidecar | $(rm -rf /); a cat\\x1b[31m"


def test_one_that_does_not_read_megabytes_holds_nothing_up() -> None:
    assert ended(started("true", b"x" * 5_000_000)) == "ok"


def test_one_that_writes_without_end_is_ended_at_its_time_limit_and_the_loop_goes_on() -> None:
    process = started("yes", time_limit_s=0.3)
    assert ended(process) == "it ran for longer than 0.3 s and was ended"
    assert len(process.output) < 4096


def test_at_the_time_limit_its_whole_process_group_is_ended_whatever_it_ignores(tmp_path: Path) -> None:
    script = f"trap '' TERM; (trap '' TERM; sleep 60 & echo $! > {tmp_path}/child; wait); wait"
    process = HookProcess(["sh", "-c", script], os.environb, b"", time_limit_s=0.3)
    assert ended(process) == "it ran for longer than 0.3 s and was ended"
    child = int((tmp_path / "child").read_text())
    while is_alive(child):
        time.sleep(0.01)


def test_what_it_leaves_in_the_background_does_not_keep_it_running() -> None:
    process = started("sleep 60 & echo $!")
    assert ended(process) == "ok"
    os.kill(int(process.output), signal.SIGKILL)


def test_it_inherits_no_descriptor_and_no_terminal() -> None:
    readable, writable = os.pipe()
    os.set_inheritable(writable, True)
    script = "import os; print(sorted(os.listdir('/proc/self/fd'))[:3], os.getsid(0) == os.getpid())"
    process = HookProcess([sys.executable, "-c", script], os.environb, b"", time_limit_s=60)
    assert ended(process) == "ok"
    os.close(readable)
    os.close(writable)
    assert process.output.endswith("True")
    listed = HookProcess(["ls", "/proc/self/fd"], os.environb, b"", time_limit_s=60)
    assert ended(listed) == "ok"
    assert listed.output == "0 | 1 | 2 | 3"  # the last is the folder that `ls` reads


def test_one_that_is_ended_says_why() -> None:
    process = started("echo begun; sleep 60")
    while not process.output:
        process.poll()
    assert process.end("it was ended with the daemon") == "it was ended with the daemon"
    assert process.waitables() == []


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; those of pytest are root's alone."""
    with tempfile.TemporaryDirectory(prefix="aura-hook-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="takes root, and setpriv")
def test_one_that_may_not_be_ended_as_with_sudo_is_left_alone(open_folder: Path) -> None:
    program, clock_s = open_folder / "as-root", [0.0]
    shutil.copy(shutil.which("setpriv") or "", program)
    program.chmod(0o4755)
    command = [str(program), "--reuid", "0", "--clear-groups", "sh", "-c", "echo begun; sleep 20"]

    def run() -> int:
        os.setresuid(NOBODY, NOBODY, NOBODY)
        process = HookProcess(command, {}, b"", time_limit_s=10, clock=lambda: clock_s[0])
        select.select([process.waitables()[0]], [], [], 60)
        for clock_s[0], due_s in ((1000.0, TERM_S), (2000.0, REAP_S)):  # as for a daemon that was itself stopped
            assert (process.poll(), process.due_in_s()) == (None, due_s)
        clock_s[0] += REAP_S
        assert process.poll() == "it ran for longer than 10 s and was ended, but cannot be: it is left alone"
        assert (process.output, process.waitables()) == ("begun", [])
        other = HookProcess(command, {}, b"", time_limit_s=10)
        select.select([other.waitables()[0]], [], [], 60)
        assert other.end("the daemon stops") == "the daemon stops, but cannot be: it is left alone"
        return 0

    assert dying.in_a_process(run) == 0
