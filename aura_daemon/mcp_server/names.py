"""Names that agents give: of files below the inbox or the outbox, and of nothing else. In: a name. Out: it, or why not.

A name is refused by what it says, before anything is looked for, and where a link leads it out: not even whether a file
is there is told then. Whoever reads the file follows no link at all (`below=`).
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from aura_daemon.errors import Problem
from aura_daemon.file_names import escaped, is_out_of_bounds
from aura_daemon.problems import cut
from aura_daemon.system.files.regular_files import leads_astray


def name_below(key: str, name: str, folder: Path, *, root: str) -> str | Problem:
    """A name in its plain form: `./cats//tom.png` is `cats/tom.png`. `root`: `inbox` or `outbox`, for the problem."""
    path = PurePosixPath(name.strip())
    plain = path.as_posix()
    if not path.name or path.is_absolute() or ".." in path.parts or "\\" in name:
        message = f"must be a name below the {root}, as this server gives them: no absolute path, no `..`, no backslash"
        return Problem(key=key, message=message, given=cut(name))
    if "\0" in name or not _is_text(name):
        return Problem(key=key, message="holds characters that no name has", given=cut(escaped(name)))
    if is_out_of_bounds(plain):
        message = f"hidden files and `failed/` of the {root} are not for agents: `why` and `results` tell what failed"
        return Problem(key=key, message=message, given=cut(name))
    if leads_astray((folder / plain).parent, below=folder):
        return Problem(key=key, message=f"a link on the way leads out of the {root}", given=cut(name))
    return plain


def result_name(output: Path, sidecar: Path | None, outbox: Path) -> str:
    """What `look` takes for a result: its name below the outbox; its sidecar's for a text beside a picture."""
    shown = output if output.is_relative_to(outbox) or sidecar is None else sidecar
    return escaped(os.path.relpath(shown, outbox))


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
