"""The renames, fsyncs and writes that the daemon makes for a job, without a daemon: what the disk alone costs.

The claim makes a folder, a rename and three fsyncs. The journal makes six commits. Payload and sidecar each take a
temp file, an fsync, a link, an unlink and an fsync of the folder. The archive takes a link, an unlink, two fsyncs
and the removal of a folder.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from aura_daemon.bench.instant import PICTURE_BYTES
from aura_daemon.system.durable_files import sync_folder

COMMITS: Final = 6
COMMIT_BYTES: Final = 4_096
"""A page of the write-ahead log."""
SIDECAR_BYTES: Final = 2_000


def run(folder: Path, names: list[str]) -> float:
    """Seconds for all files of `folder/inbox`; their results go into folders beside the inbox."""
    inbox, work, done, outbox = (folder / name for name in ("inbox", "work", "done", "outbox"))
    for place in (work, done, outbox):
        place.mkdir()
    journal = os.open(folder / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    began_s = time.monotonic()
    try:
        for name in names:
            _claim(inbox, work, name)
            (work / name / name).read_bytes()
            for _ in range(COMMITS):
                os.write(journal, bytes(COMMIT_BYTES))
                os.fsync(journal)
            _publish(outbox, name + ".png", PICTURE_BYTES)
            _publish(outbox, name + ".json", SIDECAR_BYTES)
            _archive(work, done, name)
        return time.monotonic() - began_s
    finally:
        os.close(journal)


def _claim(inbox: Path, work: Path, name: str) -> None:
    (work / name).mkdir()
    sync_folder(work)
    (inbox / name).rename(work / name / name)
    sync_folder(work / name)
    sync_folder(inbox)


def _publish(outbox: Path, name: str, size_bytes: int) -> None:
    temp = outbox / ".temp"
    with temp.open("wb") as file:
        file.write(bytes(size_bytes))
        file.flush()
        os.fsync(file.fileno())
    os.link(temp, outbox / name)
    temp.unlink()
    sync_folder(outbox)


def _archive(work: Path, done: Path, name: str) -> None:
    os.link(work / name / name, done / name)
    (work / name / name).unlink()
    sync_folder(done)
    sync_folder(work / name)
    (work / name).rmdir()
