"""Loads libraries in C beside what the interpreter does: to import them would hold its lock for all that time."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path


def load_beside(libraries: Sequence[Path], *, shown: Path | None = None) -> bool:
    """Has a thread load libraries, in their order; False where this system does not do it so.

    `shown`: one of them whose names all others may use. What fails here fails again, and is told, where it is needed.
    """
    if sys.platform != "linux":
        return False

    def load() -> None:
        load_library = ctypes.CDLL(None).dlopen
        for library in libraries:
            load_library(bytes(library), os.RTLD_NOW | (os.RTLD_GLOBAL if library == shown else 0))

    threading.Thread(target=load, name="libraries", daemon=True).start()
    return True
