"""Where the HTTP server listens: the key `http.listen` -> an address, or why it is none. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, TypeAlias

UNIX: Final = "unix:"
MOST_SOCKET_BYTES: Final = 107
"""Bytes of a socket's path, without its final zero (unix(7))."""

_EXAMPLES: Final = "as in 127.0.0.1:9750, [::1]:9750 or unix:/run/aura/http.sock"
_HOST_AND_PORT: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):([0-9]{1,5})")
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::[0-9]{1,5})?")
_LOCALHOST: Final = "localhost"


@dataclass(frozen=True, kw_only=True, slots=True)
class TcpAddress:
    """An IP address and a port."""

    host: str
    port: int
    """0: any that is free."""
    is_loopback: bool
    """Whether only programs on this machine reach it."""
    is_ipv6: bool

    def __str__(self) -> str:
        return f"http://[{self.host}]:{self.port}" if self.is_ipv6 else f"http://{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class UnixAddress:
    """The path of a Unix socket, which its folder's and its own mode guard."""

    path: str

    def __str__(self) -> str:
        return UNIX + self.path


Address: TypeAlias = TcpAddress | UnixAddress


def address_of(listen: str) -> Address:
    """The address that a text means; raises ValueError that says what is allowed."""
    if listen.startswith(UNIX):
        path = listen.removeprefix(UNIX)
        if not path.startswith("/") or path.endswith("/") or "\x00" in path:
            raise ValueError(f"must name a socket by its whole path, {_EXAMPLES}")
        if len(path.encode(errors="surrogateescape")) > MOST_SOCKET_BYTES:
            raise ValueError(f"must name a socket by a path of at most {MOST_SOCKET_BYTES} bytes")
        return UnixAddress(path=path)
    found = _HOST_AND_PORT.fullmatch(listen)
    if found is None or int(found[2]) > 65_535:
        raise ValueError(f"must be an IP address and a port from 0 to 65535, or a socket, {_EXAMPLES}")
    host = "127.0.0.1" if found[1].lower() == _LOCALHOST else found[1].strip("[]")
    try:
        address = ip_address(host)
    except ValueError:
        raise ValueError(f"must be an IP address, and no name, with a port, {_EXAMPLES}") from None
    is_ipv6 = address.version == 6
    return TcpAddress(host=host, port=int(found[2]), is_loopback=address.is_loopback, is_ipv6=is_ipv6)


def is_guarded(address: Address) -> bool:
    """Whether only users of this machine reach it, so that it needs no token."""
    return isinstance(address, UnixAddress) or address.is_loopback


def is_loopback_name(host: str) -> bool:
    """Whether a `Host` header names this machine; a web page whose name leads here (DNS rebinding) sends its own."""
    found = _HOST.fullmatch(host)
    name = found[1].strip("[]") if found is not None else ""
    if name.lower() == _LOCALHOST:
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
