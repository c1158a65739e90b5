"""What the server answers: `/health`, `/metrics`, or why not. In: a request. Out: an answer. Pure.

Who may ask is decided here. With a token, whoever knows it. Without one, whoever reaches the socket, which then is a
Unix socket or listens on loopback; there a web page may not ask whose own name leads to this machine.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from aura_daemon.config.listening import is_loopback_name
from aura_daemon.health.document import Health, Status
from aura_daemon.metrics.http_protocol import HttpRequest, HttpResponse, told

HEALTH: Final = "/health"
METRICS: Final = "/metrics"

WELL: Final = frozenset({Status.OK, Status.DEGRADED})
"""What answers 200. `degraded` does, as only something waits, and a start would mend nothing."""

_METHODS: Final = ("GET", "HEAD")
_BEARER: Final = "Bearer"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pages:
    """The two pages, and who may see them."""

    token: bytes | None = field(repr=False)
    checks_host: bool
    """Whether only requests to a name of this machine are answered; where there is a token, it guards enough."""
    health: Callable[[], Health | None]
    metrics: Callable[[], bytes]
    metrics_type: str

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The answer to a request."""
        if self.token is not None and not _is_bearer(request.authorization, self.token):
            headers = {"WWW-Authenticate": f'{_BEARER} realm="aura-daemon"'}
            return told(HTTPStatus.UNAUTHORIZED, "this needs the token, as in Authorization: Bearer TOKEN", headers)
        if self.token is None and self.checks_host and request.host is not None and not is_loopback_name(request.host):
            message = "only requests to localhost or a loopback address are answered; with a token, all are"
            return told(HTTPStatus.MISDIRECTED_REQUEST, message)
        if request.path not in (HEALTH, METRICS):
            return told(HTTPStatus.NOT_FOUND, f"there is nothing here but {HEALTH} and {METRICS}")
        if request.method not in _METHODS:
            message = f"{request.path} is only read"
            return told(HTTPStatus.METHOD_NOT_ALLOWED, message, {"Allow": ", ".join(_METHODS)})
        if request.path == METRICS:
            return HttpResponse(status=HTTPStatus.OK, content=self.metrics(), content_type=self.metrics_type)
        return _of_health(self.health())


def _is_bearer(authorization: str, token: bytes) -> bool:
    """Whether a header holds the token; takes as long for any wrong one."""
    scheme, _, given = authorization.partition(" ")
    return hmac.compare_digest(given.strip().encode(), token) and scheme.lower() == _BEARER.lower()


def _of_health(document: Health | None) -> HttpResponse:
    if document is None:
        return told(HTTPStatus.SERVICE_UNAVAILABLE, "the daemon starts")
    return HttpResponse(
        status=HTTPStatus.OK if document.status in WELL else HTTPStatus.SERVICE_UNAVAILABLE,
        content=document.to_json(),
        content_type="application/json",
    )
