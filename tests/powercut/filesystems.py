"""The file systems that are tried: how one is made, and checked without a change; whether it can be had here."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20

_LOAD_MODULE: Final = 313
"""The system call `finit_module` on x86-64."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileSystem:
    """A file system of Linux."""

    module: str
    """The kernel's name of it."""
    make: tuple[str, ...]
    check: tuple[str, ...]
    """Exits with 0 where nothing at all is wrong, and changes nothing."""
    package: str
    size_bytes: int
    """The least that it takes, or a bit more."""

    def format(self, disk: Path) -> None:
        """Makes a disk that holds it, empty."""
        with disk.open("wb") as file:
            file.truncate(self.size_bytes)
        subprocess.run([*self.make, str(disk)], check=True, capture_output=True, env=_environment())


FILESYSTEMS: Final = {
    "ext4": FileSystem(
        module="ext4",
        make=("mkfs.ext4", "-q", "-F"),
        check=("e2fsck", "-f", "-n"),
        package="e2fsprogs",
        size_bytes=64 * MIB,
    ),
    "xfs": FileSystem(
        module="xfs",
        make=("mkfs.xfs", "-q", "-f"),
        check=("xfs_repair", "-n"),
        package="xfsprogs",
        size_bytes=320 * MIB,
    ),
    "btrfs": FileSystem(
        module="btrfs",
        make=("mkfs.btrfs", "-q", "-f"),
        check=("btrfs", "check", "--readonly"),
        package="btrfs-progs",
        size_bytes=256 * MIB,
    ),
}


def obstacle(name: str, modules: Path) -> str:
    """Why a file system cannot be tried; empty where it can. `modules`: the folder of the kernel's modules."""
    filesystem = FILESYSTEMS[name]
    path = _environment()["PATH"]
    missing = [program for program in (filesystem.make[0], filesystem.check[0]) if not shutil.which(program, path=path)]
    if missing:
        return f"{missing[0]} is not installed (package {filesystem.package})"
    if not any(is_known(filesystem.module, release) for release in modules.glob("*")):
        return "the kernel of the machine has none"
    return ""


def load_module(modules: Path, name: str) -> None:
    """Loads a module of the running kernel, and those it depends on, where it is none that the kernel holds."""
    release = modules / os.uname().release
    if _is_built_in(name, release):
        return
    needed = {}
    for line in (release / "modules.dep").read_text().splitlines():
        file, _, others = line.partition(":")
        needed[Path(file).name.partition(".")[0]] = [file, *others.split()]
    library = ctypes.CDLL(None, use_errno=True)
    for file in reversed(needed[name]):
        descriptor = os.open(release / file, os.O_RDONLY)
        if library.syscall(_LOAD_MODULE, descriptor, b"", 0) != 0 and ctypes.get_errno() != 17:
            raise OSError(ctypes.get_errno(), f"the module {file} cannot be loaded")
        os.close(descriptor)


def is_known(module: str, release: Path) -> bool:
    return _is_built_in(module, release) or any(release.rglob(f"{module}.ko*"))


def _is_built_in(module: str, release: Path) -> bool:
    file = release / "modules.builtin"
    return file.exists() and any(line.endswith(f"/{module}.ko") for line in file.read_text().splitlines())


def _environment() -> dict[str, str]:
    """With the folders of programs for root, which others lack."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
