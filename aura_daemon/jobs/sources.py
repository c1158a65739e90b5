"""The kinds of files in an inbox, the word of `accept` for each, and how texts are cut. In: nothing. Out: the kinds."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Accept(StrEnum):
    """What an inbox takes (`accept:` in the configuration)."""

    PROMPT = "prompt"
    IMAGE = "image"
    SIDECAR = "sidecar"


class SourceKind(StrEnum):
    """The kind of a source."""

    JOB_FILE = "job_file"
    PROMPT_TEXT = "prompt_text"
    PROMPT_TABLE = "prompt_table"
    IMAGE = "image"
    SIDECAR = "sidecar"


class PromptLines(StrEnum):
    """How a `.txt` is cut into prompts (`prompt_lines:` in the configuration and in a folder's settings)."""

    AUTO = "auto"
    """Several lines are several prompts, unless they clearly are one text."""
    LINES = "lines"
    WHOLE = "whole"


ACCEPTED_AS: Final = {
    SourceKind.JOB_FILE: Accept.PROMPT,
    SourceKind.PROMPT_TEXT: Accept.PROMPT,
    SourceKind.PROMPT_TABLE: Accept.PROMPT,
    SourceKind.IMAGE: Accept.IMAGE,
    SourceKind.SIDECAR: Accept.SIDECAR,
}
"""The word of `accept` that admits a kind."""
