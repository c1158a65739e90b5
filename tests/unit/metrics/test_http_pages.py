"""Who is answered, and what."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest

from aura_daemon.health.document import Health, Status
from aura_daemon.metrics.http_pages import Pages
from aura_daemon.metrics.http_protocol import HttpRequest
from tests.support.health_documents import health_document as health

TOKEN = b"0123456789abcdef"


def pages(document: Health | None = None, **changes: Any) -> Pages:
    parts: dict[str, Any] = {
        "token": None,
        "checks_host": True,
        "health": lambda: document,
        "metrics": lambda: b"aura 1\n",
        "metrics_type": "text/x",
    }
    return Pages(**{**parts, **changes})


def request(path: str = "/health", method: str = "GET", host: str | None = "localhost", **more: str) -> HttpRequest:
    return HttpRequest(method=method, path=path, host=host, **more)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.OK, HTTPStatus.OK),
        (Status.DEGRADED, HTTPStatus.OK),
        (Status.STARTING, HTTPStatus.SERVICE_UNAVAILABLE),
        (Status.PAUSED, HTTPStatus.SERVICE_UNAVAILABLE),
        (Status.STOPPING, HTTPStatus.SERVICE_UNAVAILABLE),
        (Status.STOPPED, HTTPStatus.SERVICE_UNAVAILABLE),
    ],
)
def test_health_is_the_document_and_its_status_decides(status: Status, expected: HTTPStatus) -> None:
    document = health(status=status)
    answer = pages(document).answer(request())
    assert (answer.status, answer.content, answer.content_type) == (expected, document.to_json(), "application/json")


def test_before_the_first_document_the_daemon_starts() -> None:
    assert pages().answer(request()).status is HTTPStatus.SERVICE_UNAVAILABLE


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_metrics_are_what_the_registry_says(method: str) -> None:
    answer = pages().answer(request("/metrics", method))
    assert (answer.status, answer.content, answer.content_type) == (HTTPStatus.OK, b"aura 1\n", "text/x")


@pytest.mark.parametrize(
    "path", ["/", "/metrics/", "/../etc/passwd", "//metrics", "/%6detrics", "http://a/metrics", "*"]
)
def test_there_is_nothing_else(path: str) -> None:
    assert pages().answer(request(path)).status is HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get"])
def test_pages_are_only_read(method: str) -> None:
    answer = pages().answer(request("/metrics", method))
    assert (answer.status, answer.headers) == (HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})


def test_a_web_page_whose_name_leads_here_is_told_nothing() -> None:
    assert pages().answer(request("/metrics", host="evil.example:9750")).status is HTTPStatus.MISDIRECTED_REQUEST
    assert pages().answer(request("/metrics", host=None)).status is HTTPStatus.OK
    assert pages(checks_host=False).answer(request("/metrics", host="any.example")).status is HTTPStatus.OK


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer 0123456789abcdeX", "Basic 0123456789abcdef", "Bearer é"]
)
def test_whoever_does_not_know_the_token_learns_nothing(authorization: str) -> None:
    for path in ("/metrics", "/health", "/nothing"):
        answer = pages(token=TOKEN).answer(request(path, authorization=authorization))
        assert answer.status is HTTPStatus.UNAUTHORIZED
        assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize("authorization", ["Bearer 0123456789abcdef", "bearer  0123456789abcdef"])
def test_whoever_knows_the_token_may_call_this_machine_by_any_name(authorization: str) -> None:
    asked = request("/metrics", host="nas.example", authorization=authorization)
    assert pages(token=TOKEN).answer(asked).status is HTTPStatus.OK
    assert "0123456789abcdef" not in repr(pages(token=TOKEN)) + repr(asked)
