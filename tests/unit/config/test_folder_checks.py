"""A folder that this user may not use is told at the start: which, whose, who asks, and the command that opens it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_daemon.config.folder_checks import check_folders
from aura_daemon.config.loading import LoadedConfig, load
from aura_daemon.system.mount_guard import MountGuard
from aura_daemon.system.permissions import user_name
from tests.support.plain_user import NOBODY, as_a_plain_user

KEYS = ("inbox", "outbox", "state")


@pytest.fixture
def place(place_for_all: Path) -> Iterator[Path]:
    """Three folders and the file that names them, of the user who is to run the daemon; opened again at the end."""
    for key in KEYS:
        (place_for_all / "ours" / key).mkdir(parents=True)
    names = "".join(f"{key}: ours/{key}\n" for key in KEYS)
    (place_for_all / "aura.yaml").write_text(names + "sources: keep\n")
    yield place_for_all
    for folder in (place_for_all / "ours", *(place_for_all / "ours" / key for key in KEYS)):
        if folder.exists():
            folder.chmod(0o700)


@pytest.fixture
def loaded(place: Path) -> LoadedConfig:
    """Read before the test becomes another user, who may not even read the interpreter's folder."""
    return load(place / "aura.yaml")


def problems(loaded: LoadedConfig) -> list[str]:
    return [str(problem) for problem in check_folders(loaded)]


def plain_user() -> str:
    return user_name(os.geteuid() or NOBODY)


@pytest.mark.parametrize(
    ("mode", "verbs", "lacking"),
    [
        (0o300, "listed", "r"),
        (0o400, "written or entered", "wx"),
        (0o600, "entered", "x"),
        (0o000, "listed or written or entered", "rwx"),
    ],
)
@pytest.mark.parametrize("key", KEYS)
def test_each_right_that_a_folder_lacks_is_told_with_the_command_that_gives_it(
    place: Path, loaded: LoadedConfig, key: str, mode: int, verbs: str, lacking: str
) -> None:
    folder = place / "ours" / key
    if key == "inbox":  # where nothing is written, as `sources` says
        verbs, lacking = verbs.replace("written or ", ""), lacking.replace("w", "")
    with as_a_plain_user(owning=place / "ours"):
        folder.chmod(mode)
        told = problems(loaded)
    user = plain_user()
    whose = f"it belongs to {user} with mode {mode:04o}, and aura-daemon runs as {user}"
    wanted = f"{key}: {folder} cannot be {verbs}: {whose}: `chmod u+{lacking} {folder}`"
    assert told == [wanted]


@pytest.mark.parametrize(
    ("key", "head"),
    [
        ("inbox", "sources: `archive` takes files out of the inbox, but {folder} cannot be written"),
        ("outbox", "outbox: {folder} cannot be written"),
        ("state", "state: {folder} cannot be written"),
    ],
)
def test_a_folder_that_may_only_be_read_is_told(place: Path, key: str, head: str) -> None:
    (place / "aura.yaml").write_text((place / "aura.yaml").read_text().replace("keep", "archive"))
    loaded, folder, user = load(place / "aura.yaml"), place / "ours" / key, plain_user()
    with as_a_plain_user(owning=place / "ours"):
        folder.chmod(0o500)
        (told,) = problems(loaded)
    assert told.startswith(f"{head.format(folder=folder)}: it belongs to {user} with mode 0500")
    assert told.endswith(f"`chmod u+w {folder}`" + ("; or say `sources: keep`" if key == "inbox" else ""))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root owns folders that a test cannot open")
@pytest.mark.parametrize("key", KEYS)
def test_a_folder_of_somebody_else_is_theirs_to_open(place: Path, loaded: LoadedConfig, key: str) -> None:
    folder = place / "ours" / key
    with as_a_plain_user(owning=place / "ours"):
        os.seteuid(0)
        os.chown(folder, 0, 0)
        folder.chmod(0o700)
        os.seteuid(NOBODY)
        (told,) = problems(loaded)
    user = plain_user()
    rights = "rx" if key == "inbox" else "rwx"
    assert told.startswith(f"{key}: {folder} cannot be listed or ")
    assert "it belongs to root with mode 0700" in told
    assert told.endswith(f" runs as {user}: `chown {user} {folder}`, or `setfacl -m u:{user}:{rights} {folder}`")


