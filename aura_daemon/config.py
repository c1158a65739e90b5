"""Configuration file and environment -> frozen Settings, or every problem at once.

Found in this order: `--config`, `$AURA_CONFIG`, `config/aura.yaml` below the current folder, the XDG configuration
folder, `/etc/aura-daemon/aura.yaml`, built-in defaults. The environment overrides any key of it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from aura_daemon.core import yamltext
from aura_daemon.core.problems import capped, nearest, problems_of, shown
from aura_daemon.core.routing import Accept
from aura_daemon.core.settings import (
    ALIASES,
    EMBEDDED,
    CaptionSettings,
    Device,
    Dtype,
    EngineSettings,
    GenerateSettings,
    Scheduler,
)
from aura_daemon.core.yamltext import Document
from aura_daemon.errors import Problem, UserError

CONFIG_VARIABLE: Final = "AURA_CONFIG"
SYSTEM_CONFIG: Final = Path("/etc/aura-daemon/aura.yaml")
PREFIX: Final = "AURA_"
RESERVED_PREFIX: Final = "AURA_TEST_"
"""Variables that are no keys: the test suite's own."""

ALLOWED_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR")

_CONFIG: Final = ConfigDict(frozen=True, extra="forbid")
_DAY_S: Final = 86_400


def _seconds(default: float, *, least: float = 0.0, most: float = _DAY_S, what: str) -> Any:
    return Field(default, ge=least, le=most, description=f"a number of seconds from {least:g} to {most:g}: {what}")


def _folder(value: Path) -> Path:
    """A path with the home folder filled in."""
    text = os.fspath(value)
    if text in ("", ".") or NOT_NAME.search(text):
        raise ValueError("must name a folder")
    try:
        return value.expanduser()
    except RuntimeError as error:
        raise ValueError(f"must name a folder: {error}") from None


NOT_NAME: Final = re.compile(r"[\x00-\x1f]")

Folder = Annotated[Path, AfterValidator(_folder)]


def _listed(value: object) -> object:
    """`image`, `image, prompt` and `["image"]` are lists too, as a variable has no other way to say one."""
    if not isinstance(value, str):
        return value
    return [word for word in re.split(r"[\s,\[\]\"']+", value) if word]


