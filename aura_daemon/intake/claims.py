"""The work folder: how a file becomes ours, where its bytes are meanwhile, and how it goes back to the inbox.

A claim is a rename within the inbox's file system, or under `keep` a private copy in the state folder. The claimed file
is `<work>/<source id>/<path below the inbox>`, which tells all about the claim even when the journal is lost.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from loguru import logger

from aura_daemon import file_names
from aura_daemon.errors import JournalRefused
from aura_daemon.file_names import free_names
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Source, in_64_bits
from aura_daemon.system import durable_files
from aura_daemon.system.permissions import user_id
from aura_daemon.watch.file_stamp import FileStamp


class Claims:
    """The claimed files of one inbox, and the folders of ours that hold them."""

    def __init__(self, inbox: Path, state: Path, journal: Journal, *, keeps: bool, now: Callable[[], float]) -> None:
        """`keeps`: sources stay where they are, a claim is a copy. `now`: seconds since the epoch."""
        self._journal = journal
        self._keeps = keeps
        self._now = now
        self.inbox = inbox
        self._own = inbox / file_names.OWN_FOLDER
        self.renamed_claims, self.copied_claims = self._own / "work", state / "work"
        self.work = self.copied_claims if keeps else self.renamed_claims
        """Where new claims go; claims from before a change of `sources` stay in the other folder."""
        self.done = self._own / "done"
        """The archive."""
        self.inputs = state / "inputs"
        """Images that jobs name, as they were when the job was admitted."""
        self.temp = state / "copying"
        """Copies that are not complete yet."""
        self.stranded: OSError | None = None
        """Why a file in a work folder is unknown to the journal; None once `claim_recovery` has adopted it."""
        self.temp_folders = (self.temp, self._own / "tmp", self.done / ".tmp", state / "tmp")
        """What a killed daemon was writing lies in these."""

    def claim(self, path: str, kind: SourceKind, *, settled_s: float) -> Source | None:
        """Claims a file and journals the claim; None where the file has gone in the meantime. Raises OSError."""
        source_id = new_id(self._now())
        file, target = self.inbox / path, self.work / source_id / path
        try:
            durable_files.make_folder(target.parent, is_private=self._keeps)
            status = self._copy(file, target) if self._keeps else self._take(file, target, path)
        except OSError as error:
            self.forget(source_id, path)
            if isinstance(error, FileNotFoundError | durable_files.NotARegularFile):
                return None
            raise
        try:
            source = self.record(source_id, path, kind, status, settled_s)
        except JournalRefused:
            self._undo(target, path)
            self.forget(source_id, path)
            raise
        logger.info("{} claimed {}", source.id, file_names.escaped(path))
        return source

    def reclaim(self, file: Path, path: str, kind: SourceKind) -> Source:
        """Claims a failed file once more, as a new source with its old path; raises OSError, and the file stays."""
        source_id = new_id(self._now())
        target = self.work / source_id / path
        durable_files.make_folder(target.parent, is_private=self._keeps)
        durable_files.move(file, target, temp_folder=self.temp if self._keeps else self._own / "tmp")
        try:
            source = self.record(source_id, path, kind, target.lstat(), 0.0)
        except OSError:
            durable_files.move(target, file, temp_folder=file.parent)
            self.forget(source_id, path)
            raise
        logger.info("{} claimed {} once more", source.id, file_names.escaped(path))
        return source

    def file_of(self, source: Source) -> Path:
        """Where the bytes of a source are, or were; raises OSError where the file system cannot tell."""
        other = self.copied_claims if self.work == self.renamed_claims else self.renamed_claims
        work = other if durable_files.exists(Path(other, source.id, source.path)) else self.work
        return Path(work, source.id, source.path)

    def is_copy(self, file: Path) -> bool:
        """Whether a claimed file is only a copy of one that stays in the inbox."""
        return file.is_relative_to(self.copied_claims)

    def forget(self, source_id: str, path: str) -> None:
        """Removes the empty folders of a claim; leaves those that hold a file."""
        for work in (self.renamed_claims, self.copied_claims):
            inner = Path(work, source_id, path).parent
            while inner != work:
                try:
                    inner.rmdir()
                except FileNotFoundError:
                    pass
                except OSError:
                    break
                inner = inner.parent

    def give_back(self, source: Source) -> bool:
        """Puts a claimed file that was written to after it was read back into the inbox; False where it was not."""
        file = self.file_of(source)
        if self.is_copy(file):
            return False
        try:
            status = file.lstat()
            if (status.st_size, in_64_bits(status.st_mtime_ns)) == (source.size_bytes, source.modified_ns):
                return False
            if durable_files.sha256_of(file) == source.sha256:
                return False
        except OSError:
            return False
        self.put_back(file, source.path)
        logger.warning("{} was written to after it was read: put back into the inbox as a new file", source.id)
        return True

    def record(self, source_id: str, path: str, kind: SourceKind, status: os.stat_result, settled_s: float) -> Source:
        """Journals a claimed file with its status; raises JournalRefused."""
        source = Source(
            id=source_id,
            path=path,
            kind=kind,
            size_bytes=status.st_size,
            modified_ns=in_64_bits(status.st_mtime_ns),
            inode=in_64_bits(status.st_ino),
            settled_s=settled_s,
            claimed_at=self._now(),
        )
        self._journal.claim(source)
        return source

    def put_back(self, file: Path, path: str) -> None:
        """Moves a claimed file to its place in the inbox, or to a free name beside it; raises OSError."""
        target = self.inbox / path
        if durable_files.leads_astray(target.parent, below=self.inbox):  # its folder has become a link
            target = self.inbox / target.name
        for place in free_names(target):
            if is_same_file(file, place):  # a crash came before the old name was removed
                file.unlink()
                return
            try:
                durable_files.move(file, place, temp_folder=self._own / "tmp")
            except FileExistsError:
                continue
            return

    def _take(self, file: Path, target: Path, path: str) -> os.stat_result:
        """Claims by rename; what turns out to be no file goes back where it was."""
        durable_files.take(file, target, below=self.inbox)
        try:
            durable_files.sync_folder(target.parent)
            durable_files.sync_folder(file.parent)
            status = target.lstat()
            self._check(status)
        except OSError:
            self._undo(target, path)
            raise
        return status

    def _check(self, status: os.stat_result) -> None:
        """Raises NotARegularFile for a link or the like that took the place of the file since it was judged."""
        if not stat.S_ISREG(status.st_mode) or is_others_link(status, self.inbox):
            raise durable_files.NotARegularFile(errno.EINVAL, "not a regular file of its own")

    def _undo(self, target: Path, path: str) -> None:
        """Takes a claim back; a file that cannot be put back waits in the work folder for `claim_recovery`."""
        try:
            if self._keeps:
                target.unlink(missing_ok=True)
            else:
                self.put_back(target, path)
        except FileNotFoundError:
            pass  # somebody took it away
        except OSError as error:
            self.stranded = error
            name, place = file_names.escaped(path), file_names.escaped(os.fspath(target))
            message = "{} is neither claimed nor back in the inbox ({}): it is taken up later from {}"
            logger.error(message, name, error.strerror, place)

    def _copy(self, file: Path, target: Path) -> os.stat_result:
        """Claims by copy, under `keep`; leaves no copy of a file that was not claimed."""
        status = file.lstat()
        try:
            durable_files.copy(
                file, target, temp_folder=self.temp, below=self.inbox, check=self._check, is_private=True
            )
            if FileStamp.of(file.lstat()) != FileStamp.of(status):
                raise OSError(errno.EBUSY, "it changed while it was copied", os.fspath(file))
        except OSError:
            target.unlink(missing_ok=True)
            raise
        return status


def is_others_link(status: os.stat_result, inbox: Path) -> bool:
    """Whether a file is a hard link to a file of another owner, who may not mean it to be read here."""
    return status.st_nlink > 1 and status.st_uid not in (user_id(), inbox.stat().st_uid)


def new_id(now: float) -> str:
    """An id for a source that sorts by time and can be typed: `20261123T164530.123-3fa9c2`."""
    stamp = datetime.fromtimestamp(now, UTC)
    return f"{stamp:%Y%m%dT%H%M%S}.{stamp.microsecond // 1000:03d}-{secrets.token_hex(3)}"


def is_same_file(file: Path, other: Path) -> bool:
    """Whether two names lead to the same file."""
    try:
        return os.path.samestat(file.lstat(), other.lstat())
    except (FileNotFoundError, NotADirectoryError):
        return False
