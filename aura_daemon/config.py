"""Configuration file and environment -> frozen Settings, or every problem at once.

Found in this order: `--config`, `$AURA_CONFIG`, `config/aura.yaml` below the current folder, the XDG configuration
folder, `/etc/aura-daemon/aura.yaml`, built-in defaults. The environment overrides any key of it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from aura_daemon.core import yamltext
from aura_daemon.core.problems import nearest, problems_of
from aura_daemon.core.routing import Accept
from aura_daemon.core.settings import (
    CaptionSettings,
    Device,
    Dtype,
    EngineSettings,
    GenerateSettings,
    Scheduler,
)
from aura_daemon.errors import Problem, UserError

CONFIG_VARIABLE: Final = "AURA_CONFIG"
PREFIX: Final = "AURA_"
RESERVED_PREFIX: Final = "AURA_TEST_"
"""Variables that are no keys: the test suite's own."""

ALLOWED_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR")

_CONFIG: Final = ConfigDict(frozen=True, extra="forbid")
_DAY_S: Final = 86_400


def _seconds(default: float, *, least: float = 0.0, most: float = _DAY_S, what: str) -> Any:
    return Field(default, ge=least, le=most, description=f"a number of seconds from {least:g} to {most:g}: {what}")


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
    steps: int | None = Field(None, ge=1, le=150, description="a whole number from 1 to 150")
    guidance_scale: float | None = Field(None, ge=0, le=30, description="a number from 0 to 30")
    scheduler: Scheduler | None = Field(None, description=f"one of {', '.join(Scheduler)}")


class CaptionConfig(BaseModel):
    """The captioner."""

    model_config = _CONFIG
    model: str = Field("aura-mini", min_length=1, description="aura-mini, blip-base, owner/name on the hub or a folder")
    revision: str | None = Field(None, description="a branch, tag or commit on the hub")
    allow_pickle: bool = Field(False, description="true or false: load pickle files, which can run any code")
    max_new_tokens: int | None = Field(None, ge=1, le=200, description="a whole number from 1 to 200")


class LimitsConfig(BaseModel):
    """What is refused."""

    model_config = _CONFIG
    image_bytes: int = Field(
        100_000_000, ge=1000, le=2_000_000_000, description="a number of bytes from 1000 to 2000000000"
    )
    image_pixels: int = Field(
        64_000_000, ge=64, le=1_000_000_000, description="a number of pixels from 64 to 1000000000"
    )