def _no_boolean(value: object) -> object:
    """`true` is no number here, though Python takes it for 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")
    return value


Whole = Annotated[int, BeforeValidator(_no_boolean)]
Number = Annotated[float, BeforeValidator(_no_boolean)]


class GenerateConfig(BaseModel):
    """The generator."""

    model_config = _CONFIG
    model: str = Field(
        "aura-mini",
        min_length=1,
        description="aura-mini, sd-1.4, owner/name on the hub, a folder or a .safetensors file",
    )
    revision: str | None = Field(None, description="a branch, tag or commit on the hub")
    allow_pickle: bool = Field(False, description="true or false: load pickle files, which can run any code")
    steps: Whole | None = Field(None, ge=1, le=150, description="a whole number from 1 to 150")
    guidance_scale: Number | None = Field(None, ge=0, le=30, description="a number from 0 to 30")
    scheduler: Scheduler | None = Field(None, description=f"one of {', '.join(Scheduler)}")


class CaptionConfig(BaseModel):
    """The captioner."""

    model_config = _CONFIG
    model: str = Field("aura-mini", min_length=1, description="aura-mini, blip-base, owner/name on the hub or a folder")
    revision: str | None = Field(None, description="a branch, tag or commit on the hub")
    allow_pickle: bool = Field(False, description="true or false: load pickle files, which can run any code")
    max_new_tokens: Whole | None = Field(None, ge=1, le=200, description="a whole number from 1 to 200")


class LimitsConfig(BaseModel):
    """What is refused."""

    model_config = _CONFIG
    image_bytes: Whole = Field(
        100_000_000, ge=1000, le=2_000_000_000, description="a number of bytes from 1000 to 2000000000"
    )
    image_pixels: Whole = Field(
        64_000_000, ge=64, le=1_000_000_000, description="a number of pixels from 64 to 1000000000"
    )


class Settings(BaseSettings):
    """Everything that can be configured; paths are absolute."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_parse_none_str="null",
        env_ignore_empty=True,
    )
    inbox: Folder = Field(Path("inbox"), description="a folder")
    outbox: Folder = Field(Path("outbox"), description="a folder")
    state: Folder | None = Field(None, description="a folder on a local disk, or null")
    accept: Annotated[tuple[Accept, ...], NoDecode, BeforeValidator(_listed)] = Field(
        tuple(Accept), min_length=1, description=f"a list of one or more of {', '.join(Accept)}"
    )
    sources: Literal["auto", "archive", "delete", "keep"] = Field("auto", description="auto, archive, delete or keep")
    redelivery: Literal["skip", "run"] = Field("skip", description="skip or run")
    existing: Literal["keep", "overwrite"] = Field("keep", description="keep or overwrite")
    settle: Number = _seconds(2, what="unchanged for so long, a file is complete")
    incomplete_after: Number = _seconds(60, what="unchanged for so long, an incomplete file fails")
    reference_wait: Number = _seconds(600, what="how long a job file waits for the image it names")
    scan_interval: Number = _seconds(60, least=1, what="how often everything is looked at")
    device: Device = Field(Device.AUTO, description=f"one of {', '.join(Device)}")
    dtype: Dtype = Field(Dtype.AUTO, description=f"one of {', '.join(Dtype)}")
    unload_after: Number | None = _seconds(600, least=1, what="idle for so long, the models are unloaded; or null")
    deadline: Number = _seconds(600, least=1, what="without a sign of life for so long, a worker is ended")
    attempts: Whole = Field(3, ge=1, le=100, description="a whole number from 1 to 100")
    retry_first: Number = _seconds(30, least=0.1, what="the first wait for what is held up")
    retry_at_most: Number = _seconds(3600, least=0.1, what="the longest wait for what is held up")
    stop_timeout: Number = _seconds(30, what="how long the running job may take to end on SIGTERM")
    health_interval: Number = _seconds(300, least=10, what="how often outbox/health.json is written without a change")
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description=f"one of {', '.join(ALLOWED_LEVELS)}"
    )
    log_format: Literal["text", "json"] = Field("text", description="text or json")
    generate: Annotated[GenerateConfig, NoDecode] = Field(
        GenerateConfig(),
        description="keys of the generator, one below the other; a variable holds one key, AURA_GENERATE__KEY",
    )
    caption: Annotated[CaptionConfig, NoDecode] = Field(
        CaptionConfig(),
        description="keys of the captioner, one below the other; a variable holds one key, AURA_CAPTION__KEY",
    )
    limits: Annotated[LimitsConfig, NoDecode] = Field(
        LimitsConfig(),
        description="keys of the limits, one below the other; a variable holds one key, AURA_LIMITS__KEY",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before the file (which comes in as the initial values)."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _first_wait_is_shortest(self) -> Self:
        if self.retry_first > self.retry_at_most:
            raise ValueError(
                f"retry_first ({self.retry_first:g}) must not exceed retry_at_most ({self.retry_at_most:g})"
            )
        return self

    def engine(self) -> EngineSettings:
        """What the worker is told."""
        return EngineSettings(
            device=self.device,
            dtype=self.dtype,
            generate=GenerateSettings(**self.generate.model_dump()),
            caption=CaptionSettings(**self.caption.model_dump()),
            max_image_bytes=self.limits.image_bytes,
            max_image_pixels=self.limits.image_pixels,
        )

    def state_folder(self) -> Path:
        """Where the journal is: as configured, as the service manager says, or in the XDG folder, one an inbox."""
        if self.state is not None:
            return self.state
        managed = os.environ.get("STATE_DIRECTORY")
        if managed:
            return Path(managed.split(":")[0])
        base = _xdg_folder("XDG_STATE_HOME", ".local/state")
        if base is None:
            message = "there is no home folder to put it in: name a folder"
            raise UserError([Problem(key="state", message=message)])
        identity = hashlib.sha256(os.fsencode(os.path.realpath(self.inbox))).hexdigest()[:12]
        return base / "aura-daemon" / identity


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """Settings and where they come from."""

    settings: Settings
    origin: str
    named_folders: frozenset[str]
    """Which of `inbox` and `outbox` somebody named: those must exist."""


def load(config: Path | None) -> Loaded:
    """The settings that count here and now; raises UserError with every problem."""
    place, origin = find(config)
    file = str(place) if place else ""
    document = _read(place) if place is not None else None
    values = _said(document.mapping, Settings) if document is not None else {}
    problems = _unknown_variables()
    # Names with an underscore in front would be taken for pydantic-settings' own arguments.
    for key in [key for key in values if key.startswith("_")]:
        del values[key]
        line = document.lines.get(key) if document is not None else None
        problems.append(Problem(file=file, line=line, key=key, message="unknown key"))
    try:
        settings = Settings(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        lines, written = (document.lines, document.written) if document is not None else ({}, {})
        found = problems_of(error, Settings, file=file, lines=lines, written=written)
        unknown = {problem.key for problem in problems}
        said = [_from_environment(problem, error) for problem in found]
        raise UserError([*(problem for problem in said if problem.key not in unknown), *problems]) from None
    if problems:
        raise UserError(problems)
    base, variables = _base_of(place), {name.upper() for name, value in os.environ.items() if value}
    resolved: dict[str, object] = {
        key: (Path.cwd() if PREFIX + key.upper() in variables else base) / getattr(settings, key)
        for key in ("inbox", "outbox", "state")
        if getattr(settings, key) is not None
    }
    for key, section in (("generate", settings.generate), ("caption", settings.caption)):
        start = Path.cwd() if f"{PREFIX}{key.upper()}__MODEL" in variables else base
        resolved[key] = section.model_copy(update={"model": _model_from(start, section.model)})
    defaults = {"inbox": Path("inbox"), "outbox": Path("outbox")}
    named = frozenset(key for key in defaults if getattr(settings, key) != defaults[key])
    return Loaded(settings=settings.model_copy(update=resolved), origin=origin, named_folders=named)


def find(config: Path | None) -> tuple[Path | None, str]:
    """The configuration file and who says so; None for the built-in defaults."""
    if config is not None:
        return config.absolute(), f"{config.absolute()} (--config)"
    variable = os.environ.get(CONFIG_VARIABLE)
    if variable:
        named = Path(os.path.expanduser(variable)).absolute()  # noqa: PTH111 - leaves an unknown `~user` as it is
        return named, f"{named} (${CONFIG_VARIABLE})"
    user = _xdg_folder("XDG_CONFIG_HOME", ".config")
    places = [Path.cwd() / "config" / "aura.yaml"]
    places += [user / "aura-daemon" / "aura.yaml"] if user is not None else []
    places += [SYSTEM_CONFIG]
    for place in places:
        if os.path.isfile(place):  # noqa: PTH113 - Path.is_file raises where a folder above may not be entered
            return place, str(place)
    return None, "built-in defaults (no configuration file was found)"


def config_schema() -> dict[str, Any]:
    """JSON Schema of the configuration file."""
    return {"$id": "urn:aura-daemon:config:1", **Settings.model_json_schema()}


def _read(place: Path) -> Document | None:
    """The file's one document, None where it holds only comments; raises UserError where it cannot be read."""
    try:
        content = place.read_bytes()
    except OSError as error:
        raise UserError([Problem(file=str(place), message=f"cannot be read: {error.strerror}")]) from None
    read = yamltext.parse(content, file=str(place), text_keys=frozenset({"inbox", "outbox"}))
    if isinstance(read, yamltext.Unreadable):
        raise UserError(capped(read.problems, file=str(place)))
    if len(read.documents) > 1:
        raise UserError([Problem(file=str(place), message="must hold one document, without `---`")])
    return read.documents[0] if read.documents else None


def _said(mapping: Mapping[str, object], model: type[BaseModel]) -> dict[str, object]:
    """The keys that say something: null keeps the default, save where null is a choice of its own."""
    said: dict[str, object] = {}
    for key, value in mapping.items():
        field = model.model_fields.get(key)
        inner = field.annotation if field is not None else None
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, BaseModel):
            said[key] = _said(value, inner)
        elif value is not None or field is None or type(None) in get_args(inner):
            said[key] = value
    return said


def _xdg_folder(variable: str, below_home: str) -> Path | None:
    """A folder of the XDG base directory specification, which has relative paths ignored; None without a home."""
    named = os.environ.get(variable, "")
    if Path(named).is_absolute():
        return Path(named)
    try:
        return Path.home() / below_home
    except RuntimeError:
        return None


def _base_of(place: Path | None) -> Path:
    """What relative paths count from."""
    if place is None:
        return Path.cwd()
    return place.parent.parent if place.parent.name == "config" else place.parent


def _model_from(start: Path, model: str) -> str:
    """A relative path that leads somewhere is made absolute; all else is the name of a model."""
    if model == EMBEDDED or model in ALIASES or not os.path.exists(start / model):  # noqa: PTH110 - never raises
        return model
    return str(start / model)


def _unknown_variables() -> list[Problem]:
    """Variables that look like ours and are no key."""
    known = {CONFIG_VARIABLE, *_variables(Settings, PREFIX)}
    return [
        Problem(key=f"${name}", message="is no key of the configuration", suggestion=nearest(name, known))
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name not in known and not name.startswith(RESERVED_PREFIX)
    ]


def _variables(model: type[BaseModel], prefix: str) -> list[str]:
    """The environment variable of every key."""
    names = []
    for key, field in model.model_fields.items():
        names.append(prefix + key.upper())
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names.extend(_variables(field.annotation, prefix + key.upper() + "__"))
    return names


def _from_environment(problem: Problem, error: ValidationError) -> Problem:
    """A wrong value that came from a variable says so."""
    key = problem.key
    while key:
        variable = PREFIX + key.upper().replace(".", "__")
        if os.environ.get(variable):
            inputs = {".".join(map(str, fault["loc"])): fault["input"] for fault in error.errors(include_url=False)}
            given = shown(inputs[problem.key]) if problem.given and problem.key in inputs else problem.given
            return replace(problem, file="", line=None, key=f"${variable}", given=given)
        key = key.rpartition(".")[0]
    return problem
