"""The commands that run the daemon, or look at it while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aura_daemon.cli.arguments.shared import ConfigOption, LogFormatOption, MakeFoldersOption


def run(
    config: ConfigOption = None, log_format: LogFormatOption = None, make_folders: MakeFoldersOption = False
) -> None:
    """Run the daemon: watch the inbox until told to stop."""
    from aura_daemon.cli import run

    raise typer.Exit(run.run(config, log_format, makes_folders=make_folders))


def once(
    config: ConfigOption = None, log_format: LogFormatOption = None, make_folders: MakeFoldersOption = False
) -> None:
    """Drain the inbox and exit: 0 all well, 1 some job failed, 3 only jobs are left that wait for a model."""
    from aura_daemon.cli import run

    raise typer.Exit(run.once(config, log_format, makes_folders=make_folders))


def demo(config: ConfigOption = None, log_format: LogFormatOption = None) -> None:
    """Put the shipped examples into the inbox, drain it, and say where each result is."""
    from aura_daemon.cli import demo

    raise typer.Exit(demo.demo(config, log_format))


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


def mcp(config: ConfigOption = None) -> None:
    """Serve agents over the Model Context Protocol, on standard input and output."""
    from aura_daemon.cli import mcp

    raise typer.Exit(mcp.mcp(config))


def bench(
    intake: Annotated[bool, typer.Option("--intake", help="How soon files are taken and what a job costs, no model.")],
    files: Annotated[int, typer.Option(min=1, help="Files to drain.")] = 1000,
    latencies: Annotated[int, typer.Option(min=1, help="Files delivered one by one.")] = 200,
    folder: Annotated[Path | None, typer.Option(help="The disk to measure on; default: here.")] = None,
) -> None:
    """Measure this machine."""
    from aura_daemon.cli import bench

    raise typer.Exit(bench.intake(files, latencies, folder))
