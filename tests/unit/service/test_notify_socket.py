"""What is sent to a service manager, over a real socket."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aura_daemon.service.notify_socket import NotifySocket, watchdog_s
from tests.support.notify_manager import NotifyManager, notify_manager


def test_assignments_are_lines_of_one_message(tmp_path: Path) -> None:
    with notify_manager(tmp_path) as manager:
        sender = NotifySocket(manager.address)
        sender.send("READY=1", "STATUS=idle")
        sender.send("WATCHDOG=1")
        manager.receive()
        assert manager.messages == [{"READY": "1", "STATUS": "idle"}, {"WATCHDOG": "1"}]
        sender.close()


def test_an_abstract_name_is_an_address_too() -> None:
    manager = NotifyManager(f"@aura-test-{os.getpid()}")
    sender = NotifySocket(manager.address)
    sender.send("READY=1")
    assert manager.said("READY") == ["1"]
    sender.close()
    manager.close()


def test_without_a_manager_nothing_is_sent() -> None:
    sender = NotifySocket("")
    sender.send("READY=1")
    assert not sender.is_open
    assert not sender.has_kept


@pytest.mark.parametrize("address", ["/no/such/socket", "vsock:2:1234"])
def test_a_manager_that_cannot_be_reached_stops_nobody(address: str) -> None:
    sender = NotifySocket(address)
    sender.send("READY=1")
    assert not sender.is_open


def test_a_busy_manager_gets_every_message_later_and_in_order(tmp_path: Path) -> None:
    with notify_manager(tmp_path) as manager:
        sender = NotifySocket(manager.address)
        sent = 0
        while not sender.has_kept:
            sent += 1
            sender.send(f"STATUS={sent}")
        manager.receive()
        sender.flush()
        assert manager.said("STATUS") == [str(number) for number in range(1, sent + 1)]
        assert not sender.has_kept
        sender.close()


def test_a_manager_that_has_gone_is_told_no_more(tmp_path: Path) -> None:
    with notify_manager(tmp_path) as manager:
        sender = NotifySocket(manager.address)
    sender.send("WATCHDOG=1")
    assert not sender.is_open


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "90000000"}, 90.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "7"}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_ours_where_its_process_is(variables: dict[str, str], seconds: float | None) -> None:
    assert watchdog_s(variables, 7) == seconds
