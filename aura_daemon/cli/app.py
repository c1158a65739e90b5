"""The command line: argv -> exit code. Each command imports its module when it is called.

Exit codes: 0 success; 1 a job or file failed, or (`doctor`) something should be mended; 2 the user has something to
mend (command line, configuration, folders); 3 (`once`, `submit --wait`) only jobs are left that wait for a model;
129, 130, 143 stopped by SIGHUP, Ctrl-C or SIGTERM; 141 nobody reads the output any more.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aura_daemon.cli.shell import completing
from aura_daemon.cli.shell.command_list import SectionedGroup
from aura_daemon.cli.submit import options as submitting
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


class SchemaName(StrEnum):
    """The documents that have a published schema."""

    JOB = "job"
    CONFIG = "config"
    DEFAULTS = "defaults"
    SIDECAR = "sidecar"
    HEALTH = "health"


class HistoryKind(StrEnum):
    """The kinds of job that `history` can be asked for."""

    GENERATE = "generate"
    CAPTION = "caption"
    GRID = "grid"
    BENCHMARK = "benchmark"


class ShellName(StrEnum):
    """The shells that have a completion."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


class LogFormat(StrEnum):
    """The form of the log."""

    TEXT = "text"
    JSON = "json"


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="Configuration file; docs/configuration.md says where else it is found.",
        autocompletion=completing.files,
    ),
]
LogFormatOption = Annotated[LogFormat | None, typer.Option("--log-format", help="Text for people, JSON for machines.")]

MakeFoldersOption = Annotated[
    bool, typer.Option("--make-folders", help="Make inbox and outbox where they are missing: for the first start.")
]


@app.command()
def run(
    config: ConfigOption = None, log_format: LogFormatOption = None, make_folders: MakeFoldersOption = False
) -> None:
    """Watch the inbox until it is stopped."""
    from aura_daemon.cli import run

    raise typer.Exit(run.run(config, log_format, makes_folders=make_folders))


@app.command()
def once(
    config: ConfigOption = None, log_format: LogFormatOption = None, make_folders: MakeFoldersOption = False
) -> None:
    """Drain the inbox and exit. 0: all is well; 1: a job failed; 3: only jobs wait that lack a model or memory."""
    from aura_daemon.cli import run

    raise typer.Exit(run.once(config, log_format, makes_folders=make_folders))


@app.command()
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


@app.command()
def demo(config: ConfigOption = None, log_format: LogFormatOption = None) -> None:
    """Run the shipped examples. They go into the inbox; at the end you see where each result is."""
    from aura_daemon.cli import demo

    raise typer.Exit(demo.demo(config, log_format))


@app.command()
def check(
    files: Annotated[
        list[Path],
        typer.Argument(readable=False, help="Job files, prompts, images or sidecars.", autocompletion=completing.files),
    ],
    config: ConfigOption = None,
    expand: Annotated[
        bool, typer.Option("--expand", help="A line for each job: seed, what differs, prompt; seeds may be drawn.")
    ] = False,
) -> None:
    """Say what is wrong with files, without running them."""
    from aura_daemon.cli import check

    raise typer.Exit(check.check(files, config, expand=expand))


@app.command()
def submit(
    things: submitting.Things,
    question: submitting.Question = None,
    aspect: submitting.Aspect = None,
    size: submitting.Size = None,
    steps: submitting.Steps = None,
    seed: submitting.Seed = None,
    count: submitting.Count = None,
    negative: submitting.Negative = None,
    guidance: submitting.Guidance = None,
    scheduler: submitting.SchedulerName = None,
    model: submitting.Model = None,
    image: submitting.Image = None,
    mask: submitting.Mask = None,
    strength: submitting.Strength = None,
    priority: submitting.Priority = None,
    assignments: submitting.Set = [],  # noqa: B006 - typer copies it
    name: submitting.Name = "",
    is_yaml: submitting.IsYaml = False,
    wait: submitting.Wait = False,
    as_json: Annotated[bool, typer.Option("--json", help="An object for each file, one a line.")] = False,
    config: ConfigOption = None,
) -> None:
    """Put prompts, pictures and files into the inbox. With --wait: 1 where one fails, 3 where one cannot run now."""
    from aura_daemon.cli.submit import command

    words = {"aspect_ratio": aspect, "steps": steps, "seed": seed, "count": count, "negative_prompt": negative}
    words |= {"guidance_scale": guidance, "scheduler": scheduler, "model": model}
    words |= {"strength": strength, "priority": priority}
    wanted = command.Wanted(
        things=things,
        options={key: word for key, word in words.items() if word is not None},
        size=size,
        question=question,
        pictures={role: path for role, path in {"image": image, "mask": mask}.items() if path is not None},
        assignments=assignments,
        name=name,
        is_yaml=is_yaml,
    )
    raise typer.Exit(command.submit(wanted, config, wait=wait, as_json=as_json))


@app.command()
def status(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The health document and the counts, as JSON.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on showing it until Ctrl-C.")] = False,
) -> None:
    """Say how the daemon is, whether it runs or not."""
    if watch:
        from aura_daemon.cli.watch import live

        raise typer.Exit(live.watch(config, as_json=as_json))
    from aura_daemon.cli import status

    raise typer.Exit(status.status(config, as_json=as_json))


