"""A share of SMB: Samba serves, and the kernel mounts it by SMB 3.1.1, for each user with that user's password."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from tests.checks.shares.rows import Failed, run
from tests.checks.shares.server import ADDRESS, PLACE, SERVED
from tests.checks.shares.users import AURA, EVERYBODY
from tests.support.users import User

CONFIG: Final = PLACE / "smb.conf"
SAMBA: Final = PLACE / "samba"
LOG: Final = Path("/var/log/samba")
PASSWORD: Final = "aura-test"

SETTINGS: Final = f"""[global]
 server min protocol = SMB3
 private dir = {SAMBA}
 lock directory = {SAMBA}
 state directory = {SAMBA}
 cache directory = {SAMBA}
 pid directory = {SAMBA}
 ncalrpc dir = {SAMBA}/ncalrpc
 passdb backend = tdbsam:{SAMBA}/passdb.tdb
 log file = {LOG}/smbd.log
 bind interfaces only = yes
 interfaces = lo
 disable spoolss = yes
[nas]
 path = {SERVED}/nas
 read only = no
[team]
 path = {SERVED}/team
 read only = no
 inherit permissions = yes
"""


class SmbServer:
    """smbd, and its clients."""

    programs: Mapping[str, str] = {
        "smbd": "samba",
        "smbpasswd": "samba",
        "smbclient": "smbclient",
        "mount.cifs": "cifs-utils",
    }
    modules: tuple[str, ...] = ("cmac", "hmac", "sha512_generic", "ctr", "ghash-generic", "gcm", "ccm", "ecb", "cifs")
    shares: tuple[str, ...] = ("nas", "team")
    port = 445

    def set_up(self) -> None:
        for folder in (SAMBA, LOG):
            folder.mkdir()
        CONFIG.write_text(SETTINGS)
        for user in EVERYBODY:
            run("smbpasswd", "-c", CONFIG, "-a", "-s", user.name, given=f"{PASSWORD}\n{PASSWORD}\n")

    def start(self) -> None:
        command = ["smbd", "--foreground", "--no-process-group", "-s", CONFIG]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def mounted(self, share: str, user: User) -> Path:
        place = Path("/mnt") / f"{share}-{user.name}"
        place.mkdir()
        whose = f"uid={user.uid},gid={user.gid},file_mode=0640,dir_mode=0750"  # as docs/folders.md mounts it
        options = f"ip={ADDRESS},user={user.name},pass={PASSWORD},vers=3.1.1,{whose}"
        run("mount.cifs", f"//{ADDRESS}/{share}", place, "-o", options)
        return place

    @contextmanager
    def writing(self, share: str, name: str) -> Iterator[Callable[[str], None]]:
        asks = ["smbclient", "-s", str(CONFIG), "-U", f"{AURA.name}%{PASSWORD}", f"//{ADDRESS}/{share}"]
        command = [*asks, "-c", f"put - {name}"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as client:
            assert client.stdin is not None
            yield partial(print, end="", file=client.stdin, flush=True)
        if client.returncode != 0:
            raise Failed(f"smbclient: {client.returncode}")
