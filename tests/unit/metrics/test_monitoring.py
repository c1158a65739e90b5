"""The extension in a daemon: it listens, writes the textfile, and what refuses holds up nothing else."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from aura_daemon.daemon.loop import Daemon
from aura_daemon.health.holdups import HTTP, TEXTFILE, Holdups
from aura_daemon.health.listener import HealthWritten
from aura_daemon.metrics.monitoring import Monitoring
from aura_daemon.metrics.textfile import INTERVAL_S
from tests.support.health_documents import health_document
from tests.support.house import House
from tests.support.unguarded import extensions_in

TOKEN = "0123456789abcdef0123"


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@contextmanager
def running(house: House, **changes: Any) -> Iterator[Daemon]:
    """A daemon that has done what there was to do."""
    with house.daemon(drain=False, **changes) as daemon:
        daemon.turn()
        while daemon.pool.is_running:
            daemon.turn()
        yield daemon


def ask(daemon: Daemon, path: str, place: Path, **headers: str) -> tuple[int, bytes]:
    """The status and the content of an answer through a Unix socket."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as client:
        client.connect(str(place))
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        client.setblocking(False)
        received = b""
        while True:
            daemon.turn()
            try:
                chunk = client.recv(65_536)
            except BlockingIOError:
                continue
            if not chunk:
                break
            received += chunk
    head, _, content = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), content


def says(daemon: Daemon, place: Path, status: str) -> int:
    """The code of the answer that has a health document with a status; one is written twice a second."""
    while True:
        code, content = ask(daemon, "/health", place)
        if json.loads(content)["status"] == status:
            return code


def test_a_running_daemon_says_how_it_is_and_what_it_did(house: House) -> None:
    place, threads = house.root / "http.sock", threading.active_count()
    house.drop("cat.yaml")
    with running(house, http={"listen": f"unix:{place}"}) as daemon:
        assert says(daemon, place, "ok") == 200
        status, content = ask(daemon, "/metrics", place)
        assert status == 200
        assert b'aura_daemon_jobs_total{kind="generate",outcome="done"} 1.0\n' in content
        house.inbox.rename(house.root / "away")
        assert says(daemon, place, "paused") == 503
        (house.root / "away").rename(house.inbox)
        assert threading.active_count() == threads
    assert not place.exists()


def test_a_changed_token_counts_from_the_next_start(house: House) -> None:
    place, file, changed = house.root / "http.sock", house.root / "token", TOKEN[::-1]
    file.write_text(TOKEN)
    with running(house, http={"listen": f"unix:{place}", "token_file": file}) as daemon:
        file.write_text(changed)
        assert ask(daemon, "/metrics", place, Authorization=f"Bearer {TOKEN}")[0] == 200
    with running(house, http={"listen": f"unix:{place}", "token_file": file}) as daemon:
        assert ask(daemon, "/metrics", place, Authorization=f"Bearer {TOKEN}")[0] == 401
        assert ask(daemon, "/metrics", place, Authorization=f"Bearer {changed}")[0] == 200


def test_with_a_token_only_those_who_know_it_are_answered(house: House) -> None:
    place, file = house.root / "http.sock", house.root / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    with running(house, http={"listen": f"unix:{place}", "token_file": file}) as daemon:
        assert ask(daemon, "/metrics", place)[0] == 401
        assert ask(daemon, "/metrics", place, Authorization=f"Bearer {TOKEN}")[0] == 200


def test_a_drain_neither_listens_nor_writes_and_nothing_is_on_by_default(house: House) -> None:
    def extensions(*, drain: bool, **changes: Any) -> list[str]:
        with house.daemon(drain=drain, **changes) as daemon:
            return [type(extension).__name__ for extension in extensions_in(daemon)]

    on = {"http": {"listen": "127.0.0.1:0"}, "metrics": {"textfile": house.root / "aura.prom"}}
    assert "Monitoring" in extensions(drain=False, **on)
    assert "Monitoring" not in extensions(drain=True, **on)
    assert "Monitoring" not in extensions(drain=False)


