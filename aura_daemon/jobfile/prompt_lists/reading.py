"""Reads a file of jobs by its kind: job file, text or table. In: kind and bytes. Out: jobs, or every problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, assert_never

from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.jobfile.parser import Draw, ParseResult, parse_job_file
from aura_daemon.jobfile.prompt_lists.prompt_tables import parse_prompt_table
from aura_daemon.jobfile.prompt_lists.prompt_texts import parse_prompt_text
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
) -> ParseResult:
    """The jobs of a file, or every problem; the arguments are as for `parse_job_file` and `parse_prompt_text`."""
    match kind:
        case SourceKind.JOB_FILE:
            return parse_job_file(content, file=file, folders=folders, catalogue=catalogue, draw=draw)
        case SourceKind.PROMPT_TABLE:
            return parse_prompt_table(content, file=file, folders=folders, catalogue=catalogue, draw=draw)
        case SourceKind.PROMPT_TEXT:
            return parse_prompt_text(
                content, file=file, folders=folders, catalogue=catalogue, draw=draw, prompt_lines=prompt_lines
            )
        case _:  # pragma: no cover
            assert_never(kind)
