"""The commands that run the daemon, or look at it while it runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aura_daemon.cli.arguments.shared import ConfigOption, LogFormatOption, MakeFoldersOption
from aura_daemon.jobs.speed import Speed


class Weights(StrEnum):
    """Whose weights are measured."""

    CONFIGURED = "configured"
    RANDOM = "random"


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
    config: ConfigOption = None,
    intake: Annotated[
        bool, typer.Option("--intake", help="Instead: how soon files are taken, what a job costs; no model.")
    ] = False,
    speed: Annotated[list[Speed] | None, typer.Option("--speed", help="Only this one; may be repeated.")] = None,
    weights: Annotated[
        Weights, typer.Option("--weights", help="random: models of the size of sd-1.4 and blip-base; no download.")
    ] = Weights.CONFIGURED,
    size: Annotated[str | None, typer.Option(metavar="WIDTHxHEIGHT", help="Default: the model's own.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, max=150, help="Default: as a job without `steps`.")] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, max=20, help="Pictures that count; default: 3 of a small model, 1 of a large.")
    ] = None,
    levers: Annotated[bool, typer.Option("--levers", help="Instead: what each lever gains and loses here.")] = False,
    prompts: Annotated[int, typer.Option(min=3, help="With --levers: pictures that are judged.")] = 400,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Also a chart of where time goes.")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also all figures.")] = None,
    first_step: Annotated[
        bool, typer.Option("--first-step", help="Instead: from dropping a prompt to its first step, cold and warm.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Instead: so many jobs, the daemon against a bare loop.")
    ] = None,
    files: Annotated[int, typer.Option(min=1, help="With --intake: files to drain.")] = 1000,
    latencies: Annotated[int, typer.Option(min=1, help="With --intake: files delivered one by one.")] = 200,
    folder: Annotated[
        Path | None, typer.Option(help="With these three: the disk to measure on; default: here.")
    ] = None,
    captions: Annotated[
        bool, typer.Option("--captions", help="Instead: captions, beside a plain loop of transformers in float32.")
    ] = False,
) -> None:
    """Measure how fast this machine draws, at every speed. --intake: how soon files are taken on this disk."""
    if intake:
        from aura_daemon.cli.bench import intake as measuring

        raise typer.Exit(measuring.intake(files, latencies, folder))
    if first_step or jobs is not None:
        from aura_daemon.cli.bench import daemon

        raise typer.Exit(daemon.first_step(folder) if jobs is None else daemon.jobs(jobs, folder))
    if captions:
        from aura_daemon.cli.bench import captions as measuring_captions

        is_random = weights is Weights.RANDOM
        raise typer.Exit(
            measuring_captions.measure(config, random_weights=is_random, repeats=repeats, json_file=as_json)
        )
    from aura_daemon.cli.bench import speed as measuring_speed

    options = measuring_speed.SpeedOptions(
        speeds=tuple(speed or ()),
        random_weights=weights is Weights.RANDOM,
        size=measuring_speed.size_of(size),
        steps=steps,
        repeats=repeats,
        levers=levers,
        prompts=prompts,
        svg=svg,
        json=as_json,
    )
    raise typer.Exit(measuring_speed.measure(config, options))
