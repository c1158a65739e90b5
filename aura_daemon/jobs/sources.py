"""The kinds of files in an inbox, and the word of `accept` for each. In: nothing. Out: the kinds."""

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
    IMAGE = "image"
    SIDECAR = "sidecar"


ACCEPTED_AS: Final = {
    SourceKind.JOB_FILE: Accept.PROMPT,
    SourceKind.PROMPT_TEXT: Accept.PROMPT,
    SourceKind.IMAGE: Accept.IMAGE,
    SourceKind.SIDECAR: Accept.SIDECAR,
}
"""The word of `accept` that admits a kind."""
