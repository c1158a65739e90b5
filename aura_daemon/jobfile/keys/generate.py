"""The keys of a job that draws, with their bounds. In: a mapping. Out: a request."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from aura_daemon.formats.prompts.prompt_tags import MOST_LORA_WEIGHT, MOST_LORAS
from aura_daemon.jobfile.keys import types
from aura_daemon.jobfile.keys.guidance import guidance_keys as guidance
from aura_daemon.jobfile.keys.matrix import MATRIX_DESCRIPTION, add_matrix
from aura_daemon.jobfile.keys.output_name import OutputName, output_field
from aura_daemon.jobfile.keys.seeds import MOST_SEEDS, SEEDS, Seeds
from aura_daemon.jobs.requests import GenerateRequest, Hires, ImageFormat, Lora, Metadata, PictureCheck, shared_fields
from aura_daemon.jobs.sampling import NATIVE_512, Scheduler
from aura_daemon.jobs.speed import Speed
from aura_daemon.jobs.text_patterns import in_any_case

_Generate = Annotated[Literal["generate"], WithJsonSchema({"enum": ["generate", None]})]


def _known_format(value: object) -> object:
    """Accepts `JPEG`, and any letter case."""
    text = value.strip(" \t\r\n").lower() if isinstance(value, str) else ""
    return {"jpeg": ImageFormat.JPG}.get(text, text) if text else value


FormatName = Annotated[
    ImageFormat | None,
    BeforeValidator(_known_format),
    types.choice_schema(ImageFormat, map(in_any_case, (*ImageFormat, "jpeg"))),
]

TagName = Annotated[types.Tag, Field(json_schema_extra=types.as_text(types.NOT_BLANK, may_be_null=False))]


class LoraKeys(BaseModel):
    """One of a job's LoRAs; its name alone will do."""

    model_config = types.CONFIG
    name: types.Name = Field(
        description="the name of a LoRA in the configured folder, without `.safetensors`",
        json_schema_extra={"pattern": types.NOT_BLANK},
    )
    weight: float = types.number_field(1.0, -MOST_LORA_WEIGHT, MOST_LORA_WEIGHT)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        schema: dict[str, Any] = handler.resolve_ref_schema(handler(core_schema))
        keys = dict(schema)
        schema.clear()
        name = {"type": "string", "maxLength": types.MOST_NAME_CHARACTERS, "pattern": types.NOT_BLANK}
        schema["anyOf"] = [keys, name]
        return schema


class HiresKeys(BaseModel):
    """The second pass."""

    model_config = types.CONFIG
    scale: float = types.number_field(2.0, 1, 4, "how much larger")
    strength: float = types.number_field(0.5, 0, 1, "how much is drawn anew")


class Pick(StrEnum):
    """Which of the images that `image` stands for the jobs of a file take."""

    ALL = "all"
    RANDOM = "random"
    """The seed chooses."""
    EACH = "each"
    """Each job takes the next."""


MOST_TRIES: Final = 20

_VERIFY: Final = "a number from 0 to 1: how well the picture has to fit its prompt; true: that is only told; or false"


def _not_blank(value: str) -> str:
    if not value:
        raise ValueError("must say what to draw; it is blank")
    return value


def _bound(value: object) -> float | None:
    """How well a picture has to fit: `true` is 0, any picture does, and `false` has nobody look."""
    if value is None or value is False:
        return None
    number = 0.0 if value is True else value
    if not isinstance(number, int | float) or not 0 <= number <= 1:
        raise ValueError(f"must be {_VERIFY}")
    return float(number)


_Verify = Annotated[
    float | None,
    PlainValidator(_bound),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "boolean"}, {"type": "null"}]}),
]


