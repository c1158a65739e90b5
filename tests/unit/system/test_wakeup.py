"""A pipe that wakes a loop."""

from __future__ import annotations

import os
import select
import threading

import pytest

from aura_daemon.system.wakeup import WakeupPipe


def is_readable(pipe: WakeupPipe) -> bool:
    return bool(select.select([pipe.fileno()], [], [], 0)[0])


def test_it_is_readable_from_a_wake_until_it_is_cleared() -> None:
    pipe = WakeupPipe()
    assert not is_readable(pipe)
    pipe.wake()
    pipe.wake()
    assert is_readable(pipe)
    pipe.clear()
    assert not is_readable(pipe)
    pipe.clear()
    pipe.close()


def test_another_thread_ends_a_poll() -> None:
    pipe = WakeupPipe()
    threading.Timer(0.05, pipe.wake).start()
    assert select.select([pipe.fileno()], [], [], 30)[0]
    pipe.close()


def test_a_full_pipe_and_a_closed_one_stop_nobody() -> None:
    pipe = WakeupPipe()
    for _ in range(100_000):
        pipe.wake()
    pipe.clear()
    assert not is_readable(pipe)
    pipe.close()
    reader, writer = os.pipe()  # the numbers of the pipe that was closed
    pipe.wake()
    os.set_blocking(reader, False)
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    os.close(reader)
    os.close(writer)
