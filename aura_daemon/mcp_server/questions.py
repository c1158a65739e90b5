"""What agents may ask: the arguments of the tools. The rules of jobs are those of job files, and stand elsewhere."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from aura_daemon.daemon.history import Ending
from aura_daemon.jobs.requests import JobKind

MOST_WAIT_S: Final = 3600
USUAL_WAIT_S: Final = 45
"""Many clients give a call up after 60 s."""

MOST_ENTRIES: Final = 100
LEAST_SHOWN_PX: Final = 64
MOST_SHOWN_PX: Final = 2048
USUAL_SHOWN_PX: Final = 1024

_KEYS: Final = "any key of a job file and its value, as {'format': 'webp', 'hires': {'scale': 2}}"
_UPSCALE: Final = "times width and height, a number from 1 to 8; or, as text, one of the upscalers that `status` lists"
_FILE: Final = "the file's name below the inbox, as `submit_prompt` and `submit_picture` return it"


def _object(value: object) -> object:
    """Some clients hand objects over as texts of JSON."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


Keys: TypeAlias = Annotated[dict[str, Any], BeforeValidator(_object)]


class Question(BaseModel):
    """The arguments of a tool."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class GivenPicture(Question):
    """A picture, by exactly one of its three keys."""

    data: str | None = Field(None, description="its bytes in base64, or a data: URL")
    file: str | None = Field(None, description="the name of a picture below the inbox")
    result: str | None = Field(None, description="the name of a picture below the outbox, as `results` gives it")


AnyPicture: TypeAlias = Annotated[GivenPicture, BeforeValidator(_object)]


class PromptQuestion(Question):
    """What `submit_prompt` takes."""

    prompt: str = Field(description="what to draw, as text")
    negative_prompt: str | None = Field(None, description="what not to draw, as text")
    aspect_ratio: str | None = Field(None, description="the shape, as text: 1:1, 16:9, 3:4, …")
    count: int | None = Field(None, description="so many pictures, a whole number")
    seed: int | str | None = Field(None, description="a whole number, or several as text: 1-4")
    steps: int | None = Field(None, description="a whole number from 1 to 150")
    model: str | None = Field(None, description="one of the models that `status` lists")
    image: AnyPicture | None = Field(None, description="a picture to start from; `strength` in settings tells how far")
    mask: AnyPicture | None = Field(None, description="white where `image` is drawn anew")
    upscale: int | float | str | None = Field(None, description=f"enlarges what was drawn: {_UPSCALE}")
    settings: Keys = Field(default_factory=dict, description=_KEYS)
    name: str = Field("", description="what file and results are called, as text; may name folders of the inbox")


class PictureQuestion(Question):
    """What `submit_picture` takes."""

    picture: AnyPicture = Field(description="an object with one of data, file, result")
    question: str | None = Field(None, description="what the caption begins with, as text: a photo of")
    upscale: int | float | str | None = Field(None, description=f"enlarges the picture, no caption: {_UPSCALE}")
    settings: Keys = Field(default_factory=dict, description=_KEYS)
    name: str = Field("", description="what file and result are called, as text; may name folders of the inbox")


class WaitQuestion(Question):
    """What `wait` takes."""

    file: str = Field(description=_FILE)
    timeout_s: float = Field(
        USUAL_WAIT_S, ge=0, le=MOST_WAIT_S, description=f"how long to wait, seconds from 0 to {MOST_WAIT_S}"
    )


class LookQuestion(Question):
    """What `look` takes."""

    result: str = Field(description="a result's name below the outbox, as `wait` and `results` give it")
    most_px: int = Field(
        USUAL_SHOWN_PX,
        ge=LEAST_SHOWN_PX,
        le=MOST_SHOWN_PX,
        description=f"a number of pixels from {LEAST_SHOWN_PX} to {MOST_SHOWN_PX}: no side is shown longer",
    )


class StatusQuestion(Question):
    """What `status` takes: nothing."""


class WhyQuestion(Question):
    """What `why` takes."""

    file: str = Field(description=_FILE + ", or of any other file there")


class ResultsQuestion(Question):
    """What `results` takes."""

    text: str = Field("", description="stands in the prompt, the caption, a name or the reason of a failure; text")
    kind: JobKind | None = Field(None, description=f"one of {', '.join(JobKind)}")
    outcome: Ending | None = Field(None, description=f"one of {', '.join(Ending)}")
    since: AwareDatetime | None = Field(None, description="a time with its zone: 2026-05-31T18:00:00Z")
    until: AwareDatetime | None = Field(None, description="a time with its zone: 2026-05-31T18:00:00Z")
    limit: int = Field(20, ge=1, le=MOST_ENTRIES, description=f"a whole number from 1 to {MOST_ENTRIES}")
