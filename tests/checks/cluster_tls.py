"""A cluster whose nodes speak TLS, and a daemon with certificates, without any, and with those of another authority.

Every process of Ray reads its variables once: whoever calls this has `variables` in its environment from its start.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from tests.support import certificates
from tests.support.cluster_trial import Fault, Row, Trial

ADDRESS: Final = "127.0.0.1"
NODES, JOBS = 2, 12
WITHOUT: Final = {"RAY_USE_TLS": "0"}
CONTROL: Final = b"a prompt in clear"
"""Is sent so, which shows that one would be overheard."""
EVERY_PROTOCOL: Final = 3
GOOD, OTHER = "certificates", "certificates-of-others"


def variables(folder: Path) -> dict[str, str]:
    """Makes certificates, and others that nobody here knows; returns Ray's variables for the first."""
    certificates.made(folder / OTHER, ADDRESS)
    return certificates.made(folder / GOOD, ADDRESS)


def faults(folder: Path) -> list[Fault]:
    """What may meet a daemon where the nodes speak TLS."""
    refused = "does not answer|no connection to the Ray cluster"
    ours = {name: value for name, value in os.environ.items() if name.startswith("RAY_TLS_")}
    others = {name: value.replace(f"/{GOOD}/", f"/{OTHER}/") for name, value in ours.items()}
    return [
        Fault(
            name="TLS between the nodes",
            act=_only_encrypted,
            says="the Ray cluster is found",
            waits=False,
            workers=NODES,
            jobs=JOBS,
        ),
        Fault(
            name="TLS: a daemon without certificates, then with them",
            act=_let_in_later,
            says=refused,
            waits=False,
            workers=NODES,
            jobs=JOBS,
            variables=WITHOUT,
        ),
        Fault(
            name="TLS: a daemon with a certificate of another authority, then with the right one",
            act=_let_in_later,
            says=refused,
            waits=False,
            workers=NODES,
            jobs=JOBS,
            variables=others,
        ),
    ]


def _only_encrypted(trial: Trial) -> None:
    """The head speaks to whoever has a certificate of its authority; no prompt is on the line as it was written."""
    with _Overheard(CONTROL, f" {trial.tag}-".encode()) as overheard:
        trial.until(trial.said, "the daemon is let in", 60.0)
        trial.until(lambda: len(trial.witnessed("ended")) >= trial.fault.jobs, "all is drawn")
    assert overheard.counts[CONTROL] > 0, "nothing was overheard"
    assert overheard.counts[f" {trial.tag}-".encode()] == 0, "prompts are on the line as they were written"
    host, _, port = trial.nodes.address.rpartition(":")
    assert _is_answered((host, int(port)), certificate=True), "a client with a certificate is refused"
    assert not _is_answered((host, int(port)), certificate=False), "a client without a certificate is answered"
    assert not _is_answered_in_clear((host, int(port))), "a client without TLS is answered"


def _let_in_later(trial: Trial) -> None:
    trial.until(trial.said, "it is told", 60.0)
    assert not trial.witnessed("begun"), "a job was drawn"
    trial.restart(without=trial.fault.variables)


class _Overheard:
    """What goes over the loopback device meanwhile."""

    def __init__(self, *words: bytes) -> None:
        self.counts = dict.fromkeys(words, 0)
        self._over = threading.Event()
        self._line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(EVERY_PROTOCOL))
        self._line.bind(("lo", 0))
        self._line.settimeout(0.2)
        self._hearing = threading.Thread(target=self._hear, daemon=True)

    def __enter__(self) -> Self:
        self._hearing.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(CONTROL, (ADDRESS, 9))
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._hearing.join()
        self._line.close()

    def _hear(self) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError):
                packet = self._line.recv(1 << 16)
                for word in self.counts:
                    self.counts[word] += word in packet


def _is_answered(address: tuple[str, int], *, certificate: bool) -> bool:
    """Whether a server says something after the handshake: with TLS 1.3 it looks at the certificate then."""
    context = ssl.create_default_context(cafile=os.environ["RAY_TLS_CA_CERT"])
    context.set_alpn_protocols(["h2"])
    if certificate:
        context.load_cert_chain(os.environ["RAY_TLS_SERVER_CERT"], os.environ["RAY_TLS_SERVER_KEY"])
    with (
        suppress(OSError),
        socket.create_connection(address, timeout=5.0) as plain,
        context.wrap_socket(plain, server_hostname=address[0]) as line,
    ):
        return bool(line.recv(1))
    return False


def _is_answered_in_clear(address: tuple[str, int]) -> bool:
    with suppress(OSError), socket.create_connection(address, timeout=5.0) as line:
        line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        return bool(line.recv(1))
    return False


def main(folder: Path) -> int:
    """Tries all of them, and prints what came of it."""
    from tests.checks.cluster_check import show_faults, try_fault
    from tests.support.ray_nodes import nodes

    rows: list[Row] = []
    complaints: list[str] = []
    with nodes(folder, NODES) as cluster:
        for fault in faults(folder):
            try_fault(fault, cluster, folder, rows, complaints)
    show_faults(rows)
    print("\n".join(complaints), file=sys.stderr)
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
