"""Reads a file of jobs by its kind: job file, text or table. In: kind and bytes. Out: jobs, or every problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, assert_never

from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.jobfile.parser import Draw, JobPlans, ParseResult, added_documents, documents_of
from aura_daemon.jobfile.prompt_lists.prompt_tables import added_rows
from aura_daemon.jobfile.prompt_lists.prompt_texts import added_prompts
from aura_daemon.jobfile.recipes.subject import NOBODY, Subject
from aura_daemon.jobs.sources import PromptLines, SourceKind


def parse(
    kind: Literal[SourceKind.JOB_FILE, SourceKind.PROMPT_TEXT, SourceKind.PROMPT_TABLE],
    content: bytes,
    *,
    file: str,
    folders: Sequence[FolderDefaults] = (),
    catalogue: Catalogue | None = None,
    draw: Draw = int,
    prompt_lines: PromptLines = PromptLines.AUTO,
    subject: Subject = NOBODY,
) -> ParseResult:
    """The jobs of a file, or every problem; the arguments are as for `JobPlans`, and by default seeds are 0.

    `prompt_lines`: as configured; the settings of a folder count before it.
    """
    is_job_file = kind is SourceKind.JOB_FILE
    jobs = JobPlans(file=file, folders=folders, catalogue=catalogue, subject=subject, may_name_sets=is_job_file)
    match kind:
        case SourceKind.JOB_FILE:
            added = added_documents(jobs, documents_of(content, file=file))
        case SourceKind.PROMPT_TABLE:
            added = added_rows(jobs, content)
        case SourceKind.PROMPT_TEXT:
            added = added_prompts(jobs, content, prompt_lines)
        case _:  # pragma: no cover
            assert_never(kind)
    return jobs.rejected(added) or jobs.made(draw)
