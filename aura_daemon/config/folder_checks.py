"""Can inbox, outbox and state folder be used? In: settings. Out: every problem; missing default folders are made."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

from aura_daemon.config.loading import LoadedConfig
from aura_daemon.config.settings import Settings
from aura_daemon.errors import Problem
from aura_daemon.file_names import OWN_FOLDER
from aura_daemon.system import private_state
from aura_daemon.system.mount_guard import MountGuard
from aura_daemon.system.permissions import user_id, why_denied, why_shut

FIRST_PERSON_ID: Final = 1000
"""User ids from which on accounts are people's, on every usual Linux (UID_MIN of login.defs)."""

DYNAMIC_IDS: Final = range(61184, 65520)
"""User ids that systemd gives to services with DynamicUser."""


def check_folders(loaded: LoadedConfig, *, makes_named: bool = False, waits: bool = False) -> tuple[Problem, ...]:
    """Problems of the folders; makes the default inbox and outbox and the state folder where they are missing.

    `makes_named`: inbox and outbox are made too where the user has named them. `waits`: otherwise, a named one that a
    daemon has worked on may be away.
    """
    awaited = _awaited(loaded) if waits and not makes_named else ()
    problems = list(misplaced(loaded, makes_named=makes_named, awaited=awaited))
    if problems:
        return tuple(problems)
    settings = loaded.settings
    for key, folder in folders_of(settings).items():
        if key in awaited:
            continue
        try:
            if key == "state":
                private_state.make(folder)
            else:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = why_denied(error, folder, writes=True)
            problems.append(Problem(key=key, message=f"{folder} cannot be made: {reason}"))
            continue
        if shut := _shut(folder, within={"outbox": (OWN_FOLDER,), "state": private_state.FOLDERS}.get(key, ())):
            problems.extend(Problem(key=key, message=message) for message in shut)
        elif key == "inbox" and settings.sources in ("archive", "delete") and (why := why_shut(folder, "rwx")):
            message = f"`{settings.sources}` takes files out of the inbox, but {folder} {why}; or say `sources: keep`"
            problems.append(Problem(key="sources", message=message))
    return tuple(problems)


def _awaited(loaded: LoadedConfig) -> tuple[str, ...]:
    """The keys of the named folders that are away, and were there when a daemon last ran."""
    folders = folders_of(loaded.settings)
    state = folders.pop("state")
    named = {key: folder for key, folder in folders.items() if key in loaded.named_folders}
    return tuple(
        key
        for key, folder in named.items()
        if not os.path.isfile(folder) and MountGuard(folder, state).is_awaited()  # noqa: PTH113 - never raises
    )


def _shut(folder: Path, *, within: Sequence[str]) -> list[str]:
    """Why this user may not use a folder, or folders of ours in it; without such folders it is only read."""
    if why := why_shut(folder, "rwx" if within else "rx"):
        return [f"{folder} {why}"]
    return [f"{folder / name} {why}" for name in within if (why := why_shut(folder / name, "rwx"))]


def misplaced(loaded: LoadedConfig, *, makes_named: bool = False, awaited: Collection[str] = ()) -> tuple[Problem, ...]:
    """Problems of folders that are too wide, overlap, or are missing though the user named them; makes nothing.

    `makes_named`: they will be made, so that it is no problem that they are missing. `awaited`: keys of those that may
    be missing.
    """
    folders = folders_of(loaded.settings)
    problems: list[Problem] = []
    for key, folder in folders.items():
        if key in awaited:
            continue
        exists, is_folder = os.path.lexists(folder), os.path.isdir(folder)  # noqa: PTH112 - these never raise
        if exists and not is_folder:
            problems.append(Problem(key=key, message=f"{folder} is not a folder"))
        elif not exists and (why := why_shut(folder, "x")):
            problems.append(Problem(key=key, message=f"{folder} {why}"))
        elif not exists and key in loaded.named_folders and not makes_named:
            makes = "`aura-daemon run --make-folders` makes it"
            message = f"{folder} does not exist: make it, or mount what belongs there ({makes})"
            problems.append(Problem(key=key, message=message))
    too_wide = _too_wide(folders, state_is_managed=loaded.settings.state_is_managed)
    problems.extend(too_wide.values())
    problems.extend(_overlaps({key: folder for key, folder in folders.items() if key not in too_wide}))
    return tuple(problems)


def is_system_user(uid: int) -> bool:
    """Whether an account was made for a service; root's was not."""
    return 0 < uid < FIRST_PERSON_ID or uid in DYNAMIC_IDS


def folders_of(settings: Settings) -> dict[str, Path]:
    """The folders by their keys."""
    return {"inbox": settings.inbox, "outbox": settings.outbox, "state": settings.state_folder()}


def _too_wide(folders: Mapping[str, Path], *, state_is_managed: bool) -> dict[str, Problem]:
    """Problems of folders such as `inbox: ~`, where the daemon would run, and move away, all files of a home folder.

    The home of a system user, made for one service, is often that service's state folder: `/var/lib/NAME`.
    """
    home = os.path.realpath(os.path.expanduser("~"))  # noqa: PTH111 - never raises
    wide = {home: "a whole home folder", "/": "the whole file system"}
    home_may_be_state = state_is_managed or is_system_user(user_id())
    return {
        key: Problem(
            key=key, message=f"{folder} is {wide[resolved]}: name a folder of its own, for example {folder / key}"
        )
        for key, folder in folders.items()
        if (resolved := os.path.realpath(folder)) in wide
        and not (key == "state" and resolved == home and home != "/" and home_may_be_state)
    }


def _overlaps(folders: Mapping[str, Path]) -> list[Problem]:
    """Problems of folders that are the same or lie in each other, links followed."""
    problems = []
    resolved = {key: Path(os.path.realpath(folder)) for key, folder in folders.items()}
    for (first, one), (second, two) in combinations(resolved.items(), 2):
        if one == two:
            problems.append(Problem(key=first, message=f"{first} and {second} are the same folder, {one}"))
        elif one in two.parents or two in one.parents:
            outer, inner = (first, second) if one in two.parents else (second, first)
            message = f"{inner} ({resolved[inner]}) lies inside {outer} ({resolved[outer]}): keep them apart"
            problems.append(Problem(key=inner, message=message))
    return problems