class GenerateJob(BaseModel):
    """A picture of a prompt."""

    model_config = ConfigDict(**types.CONFIG, json_schema_extra=add_matrix)
    task: _Generate = Field("generate", description=types.TASK_NAMES)
    prompt: Annotated[types.Prompt, AfterValidator(_not_blank)] = Field(
        min_length=1,
        description=f"text of 1 to {types.MOST_PROMPT_CHARACTERS} characters: what to draw",
        json_schema_extra=types.as_text(types.NOT_BLANK, may_be_null=False),
    )
    negative_prompt: types.Prompt = Field(
        "", description=f"text of at most {types.MOST_PROMPT_CHARACTERS} characters", json_schema_extra=types.as_text()
    )
    aspect_ratio: types.Ratio = Field(
        None, description=f"one of {', '.join(NATIVE_512)}; `width` and `height` give any other size"
    )
    width: types.Whole = types.size_field()
    height: types.Whole = types.size_field()
    steps: types.Whole = types.whole_field(1, 150)
    guidance_scale: float | None = types.number_field(None, 0, 30)
    scheduler: Scheduler | None = Field(None, description=f"one of {', '.join(Scheduler)}")
    seed: Seeds = Field(None, description=SEEDS)
    count: types.Whole = types.whole_field(1, MOST_SEEDS, "so many pictures, each with the next seed")
    matrix: dict[str, Any] | None = Field(None, description=MATRIX_DESCRIPTION)
    grid: bool | None = Field(None, strict=True, description="true or false: all pictures on one sheet besides")
    model: types.Name | None = Field(
        None,
        description="one of the models that the configuration allows",
        json_schema_extra={"pattern": types.NOT_BLANK},
    )
    speed: Speed | None = Field(None, description=f"one of {', '.join(Speed)}")
    loras: tuple[LoraKeys, ...] | None = Field(
        None,
        max_length=MOST_LORAS,
        description=f"a list of at most {MOST_LORAS} of `{{name: NAME, weight: 0.8}}`, or names,"
        " of the configured folder",
    )
    image: types.ImageNames | None = types.image_field(
        "the picture is made from it; `photos/*.jpg` stands for all that fit", may_be_several=True
    )
    mask: types.ImageName | None = types.image_field("white where the image is drawn anew")
    strength: float | None = types.number_field(None, 0, 1, "how much of the image is drawn anew")
    hires: HiresKeys | None = Field(None, description="keys of the second pass: `scale` and `strength`")
    control: guidance.Controls = Field(None, description=guidance.CONTROLS)
    like: guidance.PicturePrompts = Field(None, description=guidance.PICTURE_PROMPTS)
    regions: guidance.Regions = Field(None, description=guidance.REGIONS)
    upscale: guidance.UpscaleKeys | None = Field(None, description=guidance.UPSCALE)
    clip_skip: types.Whole = types.whole_field(1, 12, "2 leaves out the last layer")
    format: FormatName = Field(None, description=f"one of {', '.join(ImageFormat)}")
    quality: types.Whole = types.whole_field(1, 100)
    metadata: Metadata | None = Field(None, description=f"one of {', '.join(Metadata)}")
    preview: types.Whole = types.whole_field(0, 150, "a small picture every so many steps")
    output: OutputName | None = output_field()
    tags: tuple[TagName, ...] | None = Field(
        None, max_length=50, description="a list of at most 50 texts of at most 100 characters"
    )
    notes: types.Notes = Field(
        "", description="text of at most 2000 characters, for the sidecar", json_schema_extra=types.as_text()
    )
    priority: types.Priority = types.priority_field()
    pick: Pick | None = Field(None, description=f"one of {', '.join(Pick)}: which of several images a job takes")
    verify: _Verify = Field(None, description=_VERIFY)
    tries: types.Whole = types.whole_field(1, MOST_TRIES, "the most pictures that are drawn until one fits as well")
    best_of: types.Whole = types.whole_field(1, MOST_TRIES, "so many pictures are drawn, and the best one is kept")

    @model_validator(mode="after")
    def _keys_have_what_they_are_about(self) -> Self:
        if self.tries is not None and not self.verify:
            raise ValueError("`tries` goes with a number in `verify`: how well the picture has to fit")
        for key in ("mask", "strength"):
            if getattr(self, key) is not None and self.image is None:
                raise ValueError(f"`{key}` goes with `image`: name the image that it is about")
        return self

    @model_validator(mode="after")
    def _counts_from_one_seed(self) -> Self:
        if self.count is not None and isinstance(self.seed, tuple):
            raise ValueError("`count` numbers the seeds itself: leave it out, or name one `seed`")
        return self

    def request(self) -> GenerateRequest:
        """The request for the engine. Of several seeds it has the first: `jobfile.expansion` makes a job for each."""
        values = shared_fields(self, GenerateRequest) | guidance.guidance_of(self)
        if isinstance(self.seed, tuple):
            values["seed"] = self.seed[0]
        values["loras"] = tuple(Lora(**lora.model_dump()) for lora in self.loras or ())
        if self.hires is not None:
            values["hires"] = Hires(**self.hires.model_dump())
        if self.verify is not None or (self.best_of or 1) > 1:
            values["check"] = PictureCheck(verify=self.verify, tries=self.tries, best_of=self.best_of)
        return GenerateRequest(**values)
