"""Prompts that hold the caption of a picture. In: a request, a caption. Out: the request with its texts complete."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from aura_daemon.jobs.requests import GenerateRequest

CAPTION: Final = "{caption}"
"""Stands in a prompt for what the captioner says of the picture."""

_BRACKETS: Final = re.compile(r"([\\()\[\]])")
_WORDS: Final = re.compile(r"\b(AND|BREAK)\b")


def wants_caption(request: GenerateRequest) -> bool:
    """Whether a picture has to be described before this one is drawn."""
    return request.described is not None


def with_caption(request: GenerateRequest, caption: str) -> GenerateRequest:
    """The request with the caption in its texts, where no sign of it is read as syntax."""
    literal = _WORDS.sub(lambda word: word[0].lower(), _BRACKETS.sub(r"\\\1", caption))
    return replace(
        request,
        prompt=request.prompt.replace(CAPTION, literal),
        negative_prompt=request.negative_prompt.replace(CAPTION, literal),
        described=None,
    )
