"""The keys that say how the words of a caption are found: of captions, and of benchmarks of them. In: raw values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, Field, WrapValidator, model_validator

from aura_daemon.jobfile.keys import types
from aura_daemon.jobfile.keys.seeds import ONE_SEED, OneSeed
from aura_daemon.jobs.requests import CaptionSampling

MOST_BEAMS: Final = 16
MOST_CANDIDATES: Final = 10
MOST_WORDS: Final = 200

WAYS: Final = frozenset({"beams", "sampling"})
"""Keys that are one choice."""


class SamplingKeys(BaseModel):
    """How words are drawn by chance; `true` draws them as BLIP's authors did."""

    model_config = types.CONFIG
    temperature: float = Field(1.0, strict=True, ge=0.1, le=2, description="a number from 0.1 to 2: the part of chance")
    top_p: float = Field(
        0.9, strict=True, ge=0.01, le=1, description="a number from 0.01 to 1: the likeliest words up to this share"
    )
    seed: OneSeed = Field(None, description=ONE_SEED)

    @model_validator(mode="before")
    @classmethod
    def _usual(cls, value: object) -> object:
        return {} if value is True else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        schema: dict[str, Any] = handler.resolve_ref_schema(handler(core_schema))
        keys = dict(schema)
        schema.clear()
        schema["anyOf"] = [keys, {"type": "boolean"}]
        return schema


_OFF: Final = SamplingKeys()
"""Stands for `false`, which wins over the folder's sampling."""


def _off_or_keys(value: object, validate: Callable[[object], SamplingKeys | None]) -> SamplingKeys | None:
    return _OFF if value is False else validate(value)


_Sampling = Annotated[SamplingKeys | None, WrapValidator(_off_or_keys)]

BOTH_WAYS: Final[dict[str, Any]] = {
    "not": {
        "properties": {"beams": {"type": "number"}, "sampling": {"not": {"enum": [False, None]}}},
        "required": ["beams", "sampling"],
    }
}
"""For the schema: a search along beams and words drawn by chance do not go together."""


class WritingKeys(BaseModel):
    """How the words of a caption are found."""

    beams: types.Whole = types.whole_field(1, MOST_BEAMS, "so many beginnings are followed up at once")
    sampling: _Sampling = Field(
        None, description="true, false, or keys of words drawn by chance: `temperature`, `top_p` and `seed`"
    )
    candidates: types.Whole = types.whole_field(1, MOST_CANDIDATES, "so many captions are written, the best is taken")

    @model_validator(mode="after")
    def _finds_words_in_one_way(self) -> Self:
        if self.beams is not None and self.sampling is not None and self.sampling is not _OFF:
            raise ValueError("`beams` looks for the likeliest words and `sampling` draws them by chance: leave one out")
        return self

    def caption_sampling(self) -> CaptionSampling | None:
        """How words are drawn by chance: as asked for, or where several candidates are wanted and nothing else said."""
        keys = self.sampling
        if keys is _OFF or (keys is None and (self.beams is not None or (self.candidates or 1) == 1)):
            return None
        return CaptionSampling(**(keys or SamplingKeys()).model_dump())
