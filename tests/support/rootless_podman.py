"""A person without root who has podman: for tests that root runs, where nothing else is as podman wants it.

Each script runs in mount and process namespaces of its own, so that nothing of it stays: with an account that is made
up, with control groups of version 2 alone, which podman's runtime wants and many machines lack, and within the limits
of this process. What pip is told on this machine holds in images that are built, too.
"""

from __future__ import annotations

import ast
import os
import re
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NUMBER: Final = 4242
"""Of the made-up account."""

ALONE: Final = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")

_START: Final = """
set -e
mount --make-rprivate / && mount --make-shared /
umount -l -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup
touch /etc/subuid /etc/subgid
for name in passwd group subuid subgid; do mount --bind "$1/$name" "/etc/$name"; done
cd "$1/home"
exec setpriv --reuid {number} --regid {number} --clear-groups env -i HOME="$1/home" USER=somebody LOGNAME=somebody \\
  XDG_RUNTIME_DIR="$1/run" CONTAINERS_CONF="$1/containers.conf" BUILDAH_ISOLATION=chroot PATH=/usr/bin:/bin:/usr/sbin \\
  bash -e "$1/script"
"""


def obstacle() -> str:
    """Why podman cannot be tried here; empty where it can, as far as is known beforehand."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "making up an account takes Linux and root"
    missing = [name for name in ("podman", "newuidmap", "unshare", "setpriv") if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RootlessPodman:
    """The account; all it has lies below one folder."""

    folder: Path
    """That everybody may enter."""

    @property
    def home(self) -> Path:
        """Its home folder."""
        return self.folder / "home"

    def make(self) -> None:
        """Makes the account's folders and settings."""
        for name in ("home/.config/containers", "run"):
            (self.folder / name).mkdir(parents=True)
        account = f"somebody:x:{NUMBER}:{NUMBER}::{self.home}:/bin/bash\n"
        self._write("passwd", Path("/etc/passwd").read_text() + account)
        self._write("group", Path("/etc/group").read_text() + f"somebody:x:{NUMBER}:\n")
        self._write("subuid", "somebody:100000:65536\n")
        self._write("subgid", "somebody:100000:65536\n")
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        pip, places = pip_settings()
        self._write("pip.conf", pip)
        volumes = [f"{self.folder}/pip.conf:/etc/pip.conf:ro", *(f"{place}:{place}:ro" for place in places)]
        self._write(
            "containers.conf",
            f'[containers]\ncgroups = "disabled"\ndefault_ulimits = ["nofile={files}:{files}", "nproc=1000:1000"]\n'
            f'volumes = {volumes}\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n',
        )
        self._write("home/.config/containers/storage.conf", '[storage]\ndriver = "overlay"\n')
        for place in (self.folder, *self.folder.rglob("*")):
            os.chown(place, NUMBER, NUMBER)

    def run(self, script: str, *, timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Runs a script as this account; whatever it leaves running ends with it."""
        self._write("script", script)
        shutil.rmtree(self.folder / "run")  # as after a start of the machine: the processes noted there are gone
        (self.folder / "run").mkdir(mode=0o700)
        os.chown(self.folder / "run", NUMBER, NUMBER)
        return subprocess.run(
            [*ALONE, "bash", "-c", _START.format(number=NUMBER), "bash", self.folder],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o644)


def pip_settings() -> tuple[str, list[Path]]:
    """What pip is told on this machine, as a file, and the places on it that this names."""
    said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    values = {}
    for line in said.stdout.splitlines():
        key, _, value = line.partition("=")
        values[key.rpartition(".")[2]] = ast.literal_eval(value)
    text = "[global]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
    urls = re.findall(r"file://(/\S+)", " ".join(values.values()))
    plain = re.findall(r"(?<!\S)/\S+", " ".join(values.values()))
    named = {*(Path(url).parent for url in urls), *map(Path, plain)}
    return text, sorted(place for place in named if place.exists())
