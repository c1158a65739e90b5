"""The keys of a job that makes a picture again, with their bounds. In: a mapping. Out: a checked job.

They are the keys of a job that draws, except for those that ask for several pictures. The job's keys win over the
settings in the picture. `image` names that picture, so the job cannot start from another image.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, Field, create_model

from aura_daemon.jobfile.keys import types
from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobfile.keys.guidance import guidance_keys as guidance
from aura_daemon.jobfile.keys.seeds import ONE_SEED, OneSeed

REGENERATE: Final = "regenerate"
"""The value of `task`."""

_OTHER: Final = (
    *("task", "prompt", "image", "mask", "strength", "seed", "count", "matrix", "grid", "priority"),
    *("pick", "verify", "tries", "best_of", "control", "like", "regions"),
)
"""Keys of a job that draws which have another meaning for this task, or none: of one picture, one is made."""


class RegenerateKeys(BaseModel):
    """A picture made again from the settings in it."""

    model_config = types.CONFIG
    task: Literal["regenerate"] = Field(description=types.TASK_NAMES)
    image: types.ImageName | None = types.image_field("without it the image that is called as the job file")
    prompt: types.Prompt = Field(
        "",
        description=f"text of at most {types.MOST_PROMPT_CHARACTERS} characters: what to draw instead",
        json_schema_extra=types.as_text(),
    )
    control: guidance.Maps = Field(None, description=guidance.MAPS)
    seed: OneSeed = Field(None, description=ONE_SEED)
    priority: types.Priority = types.priority_field()


_shared: dict[str, Any] = {
    name: (field.annotation, field) for name, field in GenerateJob.model_fields.items() if name not in _OTHER
}

RegenerateJob: Final[type[RegenerateKeys]] = create_model(
    "RegenerateJob", __base__=RegenerateKeys, __doc__=RegenerateKeys.__doc__, **_shared
)
