"""`init`: three questions -> a configuration with comments, its folders, and what to do next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from aura_daemon.config.engine import EMBEDDED
from aura_daemon.config.folder_checks import check_folders, misplaced
from aura_daemon.config.loading import find, load
from aura_daemon.config.template import with_values
from aura_daemon.errors import Problem, UserError
from aura_daemon.file_names import escaped
from aura_daemon.system import durable_files
from aura_daemon.system.files.xdg_folders import xdg_folder

PROGRAM: Final = "aura-daemon"

EXAMPLE: Final = "a small red circle on a blue background"

SERVICE: Final = "Install it as a service now? It watches from then on, after each start of the machine too."

Ask = Callable[[str], str]
Install = Callable[[Path], int]

STOPPED: Final = 130

HEAD: Final = """\
Configuration of aura-daemon, written by `aura-daemon init`: every key, at its default but for folders and models.
Durations are in seconds. An environment variable overrides any key: AURA_INBOX, AURA_GENERATE__MODEL, …
A running daemon reads this file again at SIGHUP. `aura-daemon doctor` says what is wrong with it."""

QUESTIONS: Final = {
    "inbox": "1. Which folder is to be watched? What you drop there becomes pictures and captions.",
    "outbox": "2. Which folder do the results go to?",
    "model": (
        "3. Which model? `aura-mini` is in the package: small coloured shapes, to try things out. `sd-1.4` is Stable\n"
        "   Diffusion 1.4, with BLIP for captions: 3.6 to 6.4 GB to fetch. Or owner/name on the hub, a folder in\n"
        "   diffusers format, a .safetensors file."
    ),
}


def init(
    config: Path | None,
    *,
    inbox: Path | None = None,
    outbox: Path | None = None,
    model: str | None = None,
    asks: bool = True,
    ask: Ask = input,
    install: Install | None = None,
) -> int:
    """0, or what the service's installation came to; 130 after Ctrl-C. Raises UserError with every problem.

    `install`: makes a service of the configuration; by default as `service install` does.
    `asks`: what was not given is asked for at a terminal; elsewhere what would be proposed is taken.
    """
    place = _place(config)
    if os.path.lexists(place):
        mend = "edit it, or name another file with --config"
        raise UserError([Problem(file=str(place), message=f"exists, and is never overwritten: {mend}")])
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - never raises
    proposed = {"inbox": str(home / "aura" / "inbox"), "outbox": str(home / "aura" / "outbox"), "model": EMBEDDED}
    given = {"inbox": inbox, "outbox": outbox, "model": model}
    is_asking = asks and (ask is not input or sys.stdin.isatty())
    try:
        answers = {
            key: str(value) if value is not None else _answer(key, proposed[key], ask if is_asking else None)
            for key, value in given.items()
        }
    except (KeyboardInterrupt, EOFError):
        print("\nstopped: nothing was written", file=sys.stderr)
        return STOPPED
    _write(place, answers)
    _print_what_next(place, answers["model"])
    try:
        wants_service = is_asking and ask(f"\n{SERVICE} [y/N] ").strip().lower() in ("y", "yes")
    except (KeyboardInterrupt, EOFError):
        return STOPPED
    return (install or _install)(place) if wants_service else 0


def _install(place: Path) -> int:
    from aura_daemon.cli.setup.service import service
    from aura_daemon.service.planning import ServiceOptions

    return service("install", place, ServiceOptions())


def called() -> str:
    """How this program is called from here: a virtual environment need not be on the path."""
    if shutil.which(PROGRAM):
        return PROGRAM
    program = Path(sys.argv[0]).absolute()
    if program.name == "__main__.py":
        return " ".join((shlex.quote(sys.executable), "-m", "aura_daemon"))
    return shlex.quote(str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program))


def _place(config: Path | None) -> Path:
    if config is not None:
        return config.expanduser().absolute()
    folder = xdg_folder("XDG_CONFIG_HOME", ".config")
    if folder is None:
        raise UserError([Problem(key="--config", message="is needed: there is no home folder to write to")])
    return folder / "aura-daemon" / "aura.yaml"


def _answer(key: str, proposed: str, ask: Ask | None) -> str:
    if ask is None:
        return proposed
    print(f"\n{QUESTIONS[key]}")
    return ask(f"   [{proposed}] ").strip() or proposed


def _write(place: Path, answers: dict[str, str]) -> None:
    """Makes the folders and writes the file; raises UserError before the file is there."""
    folders = {key: str(Path(answers[key]).expanduser().absolute()) for key in ("inbox", "outbox")}
    values = {**folders, "generate.model": _model(answers["model"])}
    if answers["model"] != EMBEDDED:
        values["caption.model"] = "blip-base"
    content = with_values(values, head=HEAD).encode()
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder, "aura.yaml")
        draft.write_bytes(content)
        try:
            loaded = load(draft)
        except UserError as error:
            raise UserError(replace(problem, file="", line=None) for problem in error.problems) from None
    if problems := misplaced(loaded, makes_named=True) or check_folders(loaded, makes_named=True):
        raise UserError(problems)
    try:
        durable_files.write(place, content, temp_folder=place.parent)
    except OSError as error:
        raise UserError([Problem(file=str(place), message=f"cannot be written: {error.strerror}")]) from None


def _model(answer: str) -> str:
    """A path that leads somewhere, made absolute: the file may be read from anywhere."""
    path = Path(answer).expanduser()
    return str(path.absolute()) if path.exists() else answer


def _print_what_next(place: Path, model: str) -> None:
    settings = load(place).settings
    print(f"\nwrote {escaped(str(place))}; it is valid, and its folders are there:")
    print(f"  inbox   {escaped(str(settings.inbox))}\n  outbox  {escaped(str(settings.outbox))}")
    counts, _ = find(None)
    option = ""
    if counts != place:
        option = f" --config {shlex.quote(str(place))}"
        if counts is not None:
            print(f"in this folder {escaped(str(counts))} counts before it: say{option}, or work elsewhere")
    program = called()
    steps = [
        (f"{program}{option} run", "watches the inbox until Ctrl-C"),
        (f"{program}{option} service install", "watches from now on, after each start of the machine too"),
    ]
    if model != EMBEDDED:
        steps.insert(0, (f"{program}{option} fetch", "fetches the models now; else the first job does"))
    example = f"echo '{EXAMPLE}' > {shlex.quote(str(settings.inbox / 'first.txt'))}"
    steps.append((example, "a first prompt; its picture appears in the outbox"))
    print("next:")
    for command, what in steps:
        print(f"  {escaped(command)}\n      {what}")