def test_a_folder_on_a_way_that_is_shut_is_not_taken_for_missing(place: Path, loaded: LoadedConfig) -> None:
    way = place / "ours"
    with as_a_plain_user(owning=way):
        way.chmod(0o600)
        told = problems(loaded)
    user = plain_user()
    assert told == [
        f"{key}: {way / key} cannot be reached: the folder {way} belongs to {user} with mode 0600,"
        f" and aura-daemon runs as {user}: `chmod u+x {way}`"
        for key in KEYS
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root owns folders that a test cannot open")
def test_what_a_daemon_of_another_user_left_in_the_outbox_is_told(place: Path, loaded: LoadedConfig) -> None:
    left = place / "ours" / "outbox" / ".aura"
    with as_a_plain_user(owning=place / "ours"):
        os.seteuid(0)
        left.mkdir(mode=0o755)
        os.seteuid(NOBODY)
        (told,) = problems(loaded)
    assert told.startswith(f"outbox: {left} cannot be written: it belongs to root with mode 0755")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root owns folders that a test cannot open")
def test_each_folder_that_a_daemon_of_another_user_left_in_the_state_folder_is_told(
    place: Path, loaded: LoadedConfig
) -> None:
    state, user = place / "ours" / "state", plain_user()
    with as_a_plain_user(owning=place / "ours"):
        (state / "tmp").mkdir(mode=0o700)
        os.seteuid(0)
        for name in ("inputs", "work"):
            (state / name).mkdir(mode=0o700)
        os.seteuid(NOBODY)
        told = problems(loaded)
    assert told == [
        f"state: {state / name} cannot be listed or written or entered: it belongs to root with mode 0700,"
        f" and aura-daemon runs as {user}: `chown {user} {state / name}`, or `setfacl -m u:{user}:rwx {state / name}`"
        for name in ("inputs", "work")
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root owns folders that a test cannot open")
def test_a_way_that_somebody_else_has_shut_is_theirs_to_open(place: Path, loaded: LoadedConfig) -> None:
    (place / "ours").chmod(0o700)
    with as_a_plain_user():
        told = problems(loaded)
    assert all(f"the folder {place / 'ours'} belongs to root with mode 0700" in one for one in told)
    mend = f": `setfacl -m u:{plain_user()}:x {place / 'ours'}`, or name another folder"
    assert [one.endswith(mend) for one in told] == [True] * 3


def test_a_folder_that_a_shut_one_keeps_from_being_made_is_told(place: Path, loaded: LoadedConfig) -> None:
    way = place / "ours"
    (way / "state").rmdir()
    with as_a_plain_user(owning=way):
        way.chmod(0o500)
        (told,) = problems(loaded)
    assert told.startswith(f"state: {way / 'state'} cannot be made: Permission denied: the folder {way} belongs to ")


def test_what_modes_allow_and_the_system_refuses_is_not_blamed_on_modes(
    loaded: LoadedConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda _path, mode, **_: not mode & os.W_OK)
    told = problems(loaded)
    assert [one.split(": ")[0] for one in told] == ["outbox", "state"]
    assert all(" cannot be written: it belongs to " in one and "shuts out" in one for one in told)


@pytest.mark.parametrize("key", ["inbox", "outbox"])
def test_a_folder_that_a_daemon_has_worked_on_may_be_away_and_a_new_one_may_not(
    place: Path, loaded: LoadedConfig, key: str
) -> None:
    folder, share = place / "ours" / key, place / "share"
    share.mkdir()
    folder.rmdir()
    wanted = f"{key}: {folder} does not exist: make it, or mount what belongs there"
    (new,) = check_folders(loaded, waits=True)
    assert str(new).startswith(wanted)
    folder.mkdir()
    assert MountGuard(folder, place / "ours" / "state").mark()
    folder.rename(share / key)
    assert check_folders(loaded, waits=True) == ()
    assert not folder.exists()
    (known,) = check_folders(loaded)
    assert str(known).startswith(wanted)
    assert check_folders(loaded, waits=True, makes_named=True) == ()
    assert folder.exists()


@pytest.mark.parametrize("key", ["inbox", "outbox"])
def test_a_known_folder_that_is_shut_is_not_waited_for(place: Path, loaded: LoadedConfig, key: str) -> None:
    folder = place / "ours" / key
    assert MountGuard(folder, place / "ours" / "state").mark()
    with as_a_plain_user(owning=place / "ours"):
        folder.chmod(0o000)
        (told,) = [str(problem) for problem in check_folders(loaded, waits=True)]
        folder.chmod(0o700)
    assert told.startswith(f"{key}: {folder} cannot be listed")
