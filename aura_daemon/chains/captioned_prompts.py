"""Prompts that hold the caption of a picture. In: a request, a caption. Out: the request with its texts complete."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aura_daemon.jobs.prompts import placeholders
from aura_daemon.jobs.prompts.placeholders import filled, literal
from aura_daemon.jobs.requests import GenerateRequest

CAPTION: Final = f"{{{placeholders.CAPTION}}}"
"""Stands in a prompt for what the captioner says of the picture."""


def wants_caption(request: GenerateRequest) -> bool:
    """Whether a picture has to be described before this one is drawn."""
    return request.described is not None


def with_caption(request: GenerateRequest, caption: str) -> GenerateRequest:
    """The request with the caption in its texts, where no sign of it is read as syntax."""
    values = {placeholders.CAPTION: literal(caption)}
    return replace(
        request,
        prompt=filled(request.prompt, values.get, is_prompt=True),
        negative_prompt=filled(request.negative_prompt, values.get, is_prompt=True),
        described=None,
    )
