"""Files in the work folders that the journal does not know, after a crash or the loss of the journal. Out: sources.

Such a file is adopted: its place in the work folder tells the source id and the path.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from loguru import logger

from aura_daemon import file_names
from aura_daemon.errors import JournalRefused
from aura_daemon.intake.claims import Claims, is_same_file
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Source
from aura_daemon.system.files import syncing
from aura_daemon.watch import file_kinds, ignored_names

_ID: Final = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{3}-[0-9a-f]{6}")
"""What `claims.new_id` makes."""


def adopt(claims: Claims, journal: Journal) -> list[Source]:
    """Journals the claimed files that the journal does not know; raises JournalRefused.

    A file that the file system does not let us adopt stays where it is until the next call; `claims.stranded` says why.
    """
    adopted = []
    claims.stranded = None
    for leftover in (entry for folder in claims.temp_folders for entry in _entries(folder)):
        with suppress(OSError):  # a file that cannot be removed is replaced by the next one of its name
            leftover.unlink()
    for folder in (*_entries(claims.renamed_claims), *_entries(claims.copied_claims)):
        # Other folders belong to a NAS or to strangers, and only a name of ours is sure to be text.
        if not _ID.fullmatch(folder.name):
            continue
        if journal.knows_source(folder.name):
            _remove_empty(folder)  # a folder that could not be removed when its file left
            continue
        try:
            source = _adopted(claims, folder)
        except JournalRefused:
            raise  # the claim is not at fault, and would not be adopted before the next start
        except OSError as error:
            claims.stranded = error
            logger.error("{} cannot be taken up, and stays: {}", file_names.escaped(os.fspath(folder)), error.strerror)
            continue
        if source is not None:
            adopted.append(source)
    return adopted


def _adopted(claims: Claims, folder: Path) -> Source | None:
    """Adopts the one file of a claim; puts anything else back into the inbox. Raises OSError."""
    is_copy = folder.parent == claims.copied_claims
    files, _ = _below(folder)
    found = {path: file for file in files if not _is_by_others(path := file.relative_to(folder).as_posix())}
    for path in [path for path, file in found.items() if _is_unclaimed(claims, file, path, is_copy=is_copy)]:
        found.pop(path).unlink()  # the file in the inbox will be judged once more
    if len(found) == 1:
        path, file = found.popitem()
        status = file.lstat()
        if stat.S_ISREG(status.st_mode):
            syncing.sync_file(file)  # the crash may have come before
            # Admission finds out the kind of the file from its bytes.
            source = claims.record(folder.name, path, file_kinds.named_kind(path), status, 0.0)
            shown = file_names.escaped(path)
            logger.warning("{} found claimed but unknown to the journal, queued again: {}", source.id, shown)
            return source
        found[path] = file
    for path, file in () if is_copy else found.items():  # a link, or a whole folder, was taken for a file
        claims.put_back(file, path)
    _remove_empty(folder)
    return None


def _is_unclaimed(claims: Claims, file: Path, path: str, *, is_copy: bool) -> bool:
    """Whether the inbox still holds the file: the crash came before a copy was journaled, or while it was put back."""
    return (claims.inbox / path).is_file() if is_copy else is_same_file(file, claims.inbox / path)


def _is_by_others(path: str) -> bool:
    """Whether a NAS or a file system put a file into the folder of a claim: thumbnails, `.nfs…`."""
    parent = path.rpartition("/")[0]
    is_private = parent != "" and ignored_names.verdict(f"{parent}/x", ignore=(), take=()) is not None
    return is_private or file_names.is_out_of_bounds(path)


def _remove_empty(folder: Path) -> None:
    """Removes the folders of a claim that hold no file."""
    with suppress(OSError):
        for emptied in (*reversed(_below(folder)[1]), folder):
            with suppress(OSError):
                emptied.rmdir()


def _below(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files (links are files) and the folders below a folder, sorted; raises OSError where a part is unreadable."""
    found = [
        Path(place, name)
        for place, folders, files in os.walk(folder, onerror=_raise)  # `rglob` leaves out what it cannot read
        for name in (*folders, *files)
    ]
    inner = {file for file in found if file.is_dir() and not file.is_symlink()}
    return sorted({*found} - inner), sorted(inner)


def _raise(error: OSError) -> NoReturn:
    raise error


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder of ours; nothing where the folder is missing, or cannot be read, which is logged."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        logger.error("{} cannot be read: {}", file_names.escaped(os.fspath(folder)), error.strerror)
        return []
