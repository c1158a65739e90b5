"""Writes the metrics where node_exporter reads them (its textfile collector), at once or not at all. In: bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aura_daemon.system import durable_files

INTERVAL_S: Final = 15.0
"""Shortest time between two writes: Prometheus rarely asks more often."""

MODE: Final = 0o644
"""node_exporter is another user, whatever the umask; the metrics name no file and no prompt."""


def write(file: Path, content: bytes) -> None:
    """Replaces the file; raises OSError. No fsync: a crash of the machine ends the daemon, too."""
    temp = file.with_name(f".{file.name}.tmp")  # node_exporter reads *.prom only
    temp.unlink(missing_ok=True)
    try:
        with durable_files.opened_for_writing(temp, is_private=True) as opened:
            opened.write(content)
        temp.chmod(MODE)
        temp.replace(file)
    finally:
        temp.unlink(missing_ok=True)
