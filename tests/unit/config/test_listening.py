"""Where the HTTP server may listen, and which names mean this machine."""

from __future__ import annotations

import pytest

from aura_daemon.config.listening import TcpAddress, UnixAddress, address_of, is_guarded, is_loopback_name


@pytest.mark.parametrize(
    ("listen", "host", "port", "guarded", "shown"),
    [
        ("127.0.0.1:9750", "127.0.0.1", 9750, True, "http://127.0.0.1:9750"),
        ("localhost:0", "127.0.0.1", 0, True, "http://127.0.0.1:0"),
        ("127.8.0.1:80", "127.8.0.1", 80, True, "http://127.8.0.1:80"),
        ("[::1]:9750", "::1", 9750, True, "http://[::1]:9750"),
        ("0.0.0.0:9750", "0.0.0.0", 9750, False, "http://0.0.0.0:9750"),
        ("[::]:9750", "::", 9750, False, "http://[::]:9750"),
        ("192.168.1.2:65535", "192.168.1.2", 65535, False, "http://192.168.1.2:65535"),
    ],
)
def test_an_address_and_a_port_are_read_and_loopback_is_known(
    listen: str, host: str, port: int, guarded: bool, shown: str
) -> None:
    address = address_of(listen)
    assert isinstance(address, TcpAddress)
    assert (address.host, address.port, is_guarded(address), str(address)) == (host, port, guarded, shown)


def test_a_unix_socket_is_read_and_guarded_by_its_mode() -> None:
    address = address_of("unix:/run/aura/http.sock")
    assert address == UnixAddress(path="/run/aura/http.sock")
    assert is_guarded(address)
    assert str(address) == "unix:/run/aura/http.sock"


@pytest.mark.parametrize(
    ("listen", "message"),
    [
        ("9750", "must be an IP address and a port"),
        (":9750", "must be an IP address and a port"),
        ("127.0.0.1", "must be an IP address and a port"),
        ("127.0.0.1:65536", "must be an IP address and a port"),
        ("::1:9750", "must be an IP address and a port"),
        ("http://127.0.0.1:9750", "must be an IP address and a port"),
        ("my-nas:9750", "must be an IP address, and no name"),
        ("unix:http.sock", "by its whole path"),
        ("unix:/run/", "by its whole path"),
        ("unix:/run/\x00", "by its whole path"),
        ("unix:/" + "a" * 107, "at most 107 bytes"),
    ],
)
def test_anything_else_is_refused_with_what_is_allowed(listen: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        address_of(listen)


@pytest.mark.parametrize("host", ["localhost", "LocalHost:9750", "127.0.0.1", "127.0.0.1:9750", "[::1]", "[::1]:9750"])
def test_names_of_this_machine_are_known(host: str) -> None:
    assert is_loopback_name(host)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:9750", "localhost.evil.example", "127.0.0.1.evil.example", "", "10.0.0.1", ":80",
     "[::2]:80", "::1", "localhost:x", "[localhost", "127.1"],
)  # fmt: skip
def test_the_name_of_a_web_page_that_leads_here_is_none(host: str) -> None:
    assert not is_loopback_name(host)
