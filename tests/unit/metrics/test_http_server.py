"""The server on real sockets: it answers, and no client can stop it, slow it or fill it."""

from __future__ import annotations

import resource
import select
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from aura_daemon.config.listening import address_of
from aura_daemon.metrics import http_server
from aura_daemon.metrics.http_pages import Pages
from aura_daemon.metrics.http_server import ANSWER_S, GOODBYE_S, MOST_CONNECTIONS, REQUEST_S, HttpServer

GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE = b"#" * 20_000_000
"""More than the kernel keeps of an answer that nobody takes."""


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Site:
    """A server, its clock and its clients."""

    def __init__(self, listen: str) -> None:
        self.clock, self.metrics, self.open = Clock(), b"aura 1\n", ExitStack()
        pages = Pages(
            token=None, checks_host=True, health=lambda: None, metrics=lambda: self.metrics, metrics_type="text/plain"
        )
        self.server = HttpServer(address_of(listen), pages, clock=self.clock)
        self.address = self.server.name

    def connect(self, request: bytes = b"") -> socket.socket:
        """A client that has sent a request, or a part of one."""
        if self.address.startswith("unix:"):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            client.connect(self.address.removeprefix("unix:"))
        else:
            client = socket.create_connection(("127.0.0.1", int(self.address.rpartition(":")[2])))
        client.setblocking(False)
        self.open.enter_context(client)
        client.sendall(request)
        self.work()
        return client

    def work(self, turns: int = 3) -> None:
        """A few turns of the daemon's loop."""
        for _ in range(turns):
            self.server.work()

    def answer(self, client: socket.socket, most: int = 100_000_000) -> bytes:
        """What a client receives until the server closes its side, or until it has `most` bytes."""
        received = bytearray()
        while len(received) < most:
            self.work()
            if select.select([client], [], [], 0)[0]:
                chunk = client.recv(min(65_536, most))
                if not chunk:
                    break
                received += chunk
        return bytes(received)

    def is_closed(self, client: socket.socket) -> bool:
        """Whether the server has given a client up."""
        self.work()
        try:
            return client.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True


@pytest.fixture(params=["127.0.0.1:0", "unix"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    made = Site(f"unix:{tmp_path}/http.sock" if request.param == "unix" else request.param)
    with made.open:
        yield made
    made.server.close()


def is_readable(site: Site) -> bool:
    (descriptor,) = site.server.waitables()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def test_a_request_wakes_the_loop_and_is_answered_once(site: Site) -> None:
    assert not is_readable(site)
    assert site.server.due_in_s() is None
    client = site.connect()
    client.sendall(GET)
    assert is_readable(site)
    assert site.answer(client).endswith(b"\r\n\r\naura 1\n")
    client.close()
    site.work()
    assert not is_readable(site)
    assert site.server.due_in_s() is None


def test_a_request_in_pieces_and_behind_empty_lines_is_one(site: Site) -> None:
    client = site.connect(b"\r\n\r\nGE")
    for piece in (b"T /metrics HTTP/1.1\r\n", b"Host: localhost\r", b"\n\r", b"\n"):
        client.sendall(piece)
        site.work()
    assert site.answer(client).startswith(b"HTTP/1.1 200 OK\r\n")


def test_head_is_answered_without_the_content(site: Site) -> None:
    answer = site.answer(site.connect(GET.replace(b"GET", b"HEAD")))
    assert b"Content-Length: 7\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_second_request_on_the_same_connection_is_not_answered(site: Site) -> None:
    assert site.answer(site.connect(GET + GET)).count(b"HTTP/1.1 ") == 1


def test_a_body_is_ignored_and_does_not_cut_off_the_answer(site: Site) -> None:
    post = b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
    client = site.connect(post + b"x" * 100_000)
    assert site.answer(client).startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"\x16\x03\x01\r\n\r\n", 400), (b"GET /x HTTP/1.0\r\n\r\n", 404), (b"GET / HTTP/1.1\r\nA: " + b"b" * 9000, 431)],
)
def test_what_is_no_request_for_a_page_is_told_so(site: Site, sent: bytes, status: int) -> None:
    assert site.answer(site.connect(sent)).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_client_that_sends_half_a_request_is_given_up_and_the_others_are_answered(site: Site) -> None:
    slow = site.connect(b"GET /metrics HT")
    assert site.answer(site.connect(GET)).startswith(b"HTTP/1.1 200 ")
    site.clock.now_s += REQUEST_S - 1
    slow.sendall(b"T")  # a byte now and then buys no time
    assert not site.is_closed(slow)
    assert site.server.due_in_s() == 1
    site.clock.now_s += 1
    assert site.is_closed(slow)


