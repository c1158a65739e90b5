"""`recipe`: folders of the inbox that do one thing, listed, shown, installed."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from aura_daemon.config.loading import load
from aura_daemon.config.recipes_shipped import ShippedRecipe, shipped
from aura_daemon.config.settings import Settings
from aura_daemon.daemon.explain import path_below
from aura_daemon.errors import Problem, UserError
from aura_daemon.file_names import escaped, is_out_of_bounds
from aura_daemon.jobfile.folder_defaults import FILE_NAME, SPELLINGS
from aura_daemon.problems import nearest
from aura_daemon.system import durable_files
from aura_daemon.system.permissions import why_denied

_USAGE: Final = "aura-daemon recipe install NAME FOLDER"


def recipe(action: str, name: str | None, folder: str | None, config: Path | None) -> int:
    """Does it; raises UserError."""
    if action == "list":
        print("\n".join(_table()))
        return 0
    if name is None:
        raise UserError([Problem(message=f"which recipe? {_names()}")])
    found = _named(name)
    if action == "show":
        print(found.text, end="")
        return 0
    if folder is None:
        raise UserError([Problem(message=f"into which folder of the inbox? `{_USAGE}`")])
    settings = load(config).settings
    below = _installed(found, folder, settings)
    inbox, outbox = settings.inbox / below, settings.outbox / below
    print(f"{escaped(os.fspath(inbox / FILE_NAME))}: {found.name}")
    print(f"Drop files into {escaped(os.fspath(inbox))}; what comes of them lies in {escaped(os.fspath(outbox))}.")
    print("The file is yours: change it as you like, it counts for the next file that is dropped.")
    return 0


def _table() -> list[str]:
    recipes = shipped()
    longest = max(len(one.name) for one in recipes)
    rows = [f"{one.name:<{longest}}  {one.summary}" for one in recipes]
    return [*rows, "", f"`aura-daemon recipe show NAME` prints one; `{_USAGE}` has a folder of the inbox do it."]


def _names() -> str:
    return f"There are {', '.join(one.name for one in shipped())}"


def _named(name: str) -> ShippedRecipe:
    recipes = {one.name: one for one in shipped()}
    if name not in recipes:
        message = f"there is no recipe {escaped(name)}; {_names().removeprefix('There are ')} are there"
        raise UserError([Problem(message=message, suggestion=nearest(name, recipes))])
    return recipes[name]


def _installed(found: ShippedRecipe, folder: str, settings: Settings) -> str:
    """Writes the recipe into a folder of the inbox; the folder's path below the inbox. Raises UserError."""
    inbox = settings.inbox
    inside = path_below(Path(folder).expanduser().absolute(), inbox)
    below = PurePosixPath(inside if inside is not None else folder).as_posix()
    parts = below.split("/")
    if not folder.strip() or below.startswith("/") or ".." in parts or is_out_of_bounds(f"{below}/x"):
        message = f"{escaped(folder)} is no folder that is read below the inbox, {escaped(os.fspath(inbox))}"
        raise UserError([Problem(message=message)])
    place = inbox / below
    taken = next((place / name for name in SPELLINGS if os.path.lexists(place / name)), None)
    if taken is not None:
        mend = f"add to it what `aura-daemon recipe show {found.name}` prints, or name a new folder"
        raise UserError([Problem(message=f"{escaped(os.fspath(taken))} is there already, and stays as it is: {mend}")])
    temp_folder = inbox / f".recipe-{secrets.token_hex(8)}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        durable_files.write(place / FILE_NAME, found.text.encode(), temp_folder=temp_folder)
    except OSError as error:
        reason = why_denied(error, place, writes=True)
        raise UserError([Problem(message=f"{escaped(os.fspath(place))} cannot be written: {reason}")]) from None
    finally:
        with suppress(OSError):
            temp_folder.rmdir()
    return below
