"""The keys that guide a picture beside its prompt: maps, pictures, regions, upscaling. In: mappings. Out: requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from aura_daemon.jobfile.keys import types
from aura_daemon.jobs.guidance.controls import (
    MOST_CONTROLS,
    Control,
    ControlledPass,
    ControlMode,
    Preparation,
)
from aura_daemon.jobs.guidance.picture_prompts import MOST_PICTURE_PROMPTS, PicturePrompt
from aura_daemon.jobs.guidance.regions import MOST_REGIONS, Region
from aura_daemon.jobs.guidance.upscaling import MOST_SCALE, Upscale

NAMING: Final = {"control": "image", "like": "image", "regions": "mask"}
"""Keys with images below them -> the key that names one."""


def _listed(value: object) -> object:
    """One of them may stand without a list."""
    return [value] if isinstance(value, Mapping) else value


class ControlKeys(BaseModel):
    """A map that guides where things stand."""

    model_config = types.CONFIG
    image: types.ImageName = types.image_field("the map, or the picture that it is made of", is_required=True)
    model: types.Name = Field(
        description="one of the ControlNets that the configuration allows",
        json_schema_extra={"pattern": types.NOT_BLANK},
    )
    weight: float = types.number_field(1.0, 0, 2)
    start: float = types.number_field(0.0, 0, 1, "the share of the steps after which it begins")
    end: float = types.number_field(1.0, 0, 1, "the share of the steps after which it ends")
    mode: ControlMode = Field(ControlMode.BALANCED, description=f"one of {', '.join(ControlMode)}")
    prepare: Preparation = Field(
        Preparation.NONE, description=f"one of {', '.join(Preparation)}: how the map is made of the image"
    )
    hires: ControlledPass = Field(
        ControlledPass.BOTH, description=f"one of {', '.join(ControlledPass)}: which passes it guides with `hires`"
    )

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"`start` must be less than `end`: from {self.start:g} to {self.end:g} it guides no step")
        return self

    def control(self) -> Control:
        """What the engine is told."""
        return Control(**self.model_dump())


class MapKeys(BaseModel):
    """A map of a picture that is made again: the picture says the rest, unless a key does."""

    model_config = types.CONFIG
    image: types.ImageName = types.image_field("the map, which the picture does not hold", is_required=True)
    model: types.Name | None = Field(
        None,
        description="one of the ControlNets that the configuration allows",
        json_schema_extra={"pattern": types.NOT_BLANK},
    )
    weight: float | None = types.number_field(None, 0, 2)
    start: float | None = types.number_field(None, 0, 1)
    end: float | None = types.number_field(None, 0, 1)
    mode: ControlMode | None = Field(None, description=f"one of {', '.join(ControlMode)}")
    prepare: Preparation | None = Field(None, description=f"one of {', '.join(Preparation)}")
    hires: ControlledPass | None = Field(None, description=f"one of {', '.join(ControlledPass)}")


class PicturePromptKeys(BaseModel):
    """A picture that what is drawn is to be like."""

    model_config = types.CONFIG
    image: types.ImageName = types.image_field("what is drawn is to be like it", is_required=True)
    weight: float = types.number_field(1.0, 0, 2)
    model: types.Name | None = Field(
        None,
        description="one of the adapters that the configuration allows",
        json_schema_extra={"pattern": types.NOT_BLANK},
    )

    def picture_prompt(self) -> PicturePrompt:
        """What the engine is told."""
        return PicturePrompt(**self.model_dump())


_Share = Annotated[float, Field(strict=True, ge=0, le=1)]


def _says_where(schema: dict[str, Any]) -> None:
    """Adds that it is a box or a mask."""
    given = [{"properties": {key: {"not": {"type": "null"}}}, "required": [key]} for key in ("box", "mask")]
    schema["oneOf"] = given


class RegionKeys(BaseModel):
    """A part of the picture with a prompt of its own."""

    model_config = ConfigDict(**types.CONFIG, json_schema_extra=_says_where)
    prompt: types.Prompt = Field(
        min_length=1,
        description="text: what is there",
        json_schema_extra=types.as_text(types.NOT_BLANK, may_be_null=False),
    )
    weight: float = types.number_field(1.0, 0, 2)
    box: tuple[_Share, _Share, _Share, _Share] | None = Field(
        None, description="left, top, right and bottom, each from 0 to 1 of the picture's width or height"
    )
    mask: types.ImageName | None = types.image_field("white where the region is")

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if (self.box is None) == (self.mask is None):
            raise ValueError("must say where it is: either `box` or `mask`")
        if self.box is not None and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ValueError(
                "`box` is left, top, right, bottom: left must be less than right, and top less than bottom"
            )
        return self

    def region(self) -> Region:
        """What the engine is told."""
        return Region(**self.model_dump())


class UpscaleKeys(BaseModel):
    """How much larger the picture comes out, and by which model; the model's name or the scale alone will do."""

    model_config = types.CONFIG
    model: types.Name | None = Field(
        None,
        description="one of the upscalers that the configuration allows",
        json_schema_extra={"pattern": types.NOT_BLANK},
    )
    scale: float | None = types.number_field(
        None, 1, MOST_SCALE, "times the width and height; without it, as the model does"
    )
    tile: types.Whole = types.whole_field(64, 2048, "pixels of the side of a tile; without it, what memory allows")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"scale": value}
        return {"model": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        schema: dict[str, Any] = handler.resolve_ref_schema(handler(core_schema))
        keys = dict(schema)
        schema.clear()
        schema["anyOf"] = [
            keys,
            {"type": "number", "minimum": 1, "maximum": MOST_SCALE},
            {**types.as_text(types.NOT_BLANK), "type": "string", "maxLength": types.MOST_NAME_CHARACTERS},
        ]
        return schema

    def upscale(self) -> Upscale:
        """What the engine is told."""
        return Upscale(**self.model_dump())


class _OrAlone:
    """Of a list: one of its values may stand without it."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        schema: dict[str, Any] = handler(core_schema)
        listed = next(rule for rule in schema["anyOf"] if rule.get("type") == "array")
        return {**schema, "anyOf": [*schema["anyOf"], listed["items"]]}


_Alone = BeforeValidator(_listed)

Controls = Annotated[Annotated[tuple[ControlKeys, ...], Field(max_length=MOST_CONTROLS)] | None, _Alone, _OrAlone]
Maps = Annotated[Annotated[tuple[MapKeys, ...], Field(max_length=MOST_CONTROLS)] | None, _Alone, _OrAlone]
PicturePrompts = Annotated[
    Annotated[tuple[PicturePromptKeys, ...], Field(max_length=MOST_PICTURE_PROMPTS)] | None, _Alone, _OrAlone
]
Regions = Annotated[Annotated[tuple[RegionKeys, ...], Field(max_length=MOST_REGIONS)] | None, _Alone, _OrAlone]

CONTROLS: Final = f"a map and a ControlNet that reads it, or a list of at most {MOST_CONTROLS} of them"
MAPS: Final = "the maps that guided the picture, in their order: `image`, and what is to be other than it was"
PICTURE_PROMPTS: Final = f"a picture that what is drawn is to be like, or a list of at most {MOST_PICTURE_PROMPTS}"
REGIONS: Final = f"a list of at most {MOST_REGIONS} parts of the picture, each with a prompt of its own"
UPSCALE: Final = "keys of the upscaler: `model`, `scale` and `tile`; its name or the scale alone will do"


def guidance_of(job: BaseModel) -> dict[str, Any]:
    """What a job's keys say of all this, as a request has it."""
    upscale = getattr(job, "upscale", None)
    return {
        "control": tuple(one.control() for one in getattr(job, "control", None) or ()),
        "like": tuple(one.picture_prompt() for one in getattr(job, "like", None) or ()),
        "regions": tuple(one.region() for one in getattr(job, "regions", None) or ()),
        "upscale": upscale.upscale() if upscale is not None else None,
    }


def images_named(keys: Mapping[str, object]) -> Iterator[str]:
    """The names of the images below these keys, which were not checked yet."""
    for key, naming in NAMING.items():
        for one in _mappings(keys.get(key)):
            if isinstance(name := one.get(naming), str):
                yield name


def controls_again(said: object, own: object) -> list[dict[str, object]]:
    """The maps of a picture that is made again: what the picture said of each, and over it what its job says."""
    written = [*_mappings(said)]
    named = [*_mappings(own)]
    return [
        {**(written[number] if number < len(written) else {}), **{key: one[key] for key in one if one[key] is not None}}
        for number, one in enumerate(named)
    ]


def maps_said(said: object) -> list[str]:
    """What a picture says of each map: its ControlNet, and the name of the image where that is known."""
    named = ((one.get("model"), one.get("image")) for one in _mappings(said))
    return [f"{model} of {image}" if image else str(model) for model, image in named]


def nets_named(keys: Mapping[str, object]) -> Iterator[str]:
    """The names of the ControlNets in these keys, which were not checked yet."""
    return (name for one in _mappings(keys.get("control")) if isinstance(name := one.get("model"), str))


def adapters_named_in(keys: Mapping[str, object]) -> Iterator[str]:
    """The names of the adapters in these keys, which were not checked yet."""
    return (name for one in _mappings(keys.get("like")) if isinstance(name := one.get("model"), str))


def upscale_named_in(keys: Mapping[str, object]) -> Upscale | None:
    """The upscaler in these keys, which were not checked yet; None where they name none."""
    value = keys.get("upscale")
    name = value.get("model") if isinstance(value, Mapping) else value
    return Upscale(model=name.strip()) if isinstance(name, str) and name.strip() else None


def with_names(keys: Mapping[str, object], renamed: Callable[[object], object]) -> dict[str, object]:
    """Those of these keys that are there, with other names of their images."""

    def one(value: object, naming: str) -> object:
        return {**value, naming: renamed(value[naming])} if isinstance(value, Mapping) and naming in value else value

    found: dict[str, object] = {}
    for key, naming in NAMING.items():
        if key in keys:
            value = keys[key]
            found[key] = [one(item, naming) for item in value] if isinstance(value, list) else one(value, naming)
    return found


def region_prompts(keys: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The prompts of the regions in keys that were not checked yet, each with its place."""
    for number, region in enumerate(_mappings(keys.get("regions"))):
        if isinstance(text := region.get("prompt"), str):
            yield f"regions.{number}.prompt", text


def with_region_prompts(keys: Mapping[str, object], changed: Callable[[str], str]) -> dict[str, object]:
    """The regions in these keys with other prompts; nothing where there are none."""

    def one(value: object) -> object:
        is_prompted = isinstance(value, Mapping) and isinstance(value.get("prompt"), str)
        return {**value, "prompt": changed(value["prompt"])} if is_prompted else value  # type: ignore[dict-item,index]

    if "regions" not in keys:
        return {}
    value = keys["regions"]
    return {"regions": [one(item) for item in value] if isinstance(value, list | tuple) else one(value)}


def _mappings(value: object) -> Iterator[Mapping[str, object]]:
    values = value if isinstance(value, list | tuple) else [value]
    return (one for one in values if isinstance(one, Mapping))
