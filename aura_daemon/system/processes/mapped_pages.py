"""Keeps the pages of a mapped file out of this process's memory, where nothing will read them again.

OpenVINO maps the weights' file and copies what it computes with; the file's pages would count as memory of the process
for as long as the model is loaded (1.6 GiB of Stable Diffusion 1.4), and while it is loaded, beside their copies. So
would those of parts that compute for a moment of each picture, and are read from their files then.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from aura_daemon.system.processes.repeating import repeating

MADV_DONTNEED: Final = 4
"""madvise(2): pages of a mapped file are read again from it, should anyone ask.

What somebody has written to a private mapping is lost. safetensors maps that way; nothing writes to weights that stay
in their files.
"""

UNSHARED: Final = (" r--", " rw-p")
"""Beginnings of the rights of such mappings."""

EVERY_S: Final = 0.05


@contextmanager
def without_pages_of(file: Path) -> Iterator[None]:
    """Gives the file's pages back many times a second meanwhile, and at the end."""
    try:
        with repeating(lambda: _drop(file), EVERY_S, name="pages of a mapped file"):
            yield
    finally:
        _drop(file)


def _drop(file: Path) -> None:
    """Gives the file's pages back now; does nothing where the system does not say where they are."""
    if sys.platform != "linux":
        return
    with suppress(OSError):
        for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            place, *_, name = line.split(maxsplit=5)
            if name == str(file) and any(rights in line for rights in UNSHARED):
                start, end = (int(number, 16) for number in place.split("-"))
                ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED)
