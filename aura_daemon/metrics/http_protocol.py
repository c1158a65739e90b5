"""HTTP/1.1, as much as two pages need. In: the bytes of a request. Out: what it asks for; the bytes of an answer. Pure.

A request is read up to the empty line behind its headers; a body is nobody's business here. Every answer closes the
connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

MOST_HEAD_BYTES: Final = 8192
"""Of a request line and its headers; scrapers send 300, browsers with their cookies 2,000."""

END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")

PLAIN: Final = "text/plain; charset=utf-8"

_REQUEST_LINE: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~]+) HTTP/1\.([0-9])")
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00]*?)[ \t]*")
_ONCE: Final = frozenset({"host", "authorization"})


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpRequest:
    """A request without its body."""

    method: str
    path: str
    """As it was sent, without the query."""
    host: str | None
    authorization: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpResponse:
    """An answer."""

    status: HTTPStatus
    content: bytes = field(repr=False)
    content_type: str = PLAIN
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self, *, with_content: bool = True) -> bytes:
        """The answer as it is sent; `with_content`: False for HEAD."""
        headers = {
            "Content-Type": self.content_type,
            "Content-Length": str(len(self.content)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
            **self.headers,
        }
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", *map(": ".join, headers.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1") + (self.content if with_content else b"")


def told(status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """An answer that is one line for people."""
    return HttpResponse(status=status, content=f"{message}\n".encode(), headers=headers or {})


def parsed(head: bytes) -> HttpRequest | HttpResponse:
    """The request whose line and headers these are, or the answer to one that is none."""
    first, *lines = head.decode("latin-1").replace("\r\n", "\n").split("\n")
    found = _REQUEST_LINE.fullmatch(first)
    if found is None:
        return told(HTTPStatus.BAD_REQUEST, "this is no request of HTTP/1")
    headers: dict[str, str] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            return told(HTTPStatus.BAD_REQUEST, "a line of the headers is none")
        name = header[1].lower()
        if name in _ONCE and name in headers:
            return told(HTTPStatus.BAD_REQUEST, f"the header {name} stands twice")
        headers[name] = header[2]
    if found[3] != "0" and "host" not in headers:
        return told(HTTPStatus.BAD_REQUEST, "the header Host is missing")
    return HttpRequest(
        method=found[1],
        path=found[2].partition("?")[0],
        host=headers.get("host"),
        authorization=headers.get("authorization", ""),
    )
