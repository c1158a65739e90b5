"""Bounds for what a hub may send, whoever answers in its place. In: requests of the hub's client. Out: bounded answers.

Within `guarded()` every answer has a most of bytes, unpacked, and a least of speed; requests and redirects go nowhere
but to the hub and to public addresses; and what becomes a part of a path is checked before the client sees it.
"""

from __future__ import annotations

import ipaddress
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final

import httpx2
from huggingface_hub import constants, set_client_factory
from huggingface_hub.utils._http import default_client_factory

from aura_daemon.engines.model_files.hub_answers import answer_fault, header_fault, listed
from aura_daemon.engines.model_files.inspection import MOST_VOCABULARY_BYTES

MOST_BYTES: Final = "aura_most_bytes"
"""Under this key a request says how many bytes a whole answer may have, and the rest of one that was begun; others have
`MOST_SMALL_BYTES`."""

MOST_SMALL_BYTES: Final = MOST_VOCABULARY_BYTES
"""Of a list of files, a configuration or a vocabulary."""

MOST_TOGETHER_BYTES: Final = 64 << 20
"""Of all such answers of one model."""

MOST_FILES: Final = 20_000
"""That a hub lists of one model."""

MOST_REQUESTS: Final = 2_000
"""For one model, the parts of its large files included."""

GRACE_S: Final = 60.0
LEAST_PER_S: Final = 500
"""Bytes a second that an answer has, once `GRACE_S` are over."""

SILENCE_S: Final = 10.0
"""Seconds without any byte after which a server does not answer in time."""

_CHUNK_BYTES: Final = 1 << 16
_API: Final = "/api/"
_PACKED: Final = {"gzip": 31, "deflate": 15}
"""Encodings -> what zlib calls them."""


class StrangeAnswer(OSError):
    """Something that no hub answers, in words: the end of `HUB sends what no hub does: …`."""


class HubGuard:
    """What one model has taken of the hub."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = Lock()
        self._requests = self._files = self._bytes = 0
        self._hub = httpx2.URL(constants.ENDPOINT)

    def request(self, request: httpx2.Request) -> None:
        """Refuses a request to where no hub is; called before each, redirects included."""
        self._count(requests=1)
        url = request.url
        if url.scheme not in ("http", "https") or (self._hub.scheme == "https" and url.scheme == "http"):
            raise StrangeAnswer(f"it leads to {_place(url)}, by another protocol")
        if not self._is_hub(url):
            if url.path.startswith(_API):
                raise StrangeAnswer(f"it has {_place(url)} list its files")
            request.headers.pop("Authorization", None)
            if (reason := _refused_address(url.host, self._hub.host)) is not None:
                raise StrangeAnswer(f"it leads to {_place(url)}, {reason}")
        request.headers["Accept-Encoding"] = "identity"
        timeouts: dict[str, Any] = dict(request.extensions.get("timeout") or {})
        limits = {name: timeouts.get(name) or SILENCE_S for name in ("connect", "read", "write", "pool")}
        request.extensions = {**request.extensions, "timeout": limits}

    def response(self, response: httpx2.Response) -> None:
        """Bounds an answer; called before any byte of its body is read."""
        request = response.request
        if self._is_hub(request.url) and (fault := header_fault(response.headers)):
            raise StrangeAnswer(fault)
        encoding = response.headers.pop("content-encoding", "identity").lower()
        if encoding not in ("identity", *_PACKED):
            raise StrangeAnswer(f"it is packed by {encoding[:40]}, which was not asked for")
        whole, rest = request.extensions.get(MOST_BYTES, (None, None))
        most = rest if response.status_code == httpx2.codes.PARTIAL_CONTENT else whole
        response.stream = _BoundedStream(response.stream, self, most, encoding, _place(request.url))
        is_list = request.url.path.startswith(_API) and request.method == "GET"
        if is_list and response.status_code == httpx2.codes.OK:
            content = response.read()
            if fault := answer_fault(content):
                raise StrangeAnswer(fault)
            self._count(files=listed(content))

    def took_small(self, amount: int) -> None:
        """Counts bytes of an answer that is no large file."""
        self._count(small=amount)

    def _count(self, *, requests: int = 0, files: int = 0, small: int = 0) -> None:
        with self._lock:
            self._requests += requests
            self._files += files
            self._bytes += small
            if self._requests > MOST_REQUESTS:
                raise StrangeAnswer(f"it wants more than {MOST_REQUESTS:,} requests for one model")
            if self._files > MOST_FILES:
                raise StrangeAnswer(f"it lists more than {MOST_FILES:,} files of one model")
            if self._bytes > MOST_TOGETHER_BYTES:
                raise StrangeAnswer(f"its lists and configurations have more than {MOST_TOGETHER_BYTES:,} bytes")

    def _is_hub(self, url: httpx2.URL) -> bool:
        return (url.scheme, url.host, url.port) == (self._hub.scheme, self._hub.host, self._hub.port)


class _BoundedStream(httpx2.SyncByteStream):
    """The body of an answer, unpacked, up to the bytes that it may have."""

    def __init__(self, stream: Any, guard: HubGuard, most: int | None, encoding: str, place: str) -> None:
        self._stream, self._guard, self._most, self._place = stream, guard, most, place
        self._unpacker = zlib.decompressobj(_PACKED[encoding]) if encoding in _PACKED else None

    def __iter__(self) -> Iterator[bytes]:
        left = MOST_SMALL_BYTES if self._most is None else self._most
        began_s, came = self._guard.clock(), 0
        for packed in self._stream:
            came += len(packed)
            taken_s = self._guard.clock() - began_s
            if taken_s > GRACE_S and came < LEAST_PER_S * taken_s:
                raise StrangeAnswer(f"{self._place} sent {came:,} bytes in {taken_s:.0f} s")
            for chunk in self._unpacked(packed):
                if self._most is None:
                    self._guard.took_small(len(chunk))
                if len(chunk) > left:
                    yield chunk[:left]
                    most = MOST_SMALL_BYTES if self._most is None else self._most
                    raise StrangeAnswer(f"{self._place} sends more than the {most:,} bytes that it may")
                left -= len(chunk)
                yield chunk

    def close(self) -> None:
        self._stream.close()

    @property
    def elapsed(self) -> Any:
        """Asked for by the client's responses."""
        return self._stream.elapsed

    def _unpacked(self, packed: bytes) -> Iterator[bytes]:
        """The content of a piece, in pieces of bounded length: a few bytes may stand for gigabytes."""
        if self._unpacker is None:
            yield packed
            return
        try:
            while packed:
                chunk = self._unpacker.decompress(packed, _CHUNK_BYTES)
                packed = self._unpacker.unconsumed_tail
                if not chunk:
                    return
                yield chunk
        except zlib.error as error:
            raise StrangeAnswer(f"what {self._place} sends cannot be unpacked: {error}") from None


