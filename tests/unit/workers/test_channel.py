"""Messages over a socket pair: they arrive whole or not at all, and reading never blocks."""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Iterator

import pytest

from aura_daemon.workers.channel import LENGTH, MessageReceiver, send

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_messages_come_out_in_order_and_all_at_once(pair: Pair) -> None:
    ours, theirs = pair
    for message in ("one", 2, ("three",)):
        send(theirs, message)
    assert MessageReceiver(ours).take() == ["one", 2, ("three",)]


def test_half_a_message_is_kept_until_the_rest_arrives(pair: Pair) -> None:
    ours, theirs = pair
    body = pickle.dumps("late")
    frame = LENGTH.pack(len(body)) + body
    receiver = MessageReceiver(ours)
    for part in (frame[:3], frame[3:12]):
        theirs.sendall(part)
        assert receiver.take() == []
    theirs.sendall(frame[12:])
    assert receiver.take() == ["late"]


def test_with_nothing_there_it_returns_at_once(pair: Pair) -> None:
    receiver = MessageReceiver(pair[0])
    assert receiver.take() == []
    assert not receiver.ended


def test_what_was_said_before_the_end_is_heard(pair: Pair) -> None:
    ours, theirs = pair
    send(theirs, "last words")
    theirs.close()
    receiver = MessageReceiver(ours)
    assert receiver.take() == ["last words"]
    assert receiver.ended
    assert receiver.wait() == []


def test_a_message_larger_than_any_buffer_arrives_whole(pair: Pair) -> None:
    ours, theirs = pair
    content = bytes(range(256)) * 40_000
    sender = threading.Thread(target=send, args=(theirs, content))
    sender.start()
    assert MessageReceiver(ours).wait() == [content]
    sender.join()
