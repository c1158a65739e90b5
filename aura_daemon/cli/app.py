"""The command line: argv -> exit code. Each command imports its module when it is called.

Exit codes: 0 success; 1 a job or file failed, or (`doctor`) something should be mended; 2 the user has something to
mend (command line, configuration, folders); 3 (`once`) only jobs are left that wait for a model; 129, 130, 143
(`once`, `demo`) stopped by SIGHUP, Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aura_daemon.errors import AuraError, UserError
from aura_daemon.system import windows

MENDABLE = 2

RUN_A_DAEMON = frozenset({"run", "once", "demo", "cancel", "retry", "bench"})
"""Commands that do a daemon's work in their own process."""

app = typer.Typer(
    name="aura-daemon",
    help="Watches a folder: prompts become images, images become captions, on whatever memory there is.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class SchemaName(StrEnum):
    """The documents that have a published schema."""

    JOB = "job"
    CONFIG = "config"
    DEFAULTS = "defaults"
    SIDECAR = "sidecar"
    HEALTH = "health"


class LogFormat(StrEnum):
    """The form of the log."""

    TEXT = "text"
    JSON = "json"


ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file; docs/configuration.md says where else it is found."),
]
LogFormatOption = Annotated[LogFormat | None, typer.Option("--log-format", help="Text for people, JSON for machines.")]


@app.command()
def run(config: ConfigOption = None, log_format: LogFormatOption = None) -> None:
    """Run the daemon: watch the inbox until told to stop."""
    from aura_daemon.cli import run

    raise typer.Exit(run.run(config, log_format))


@app.command()
def once(config: ConfigOption = None, log_format: LogFormatOption = None) -> None:
    """Drain the inbox and exit: 0 all well, 1 some job failed, 3 only jobs are left that wait for a model."""
    from aura_daemon.cli import run

    raise typer.Exit(run.once(config, log_format))


@app.command()
def demo(config: ConfigOption = None, log_format: LogFormatOption = None) -> None:
    """Put the shipped examples into the inbox, drain it, and say where each result is."""
    from aura_daemon.cli import demo

    raise typer.Exit(demo.demo(config, log_format))


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(readable=False, help="Job files, prompts, images or sidecars.")],
    config: ConfigOption = None,
    expand: Annotated[
        bool, typer.Option("--expand", help="A line for each job: seed, what differs, prompt; seeds may be drawn.")
    ] = False,
) -> None:
    """Validate files without running them."""
    from aura_daemon.cli import check

    raise typer.Exit(check.check(files, config, expand=expand))


@app.command()
def status(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The health document and the counts, as JSON.")] = False,
) -> None:
    """Say how the daemon is, whether it runs or not."""
    from aura_daemon.cli import status

    raise typer.Exit(status.status(config, as_json=as_json))


@app.command()
def why(
    path: Annotated[Path, typer.Argument(readable=False, help="A file in the inbox, or one that was there.")],
    config: ConfigOption = None,
) -> None:
    """Say what the daemon thinks of a file."""
    from aura_daemon.cli import why

    raise typer.Exit(why.why(path, config))


JobsArgument = Annotated[
    list[str], typer.Argument(metavar="JOB…", help="Ids as they stand in the log, or files as they lay in the inbox.")
]


@app.command()
def cancel(jobs: JobsArgument, config: ConfigOption = None) -> None:
    """Cancel jobs that are not done yet; their files go to `failed/`."""
    from aura_daemon.cli import cancel_retry
    from aura_daemon.daemon.commands import CommandVerb

    raise typer.Exit(cancel_retry.order(CommandVerb.CANCEL, jobs, config))


@app.command()
def retry(jobs: JobsArgument, config: ConfigOption = None) -> None:
    """Queue failed jobs again; their files are taken back from `failed/`."""
    from aura_daemon.cli import cancel_retry
    from aura_daemon.daemon.commands import CommandVerb

    raise typer.Exit(cancel_retry.order(CommandVerb.RETRY, jobs, config))


@app.command()
def doctor(
    config: ConfigOption = None,
    plan: Annotated[
        str | None, typer.Option("--plan", metavar="WIDTHxHEIGHT", help="The ladder for a size, as 912x512.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, max=16, help="So many pictures at once.")] = 1,
    model: Annotated[
        str | None, typer.Option("--model", help="One of those that `generate.models` allows; default: the first.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of it, as JSON.")] = False,
) -> None:
    """Say what this machine is, what should be mended (then 1), and with --plan where a job would start."""
    from aura_daemon.cli import doctor

    raise typer.Exit(doctor.doctor(config, plan=plan, batch=batch, model=model, as_json=as_json))


class ServiceAction(StrEnum):
    """What `service` can do."""

    INSTALL = "install"
    UNINSTALL = "uninstall"
    STATUS = "status"
    PRINT = "print"


@app.command()
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
        bool | None, typer.Option("--network/--no-network", help="Default: if a model must come from a hub.")
    ] = None,
    gpu: Annotated[bool | None, typer.Option("--gpu/--cpu", help="Default: if there is one.")] = None,
    models: Annotated[
        Path | None, typer.Option("--models", metavar="FOLDER", help="Where models from hubs are (HF_HOME).")
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="Of the unit and its folders, for several services.")
    ] = "aura-daemon",
) -> None:
    """Install the daemon as a service of systemd (or launchd), remove it, or say how it is."""
    from aura_daemon.cli import service
    from aura_daemon.service.plan import Scope
    from aura_daemon.service.planning import ServiceOptions

    scope = None if system is None else Scope.SYSTEM if system else Scope.USER
    options = ServiceOptions(name=name, scope=scope, run_as=run_as, network=network, gpu=gpu, models=models)
    raise typer.Exit(service.service(action, config, options))


@app.command()
def schema(name: Annotated[SchemaName, typer.Argument(help="Which document.")]) -> None:
    """Print a JSON Schema."""
    from aura_daemon.cli import schema

    raise typer.Exit(schema.schema(name))


@app.command()
def bench(
    intake: Annotated[bool, typer.Option("--intake", help="How soon files are taken and what a job costs, no model.")],
    files: Annotated[int, typer.Option(min=1, help="Files to drain.")] = 1000,
    latencies: Annotated[int, typer.Option(min=1, help="Files delivered one by one.")] = 200,
    folder: Annotated[Path | None, typer.Option(help="The disk to measure on; default: here.")] = None,
) -> None:
    """Measure this machine."""
    from aura_daemon.cli import bench

    raise typer.Exit(bench.intake(files, latencies, folder))


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
    if name in RUN_A_DAEMON:
        windows.refuse_natively()
    command = getattr(context.command, "commands", {}).get(name)
    if command is not None:
        known = {parameter.name for parameter in command.params}
        for key in given.keys() - known:
            raise typer.BadParameter(f"`{name}` takes no --{key.replace('_', '-')}")
    context.default_map = {name: given}


def main() -> None:
    """Entry point. A user's mistakes are listed without a traceback, exit code 2."""
    try:
        app()
    except UserError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        sys.exit(MENDABLE)
    except AuraError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(MENDABLE)