def test_a_port_that_is_taken_is_a_hold_up_and_listened_on_later(house: House) -> None:
    place = house.root / "http.sock"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as other:
        other.bind(str(place))
        other.listen()
        house.drop("cat.yaml")
        with running(house, http={"listen": f"unix:{place}"}) as daemon:
            (holdup,) = daemon.holdups.records(0)
            assert (holdup.what, daemon.health.document().status) == (HTTP, "degraded")
            assert "in use" in holdup.reason
            assert house.results() == ["cat.json", "cat.png"]
            other.close()
            while daemon.holdups.has_failed(HTTP):
                daemon.turn()
            assert ask(daemon, "/health", place)[0] == 200


def monitoring(house: House, file: Path, clock: Clock) -> Monitoring:
    return Monitoring(house.settings(metrics={"textfile": file}), Holdups(first_s=1, most_s=1), clock=clock)


def test_the_textfile_is_written_with_the_health_document_but_not_often(house: House) -> None:
    file, clock = house.root / "aura.prom", Clock()
    extension = monitoring(house, file, clock)
    extension.work()
    assert not file.exists()
    for passed_s, depth, expected in ((0, 1, 1), (10, 2, 1), (INTERVAL_S - 10, 3, 3)):
        clock.now_s += passed_s
        extension.on_event(HealthWritten(document=health_document(queue_depth=depth)))
        extension.work()
        assert f'aura_daemon_queue_jobs{{daemon="aura"}} {expected}.0\n' in file.read_text()
    assert file.read_bytes().endswith(b"\n")
    extension.on_event(HealthWritten(document=health_document(queue_depth=4)))
    extension.close()  # another daemon follows, and writes
    assert 'aura_daemon_queue_jobs{daemon="aura"} 3.0\n' in file.read_text()
    assert extension.due_in_s() is None
    assert extension.waitables() == ()


def test_the_last_words_of_a_daemon_that_stops_are_written_at_once(house: House) -> None:
    file = house.root / "aura.prom"
    extension = monitoring(house, file, Clock())
    extension.on_event(HealthWritten(document=health_document()))
    extension.work()
    extension.on_event(HealthWritten(document=health_document(status="stopped")))
    extension.close()
    assert 'aura_daemon_status{daemon="aura",status="stopped"} 1.0\n' in file.read_text()


def test_the_textfile_is_there_at_once_or_not_and_for_everybody_to_read(house: House) -> None:
    folder = house.root / "textfiles"
    folder.mkdir()
    (folder / ".aura.prom.tmp").symlink_to(house.root / "stranger")
    before = os.umask(0o077)
    try:
        extension = monitoring(house, folder / "aura.prom", Clock())
        extension.on_event(HealthWritten(document=health_document()))
        extension.work()
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "aura.prom").stat().st_mode) == 0o644
    assert [file.name for file in folder.iterdir()] == ["aura.prom"]
    assert not (house.root / "stranger").exists()


def test_a_textfile_whose_name_is_no_text_is_written(house: House) -> None:
    file = house.root / os.fsdecode(b"aura-\xff.prom")
    extension = monitoring(house, file, Clock())
    extension.on_event(HealthWritten(document=health_document()))
    extension.work()
    assert r'aura_daemon_queue_jobs{daemon="aura-\\xff"}' in file.read_text()


def test_a_textfile_that_cannot_be_written_is_a_hold_up_and_written_later(house: House) -> None:
    folder, clock, holdups = house.root / "textfiles", Clock(), Holdups(first_s=1, most_s=1)
    extension = Monitoring(house.settings(metrics={"textfile": folder / "a.prom"}), holdups, clock=clock)
    extension.on_event(HealthWritten(document=health_document()))
    extension.work()
    (record,) = holdups.records(clock.now_s)
    assert (record.what, "cannot be written: No such file or directory" in record.reason) == (TEXTFILE, True)
    folder.mkdir()
    clock.now_s += INTERVAL_S
    extension.on_event(HealthWritten(document=health_document()))
    extension.work()
    assert (folder / "a.prom").exists()
    assert not holdups.has_failed(TEXTFILE)


def test_a_token_that_has_gone_since_the_configuration_was_read_lets_nobody_in(house: House) -> None:
    holdups = Holdups(first_s=1, most_s=1)
    settings = house.settings(http={"listen": "127.0.0.1:0", "token_file": house.root / "gone"})
    extension = Monitoring(settings, holdups)
    extension.work()
    assert holdups.has_failed(HTTP)
    assert extension.waitables() == ()
