"""The commands that run the daemon, or look at it while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aura_daemon.cli.arguments.shared import ConfigOption, LogFormatOption, MakeFoldersOption


def run(
    config: ConfigOption = None, log_format: LogFormatOption = None, make_folders: MakeFoldersOption = False
) -> None:
    """Watch the inbox until it is stopped."""
    from aura_daemon.cli import run

    raise typer.Exit(run.run(config, log_format, makes_folders=make_folders))


def once(
    config: ConfigOption = None, log_format: LogFormatOption = None, make_folders: MakeFoldersOption = False
) -> None:
    """Drain the inbox and exit. 0: all is well; 1: a job failed; 3: only jobs wait that lack a model or memory."""
    from aura_daemon.cli import run

    raise typer.Exit(run.once(config, log_format, makes_folders=make_folders))


def demo(config: ConfigOption = None, log_format: LogFormatOption = None) -> None:
    """Run the shipped examples. They go into the inbox; at the end you see where each result is."""
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
    """Serve AI agents over the Model Context Protocol. It speaks on standard input and output."""
    from aura_daemon.cli import mcp

    raise typer.Exit(mcp.mcp(config))


def bench(
    intake: Annotated[bool, typer.Option("--intake", help="How soon files are taken, what a job costs; no model.")],
    files: Annotated[int, typer.Option(min=1, help="Files to drain.")] = 1000,
    latencies: Annotated[int, typer.Option(min=1, help="Files delivered one by one.")] = 200,
    folder: Annotated[Path | None, typer.Option(help="The disk to measure on; default: here.")] = None,
) -> None:
    """Measure how soon files are taken on this disk. How fast models are is measured by a job: docs/benchmark.md."""
    from aura_daemon.cli.bench import intake as measuring

    raise typer.Exit(measuring.intake(files, latencies, folder))
