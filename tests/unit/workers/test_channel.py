"""Messages over a socket pair: they arrive whole or not at all, and reading never blocks."""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Iterator
from typing import get_args

import pytest

from aura_daemon.workers.channel import LENGTH, TURN_BYTES, MessageReceiver, order, read_order, report
from aura_daemon.workers.protocol import Loading, LogLine, Progress, Up
from aura_daemon.workers.reports.decoding import ReportReader

Pair = tuple[socket.socket, socket.socket]

UP = ReportReader(get_args(Up))


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_messages_come_out_in_order_and_all_at_once(pair: Pair) -> None:
    ours, theirs = pair
    for message in ("one", 2, ("three",)):
        order(theirs, message)
    assert MessageReceiver(ours, read_order).take() == ["one", 2, ("three",)]


def test_half_a_message_is_kept_until_the_rest_arrives(pair: Pair) -> None:
    ours, theirs = pair
    body = pickle.dumps("late")
    frame = LENGTH.pack(len(body)) + body
    receiver = MessageReceiver(ours, read_order)
    for part in (frame[:3], frame[3:12]):
        theirs.sendall(part)
        assert receiver.take() == []
    theirs.sendall(frame[12:])
    assert receiver.take() == ["late"]


def test_with_nothing_there_it_returns_at_once(pair: Pair) -> None:
    receiver = MessageReceiver(pair[0], read_order)
    assert receiver.take() == []
    assert not receiver.ended


def test_what_was_said_before_the_end_is_heard(pair: Pair) -> None:
    ours, theirs = pair
    order(theirs, "last words")
    theirs.close()
    receiver = MessageReceiver(ours, read_order)
    assert receiver.take() == ["last words"]
    assert receiver.ended
    assert receiver.wait() == []


def test_a_message_larger_than_any_buffer_arrives_whole(pair: Pair) -> None:
    ours, theirs = pair
    preview = bytes(range(256)) * 40_000
    told = Progress(job_id="a", step=1, steps=2, preview=preview)
    sender = threading.Thread(target=report, args=(theirs, told))
    sender.start()
    assert MessageReceiver(ours, UP).wait() == [told]
    sender.join()


def test_a_child_that_never_stops_sending_does_not_keep_the_daemon(pair: Pair) -> None:
    ours, theirs = pair
    is_over = threading.Event()

    def send() -> None:
        while not is_over.is_set():
            try:
                report(theirs, Progress(job_id="a", step=1, steps=2, preview=bytes(1 << 20)))
            except OSError:
                return

    sender = threading.Thread(target=send)
    sender.start()
    receiver, heard = MessageReceiver(ours, UP), 0
    while heard < 20:
        turn = receiver.take()
        assert len(turn) <= TURN_BYTES // (1 << 20) + 1
        heard += len(turn)
    is_over.set()
    ours.close()
    sender.join()


def test_a_report_that_is_none_ends_the_listening_after_what_came_before(pair: Pair) -> None:
    ours, theirs = pair
    report(theirs, Loading(model="a"))
    order(theirs, "a pickle, which could run anything")
    report(theirs, Loading(model="b"))
    receiver = MessageReceiver(ours, UP)
    assert receiver.take() == [Loading(model="a")]
    assert receiver.fault
    assert receiver.take() == []


def test_no_room_is_made_for_a_message_that_is_too_long(pair: Pair) -> None:
    ours, theirs = pair
    theirs.sendall(LENGTH.pack(1 << 40) + b"x")
    receiver = MessageReceiver(ours, UP, most_bytes=1 << 20)
    assert receiver.take() == []
    assert "1,099,511,627,776 bytes" in receiver.fault


def test_what_cannot_be_told_is_not_sent_in_part(pair: Pair) -> None:
    ours, theirs = pair
    with pytest.raises(TypeError):
        report(theirs, Loading(model=pair))  # type: ignore[arg-type]
    report(theirs, LogLine(level="INFO", message="goes on"))
    assert MessageReceiver(ours, UP).take() == [LogLine(level="INFO", message="goes on")]