@contextmanager
def guarded() -> Iterator[None]:
    """Within, the hub's client keeps to the bounds; may be nested, and then counts together."""
    global _active
    if _active is not None:
        yield
        return
    guard = _active = HubGuard()

    def client() -> httpx2.Client:
        made: httpx2.Client = default_client_factory()
        hooks = made.event_hooks
        made.event_hooks = {"request": [*hooks["request"], guard.request], "response": [guard.response]}
        return made

    # Large files are fetched over HTTP (`downloads`); Xet's client has connections of its own, and would take
    # some of the others past these bounds.
    xet, constants.HF_HUB_DISABLE_XET = constants.HF_HUB_DISABLE_XET, True
    set_client_factory(client)
    try:
        yield
    except StrangeAnswer:
        raise
    except (LookupError, TypeError, AttributeError, AssertionError, RecursionError) as error:
        raise StrangeAnswer(f"the hub's client does not understand it ({type(error).__name__})") from error
    finally:
        _active = None
        constants.HF_HUB_DISABLE_XET = xet
        set_client_factory(default_client_factory)


_active: HubGuard | None = None


def _refused_address(host: str, hub: str) -> str | None:
    """Why no request goes to a host, unless the hub lies in the same kind of network."""
    near = [address for address in _addresses(hub) if not address.is_global]
    for address in _addresses(host):
        if address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved:
            return "an address of this network alone"
        if address.is_loopback and not any(one.is_loopback for one in near):
            return "an address of this machine"
        if not address.is_global and not near:
            return "an address of a private network"
    return None


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses of a host; none where its name is not known here, as behind a proxy."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return []
    addresses = [ipaddress.ip_address(str(one).partition("%")[0]) for one in found]
    return [getattr(one, "ipv4_mapped", None) or one for one in addresses]


def _place(url: httpx2.URL) -> str:
    """Protocol and host, without what a link may carry along."""
    return f"{url.scheme}://{url.host}{f':{url.port}' if url.port else ''}"
