"""Requests and answers as bytes."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.metrics.http_protocol import HttpRequest, HttpResponse, parsed, told


def test_a_request_is_read_as_far_as_it_matters() -> None:
    head = b"GET /metrics?a=b HTTP/1.1\r\nHost:  localhost:9750 \r\nauthorization: Bearer x\r\nAccept: */*"
    expected = HttpRequest(method="GET", path="/metrics", host="localhost:9750", authorization="Bearer x")
    assert parsed(head) == expected


def test_an_old_request_needs_no_host() -> None:
    assert parsed(b"HEAD / HTTP/1.0") == HttpRequest(method="HEAD", path="/", host=None)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /",
        b"GET / HTTP/2.0",
        b"GET  / HTTP/1.1\r\nHost: a",
        b"GET / HTTP/1.1",
        b"GET / HTTP/1.1\r\nHost: a\r\nhost: b",
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nAuthorization: c",
        b"GET / HTTP/1.1\r\nHost: a\r\n folded: b",
        b"GET / HTTP/1.1\r\nHost : a",
        b"GET / HTTP/1.1\r\nHost: a\x00b",
        b"GET /\xff HTTP/1.1\r\nHost: a",
    ],
)
def test_what_is_no_request_is_told_so(head: bytes) -> None:
    answer = parsed(head)
    assert isinstance(answer, HttpResponse)
    assert answer.status is HTTPStatus.BAD_REQUEST


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(head: bytes) -> None:
    assert isinstance(parsed(b"GET / HTTP/1.1\r\n" + head), HttpRequest | HttpResponse)
    parsed(head)


def test_an_answer_says_its_length_and_that_nothing_follows() -> None:
    answer = told(HTTPStatus.NOT_FOUND, "no", {"Allow": "GET"})
    head, _, content = answer.to_bytes().partition(b"\r\n\r\n")
    assert content == b"no\n"
    first, *lines = head.decode().split("\r\n")
    assert first == "HTTP/1.1 404 Not Found"
    assert {"Content-Length: 3", "Connection: close", "Cache-Control: no-store", "Allow: GET"} <= set(lines)
    assert answer.to_bytes(with_content=False) == head + b"\r\n\r\n"
