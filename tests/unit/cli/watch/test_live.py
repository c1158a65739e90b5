"""`status --watch` as a process: on a terminal, into a pipe, with and without a daemon."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios

import pytest

from tests.support.house import House
from tests.support.programs import DEADLINE_S, LIGHT, REAL, Program

SIZE = struct.pack("HHHH", 24, 80, 0, 0)


def test_on_a_terminal_it_has_a_screen_of_its_own_and_leaves_what_it_showed(house: House) -> None:
    house.drop("cat.yaml")
    house.drain()
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, SIZE)
    environment = {**Program(house).environment(), "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-m", REAL, "status", "--watch"], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    while b"cat.png" not in shown:
        shown += os.read(ours, 65_536)
    assert b"\x1b[?1049h" in shown  # the other screen
    process.send_signal(signal.SIGINT)
    while True:
        try:
            shown += os.read(ours, 65_536)
        except OSError:  # the terminal's other side is closed
            break
    os.close(ours)
    assert process.wait(DEADLINE_S) == 0
    _, _, after = shown.rpartition(b"\x1b[?1049l")
    assert b"not running" in after
    assert b"cat.png" in after
    assert b"Traceback" not in shown


@pytest.mark.parametrize("as_json", [False, True])
def test_into_a_pipe_it_tells_each_change_until_the_daemon_has_ended(house: House, as_json: bool) -> None:
    watching = subprocess.Popen(
        [sys.executable, "-m", REAL, "status", "--watch", *["--json"] * as_json],
        env=Program(house).environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    first = watching.stdout.readline()
    daemon = Program(house, LIGHT)
    daemon.start("run")
    lines: list[str] = []
    while not any('"running": true' in line if as_json else " ok, " in line for line in lines):
        lines.append(watching.stdout.readline())
    assert daemon.end() == 0
    while not ('"running": false' in lines[-1] if as_json else " not running, " in lines[-1]):
        lines.append(watching.stdout.readline())
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=DEADLINE_S)
    assert (watching.returncode, err) == (0, "")
    if as_json:
        assert not any(json.loads(line)["running"] for line in (first, lines[-1]))
    else:
        assert " not running, 0 queued" in first
