"""The kinds of share that are tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.checks.shares.nfs_server import NfsServer, SoftNfsServer
from tests.checks.shares.server import Server
from tests.checks.shares.smb_server import SmbServer

SERVERS: Final[Mapping[str, Callable[[], Server]]] = {
    "smb": SmbServer,
    "nfs": NfsServer,
    "nfs-soft": SoftNfsServer,
}
