"""Readers of commands and requests to the daemon."""

from __future__ import annotations

import re
from typing import Final

from aura_daemon.daemon.control_socket import MAX_MESSAGE_BYTES, received_command
from aura_daemon.metrics.http_pages import Pages
from aura_daemon.metrics.http_protocol import END_OF_HEAD, MOST_HEAD_BYTES, HttpRequest, parsed
from tests.fuzzing.limits import must
from tests.fuzzing.targets.fuzz_target import FuzzTarget


def _receive_command(content: bytes) -> None:
    received = received_command(content[:MAX_MESSAGE_BYTES])
    if received is not None:
        must("/" not in received.reply and received.reply.startswith("answer-"), "an answer that goes elsewhere")
        must(isinstance(received.command.name, str) and isinstance(received.command.path, str), "no texts")


_ONE_HEAD: Final = re.compile(rb"HTTP/1\.1 [0-9]{3} [ -~]+\r\n(?:[A-Za-z-]+: [ -~]*\r\n)+\r\n")


_PAGES: Final = Pages(
    token=b"secret", checks_host=True, health=lambda: None, metrics=lambda: b"metrics\n", metrics_type="text/plain"
)


_OPEN_PAGES: Final = Pages(
    token=None, checks_host=True, health=lambda: None, metrics=lambda: b"metrics\n", metrics_type="text/plain"
)


def _answer_http(content: bytes) -> None:
    end = END_OF_HEAD.search(content[: MOST_HEAD_BYTES + 4])
    if end is None:
        return
    request = parsed(content[: end.start()])
    answers = (
        [page.answer(request) for page in (_PAGES, _OPEN_PAGES)] if isinstance(request, HttpRequest) else [request]
    )
    for answer in answers:
        written = answer.to_bytes()
        head = _ONE_HEAD.match(written)
        must(head is not None and written[head.end() :] == answer.content, f"no answer of HTTP: {written[:200]!r}")
        must(b"secret" not in written, "an answer that tells the token")
    if isinstance(request, HttpRequest):
        must(answers[0].content != b"metrics\n" or b"secret" in content, "metrics without the token")


TARGETS: Final = {
    "control-socket": FuzzTarget(
        read=_receive_command,
        seeds=lambda: iter(
            (b'{"verb":"cancel","name":"a","path":"b","reply":"answer-1-0123abcd.sock"}', b'{"verb":"retry"}', b"[[[[")
        ),
        words=(b'"verb":', b'"cancel"', b'"retry"', b'"reply":', b'"name":', b'"path":', b"null", b"\\ud800", b"../"),
    ),
    "http": FuzzTarget(
        read=_answer_http,
        seeds=lambda: iter(
            (
                b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n\r\n",
                b"HEAD /health HTTP/1.0\r\n\r\n",
                b"POST /health?x=1 HTTP/1.1\nHost: [::1]:80\n\n",
            )
        ),
        words=(
            b"Host: ",
            b"\r\n\r\n",
            b"HTTP/1.1",
            b"Authorization: Bearer ",
            b"127.0.0.1",
            b"[::1]",
            b"/metrics",
            b"%00",
        ),
    ),
}
"""Name -> reader."""
