"""The work folder: how a file becomes ours, where its bytes are meanwhile, and how it goes back to the inbox.

A claim is a rename within the inbox's file system, or a private copy in the state folder: under `keep`, and of pictures
whose captions are written beside them. The claimed file is `<work>/<source id>/<path below the inbox>`, which tells all
about the claim even when the journal is lost.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
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
from aura_daemon.system.files import regular_files, syncing
from aura_daemon.system.permissions import is_others_link
from aura_daemon.watch.file_stamp import FileStamp


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimableFile:
    """A file that is to be claimed now."""

    path: str
    kind: SourceKind
    settled_s: float
    """From first sight to now."""
    stays: bool = False
    """Whether it stays where it is, and a copy is claimed, whatever is done with other sources."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What came of claiming a file."""

    path: str
    end: Source | OSError | None
    """None: the file has gone in the meantime."""


@dataclass(kw_only=True, slots=True)
class _Taken:
    """A file on its way into the work folder."""

    id: str
    file: ClaimableFile
    target: Path
    is_copy: bool
    end: os.stat_result | OSError = field(default_factory=OSError)
    """The status of the claimed file, or why it is not there."""


class Claims:
    """The claimed files of one inbox, and the folders of ours that hold them."""

    def __init__(self, inbox: Path, state: Path, journal: Journal, *, keeps: bool, now: Callable[[], float]) -> None:
        """`keeps`: sources stay where they are, a claim is a copy. `now`: seconds since the epoch."""
        self._journal = journal
        self._keeps = keeps
        self._now = now
        self._last_id_at = 0.0
        self.inbox = inbox
        self._own = inbox / file_names.OWN_FOLDER
        self.renamed_claims, self.copied_claims = self._own / "work", state / "work"
        self.work = self.copied_claims if keeps else self.renamed_claims
        """Where most new claims go; claims from before a change of `sources` stay in the other folder."""
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
        (claim,) = self.claim_all([ClaimableFile(path=path, kind=kind, settled_s=settled_s)])
        if isinstance(claim.end, OSError):
            raise claim.end
        return claim.end

    def claim_all(self, files: Sequence[ClaimableFile]) -> Iterator[Claim]:
        """Claims files together, and journals each claim when it is asked for.

        Where the journal refuses one, that one is the last: it and those after it are given back to the inbox.
        """
        taken = self._taken(files)
        for number, one in enumerate(taken):
            if isinstance(one.end, os.stat_result):
                try:
                    source = self.record(one.id, one.file.path, one.file.kind, one.end, one.file.settled_s)
                except JournalRefused as error:
                    for left in taken[number:]:
                        if isinstance(left.end, os.stat_result):
                            self._undo(left)
                            self.forget(left.id, left.file.path)
                    yield Claim(path=one.file.path, end=error)
                    return
                logger.info("{} claimed {}", source.id, file_names.escaped(source.path))
                yield Claim(path=one.file.path, end=source)
            else:
                self.forget(one.id, one.file.path)
                is_gone = isinstance(one.end, FileNotFoundError | regular_files.NotARegularFile)
                yield Claim(path=one.file.path, end=None if is_gone else one.end)

    def _taken(self, files: Sequence[ClaimableFile]) -> list[_Taken]:
        """Takes files out of the inbox; their bytes and their new places are durable then."""
        taken: list[_Taken] = []
        try:
            with syncing.together():
                for file in files:
                    source_id = self._new_id()
                    is_copy = self._keeps or file.stays
                    work = self.copied_claims if is_copy else self.renamed_claims
                    one = _Taken(id=source_id, file=file, target=work / source_id / file.path, is_copy=is_copy)
                    taken.append(one)
                    try:
                        self._make_folder(one.target.parent)
                        place = self.inbox / file.path
                        one.end = self._copy(place, one.target) if is_copy else self._take(place, one)
                    except OSError as error:
                        one.end = error
        except OSError as error:  # nobody knows which of the files it was about
            for one in taken:
                if isinstance(one.end, os.stat_result):
                    self._undo(one)
                    one.end = error
        for one in taken:
            if isinstance(one.end, os.stat_result) and not one.is_copy:
                try:
                    self._check(one.end)
                except OSError as error:
                    self._undo(one)
                    one.end = error
        return taken

    def _new_id(self) -> str:
        """An id after that of every earlier claim: files that are claimed in one moment run in their order."""
        self._last_id_at = max(self._now(), self._last_id_at + 0.001)
        return new_id(self._last_id_at)

    def reclaim(self, file: Path, path: str, kind: SourceKind) -> Source:
        """Claims a failed file once more, as a new source with its old path; raises OSError, and the file stays."""
        source_id = self._new_id()
        target = self.work / source_id / path
        self._make_folder(target.parent)
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
        inner = f"{source.id}/{source.path}"  # path objects take longer than the look itself
        elsewhere = Path(f"{other}/{inner}")
        return elsewhere if regular_files.exists(elsewhere) else Path(f"{self.work}/{inner}")

    def work_of(self, file: Path) -> Path:
        """The work folder in which a claimed file lies."""
        return self.copied_claims if self.is_copy(file) else self.renamed_claims

    def is_copy(self, file: Path) -> bool:
        """Whether a claimed file is only a copy of one that stays in the inbox."""
        return os.fspath(file).startswith(f"{self.copied_claims}{os.sep}")

    def forget(self, source_id: str, path: str) -> None:
        """Removes the empty folders of a claim; leaves those that hold a file."""
        for work in (self.renamed_claims, self.copied_claims):
            inner = f"{source_id}/{path}"
            while inner := os.path.dirname(inner):  # noqa: PTH120 - path objects take longer than all of this
                try:
                    os.rmdir(f"{work}/{inner}")  # noqa: PTH106
                except FileNotFoundError:
                    pass
                except OSError:
                    break

    def give_back(self, source: Source) -> bool:
        """Puts a claimed file that was written to after it was read back into the inbox; False where it was not."""
        file = self.file_of(source)
        if self.is_copy(file):
            return False
        try:
            status = regular_files.asked_status(file)
            if (status.st_size, in_64_bits(status.st_mtime_ns)) == (source.size_bytes, source.modified_ns):
                return False
            if regular_files.sha256_of(file) == source.sha256:
                return False
        except OSError:
            return False
        self.put_back(file, source.path)
        logger.warning("{} was written to after it was read: put back into the inbox as a new file", source.id)
        return True

    def _make_folder(self, folder: Path) -> None:
        """Makes the folder of a claim; what the folder of the file hid from others stays hidden."""
        if not self.is_copy(folder):
            durable_files.make_folder(self._own)
        durable_files.make_folder(folder, is_private=True)

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
        if regular_files.leads_astray(target.parent, below=self.inbox):  # its folder has become a link
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

    def _take(self, file: Path, taken: _Taken) -> os.stat_result:
        """Claims by rename; what turns out to be no file goes back where it was, once that is known."""
        durable_files.take(file, taken.target, below=self.inbox)
        try:
            syncing.sync_file(taken.target)  # whoever delivered it may have left that to the kernel
            syncing.sync_folder(taken.target.parent)
            syncing.sync_folder(file.parent)
            return taken.target.lstat()
        except OSError:
            self._undo(taken)
            raise

    def _check(self, status: os.stat_result) -> None:
        """Raises NotARegularFile for a link or the like that took the place of the file since it was judged."""
        if not stat.S_ISREG(status.st_mode) or is_others_link(status, self.inbox):
            raise regular_files.NotARegularFile(errno.EINVAL, "not a regular file of its own")

    def _undo(self, taken: _Taken) -> None:
        """Takes a claim back; a file that cannot be put back waits in the work folder for `claim_recovery`."""
        target, path = taken.target, taken.file.path
        try:
            if taken.is_copy:
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
        """Claims by copy; leaves no copy of a file that was not claimed."""
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
