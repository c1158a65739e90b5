"""Folders of ours that several users look into: who may enter one follows the folder of the inbox that it stands for.

`outbox/alice`, `outbox/failed/alice` and the archive's `alice` are made for those who may enter `inbox/alice`, and for
its owner. A folder that is there already keeps its modes. In: folders. Out: folders, and who may read in them.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from aura_daemon.system.files import access_lists, syncing
from aura_daemon.system.permissions import user_id

_LOOK: Final = access_lists.READ | access_lists.ENTER


def make_like(folder: Path, *, below: Path, model: Path, model_below: Path) -> None:
    """Makes a folder and those above it that are missing, each as open as its counterpart on the way to `model`.

    The counterpart of the third folder below `below` is the third below `model_below`. A folder without one, deeper
    than `model`, is made as the umask says.
    """
    if folder.is_dir():
        return
    models = model.relative_to(model_below).parts
    for depth, place in enumerate(_between(folder, below), 1):
        if os.path.lexists(place):
            continue
        _make_one(place, model_below.joinpath(*models[:depth]) if depth <= len(models) else None)
        syncing.sync_folder(place.parent)


def is_narrower(folder: Path, *, below: Path) -> bool:
    """Whether somebody who may look into `below` may not look into `folder`, or a folder between them."""
    if sys.platform == "win32":
        return False
    top = below.stat()
    group, others = access_lists.group_rights(below, top) & _LOOK, top.st_mode & _LOOK
    users = access_lists.of(below)
    for place in _between(folder, below):
        try:
            status = place.stat()
        except FileNotFoundError:
            continue
        if others & ~status.st_mode:
            return True
        its_group = status.st_mode if status.st_gid != top.st_gid else access_lists.group_rights(place, status)
        if group & ~its_group:
            return True
        if users is not None and _named(users) - _named(access_lists.of(place) or {}):
            return True
    return False


def _between(folder: Path, below: Path) -> Iterator[Path]:
    parts = folder.relative_to(below).parts
    for depth in range(1, len(parts) + 1):
        yield below.joinpath(*parts[:depth])


def _named(entries: access_lists.AccessList) -> set[tuple[access_lists.Tag, int]]:
    """The users and groups that a list lets look, beside the owner and the owning group."""
    mask = entries.get((access_lists.Tag.MASK, -1), 7)
    named = (access_lists.Tag.USER, access_lists.Tag.GROUP)
    return {key for key, rights in entries.items() if key[0] in named and rights & mask & _LOOK == _LOOK}


def _make_one(folder: Path, model: Path | None) -> None:
    status = None
    if model is not None:
        with suppress(OSError):
            status = model.lstat()
    if sys.platform == "win32" or status is None or not stat.S_ISDIR(status.st_mode):
        folder.mkdir(exist_ok=True)
        return
    assert model is not None
    group = access_lists.group_rights(model, status)
    folder.mkdir(mode=0o700 | group << 3 | status.st_mode & 0o007, exist_ok=True)
    made = folder.stat()
    if made.st_gid != status.st_gid:
        _take_group(folder, made, status)
    if status.st_uid != user_id():
        _let_owner_in(folder, status)


def _take_group(folder: Path, made: os.stat_result, wanted: os.stat_result) -> None:
    """Gives a folder the group of its counterpart; where that is not allowed, its own may do what everybody may."""
    if sys.platform == "win32":
        return
    mode = stat.S_IMODE(made.st_mode)
    try:
        os.chown(folder, -1, wanted.st_gid)
    except OSError:
        _chmod(folder, mode & ~0o070 | mode & (mode & 0o007) << 3)
    else:
        _chmod(folder, mode | wanted.st_mode & stat.S_ISGID)


def _chmod(folder: Path, mode: int) -> None:
    """Sets a mode, where need be without the setgid bit, which systemd's RestrictSUIDSGID lets nobody set."""
    try:
        folder.chmod(mode)
    except PermissionError:
        folder.chmod(mode & ~stat.S_ISGID)


def _let_owner_in(folder: Path, wanted: os.stat_result) -> None:
    """Lets the owner of the counterpart in: as owner, where this process may give files away, else by a list."""
    if sys.platform == "win32":
        return
    try:
        os.chown(folder, wanted.st_uid, -1)
        return
    except OSError:
        pass
    status = folder.stat()
    entries = access_lists.of(folder) or access_lists.of_mode(status.st_mode)
    with suppress(OSError):  # a file system without lists: group and others are all there is
        access_lists.give(folder, access_lists.with_user(entries, wanted.st_uid, wanted.st_mode >> 6 & 7))
