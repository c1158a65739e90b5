"""A share of NFS 4.2 with root_squash: the kernel serves and mounts it.

Nothing of nfs-utils takes part: what `exportfs` and `rpc.mountd` would tell the kernel's server is written here, and no
other version of NFS is served, so that no portmapper is asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.checks.shares.server import ADDRESS, PLACE, SERVED
from tests.checks.shares.users import AURA
from tests.powercut.guest import mount
from tests.support.users import User

SMALL: Final = "small"
SMALL_OPTIONS: Final = "size=256k,mode=755"
"""A share that can be filled."""

CONTROL: Final = PLACE / "nfsd"
CLIENTS: Final = PLACE / "nfs-clients"
"""Where the server remembers its clients, who may take up their locks after it was away."""

PARAMETERS: Final = Path("/sys/module/nfsd/parameters")

GRACE_S: Final = 10
"""The least that the kernel takes: for so long a server that is back waits for its clients before it opens files."""

NOBODY: Final = 65534
FOR_EVER: Final = (1 << 31) - 1
"""In seconds since 1970."""

FLAGS: Final = 0x0004 | 0x0400 | 0x2000
"""root_squash, no_subtree_check, fsid= (`linux/nfsd/export.h`)."""
BY_FSID: Final = 1
"""A file handle that begins with an `fsid=` (`FSID_NUM` of fs/nfsd/nfsfh.h)."""


class NfsServer:
    """The kernel's server, and its clients."""

    mount_options: str = ""
    """Further ones, behind commas."""
    programs: Mapping[str, str] = {}
    modules: tuple[str, ...] = ("nfsd", "nfsv4")
    shares: tuple[str, ...] = ("nas", "team", "mounted-team", "of-root", SMALL)
    port = 2049

    def set_up(self) -> None:
        mount("tmpfs", SERVED / SMALL, "tmpfs", options=SMALL_OPTIONS)
        for folder in (CONTROL, CLIENTS):
            folder.mkdir()
        mount("nfsd", CONTROL, "nfsd")
        (PARAMETERS / "cltrack_prog").write_text("\n")  # a program that remembers clients, of a package, is not asked
        (CONTROL / "nfsv4recoverydir").write_text(f"{CLIENTS}\n")
        for name in ("nfsv4leasetime", "nfsv4gracetime"):
            (CONTROL / name).write_text(f"{GRACE_S}\n")
        (CONTROL / "versions").write_text("-3 +4\n")

    def start(self) -> None:
        (CONTROL / "portlist").write_text(f"tcp {self.port}\n")
        # What the kernel was told is forgotten with the last thread of the server.
        _tell("auth.unix.ip", f"nfsd {ADDRESS} {FOR_EVER} here")
        for fsid, place in enumerate((SERVED, SERVED / SMALL)):
            handle = fsid.to_bytes(4, "little").hex()
            _tell("nfsd.export", f"here {place} {FOR_EVER} {FLAGS} {NOBODY} {NOBODY} {fsid}")
            _tell("nfsd.fh", f"here {BY_FSID} \\x{handle} {FOR_EVER} {place}")
        (CONTROL / "threads").write_text("4\n")

    def stop(self) -> None:
        (CONTROL / "threads").write_text("0\n")

    def mounted(self, share: str, user: User) -> Path:
        """One mount for all users: the server knows them by their numbers."""
        return self._mounted(share, "4.2")

    @contextmanager
    def writing(self, share: str, name: str) -> Iterator[Callable[[str], None]]:
        place = self._mounted(share, "4.1")  # by another version it is another client to the server
        with AURA.acting(), (place / name).open("w") as file:

            def write(text: str) -> None:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())  # what the server has, others see

            yield write

    def _mounted(self, share: str, version: str) -> Path:
        place = Path("/mnt") / f"{share}-{version}"
        if not place.exists():
            place.mkdir()
            options = f"vers={version},addr={ADDRESS},clientaddr={ADDRESS},nosharecache{self.mount_options}"
            mount(f"{ADDRESS}:/{share}", place, "nfs4", options=options)
        return place


class SoftNfsServer(NfsServer):
    """Its clients give up what the server does not answer: reading and writing fail then."""

    mount_options = ",soft,timeo=50,retrans=1"


def _tell(cache: str, line: str) -> None:
    """Tells the kernel what it would ask a daemon for."""
    Path(f"/proc/net/rpc/{cache}/channel").write_text(f"{line}\n")
