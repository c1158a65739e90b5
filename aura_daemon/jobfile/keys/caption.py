"""The keys of a caption job, with their bounds. In: a mapping. Out: a request."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from aura_daemon.jobfile.keys import types
from aura_daemon.jobfile.keys.caption_writing import BOTH_WAYS, MOST_WORDS, WritingKeys
from aura_daemon.jobs.requests import CaptionRequest, shared_fields

_Caption = Annotated[Literal["caption"], WithJsonSchema({"enum": ["caption", None]})]


class CaptionJob(WritingKeys):
    """A caption of an image."""

    # With a prompt, an image and no task, a job could be a caption as well as a picture: it is a picture.
    model_config = ConfigDict(
        **types.CONFIG,
        json_schema_extra={
            **BOTH_WAYS,
            "anyOf": [
                {"properties": {"task": {"const": "caption"}}, "required": ["task"]},
                {"properties": {"prompt": {"type": "null"}, "image": {"type": "string"}}, "required": ["image"]},
            ],
        },
    )
    task: _Caption = Field("caption", description="`generate`, `caption`, `regenerate` or `benchmark`")
    image: types.ImageName | None = types.image_field("without it the image that is called as the job file")
    prompt: types.Beginning = Field(
        "", description="text of at most 500 characters: how the caption begins", json_schema_extra=types.as_text()
    )
    max_new_tokens: types.Whole = types.whole_field(1, 200)
    priority: types.Priority = types.priority_field()
    max_words: types.Whole = types.whole_field(0, MOST_WORDS, "a longer caption is cut; 0 cuts none")
    question: types.Beginning = Field(
        "",
        description="text of at most 500 characters: a question about the image, answered by `caption.question_model`",
        json_schema_extra=types.as_text(),
    )
    embed: bool | None = Field(
        None, strict=True, description="true or false: also a copy of the picture with the caption in it"
    )

    def request(self) -> CaptionRequest:
        """The request for the engine."""
        return CaptionRequest(**shared_fields(self, CaptionRequest) | {"sampling": self.caption_sampling()})
