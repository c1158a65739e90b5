"""The commands about jobs: to check them, hand them in, look for them, cancel them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aura_daemon.cli.arguments.shared import ConfigOption
from aura_daemon.cli.shell import completing
from aura_daemon.cli.submit import options as submitting


class HistoryKind(StrEnum):
    """The kinds of job that `history` can be asked for."""

    GENERATE = "generate"
    CAPTION = "caption"
    GRID = "grid"
    BENCHMARK = "benchmark"
    DATASET = "dataset"
    UPSCALE = "upscale"


JOBS_HELP = "Ids as they stand in the log, or files as they lay in the inbox."

OpenJobs = Annotated[list[str], typer.Argument(metavar="JOB", help=JOBS_HELP, autocompletion=completing.open_jobs)]
FailedJobs = Annotated[list[str], typer.Argument(metavar="JOB", help=JOBS_HELP, autocompletion=completing.failed_jobs)]


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
    upscale: submitting.Upscale = None,
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
    words |= {"strength": strength, "upscale": upscale, "priority": priority}
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


def cancel(jobs: OpenJobs, config: ConfigOption = None) -> None:
    """End jobs that are not done yet. Their files go to `failed/`."""
    from aura_daemon.cli import cancel_retry
    from aura_daemon.daemon.commands import CommandVerb

    raise typer.Exit(cancel_retry.order(CommandVerb.CANCEL, jobs, config))


def retry(jobs: FailedJobs, config: ConfigOption = None) -> None:
    """Queue failed jobs again. Their files are taken back from `failed/`."""
    from aura_daemon.cli import cancel_retry
    from aura_daemon.daemon.commands import CommandVerb

    raise typer.Exit(cancel_retry.order(CommandVerb.RETRY, jobs, config))
