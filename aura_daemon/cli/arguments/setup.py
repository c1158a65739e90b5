"""The commands around the daemon: to set it up, install it, back it up."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aura_daemon.cli.arguments.shared import ConfigOption
from aura_daemon.cli.shell import completing


class SchemaName(StrEnum):
    """The documents that have a published schema."""

    JOB = "job"
    CONFIG = "config"
    DEFAULTS = "defaults"
    SIDECAR = "sidecar"
    HEALTH = "health"


class ServiceAction(StrEnum):
    """What `service` can do."""

    INSTALL = "install"
    UNINSTALL = "uninstall"
    STATUS = "status"
    PRINT = "print"


class RecipeAction(StrEnum):
    """What `recipe` can do."""

    LIST = "list"
    SHOW = "show"
    INSTALL = "install"


def init(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The file to write; default: where it is found from anywhere.")
    ] = None,
    inbox: Annotated[Path | None, typer.Option(help="The folder to watch.")] = None,
    outbox: Annotated[Path | None, typer.Option(help="The folder for results.")] = None,
    model: Annotated[str | None, typer.Option(help="aura-mini, sd-1.4, or any other as in `generate.model`.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: what is not given is proposed.")] = False,
) -> None:
    """Ask three questions and write a configuration. Its folders are made, and all of it is checked."""
    from aura_daemon.cli.setup import init

    raise typer.Exit(init.init(config, inbox=inbox, outbox=outbox, model=model, asks=not yes))


def backup(
    file: Annotated[Path, typer.Argument(readable=False, help="Where the backup goes; replaces an earlier one.")],
    config: ConfigOption = None,
) -> None:
    """Write the journal to a file. The daemon may run meanwhile; the file is checked."""
    from aura_daemon.cli import backup

    raise typer.Exit(backup.backup(file, config))


def restore(
    file: Annotated[Path, typer.Argument(readable=False, help="A backup.")], config: ConfigOption = None
) -> None:
    """Put a backup in the place of the journal. No daemon may run; the old journal is kept beside it."""
    from aura_daemon.cli import backup

    raise typer.Exit(backup.restore(file, config))


def doctor(
    config: ConfigOption = None,
    plan: Annotated[
        str | None, typer.Option("--plan", metavar="WIDTHxHEIGHT", help="The ladder for a size, such as 912x512.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, max=16, help="So many pictures at once.")] = 1,
    model: Annotated[
        str | None, typer.Option("--model", help="One of those that `generate.models` allows; default: the first.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
) -> None:
    """Say what this machine is, and what should be mended. Then the exit code is 1. --plan: where a job would start."""
    from aura_daemon.cli.setup import doctor

    raise typer.Exit(doctor.doctor(config, plan=plan, batch=batch, model=model, as_json=as_json))


def service(
    action: Annotated[ServiceAction, typer.Argument(help="print: what install would write.")],
    config: ConfigOption = None,
    system: Annotated[
        bool | None,
        typer.Option("--system/--user", help="The machine's, or your own; default: root's is the machine's."),
    ] = None,
    run_as: Annotated[
        str | None, typer.Option("--run-as", metavar="ACCOUNT", help="With --system; default: the outbox's owner.")
    ] = None,
    network: Annotated[
        bool | None,
        typer.Option(
            "--network/--no-network", help="Default: if a model must come from a hub, or workers are on a cluster."
        ),
    ] = None,
    gpu: Annotated[bool | None, typer.Option("--gpu/--cpu", help="Default: if there is one.")] = None,
    models: Annotated[
        Path | None, typer.Option("--models", metavar="FOLDER", help="Where models from hubs are (HF_HOME).")
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="Of the unit and its folders, for several services.")
    ] = "aura-daemon",
) -> None:
    """Install the daemon as a service, remove it, say how it is. Of systemd, or of launchd on a Mac."""
    from aura_daemon.cli.setup import service
    from aura_daemon.service.plan import Scope
    from aura_daemon.service.planning import ServiceOptions

    scope = None if system is None else Scope.SYSTEM if system else Scope.USER
    options = ServiceOptions(name=name, scope=scope, run_as=run_as, network=network, gpu=gpu, models=models)
    raise typer.Exit(service.service(action, config, options))


def fetch(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL", help="As `generate.model` has it; default: all configured."),
    ] = None,
    config: ConfigOption = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="You have read the licence: nothing is asked.")
    ] = False,
    list_only: Annotated[bool, typer.Option("--list", help="Say which models are here; fetch nothing.")] = False,
) -> None:
    """Fetch models before a job needs them. You see licence and size first; what comes is checked."""
    from aura_daemon.cli.setup import fetch

    raise typer.Exit(fetch.fetch(models or [], config, accepts_licence=accept_licence, lists=list_only))


def schema(name: Annotated[SchemaName, typer.Argument(help="Which document.")]) -> None:
    """Print the JSON Schema of a document."""
    from aura_daemon.cli import schema

    raise typer.Exit(schema.schema(name))


def recipe(
    action: Annotated[RecipeAction, typer.Argument(help="list: what there is.")],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Of a recipe.", autocompletion=completing.recipes)
    ] = None,
    folder: Annotated[str | None, typer.Argument(metavar="FOLDER", help="Of the inbox; it is made.")] = None,
    config: ConfigOption = None,
) -> None:
    """Have a folder do one thing with all that is dropped there."""
    from aura_daemon.cli.setup import recipe

    raise typer.Exit(recipe.recipe(action, name, folder, config))
