"""The webhook that is shipped, against a real HTTP server on loopback, and as the hook of a daemon."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.hooks.webhook import Webhook, body_of, main, send
from tests.support.deadline import DEADLINE_S
from tests.support.house import House

SECRET = b"a secret of some length"


@dataclass
class Receiver:
    """A server that answers with the given statuses, then with 204, and keeps what it was sent."""

    statuses: list[int | None] = field(default_factory=list)
    """None: the connection is cut."""
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    def __init__(self, receiver: Receiver, *arguments: Any) -> None:
        self._receiver = receiver
        super().__init__(*arguments)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._receiver.received.append((dict(self.headers.items()), body))
        status = self._receiver.statuses.pop(0) if self._receiver.statuses else 204
        if status is None:
            self.connection.close()
            return
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "7")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, found))
    found.url = f"http://127.0.0.1:{server.server_address[1]}/aura"
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def webhook(url: str, secret: bytes | None = SECRET) -> Webhook:
    return Webhook(url=url, event_id="7-done", body=b'{"event": "done"}', secret=secret)


class Naps:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.naps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)

    def clock(self) -> float:
        return sum(self.naps)


def sent(hook: Webhook, naps: Naps, *, within_s: float = 25.0) -> str:
    return send(hook, timeout_s=DEADLINE_S, within_s=within_s, sleep=naps.sleep, clock=naps.clock)


def is_signed(headers: dict[str, str], body: bytes) -> bool:
    """As a receiver checks it."""
    signed = headers["X-Aura-Timestamp"].encode() + b"." + body
    expected = "sha256=" + hmac.new(SECRET, signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, headers["X-Aura-Signature"])


def test_a_receiver_that_fails_first_gets_the_same_signed_event_again(receiver: Receiver) -> None:
    receiver.statuses = [503, None, 500]
    naps = Naps()
    assert sent(webhook(receiver.url), naps) == ""
    assert naps.naps == [1, 2, 4]
    assert len(receiver.received) == 4
    for headers, body in receiver.received:
        assert is_signed(headers, body)
        assert (headers["Idempotency-Key"], headers["Content-Type"]) == ("7-done", "application/json")
        assert body == b'{"event": "done"}'


def test_a_receiver_that_asks_for_patience_gets_it(receiver: Receiver) -> None:
    receiver.statuses = [429]
    naps = Naps()
    assert sent(webhook(receiver.url), naps) == ""
    assert naps.naps == [7]


@pytest.mark.parametrize("status", [301, 400, 401, 404])
def test_what_another_attempt_does_not_mend_is_not_tried_again(receiver: Receiver, status: int) -> None:
    receiver.statuses = [status]
    assert f"answered {status}" in sent(webhook(receiver.url), Naps())
    assert len(receiver.received) == 1


def test_it_gives_up_before_the_time_limit_of_the_hook(receiver: Receiver) -> None:
    receiver.statuses = [500] * 100
    assert sent(webhook(receiver.url), Naps()) == "the receiver answered 500 Internal Server Error (5 attempts)"


def test_a_receiver_that_is_away_is_told_as_such() -> None:
    assert "ConnectError" in sent(webhook("http://127.0.0.1:1/"), Naps(), within_s=2)


def test_without_a_secret_nothing_is_signed(receiver: Receiver) -> None:
    assert sent(webhook(receiver.url, secret=None), Naps()) == ""
    assert "X-Aura-Signature" not in receiver.received[0][0]


def test_the_body_holds_the_event_and_its_document() -> None:
    variables = {"AURADAEMON_EVENT": "done", "AURADAEMON_OUTPUTS": "/a.png\n/a.txt", "HOME": "/root"}
    assert json.loads(body_of(variables, b'{"job_id": "7"}')) == {
        "schema": "aura-daemon/hook/1",
        "event": "done",
        "outputs": ["/a.png", "/a.txt"],
        "document": {"job_id": "7"},
    }
    assert json.loads(body_of({"AURADAEMON_PROMPT": "caf\udce9"}, b""))["document"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--url", "ftp://here"], "must begin with http"),
        (["--url", "http://here", "--secret-file", "/nowhere"], "No such file"),
        (["--url", "http://here", "--secret-file", "/dev/null"], "it is empty"),
        (["--url", "http://here"], "is not set"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    options: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if message != "is not set":
        monkeypatch.setenv("AURADAEMON_EVENT", "done")
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_a_daemons_job_arrives_signed_though_the_receiver_fails_first(
    house: House, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.statuses = [503]
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET + b"\n")
    house.drop("cat.yaml", b'prompt: "a cat; $(reboot) \\u263a"\n')
    module = ("-m", "aura_daemon.hooks.webhook")
    house.drain(hooks={"on_done": [sys.executable, *module, "--url", receiver.url, "--secret-file", str(secret)]})
    assert len(receiver.received) == 2
    headers, body = receiver.received[-1]
    assert is_signed(headers, body)
    told = json.loads(body)
    assert (told["event"], told["source"], told["prompt"]) == ("done", "cat.yaml", "a cat; $(reboot) \u263a")
    assert told["document"] == house.sidecar("cat.json")
    assert headers["Idempotency-Key"] == told["event_id"]


def test_it_imports_nothing_heavy() -> None:
    script = "import sys, aura_daemon.hooks.webhook; print({'torch', 'PIL', 'pydantic'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert ran.stdout.strip() == "set()"