def test_of_too_many_slow_clients_the_oldest_goes_and_a_new_one_is_answered(site: Site) -> None:
    slow = [site.connect(b"GET ") for _ in range(MOST_CONNECTIONS)]
    assert site.answer(site.connect(GET)).startswith(b"HTTP/1.1 200 ")
    assert site.is_closed(slow[0])
    assert not site.is_closed(slow[1])


def test_a_client_that_takes_its_answer_slowly_gets_all_of_it(site: Site) -> None:
    site.metrics = LARGE
    client = site.connect(GET)
    assert len(site.answer(client, most=10)) == 10
    assert site.answer(client).endswith(LARGE[-100:])


def test_a_client_that_takes_no_answer_is_given_up_and_does_not_keep_the_loop_awake(site: Site) -> None:
    site.metrics = LARGE
    client = site.connect(GET)
    site.work(20)
    assert not is_readable(site)
    site.clock.now_s += ANSWER_S
    site.work()
    assert site.server.due_in_s() is None
    client.close()


def test_a_client_that_does_not_close_is_left_a_moment_later(site: Site) -> None:
    site.answer(site.connect(GET))
    assert site.server.due_in_s() == GOODBYE_S
    site.clock.now_s += GOODBYE_S
    site.work()
    assert site.server.due_in_s() is None


def test_a_client_that_goes_away_ends_nothing(site: Site) -> None:
    site.metrics = LARGE
    for sent in (b"", b"GET ", GET):
        client = site.connect(sent)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        client.close()
        site.work()
    site.metrics = b""
    assert site.answer(site.connect(GET)).startswith(b"HTTP/1.1 200 ")


def test_where_the_system_makes_no_connections_the_loop_does_not_spin(site: Site) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    client = site.connect()
    waiting = socket.socket(socket.AF_UNIX if site.address.startswith("unix:") else socket.AF_INET)
    site.open.enter_context(waiting)
    resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno(), before[1]))
    try:
        waiting.connect(
            site.address.removeprefix("unix:")
            if site.address.startswith("unix:")
            else ("127.0.0.1", int(site.address.rpartition(":")[2]))
        )
        site.work()
        assert not is_readable(site)
        assert site.server.due_in_s() == http_server.REST_S
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    site.clock.now_s += http_server.REST_S
    site.work()
    waiting.sendall(GET)
    waiting.setblocking(False)
    assert site.answer(waiting).startswith(b"HTTP/1.1 200 ")


def test_a_unix_socket_is_its_owners_and_its_groups_and_goes_with_the_server(tmp_path: Path) -> None:
    file = tmp_path / "http.sock"
    site = Site(f"unix:{file}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o660
    site.server.close()
    assert not file.exists()


def test_a_socket_that_a_killed_daemon_left_is_replaced_but_no_living_one_and_no_file(tmp_path: Path) -> None:
    left = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(left))
    living = Site(f"unix:{left}")
    with pytest.raises(OSError, match="in use"):
        Site(f"unix:{left}")
    left.unlink()
    left.write_text("a file")
    with pytest.raises(FileExistsError, match="no socket"):
        Site(f"unix:{left}")
    living.server.close()
    assert left.read_text() == "a file"


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    first = Site("127.0.0.1:0")
    with pytest.raises(OSError, match="in use"):
        Site(first.address.removeprefix("http://"))
    first.server.close()


def test_ipv6_loopback_is_answered_where_there_is_one() -> None:
    try:
        site = Site("[::1]:0")
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    assert site.address.startswith("http://[::1]:")
    site.server.close()
