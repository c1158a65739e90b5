"""What a process gives up beside files and system calls: capabilities, descriptors, memory, core files; Linux only."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Final

OPEN_FILES: Final = 1024
"""What nearly every system gives a process unasked, so that nothing needs more."""

NO_CORE_BYTES: Final = 1
"""RLIMIT_CORE: with 1 the kernel neither writes a core file nor starts a program that takes one, which 0 does not stop.

A process that is not dumpable has none either, but may not reset its own count of memory then (proc(5), clear_refs).
"""

PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
CAPABILITIES_VERSION: Final = 0x2008_0522

KEPT: Final = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, of root: a model may be another user's; Landlock says what is read."""


def no_new_privileges() -> None:
    """No program that this process starts gets more rights than it has; raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_NO_NEW_PRIVS, *(ctypes.c_ulong(value) for value in (1, 0, 0, 0))) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses to keep new privileges off")


def drop_capabilities() -> None:
    """Gives up root's powers; where a service unit forbids even that (capset), it has taken them already."""
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(PR_CAP_AMBIENT, *(ctypes.c_ulong(value) for value in (PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)))
    header, held = struct.pack("=Ii", CAPABILITIES_VERSION, 0), ctypes.create_string_buffer(24)
    if library.capget(header, held) != 0:
        return
    effective, permitted, _, *_ = struct.unpack("=6I", held.raw)
    library.capset(header, struct.pack("=6I", effective & KEPT, permitted & KEPT, 0, 0, 0, 0))


def close_descriptors(keeps: Collection[int]) -> None:
    """Closes everything but standard input, output and error, and `keeps`; output goes where errors go."""
    os.dup2(2, 1)
    for descriptor in [int(place.name) for place in Path("/proc/self/fd").iterdir()]:
        if descriptor > 2 and descriptor not in keeps:
            try:
                os.close(descriptor)
            except OSError:  # the one that has read this folder
                continue


def limit(data_bytes: int | None) -> None:
    """Bounds memory, open files and core files; a lower limit that is there already stays."""
    if sys.platform == "win32":
        return
    import resource

    wanted = {resource.RLIMIT_NOFILE: OPEN_FILES, resource.RLIMIT_CORE: NO_CORE_BYTES, resource.RLIMIT_DATA: data_bytes}
    for kind, most in wanted.items():
        if most is None:
            continue
        _, hard = resource.getrlimit(kind)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, least))
