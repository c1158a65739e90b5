"""What is done again and again while something else runs."""

from __future__ import annotations

import threading

import pytest

from aura_daemon.system.processes.repeating import repeating
from tests.support.deadline import DEADLINE_S


def test_it_is_done_until_the_end_and_not_after_it() -> None:
    calls: list[str] = []
    thrice = threading.Event()

    def act() -> None:
        calls.append(threading.current_thread().name)
        if len(calls) == 3:
            thrice.set()

    with pytest.raises(ZeroDivisionError), repeating(act, 0.001, name="acting"):
        assert thrice.wait(DEADLINE_S)
        raise ZeroDivisionError
    assert set(calls) == {"acting"}
    assert "acting" not in {thread.name for thread in threading.enumerate()}


def test_it_is_done_no_longer_than_asked() -> None:
    calls: list[int] = []
    with repeating(lambda: calls.append(1), 0.001, name="acting", most_s=0.0045):
        (thread,) = [thread for thread in threading.enumerate() if thread.name == "acting"]
        thread.join(DEADLINE_S)
    assert len(calls) == 4
