"""The command line: argv -> exit code. Each command imports its module when it is called.

Exit codes: 0 success; 1 a job or file failed, or (`doctor`) something should be mended; 2 the user has something to
mend (command line, configuration, folders); 3 (`once`, `submit --wait`) only jobs are left that wait for a model;
129, 130, 143 stopped by SIGHUP, Ctrl-C or SIGTERM; 141 nobody reads the output any more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Final

import typer

from aura_daemon.cli.arguments import jobs, running, setup
from aura_daemon.cli.arguments.shared import ConfigOption, LogFormatOption
from aura_daemon.cli.shell import completing
from aura_daemon.cli.shell.command_list import SectionedGroup
from aura_daemon.system import windows

PROGRAM = "aura-daemon"

NOT_ON_WINDOWS = frozenset({"run", "once", "demo", "cancel", "retry", "doctor", "bench"})
"""Commands that do a daemon's work in their own process, or tell of the machine on which it runs."""

app = typer.Typer(
    name=PROGRAM,
    cls=SectionedGroup,
    help="Watches a folder: prompts become pictures, pictures become captions, in whatever memory there is.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class ShellName(StrEnum):
    """The shells that have a completion."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[ShellName, typer.Argument(help="The shell that is to complete.")]) -> None:
    """Print what has your shell complete all of this."""
    os.environ[completing.COMPLETE] = f"source_{shell}"
    app(prog_name=PROGRAM)


COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "run": running.run,
    "once": running.once,
    "init": setup.init,
    "demo": running.demo,
    "check": jobs.check,
    "submit": jobs.submit,
    "status": running.status,
    "history": jobs.history,
    "open": jobs.open_result,
    "completion": completion,
    "why": jobs.why,
    "cancel": jobs.cancel,
    "retry": jobs.retry,
    "backup": setup.backup,
    "restore": setup.restore,
    "doctor": setup.doctor,
    "service": setup.service,
    "fetch": setup.fetch,
    "mcp": running.mcp,
    "schema": setup.schema,
    "bench": running.bench,
    "recipe": setup.recipe,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        from aura_daemon import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    config: ConfigOption = None,
    log_format: LogFormatOption = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options that stand before the command count for it, unless it is given the same option itself."""
    given = {"config": str(config or ""), "log_format": str(log_format or "")}
    given = {key: value for key, value in given.items() if value}
    name = context.invoked_subcommand or ""
    if name in NOT_ON_WINDOWS:
        windows.refuse_natively()
    command = getattr(context.command, "commands", {}).get(name)
    if command is not None:
        known = {parameter.name for parameter in command.params}
        for key in given.keys() - known:
            raise typer.BadParameter(f"`{name}` takes no --{key.replace('_', '-')}")
    context.default_map = {name: given}


def main() -> None:
    """Entry point. Whatever a user can mend is told on one line a mistake, without a traceback; exit code 2."""
    from aura_daemon.cli import errors

    sys.exit(errors.exit_code_of(lambda: app(prog_name=PROGRAM, standalone_mode=False)))
