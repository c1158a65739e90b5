"""A folder of an actor on its node, below which its child processes have theirs. Out: a path.

Ray ends actors without a word: what one has left there goes when the next one starts on that machine.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path

from aura_daemon.system.processes.running import exists


def node_folder() -> Path:
    """A new one, which only this user may enter; raises OSError."""
    # Containers that share a folder for temporary files need not see each other's processes; their names differ.
    prefix = f"aura-daemon-{socket.gethostname()}-"
    base = Path(tempfile.gettempdir())
    for place in base.glob(f"{prefix}*"):
        number = place.name.removeprefix(prefix).partition("-")[0]
        if number.isdecimal() and not exists(int(number)):
            shutil.rmtree(place, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=base))