class Settings(BaseSettings):
    """Everything that can be configured; paths are absolute."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__", env_parse_none_str="null"
    )
    inbox: Path = Field(Path("inbox"), description="a folder")
    outbox: Path = Field(Path("outbox"), description="a folder")
    state: Path | None = Field(None, description="a folder on a local disk, or null")
    accept: tuple[Accept, ...] = Field(tuple(Accept), min_length=1, description=f"a list of {', '.join(Accept)}")
    sources: Literal["auto", "archive", "delete", "keep"] = Field("auto", description="auto, archive, delete or keep")
    redelivery: Literal["skip", "run"] = Field("skip", description="skip or run")
    existing: Literal["keep", "overwrite"] = Field("keep", description="keep or overwrite")
    settle: float = _seconds(2, what="unchanged for so long, a file is complete")
    incomplete_after: float = _seconds(60, what="unchanged for so long, an incomplete file fails")
    reference_wait: float = _seconds(600, what="how long a job file waits for the image it names")
    scan_interval: float = _seconds(60, least=1, what="how often everything is looked at")
    device: Device = Field(Device.AUTO, description=f"one of {', '.join(Device)}")
    dtype: Dtype = Field(Dtype.AUTO, description=f"one of {', '.join(Dtype)}")
    unload_after: float | None = _seconds(600, least=1, what="idle for so long, the models are unloaded; or null")
    deadline: float = _seconds(600, least=1, what="without a sign of life for so long, a worker is ended")
    attempts: int = Field(3, ge=1, le=100, description="a whole number from 1 to 100")
    retry_first: float = _seconds(30, least=0.1, what="the first wait for what is held up")
    retry_at_most: float = _seconds(3600, least=0.1, what="the longest wait for what is held up")
    stop_timeout: float = _seconds(30, what="how long the running job may take to end on SIGTERM")
    health_interval: float = _seconds(300, least=10, what="how often outbox/health.json is written without a change")
    log_level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description=f"one of {', '.join(ALLOWED_LEVELS)}"
    )
    log_format: Literal["text", "json"] = Field("text", description="text or json")
    generate: GenerateConfig = Field(GenerateConfig(), description="keys of the generator")
    caption: CaptionConfig = Field(CaptionConfig(), description="keys of the captioner")
    limits: LimitsConfig = Field(LimitsConfig(), description="keys of the limits")

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
        base = os.environ.get("XDG_STATE_HOME") or os.fspath(Path.home() / ".local" / "state")
        identity = hashlib.sha256(os.fsencode(self.inbox.resolve())).hexdigest()[:12]
        return Path(base) / "aura-daemon" / identity


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
    values: dict[str, object] = {}
    lines: Mapping[str, int] = {}
    if place is not None:
        values, lines = _read(place)
    problems = _unknown_variables()
    base = _base_of(place)
    try:
        settings = Settings(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        found = problems_of(error, Settings, file=str(place) if place else "", lines=lines)
        raise UserError([*problems, *(_from_environment(problem) for problem in found)]) from None
    if problems:
        raise UserError(problems)
    from_environment = {key for key in ("inbox", "outbox", "state") if PREFIX + key.upper() in os.environ}
    resolved = {
        key: (Path.cwd() if key in from_environment else base) / getattr(settings, key)
        for key in ("inbox", "outbox", "state")
        if getattr(settings, key) is not None
    }
    defaults = {"inbox": Path("inbox"), "outbox": Path("outbox")}
    named = frozenset(key for key in defaults if getattr(settings, key) != defaults[key])
    return Loaded(settings=settings.model_copy(update=resolved), origin=origin, named_folders=named)


def find(config: Path | None) -> tuple[Path | None, str]:
    """The configuration file and who says so; None for the built-in defaults."""
    if config is not None:
        return config.absolute(), f"{config.absolute()} (--config)"
    variable = os.environ.get(CONFIG_VARIABLE)
    if variable:
        return Path(variable).absolute(), f"{Path(variable).absolute()} (${CONFIG_VARIABLE})"
    user = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for place in (
        Path.cwd() / "config" / "aura.yaml",
        user / "aura-daemon" / "aura.yaml",
        Path("/etc/aura-daemon/aura.yaml"),
    ):
        if place.is_file():
            return place, str(place)
    return None, "built-in defaults (no configuration file was found)"


def check_folders(loaded: Loaded) -> tuple[Problem, ...]:
    """Missing or overlapping folders; makes the default inbox and outbox and the state folder where missing."""
    settings = loaded.settings
    folders = {"inbox": settings.inbox, "outbox": settings.outbox, "state": settings.state_folder()}
    problems: list[Problem] = []
    for key, folder in folders.items():
        if folder.exists() and not folder.is_dir():
            problems.append(Problem(key=key, message=f"{folder} is not a folder"))
        elif not folder.exists() and key in loaded.named_folders:
            message = f"{folder} does not exist: make it, or mount what belongs there"
            problems.append(Problem(key=key, message=message))
    problems.extend(_overlaps(folders))
    if problems:
        return tuple(problems)
    for key, folder in folders.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problems.append(Problem(key=key, message=f"{folder} cannot be made: {error.strerror}"))
            continue
        needed = os.R_OK | os.X_OK if key == "inbox" else os.R_OK | os.W_OK | os.X_OK
        if not os.access(folder, needed):
            verb = "read" if key == "inbox" else "written"
            problems.append(Problem(key=key, message=f"{folder} cannot be {verb}: mend its permissions"))
    return tuple(problems)


def config_schema() -> dict[str, Any]:
    """JSON Schema of the configuration file."""
    return {"$id": "urn:aura-daemon:config:1", **Settings.model_json_schema()}


def _read(place: Path) -> tuple[dict[str, object], Mapping[str, int]]:
    """The file's one document; raises UserError where it cannot be read."""
    try:
        content = place.read_bytes()
    except OSError as error:
        raise UserError([Problem(file=str(place), message=f"cannot be read: {error.strerror}")]) from None
    read = yamltext.parse(content, file=str(place), text_keys=frozenset({"inbox", "outbox"}))
    if isinstance(read, yamltext.Unreadable):
        raise UserError(read.problems)
    if len(read.documents) != 1:
        raise UserError([Problem(file=str(place), message="must hold one document, without `---`")])
    document = read.documents[0]
    return {
        key: value for key, value in document.mapping.items() if value is not None or key in _NULLABLE
    }, document.lines


_NULLABLE: Final = frozenset({"state", "unload_after"})
"""Keys whose null says something; elsewhere it is as good as leaving the key out."""


def _base_of(place: Path | None) -> Path:
    """What relative paths count from."""
    if place is None:
        return Path.cwd()
    return place.parent.parent if place.parent.name == "config" else place.parent


def _overlaps(folders: Mapping[str, Path]) -> list[Problem]:
    """Folders that are the same or lie in each other, links followed."""
    problems = []
    resolved = {key: folder.resolve() for key, folder in folders.items()}
    keys = list(resolved)
    for index, first in enumerate(keys):
        for second in keys[index + 1 :]:
            one, two = resolved[first], resolved[second]
            if one == two:
                problems.append(Problem(key=first, message=f"{first} and {second} are the same folder, {one}"))
            elif one in two.parents or two in one.parents:
                outer, inner = (first, second) if one in two.parents else (second, first)
                message = f"{inner} ({resolved[inner]}) lies inside {outer} ({resolved[outer]}): keep them apart"
                problems.append(Problem(key=inner, message=message))
    return problems


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


def _from_environment(problem: Problem) -> Problem:
    """A wrong value that came from a variable says so."""
    variable = PREFIX + problem.key.upper().replace(".", "__")
    if variable not in os.environ:
        return problem
    return Problem(key=f"${variable}", message=problem.message, given=problem.given, suggestion=problem.suggestion)
