"""The keys of a caption job, with their bounds. In: a mapping. Out: a request."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from aura_daemon.jobfile.keys import types
from aura_daemon.jobfile.keys.caption_writing import BOTH_WAYS, MOST_WORDS, WritingKeys
from aura_daemon.jobfile.keys.image_patterns import ImagePatterns, patterns_field
from aura_daemon.jobs.caption_files import AskedCaptionFile, CaptionExtension, CaptionPlace, ExistingText
from aura_daemon.jobs.requests import CaptionRequest, Describe, shared_fields
from aura_daemon.jobs.text_patterns import in_any_case

_Caption = Annotated[Literal["caption"], WithJsonSchema({"enum": ["caption", None]})]


def _known_extension(value: object) -> object:
    """Accepts `txt` and `.TXT`."""
    text = value.strip(" \t\r\n").lower() if isinstance(value, str) else ""
    return f".{text.removeprefix('.')}" if text else value


_Extension = Annotated[
    CaptionExtension | None,
    BeforeValidator(_known_extension),
    types.choice_schema(CaptionExtension, [f"[.]?{in_any_case(extension[1:])}" for extension in CaptionExtension]),
]


_Words = Annotated[types.Beginning | None, WithJsonSchema({**types.as_text(), "maxLength": 500})]


def _words_field(what: str) -> Any:
    return Field(None, description=f"text of at most 500 characters: {what}")


class CaptionFileKeys(BaseModel):
    """The file that the caption is written to."""

    model_config = types.CONFIG
    extension: _Extension = Field(None, description=f"one of {', '.join(CaptionExtension)}")
    place: CaptionPlace | None = Field(
        None, description=f"one of {', '.join(CaptionPlace)}: in the outbox, or beside the picture in the inbox"
    )
    prefix: _Words = _words_field("what comes before the caption")
    suffix: _Words = _words_field("what comes behind the caption")
    trigger_word: _Words = _words_field("what comes first of all, with a comma behind it")
    existing: ExistingText | None = Field(
        None, description=f"one of {', '.join(ExistingText)}: what becomes of a text that the picture has"
    )


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
                {
                    "properties": {"prompt": {"type": "null"}, "images": {"not": {"type": "null"}}},
                    "required": ["images"],
                },
            ],
            "allOf": [
                {
                    "not": {
                        "properties": {"image": {"type": "string"}, "images": {"not": {"type": "null"}}},
                        "required": ["image", "images"],
                    }
                }
            ],
        },
    )
    task: _Caption = Field("caption", description=types.TASK_NAMES)
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
    describe: Describe | None = Field(
        None, description=f"one of {', '.join(Describe)}: what is said; a model that cannot say it refuses"
    )
    caption: CaptionFileKeys | None = Field(
        None, description=f"keys of the file that the caption is written to: {', '.join(CaptionFileKeys.model_fields)}"
    )
    images: ImagePatterns = patterns_field()

    @model_validator(mode="after")
    def _names_one_or_several(self) -> Self:
        if self.images and self.image is not None:
            raise ValueError("`image` names one picture and `images` several: list it among `images`, or leave one out")
        return self

    def request(self) -> CaptionRequest:
        """The request for the engine."""
        values = shared_fields(self, CaptionRequest) | {"sampling": self.caption_sampling()}
        if self.caption is not None:
            values["caption"] = AskedCaptionFile(**self.caption.model_dump())
        return CaptionRequest(**values)
