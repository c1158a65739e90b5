"""The keys of a reflection, with their bounds. In: a mapping. Out: a request.

They are the keys of a job that draws, except for those that ask for several pictures. What is drawn is what the
captioner says of the picture before: of `image` in the first round, then of the picture of the last.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, create_model

from aura_daemon.chains.captioned_prompts import CAPTION
from aura_daemon.formats.prompts.prompt_tags import without_comments
from aura_daemon.jobfile.keys import types
from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobfile.keys.guidance.guidance_keys import guidance_of
from aura_daemon.jobfile.keys.seeds import ONE_SEED, OneSeed
from aura_daemon.jobs.requests import GenerateRequest, Hires, Lora, shared_fields

REFLECT: Final = "reflect"
"""The value of `task`."""

ROUNDS: Final = 3
MOST_ROUNDS: Final = 20

_OTHER: Final = (
    *("task", "prompt", "image", "mask", "strength", "seed", "count", "matrix", "grid", "priority"),
    *("pick", "verify", "tries", "best_of", "control", "like", "regions"),
)
"""Keys of a job that draws which have another meaning for this task, or none."""


def _with_caption(prompt: str) -> str:
    text = without_comments(prompt).text.strip()
    if CAPTION not in text:
        raise ValueError(f"must hold `{CAPTION}`, for which the caption of the picture before stands")
    return text


class ReflectKeys(BaseModel):
    """Pictures of what the captioner says of the picture before, round after round."""

    model_config = types.CONFIG
    task: Literal["reflect"] = Field(description=types.TASK_NAMES)
    image: types.ImageName = types.image_field("the first round is about it", is_required=True)
    prompt: Annotated[types.Prompt, AfterValidator(_with_caption)] = Field(
        CAPTION,
        description=f"text of at most {types.MOST_PROMPT_CHARACTERS} characters with `{CAPTION}`: what a round draws",
        json_schema_extra=types.as_text(r"\{caption\}"),
    )
    rounds: types.Whole = types.whole_field(1, MOST_ROUNDS, "pictures, each of the caption of the one before")
    strength: float | None = types.number_field(
        None, 0, 1, "how much of the picture before is drawn anew; without it, each is drawn from its caption alone"
    )
    seed: OneSeed = Field(None, description=ONE_SEED)
    priority: types.Priority = types.priority_field()

    def request(self) -> GenerateRequest:
        """The request of the first round; `rounds` says how many there are."""
        values = shared_fields(self, GenerateRequest) | guidance_of(self)
        values["loras"] = tuple(Lora(**lora.model_dump()) for lora in values.get("loras", ()))
        if "hires" in values:
            values["hires"] = Hires(**values["hires"].model_dump())
        values["image"] = self.image if self.strength is not None else None
        return GenerateRequest(**values | {"described": self.image})


_shared: dict[str, Any] = {
    name: (field.annotation, field) for name, field in GenerateJob.model_fields.items() if name not in _OTHER
}

ReflectJob: Final[type[ReflectKeys]] = create_model(
    "ReflectJob", __base__=ReflectKeys, __doc__=ReflectKeys.__doc__, **_shared
)
