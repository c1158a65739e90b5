"""SIGHUP: the daemon reads the configuration again, or refuses it and keeps the old one. Real processes."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deadline import DEADLINE_S
from tests.support.house import PNG, House
from tests.support.programs import Program


class Configured:
    """A running daemon and its configuration file."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.file = house.root / "aura.yaml"
        self.write()
        self.program = Program(house, AURA_CONFIG=str(self.file))
        self.program.start("run")
        self.program.until(lambda: self.program.health().get("status") == "ok")

    def write(self, **keys: object) -> None:
        self.file.write_text("".join(f"{key}: {value}\n" for key, value in keys.items()))

    def hang_up(self, message: str) -> None:
        """Sends the signal and waits for the log's answer."""
        before = self.program.log().count(message)
        os.kill(self.program.pid, signal.SIGHUP)
        self.program.until(lambda: self.program.log().count(message) > before, message)

    def has(self, *results: str) -> None:
        self.program.until(lambda: self.house.results() == sorted(results), str(results))


@pytest.fixture
def configured(house: House) -> Iterator[Configured]:
    running = Configured(house)
    yield running
    running.program.close()


def test_a_changed_configuration_counts_from_the_signal_on(configured: Configured) -> None:
    house = configured.house
    house.drop("a.yaml")
    configured.has("a.json", "a.png")
    pid, worker = configured.program.pid, configured.program.worker().pid
    configured.write(sources="delete", existing="overwrite", accept="[prompt]")
    configured.hang_up("the configuration was read again; changed: accept, sources, existing")
    house.drop("a.yaml", b"prompt: again\n")
    house.drop("b.png", PNG)
    house.drop("c.yaml")
    configured.has("a.json", "a.png", "c.json", "c.png")
    assert house.sidecar("a.json")["request"]["prompt"] == "again"
    configured.program.until(lambda: house.waiting() == ["b.png"])
    assert house.archived() == ["a.yaml"]
    assert (configured.program.pid, configured.program.worker().pid) == (pid, worker)
    health = configured.program.health()
    assert (health["device"], health["sources"]) == ("cpu", "delete")
    assert configured.program.end() == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sourcez: keep\n", "sourcez: unknown key; did you mean `sources`?"),
        ("steps: [\n", "no valid YAML"),
        ("inbox: /nowhere/at/all\n", "/nowhere/at/all does not exist"),
    ],
)
def test_a_wrong_configuration_is_refused_and_the_old_one_stays(house: House, content: str, message: str) -> None:
    file = house.root / "aura.yaml"
    file.write_text(f"inbox: {house.inbox}\n")
    program = Program(house, AURA_CONFIG=str(file), AURA_INBOX="")
    program.start("run")
    try:
        program.until(lambda: program.health().get("status") == "ok")
        file.write_text(content)
        os.kill(program.pid, signal.SIGHUP)
        program.until(lambda: "the configuration is refused, the old one stays: " in program.log())
        assert message in program.log()
        house.drop("a.yaml")
        program.until(lambda: house.results() == ["a.json", "a.png"])
    finally:
        program.close()


def test_the_running_job_ends_before_the_new_configuration_counts(configured: Configured) -> None:
    house, go = configured.house, configured.house.root / "go"
    house.drop("slow.yaml", f"prompt: wait {go}\n".encode())
    configured.program.until(configured.program.is_running_a_job)
    configured.write(sources="delete")
    configured.hang_up("changed: sources")
    house.drop("next.yaml")
    go.touch()
    configured.has("next.json", "next.png", "slow.json", "slow.png")
    assert house.sidecar("slow.json")["attempts"] == 1


def test_other_models_are_loaded_by_another_worker(configured: Configured) -> None:
    configured.house.drop("a.yaml")
    configured.has("a.json", "a.png")
    worker = configured.program.worker().pid
    configured.write(dtype="float32")
    configured.hang_up("changed: dtype")
    configured.house.drop("b.yaml")
    configured.has("a.json", "a.png", "b.json", "b.png")
    assert configured.program.worker().pid != worker


def test_a_signal_without_a_change_changes_nothing(configured: Configured, tmp_path: Path) -> None:
    configured.hang_up("the configuration was read again; changed: nothing")
    configured.house.drop("a.yaml")
    configured.has("a.json", "a.png")


def test_a_stop_right_after_the_signal_is_a_stop(configured: Configured) -> None:
    configured.write(sources="delete")
    os.kill(configured.program.pid, signal.SIGHUP)
    assert configured.program.end() == 0


def test_the_http_server_listens_where_the_changed_configuration_says(configured: Configured) -> None:
    house, program = configured.house, configured.program

    def answers(name: str, path: str) -> int | None:
        """The code of an answer through a socket; None where nobody listens."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            try:
                client.connect(str(house.root / name))
            except OSError:
                return None
            client.settimeout(DEADLINE_S)
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            return int(client.makefile("rb").readline().split()[1])

    for name, before in (("one.sock", "none.sock"), ("two.sock", "one.sock")):
        configured.write(http=f"{{listen: 'unix:{house.root / name}'}}")
        configured.hang_up("the configuration was read again; changed: http")
        program.until(lambda name=name: answers(name, "/metrics") == 200)
        program.until(lambda name=name: answers(name, "/health") == 200)
        assert answers(before, "/metrics") is None
    configured.write(http="{listen: 0.0.0.0:9750}")
    configured.hang_up("the configuration is refused, the old one stays: ")
    assert "name `http.token_file`" in program.log()
    assert answers("two.sock", "/metrics") == 200
    assert program.end() == 0
    assert not (house.root / "two.sock").exists()