@app.command()
def history(
    words: Annotated[list[str], typer.Argument(metavar="TEXT", help="In prompt, caption, file or reason.")] = [],  # noqa: B006
    kind: Annotated[HistoryKind | None, typer.Option("--kind", help="Only such jobs.")] = None,
    failed: Annotated[bool | None, typer.Option("--failed/--done", help="Only what failed, or what did not.")] = None,
    since: Annotated[str | None, typer.Option(metavar="WHEN", help="2026-05-31, '2026-05-31 18:00', 2h, 3d.")] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="As --since.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many, the latest.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="An object for each, one a line.")] = False,
    config: ConfigOption = None,
) -> None:
    """List results and failures, the latest first."""
    from aura_daemon.cli.results import history

    wanted = history.wanted(" ".join(words), kind=kind, failed=failed, since=since, until=until)
    raise typer.Exit(history.history(wanted, config, most=limit, as_json=as_json))


@app.command("open")
def open_result(
    which: Annotated[
        str, typer.Argument(metavar="[WHICH]", help="1 is the newest, 2 the one before; or a name, or an id.")
    ] = "1",
    config: ConfigOption = None,
    prints: Annotated[bool, typer.Option("--print", help="Print its path, and open nothing.")] = False,
) -> None:
    """Open the newest result, or another one."""
    from aura_daemon.cli.results import open_result

    raise typer.Exit(open_result.open_result(which, config, prints=prints))


@app.command()
def completion(shell: Annotated[ShellName, typer.Argument(help="The shell that is to complete.")]) -> None:
    """Print what has your shell complete all of this."""
    os.environ[completing.COMPLETE] = f"source_{shell}"
    app(prog_name=PROGRAM)


@app.command()
def why(
    path: Annotated[
        Path,
        typer.Argument(
            readable=False, help="A file in the inbox, or one that was there.", autocompletion=completing.known_files
        ),
    ],
    config: ConfigOption = None,
) -> None:
    """Say what the daemon thinks of a file."""
    from aura_daemon.cli import why

    raise typer.Exit(why.why(path, config))


JOBS_HELP = "Ids as they stand in the log, or files as they lay in the inbox."

OpenJobs = Annotated[list[str], typer.Argument(metavar="JOB", help=JOBS_HELP, autocompletion=completing.open_jobs)]
FailedJobs = Annotated[list[str], typer.Argument(metavar="JOB", help=JOBS_HELP, autocompletion=completing.failed_jobs)]


@app.command()
def cancel(jobs: OpenJobs, config: ConfigOption = None) -> None:
    """End jobs that are not done yet. Their files go to `failed/`."""
    from aura_daemon.cli import cancel_retry
    from aura_daemon.daemon.commands import CommandVerb

    raise typer.Exit(cancel_retry.order(CommandVerb.CANCEL, jobs, config))


@app.command()
def retry(jobs: FailedJobs, config: ConfigOption = None) -> None:
    """Queue failed jobs again. Their files are taken back from `failed/`."""
    from aura_daemon.cli import cancel_retry
    from aura_daemon.daemon.commands import CommandVerb

    raise typer.Exit(cancel_retry.order(CommandVerb.RETRY, jobs, config))


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(readable=False, help="Where the backup goes; replaces an earlier one.")],
    config: ConfigOption = None,
) -> None:
    """Write the journal to a file. The daemon may run meanwhile; the file is checked."""
    from aura_daemon.cli import backup

    raise typer.Exit(backup.backup(file, config))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(readable=False, help="A backup.")], config: ConfigOption = None
) -> None:
    """Put a backup in the place of the journal. No daemon may run; the old journal is kept beside it."""
    from aura_daemon.cli import backup

    raise typer.Exit(backup.restore(file, config))


@app.command()
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
    """Install the daemon as a service, remove it, say how it is. Of systemd, or of launchd on a Mac."""
    from aura_daemon.cli.setup import service
    from aura_daemon.service.plan import Scope
    from aura_daemon.service.planning import ServiceOptions

    scope = None if system is None else Scope.SYSTEM if system else Scope.USER
    options = ServiceOptions(name=name, scope=scope, run_as=run_as, network=network, gpu=gpu, models=models)
    raise typer.Exit(service.service(action, config, options))


@app.command()
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


@app.command()
def mcp(config: ConfigOption = None) -> None:
    """Serve AI agents over the Model Context Protocol. It speaks on standard input and output."""
    from aura_daemon.cli import mcp

    raise typer.Exit(mcp.mcp(config))


@app.command()
def schema(name: Annotated[SchemaName, typer.Argument(help="Which document.")]) -> None:
    """Print the JSON Schema of a document."""
    from aura_daemon.cli import schema

    raise typer.Exit(schema.schema(name))


@app.command()
def bench(
    intake: Annotated[bool, typer.Option("--intake", help="How soon files are taken, what a job costs; no model.")],
    files: Annotated[int, typer.Option(min=1, help="Files to drain.")] = 1000,
    latencies: Annotated[int, typer.Option(min=1, help="Files delivered one by one.")] = 200,
    folder: Annotated[Path | None, typer.Option(help="The disk to measure on; default: here.")] = None,
) -> None:
    """Measure how soon files are taken on this disk. How fast models are is measured by a job: docs/benchmark.md."""
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
