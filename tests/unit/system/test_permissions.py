"""A refused access is told with the file or folder that refuses it, its owner, and who asked."""

from __future__ import annotations

import errno
from pathlib import Path

from aura_daemon.system.permissions import why_denied
from tests.support.plain_user import as_a_plain_user

DENIED = PermissionError(errno.EACCES, "Permission denied")


def owner(file: Path) -> str:
    return file.owner()


def test_a_file_that_cannot_be_read_is_told_with_owner_and_mode(place_for_all: Path) -> None:
    file = place_for_all / "cat.yaml"
    file.write_bytes(b"x")
    file.chmod(0o000)
    with as_a_plain_user():
        told = why_denied(DENIED, file)
    assert told.startswith(f"Permission denied: it belongs to {owner(file)} with mode 0000, and aura-daemon runs as ")
    assert told.endswith("; chmod or chown it")


def test_the_folder_that_denies_the_way_is_named(place_for_all: Path) -> None:
    shut = place_for_all / "shut"
    (shut / "inner").mkdir(parents=True)
    shut.chmod(0o600)
    with as_a_plain_user():
        told = why_denied(DENIED, shut / "inner" / "cat.yaml")
    shut.chmod(0o700)
    assert told.startswith(
        f"Permission denied: the folder {shut} belongs to {owner(place_for_all)} with mode 0600, and "
    )
    assert told.endswith("; chmod or chown that folder")


def test_a_file_that_cannot_be_moved_blames_its_folder(place_for_all: Path) -> None:
    sealed = place_for_all / "sealed"
    sealed.mkdir()
    (sealed / "cat.yaml").write_bytes(b"x")
    sealed.chmod(0o555)
    with as_a_plain_user():
        told = why_denied(DENIED, sealed / "cat.yaml", writes=True)
    sealed.chmod(0o755)
    assert f"the folder {sealed} belongs to {owner(place_for_all)} with mode 0555" in told


def test_what_modes_do_not_explain_is_not_blamed_on_them(place_for_all: Path) -> None:
    file = place_for_all / "cat.yaml"
    file.write_bytes(b"x")
    told = why_denied(PermissionError(errno.EPERM, "Operation not permitted"), file)
    assert told.endswith("its file system or a security module forbids it")


def test_other_errors_are_told_as_they_are(place_for_all: Path) -> None:
    assert why_denied(OSError(errno.EIO, "Input/output error"), place_for_all / "x") == "Input/output error"
    assert why_denied(DENIED, place_for_all / "gone").startswith("Permission denied: ")
    assert why_denied(OSError("odd"), place_for_all) == "odd"
