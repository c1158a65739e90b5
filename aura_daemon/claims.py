"""The work folder: how a file becomes ours, where its bytes are meanwhile, and how it leaves.

A claim is a rename within the inbox's file system, or under `keep` a private copy in the state folder:
`<work>/<source id>/<path below the inbox>`, so that it tells its whole story even when the journal is lost.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from loguru import logger

from aura_daemon import durable
from aura_daemon.core import names
from aura_daemon.core.routing import SourceKind
from aura_daemon.journal import Journal
from aura_daemon.records import SourceRow


class Claims:
    """The claimed files of one inbox, and the folders of ours they go through."""

    def __init__(self, inbox: Path, state: Path, journal: Journal, *, keeps: bool, now: Callable[[], float]) -> None:
        """`keeps`: sources stay where they are, a claim is a copy. `now`: seconds since the epoch."""
        self._journal = journal
        self._keeps = keeps
        self._now = now
        self.inbox = inbox
        self._own = inbox / names.OWN_FOLDER
        self._claims, self._copies = self._own / "work", state / "work"
        self.work = self._copies if keeps else self._claims
        """Where new claims go; those of a time before `sources` was changed stay where they are."""
        self.done = self._own / "done"
        """The archive."""
        self.inputs = state / "inputs"
        """Images that jobs refer to, as they were when the job was admitted."""
        self.temp = state / "copying"

    def claim(self, path: str, kind: SourceKind, *, settled_s: float) -> SourceRow | None:
        """Makes a file ours and journals it; None where it has gone in the meantime. Raises OSError."""
        source_id = new_id(self._now())
        file, target = self.inbox / path, self.work / source_id / path
        try:
            durable.make_folder(target.parent)
            if self._keeps:
                status = file.lstat()
                durable.copy(file, target, temp_folder=self.temp)
                if not _is_unchanged(file, status):
                    target.unlink()
                    raise OSError(errno.EBUSY, "it changed while it was copied", os.fspath(file))
            else:
                file.rename(target)
                durable.sync_folder(target.parent)
                durable.sync_folder(file.parent)
                status = target.lstat()
        except OSError as error:
            self.forget(source_id, path)
            if isinstance(error, FileNotFoundError | durable.NotARegularFile):
                return None
            raise
        source = SourceRow(
            id=source_id,
            path=path,
            kind=kind,
            size_bytes=status.st_size,
            modified_ns=status.st_mtime_ns,
            inode=status.st_ino,
            settled_s=settled_s,
            claimed_at=self._now(),
        )
        self._journal.claim(source)
        logger.info("{} claimed {}", source.id, names.escaped(path))
        return source

    def adopt(self) -> list[SourceRow]:
        """Journals files in the work folder that the journal does not know: a crash came between, or it was lost."""
        adopted = []
        for leftover in self.temp.iterdir() if self.temp.is_dir() else ():
            leftover.unlink(missing_ok=True)
        folders = [
            folder for work in (self._claims, self._copies) if work.is_dir() for folder in sorted(work.iterdir())
        ]
        for folder in folders:
            if not folder.is_dir() or self._journal.knows_source(folder.name):
                continue
            files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
            for file in files[:1]:
                path = file.relative_to(folder).as_posix()
                if folder.parent == self._copies and (self.inbox / path).is_file():
                    file.unlink()  # a copy that was not claimed yet; the file itself will be judged once more
                    files = []
                    break
                status = file.lstat()
                source = SourceRow(
                    id=folder.name,
                    path=path,
                    kind=SourceKind.IMAGE,  # admission looks at the bytes and knows better
                    size_bytes=status.st_size,
                    modified_ns=status.st_mtime_ns,
                    inode=status.st_ino,
                    settled_s=0.0,
                    claimed_at=self._now(),
                )
                self._journal.claim(source)
                logger.warning(
                    "{} found claimed but unknown to the journal, queued again: {}",
                    source.id,
                    names.escaped(path),
                )
                adopted.append(source)
            if not files:
                for inner in sorted((inner for inner in folder.rglob("*") if inner.is_dir()), reverse=True):
                    inner.rmdir()
                folder.rmdir()
        return adopted

    def file_of(self, source: SourceRow) -> Path:
        """Where the claimed bytes are, or were."""
        other = (self._copies if self.work == self._claims else self._claims) / source.id / source.path
        return other if os.path.lexists(other) else self.work / source.id / source.path

    def is_copy(self, file: Path) -> bool:
        """Whether a work file is only a copy of one that stays in the inbox."""
        return file.is_relative_to(self._copies)

    def forget(self, source_id: str, path: str) -> None:
        """Removes the emptied folders of a claim; leaves whatever still holds a file."""
        for work in (self._claims, self._copies):
            inner = (work / source_id / path).parent
            while inner != work:
                try:
                    inner.rmdir()
                except FileNotFoundError:
                    pass
                except OSError:
                    break
                inner = inner.parent

    def give_back(self, source: SourceRow) -> bool:
        """Puts a claimed file that was written to after it was read back into the inbox, as a new one."""
        file = self.file_of(source)
        if self.is_copy(file):
            return False
        try:
            status = file.lstat()
            if (status.st_size, status.st_mtime_ns) == (source.size_bytes, source.modified_ns):
                return False
            if durable.sha256_of(file) == source.sha256:
                return False
        except OSError:
            return False
        wanted = self.inbox / source.path
        for stem in names.candidates(names.output_stem(wanted.stem, None)):
            try:
                durable.move(file, wanted.with_name(stem + wanted.suffix), temp_folder=self._own / "tmp")
            except FileExistsError:
                continue
            break
        logger.warning("{} was written to after it was read: put back into the inbox as a new file", source.id)
        return True


def new_id(now: float) -> str:
    """A name for a source that sorts by time and can be typed: `20261123T164530.123-3fa9c2`."""
    stamp = datetime.fromtimestamp(now, UTC)
    return f"{stamp:%Y%m%dT%H%M%S}.{stamp.microsecond // 1000:03d}-{secrets.token_hex(3)}"


def _is_unchanged(file: Path, before: os.stat_result) -> bool:
    """Whether a file is still the one, with the content, that it was."""
    now = file.lstat()
    return all(
        getattr(now, name) == getattr(before, name)
        for name in ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
    )
