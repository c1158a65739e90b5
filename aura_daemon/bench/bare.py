"""The renames, fsyncs and writes that the daemon makes for a job, without a daemon: what the disk alone costs.

The claim makes a folder, a rename and three fsyncs. The journal waits for the disk three times: before the job runs,
before its name is used, and before its file goes. Payload and sidecar each take a temp file, an fsync, a link, an
unlink and an fsync of the folder; the thumbnail a temp file and a rename. The archive takes a link, an unlink, two
fsyncs and the removal of a folder. That is what one job at a time needs; where several wait, the daemon shares what it
can between them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from aura_daemon.bench.instant import PICTURE_BYTES, THUMBNAIL_BYTES
from aura_daemon.system.files import syncing

COMMITS: Final = 3
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
            _show(outbox, name + ".webp")
            _archive(work, done, name)
        return time.monotonic() - began_s
    finally:
        os.close(journal)


def _claim(inbox: Path, work: Path, name: str) -> None:
    (work / name).mkdir()
    syncing.sync_folder(work)
    (inbox / name).rename(work / name / name)
    syncing.sync_folder(work / name)
    syncing.sync_folder(inbox)


def _publish(outbox: Path, name: str, size_bytes: int) -> None:
    temp = outbox / ".temp"
    with temp.open("wb") as file:
        file.write(bytes(size_bytes))
        file.flush()
        os.fsync(file.fileno())
    os.link(temp, outbox / name)
    temp.unlink()
    syncing.sync_folder(outbox)


def _show(outbox: Path, name: str) -> None:
    temp = outbox / ".temp"
    temp.write_bytes(bytes(THUMBNAIL_BYTES))
    temp.rename(outbox / name)


def _archive(work: Path, done: Path, name: str) -> None:
    os.link(work / name / name, done / name)
    syncing.sync_folder(done)
    (work / name / name).unlink()
    (work / name).rmdir()
    syncing.sync_folder(work)
