"""What a shell completes. In: what is typed. Out: candidates; each function imports what it needs when it is called.

Where the answer is an error (no configuration, no journal) there are no candidates: completion never complains.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import typer

if TYPE_CHECKING:
    from aura_daemon.config.settings import Settings
    from aura_daemon.journal.journal import Journal

T = TypeVar("T")

Candidate: TypeAlias = tuple[str, str]
"""A word, and what it stands for."""

COMPLETE = "_AURA_DAEMON_COMPLETE"
"""The variable through which a shell asks for its script or for candidates, as typer has it."""

MOST_JOBS = 50
"""Jobs that are offered: more are no help."""


def files(incomplete: str) -> list[str]:
    """Files and folders below what is typed; none for bash, which then completes them itself, and folders better."""
    if os.environ.get(COMPLETE, "").endswith("bash"):
        return []
    folder, slash, begin = incomplete.rpartition("/")
    typed = folder + slash
    with suppress(OSError), os.scandir(Path(typed or ".").expanduser()) as entries:
        names = [entry.name + "/" * entry.is_dir() for entry in entries if entry.name.startswith(begin)]
        return [typed + name for name in sorted(names) if begin or not name.startswith(".")]
    return []


def open_jobs(ctx: typer.Context, incomplete: str) -> list[Candidate]:
    """Jobs that have not ended: their files and their ids."""
    return _beginning(incomplete, _jobs(ctx, "queued", "running", "delivering"))


def recipes(incomplete: str) -> list[Candidate]:
    """The recipes that come with the daemon."""
    from aura_daemon.config.recipes_shipped import shipped

    return _beginning(incomplete, ((recipe.name, recipe.summary) for recipe in shipped()))


def failed_jobs(ctx: typer.Context, incomplete: str) -> list[Candidate]:
    """Jobs that failed: their files and their ids."""
    return _beginning(incomplete, (*_jobs(ctx, "failed"), *_refused(ctx)))


def known_files(ctx: typer.Context, incomplete: str) -> list[Candidate]:
    """Files of jobs, open or ended, and whatever lies below what is typed or, in the inbox, is called so."""
    jobs = _jobs(ctx, "queued", "running", "delivering", "done", "failed", with_ids=False)
    return _beginning(incomplete, (*_in_inbox(ctx), *jobs, *((file, "") for file in files(incomplete))))


def aspect_ratios(incomplete: str) -> list[str]:
    """The aspect ratios of job files."""
    from aura_daemon.jobs.sampling import NATIVE_512

    return [ratio for ratio in NATIVE_512 if ratio.startswith(incomplete)]


def schedulers(incomplete: str) -> list[str]:
    """The samplers of job files."""
    from aura_daemon.jobs.sampling import Scheduler

    return [scheduler for scheduler in Scheduler if scheduler.startswith(incomplete)]


def models(ctx: typer.Context, incomplete: str) -> list[str]:
    """The models that the configuration allows."""
    if (settings := _settings(ctx)) is None:
        return []
    names = dict.fromkeys((settings.generate.model, *settings.generate.models))
    return [name for name in names if name.startswith(incomplete)]


def upscalers(ctx: typer.Context, incomplete: str) -> list[str]:
    """The upscalers that the configuration allows."""
    from aura_daemon.intake.catalogue import upscalers_named

    if (settings := _settings(ctx)) is None:
        return []
    return [name for name in upscalers_named(settings.upscale) if name.startswith(incomplete)]


def assignments(incomplete: str) -> list[str]:
    """The keys of job files, each with `=`."""
    from aura_daemon.jobfile.keys.caption import CaptionJob
    from aura_daemon.jobfile.keys.generate import GenerateJob

    keys = dict.fromkeys((*GenerateJob.model_fields, *CaptionJob.model_fields))
    return [f"{key}=" for key in keys if key.startswith(incomplete)]


def _beginning(incomplete: str, candidates: Iterable[Candidate]) -> list[Candidate]:
    """Each word once, with its first meaning."""
    words: dict[str, str] = {}
    for word, meaning in candidates:
        if word.startswith(incomplete):
            words.setdefault(word, meaning)
    return list(words.items())


def _jobs(ctx: typer.Context, *states: str, with_ids: bool = True) -> Iterator[Candidate]:
    from aura_daemon.file_names import escaped

    found = _asked(ctx, lambda journal: journal.latest_in(states, MOST_JOBS))
    # A name that a terminal cannot show cannot be completed either.
    yield from ((path, state) for _, path, state in found if path == escaped(path))
    yield from ((job_id, escaped(path)) for job_id, path, _ in found if with_ids)


def _refused(ctx: typer.Context) -> Iterator[Candidate]:
    """Files that were refused, which have no jobs."""
    from aura_daemon.file_names import escaped

    found = _asked(ctx, lambda journal: journal.refused(before=(math.inf, ""), most=MOST_JOBS))
    yield from ((source.path, "refused") for source in found if source.path == escaped(source.path))


def _asked(ctx: typer.Context, question: Callable[[Journal], Sequence[T]]) -> Sequence[T]:
    from aura_daemon.errors import AuraError
    from aura_daemon.journal.journal import FILE_NAME, Journal

    if (settings := _settings(ctx)) is None:
        return ()
    try:
        with closing(Journal(settings.state_folder() / FILE_NAME, read_only=True)) as journal:
            return question(journal)
    except (AuraError, OSError):
        return ()


def _in_inbox(ctx: typer.Context) -> Iterator[Candidate]:
    if (settings := _settings(ctx)) is not None:
        with suppress(OSError), os.scandir(settings.inbox) as entries:
            yield from ((entry.name, "in the inbox") for entry in entries if not entry.name.startswith("."))


def _settings(ctx: typer.Context) -> Settings | None:
    from aura_daemon.config.loading import load
    from aura_daemon.errors import AuraError

    given = ctx.params.get("config") or (ctx.parent.params.get("config") if ctx.parent is not None else None)
    try:
        return load(Path(given) if given else None).settings
    except (AuraError, OSError):
        return None
