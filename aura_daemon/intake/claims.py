"""The work folder: how a file becomes ours, where its bytes are meanwhile, and how it leaves.

A claim is a rename within the inbox's file system, or under `keep` a private copy in the state folder:
`<work>/<source id>/<path below the inbox>`, so that it tells its whole story even when the journal is lost.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

from loguru import logger

from aura_daemon import file_names
from aura_daemon.errors import JournalRefused
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Source, in_64_bits
from aura_daemon.system import durable_files
from aura_daemon.watch import ignored_names

_ID: Final = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{3}-[0-9a-f]{6}")
"""What `new_id` makes."""


class Claims:
    """The claimed files of one inbox, and the folders of ours they go through."""

    def __init__(self, inbox: Path, state: Path, journal: Journal, *, keeps: bool, now: Callable[[], float]) -> None:
        """`keeps`: sources stay where they are, a claim is a copy. `now`: seconds since the epoch."""
        self._journal = journal
        self._keeps = keeps
        self._now = now
        self.inbox = inbox
        self._own = inbox / file_names.OWN_FOLDER
        self._claims, self._copies = self._own / "work", state / "work"
        self.work = self._copies if keeps else self._claims
        """Where new claims go; those of a time before `sources` was changed stay where they are."""
        self.done = self._own / "done"
        """The archive."""
        self.inputs = state / "inputs"
        """Images that jobs refer to, as they were when the job was admitted."""
        self.temp = state / "copying"
        self.stranded: OSError | None = None
        """Why a file lies in a work folder that the journal does not know; `adopt` takes it up when it can be."""
        self._temps = (self.temp, self._own / "tmp", self.done / ".tmp", state / "tmp")

    def claim(self, path: str, kind: SourceKind, *, settled_s: float) -> Source | None:
        """Makes a file ours and journals it; None where it has gone in the meantime. Raises OSError."""
        source_id = new_id(self._now())
        file, target = self.inbox / path, self.work / source_id / path
        try:
            durable_files.make_folder(target.parent)
            status = self._copy(file, target) if self._keeps else self._take(file, target, path)
        except OSError as error:
            self.forget(source_id, path)
            if isinstance(error, FileNotFoundError | durable_files.NotARegularFile):
                return None
            raise
        try:
            source = self._journaled(source_id, path, kind, status, settled_s)
        except JournalRefused:
            self._undo(target, path)
            self.forget(source_id, path)
            raise
        logger.info("{} claimed {}", source.id, file_names.escaped(path))
        return source

    def reclaim(self, file: Path, path: str, kind: SourceKind) -> Source:
        """Takes a file back that had failed, as a new one under its path of then; raises OSError, and it is left."""
        source_id = new_id(self._now())
        target = self.work / source_id / path
        durable_files.move(file, target, temp_folder=self.temp if self._keeps else self._own / "tmp")
        try:
            source = self._journaled(source_id, path, kind, target.lstat(), 0.0)
        except OSError:
            durable_files.move(target, file, temp_folder=file.parent)
            self.forget(source_id, path)
            raise
        logger.info("{} claimed {} once more", source.id, file_names.escaped(path))
        return source

    def adopt(self) -> list[Source]:
        """Journals files in the work folder that the journal does not know: a crash came between, or it was lost.

        What the file system keeps from being taken up stays where it is, until this is called again. Raises
        JournalRefused.
        """
        adopted = []
        self.stranded = None
        for leftover in (entry for folder in self._temps for entry in _entries(folder)):
            with suppress(OSError):  # what a killed daemon was writing; the next of that name replaces it
                leftover.unlink()
        for folder in (*_entries(self._claims), *_entries(self._copies)):
            # Other folders are a NAS's or a stranger's; and only a name of ours is sure to be text.
            if not _ID.fullmatch(folder.name):
                continue
            if self._journal.knows_source(folder.name):
                _remove_empty(folder)  # a folder that could not be removed when its file left
                continue
            try:
                source = self._adopt(folder)
            except JournalRefused:
                raise  # it says nothing about this claim, and what is not adopted now would wait for a restart
            except OSError as error:
                self.stranded = error
                logger.error(
                    "{} cannot be taken up, and stays: {}", file_names.escaped(os.fspath(folder)), error.strerror
                )
                continue
            if source is not None:
                adopted.append(source)
        return adopted

    def file_of(self, source: Source) -> Path:
        """Where the claimed bytes are, or were; raises OSError where the file system cannot tell."""
        other = (self._copies if self.work == self._claims else self._claims) / source.id / source.path
        return other if durable_files.exists(other) else self.work / source.id / source.path

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

    def give_back(self, source: Source) -> bool:
        """Puts a claimed file that was written to after it was read back into the inbox, as a new one."""
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
        self._put_back(file, source.path)
        logger.warning("{} was written to after it was read: put back into the inbox as a new file", source.id)
        return True

    # -- below -----------------------------------------------------------------------------------------------------

    def _take(self, file: Path, target: Path, path: str) -> os.stat_result:
        """A claim by rename; what cannot be one goes back where it was."""
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
        """Raises NotARegularFile for what was put there since the file was judged."""
        if not stat.S_ISREG(status.st_mode) or is_others_link(status, self.inbox):
            raise durable_files.NotARegularFile(errno.EINVAL, "not a regular file of its own")

    def _undo(self, target: Path, path: str) -> None:
        """Takes a claim back; what cannot be put back waits in the work folder, and `adopt` finds it there."""
        try:
            if self._keeps:
                target.unlink(missing_ok=True)
            else:
                self._put_back(target, path)
        except FileNotFoundError:
            pass  # somebody took it away
        except OSError as error:
            self.stranded = error
            logger.error(
                "{} is neither claimed nor back in the inbox ({}): it is taken up later from {}",
                file_names.escaped(path),
                error.strerror,
                file_names.escaped(os.fspath(target)),
            )

    def _copy(self, file: Path, target: Path) -> os.stat_result:
        """A claim under `keep`; no copy is left of a file that was not claimed."""
        status = file.lstat()
        try:
            durable_files.copy(file, target, temp_folder=self.temp, below=self.inbox, check=self._check)
            if not _is_unchanged(file, status):
                raise OSError(errno.EBUSY, "it changed while it was copied", os.fspath(file))
        except OSError:
            target.unlink(missing_ok=True)
            raise
        return status

    def _journaled(
        self, source_id: str, path: str, kind: SourceKind, status: os.stat_result, settled_s: float
    ) -> Source:
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

    def _adopt(self, folder: Path) -> Source | None:
        """Takes up the one file of a claim; anything else that got there goes back. Raises OSError."""
        is_copy = folder.parent == self._copies
        files, _ = _below(folder)
        found = {path: file for file in files if not _is_by_others(path := file.relative_to(folder).as_posix())}
        for path in [path for path, file in found.items() if self._is_unclaimed(file, path, is_copy=is_copy)]:
            found.pop(path).unlink()  # the file in the inbox will be judged once more
        if len(found) == 1:
            path, file = found.popitem()
            status = file.lstat()
            if stat.S_ISREG(status.st_mode):
                # Admission looks at the bytes and knows better what kind it is.
                source = self._journaled(folder.name, path, SourceKind.IMAGE, status, 0.0)
                logger.warning(
                    "{} found claimed but unknown to the journal, queued again: {}",
                    source.id,
                    file_names.escaped(path),
                )
                return source
            found[path] = file
        for path, file in () if is_copy else found.items():  # a link, or a whole folder, was taken for a file
            self._put_back(file, path)
        _remove_empty(folder)
        return None

    def _is_unclaimed(self, file: Path, path: str, *, is_copy: bool) -> bool:
        """Whether the inbox still holds what lies in the work folder: a copy made too early, a name given back."""
        return (self.inbox / path).is_file() if is_copy else _are_one(file, self.inbox / path)

    def _put_back(self, file: Path, path: str) -> None:
        """Gives a file of ours its place in the inbox again, or a free name beside it."""
        wanted = self.inbox / path
        if durable_files.leads_astray(wanted.parent, below=self.inbox):  # its folder has become a link
            wanted = self.inbox / wanted.name
        for place in free_names(wanted):
            if _are_one(file, place):  # a crash came between its new name and the end of its old one
                file.unlink()
                return
            try:
                durable_files.move(file, place, temp_folder=self._own / "tmp")
            except FileExistsError:
                continue
            return


def is_others_link(status: os.stat_result, inbox: Path) -> bool:
    """Whether a file is a hard link to one that belongs to somebody else, who may not mean it to be read here."""
    return status.st_nlink > 1 and status.st_uid not in (os.geteuid(), inbox.stat().st_uid)


def free_names(wanted: Path) -> Iterator[Path]:
    """`cat.yaml`, `cat.r2.yaml`, `cat.r3.yaml`, …; a long name is cut short where a number follows."""
    yield wanted
    for stem in file_names.candidates(file_names.output_stem(wanted.stem, None)):
        if stem != wanted.stem:
            yield wanted.with_name(stem + wanted.suffix)


def new_id(now: float) -> str:
    """A name for a source that sorts by time and can be typed: `20261123T164530.123-3fa9c2`."""
    stamp = datetime.fromtimestamp(now, UTC)
    return f"{stamp:%Y%m%dT%H%M%S}.{stamp.microsecond // 1000:03d}-{secrets.token_hex(3)}"


def _are_one(file: Path, other: Path) -> bool:
    """Whether two names are of one and the same file."""
    try:
        return os.path.samestat(file.lstat(), other.lstat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _is_unchanged(file: Path, before: os.stat_result) -> bool:
    """Whether a file is still the one, with the content, that it was."""
    now = file.lstat()
    return all(
        getattr(now, name) == getattr(before, name)
        for name in ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
    )


def _is_by_others(path: str) -> bool:
    """Whether a file in a claim's folder was put there by a NAS or a file system: thumbnails, `.nfs…`."""
    parent = path.rpartition("/")[0]
    return file_names.is_out_of_bounds(path) or (
        parent != "" and ignored_names.verdict(f"{parent}/x", ignore=(), take=()) is not None
    )


def _remove_empty(folder: Path) -> None:
    """Removes the folders of a claim that hold no file; what something lies in stays."""
    with suppress(OSError):
        for emptied in (*reversed(_below(folder)[1]), folder):
            with suppress(OSError):
                emptied.rmdir()


def _below(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files (links are files) and the folders below a folder, sorted; raises OSError where a part is unreadable."""
    found = [
        Path(place, name)
        for place, folders, files in os.walk(folder, onerror=_raise)  # `rglob` passes over what it cannot read
        for name in (*folders, *files)
    ]
    inner = {file for file in found if file.is_dir() and not file.is_symlink()}
    return sorted({*found} - inner), sorted(inner)


def _raise(error: OSError) -> NoReturn:
    raise error


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder of ours; nothing where it is not there or cannot be read, which is said."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        logger.error("{} cannot be read: {}", file_names.escaped(os.fspath(folder)), error.strerror)
        return []
