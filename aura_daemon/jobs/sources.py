"""What kinds of files there are in an inbox, and which of them it accepts."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Accept(StrEnum):
    """What an inbox takes (`accept:` in the configuration)."""

    PROMPT = "prompt"
    IMAGE = "image"
    SIDECAR = "sidecar"


class SourceKind(StrEnum):
    """What a source is."""

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
"""Which word of `accept` lets a kind in."""
