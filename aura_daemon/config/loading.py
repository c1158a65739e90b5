"""Configuration file and environment -> frozen Settings, or every problem at once.

The first of these files counts: `--config`, `$AURA_CONFIG`, `config/aura.yaml` below the current folder, the XDG
configuration folder, `/etc/aura-daemon/aura.yaml`; without a file the defaults count. The environment
overrides any key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel, ValidationError

from aura_daemon.config import environment
from aura_daemon.config.engine import ALIASES, EMBEDDED
from aura_daemon.config.settings import PREFIX, CaptionConfig, GenerateConfig, Settings
from aura_daemon.errors import Problem, UserError
from aura_daemon.problems import capped, nearest, problems_of, shown
from aura_daemon.system import private_state
from aura_daemon.system.files.xdg_folders import xdg_folder

if TYPE_CHECKING:
    from aura_daemon.formats.yaml_reader import Document

CONFIG_VARIABLE: Final = "AURA_CONFIG"
PROFILE_VARIABLE: Final = "AURA_PROFILE"
SYSTEM_CONFIG: Final = Path("/etc/aura-daemon/aura.yaml")
RESERVED_PREFIX: Final = "AURA_TEST_"
"""The beginning of variables that are no keys, but belong to the test suite."""

GENERATE_FOLDERS: Final = ("loras", "embeddings", "controlnets", "adapters", "wildcards")
"""Keys of the generator that hold a folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedConfig:
    """Settings, and where they come from."""

    settings: Settings
    origin: str
    named_folders: frozenset[str]
    """Those of `inbox` and `outbox` that the user named, and that must therefore exist."""


def load(config: Path | None) -> LoadedConfig:
    """The settings that count in this folder and environment; raises UserError with every problem."""
    place, origin = find(config)
    file = str(place) if place else ""
    document = _read(place) if place is not None else None
    values = _given(document.mapping, Settings) if document is not None else {}
    if document is not None:  # YAML reads `~` as null, but its writer means the home folder, which is refused later
        values.update({key: "~" for key in ("inbox", "outbox") if document.written.get(key) == "~"})
    problems = _unknown_variables()
    try:
        settings = Settings.model_validate(environment.merged(values, os.environ))
    except ValidationError as error:
        lines, written = (document.lines, document.written) if document is not None else ({}, {})
        found = problems_of(error, Settings, file=file, lines=lines, written=written)
        raise UserError([*(_from_environment(problem, error) for problem in found), *problems]) from None
    if problems:
        raise UserError(problems)
    base, variables = _base_of(place), {name for name, value in os.environ.items() if value}
    resolved: dict[str, object] = {
        key: (Path.cwd() if PREFIX + key.upper() in variables else base) / getattr(settings, key)
        for key in ("inbox", "outbox", "state")
        if getattr(settings, key) is not None
    }
    for key, section in (("generate", settings.generate), ("caption", settings.caption)):
        start = Path.cwd() if f"{PREFIX}{key.upper()}__MODEL" in variables else base
        resolved[key] = section.model_copy(update={"model": _model_from(start, section.model)})
    resolved["generate"] = _with_folders(resolved["generate"], base, variables)
    resolved["caption"] = _with_further_models(resolved["caption"], base, variables)
    for key, name in (("http", "token_file"), ("metrics", "textfile"), ("workers", "token_file")):
        section = getattr(settings, key)
        if (path := getattr(section, name)) is not None:
            start = Path.cwd() if f"{PREFIX}{key}__{name}".upper() in variables else base
            resolved[key] = section.model_copy(update={name: start / path})
    if place is not None and settings.http.token is not None and f"{PREFIX}HTTP__TOKEN" not in variables:
        _keep_secret(place)
    resolved |= _with_programs(settings, base, variables)
    defaults = {"inbox": Path("inbox"), "outbox": Path("outbox")}
    named = frozenset(key for key in defaults if getattr(settings, key) != defaults[key])
    return LoadedConfig(settings=settings.model_copy(update=resolved), origin=origin, named_folders=named)


def find(config: Path | None, *, system: Path = SYSTEM_CONFIG) -> tuple[Path | None, str]:
    """The configuration file, and in words why this one; None where the defaults count."""
    if config is not None:
        return config.absolute(), f"{config.absolute()} (--config)"
    variable = os.environ.get(CONFIG_VARIABLE)
    if variable:
        named = Path(os.path.expanduser(variable)).absolute()  # noqa: PTH111 - leaves an unknown `~user` as it is
        return named, f"{named} (${CONFIG_VARIABLE})"
    user = xdg_folder("XDG_CONFIG_HOME", ".config")
    below_user = (user / "aura-daemon" / "aura.yaml",) if user is not None else ()
    for place in (Path.cwd() / "config" / "aura.yaml", *below_user, system):
        if os.path.isfile(place):  # noqa: PTH113 - Path.is_file raises where a folder above may not be entered
            return place, str(place)
    return None, "built-in defaults (no configuration file was found)"


def config_schema() -> dict[str, Any]:
    """JSON Schema of the configuration file."""
    return {"$id": "urn:aura-daemon:config:1", **Settings.model_json_schema()}


def _read(place: Path) -> Document | None:
    """The file's one document, None where it holds only comments; raises UserError where it cannot be read."""
    from aura_daemon.formats import yaml_reader  # not where there is no file

    try:
        content = place.read_bytes()
    except OSError as error:
        raise UserError([Problem(file=str(place), message=f"cannot be read: {error.strerror}")]) from None
    found: Document | None = None
    for read in yaml_reader.parse(content, file=str(place), text_keys=frozenset({"inbox", "outbox"})):
        if isinstance(read, yaml_reader.Unreadable):
            raise UserError(capped(read.problems, file=str(place)))
        if found is not None:
            raise UserError([Problem(file=str(place), message="must hold one document, without `---`")])
        found = read
    return found


def _keep_secret(place: Path) -> None:
    """Raises UserError where every user of the machine can read a file that holds a token."""
    if private_state.is_everybodys(place.stat()):
        message = f"every user of this machine can read it here: use `http.token_file`, or `chmod o= {place}`"
        raise UserError([Problem(file=str(place), key="http.token", message=message)])


def _given(mapping: Mapping[str, object], model: type[BaseModel]) -> dict[str, object]:
    """The keys that have a value: null keeps the default, except where null is a choice of its own."""
    given: dict[str, object] = {}
    for key, value in mapping.items():
        field = model.model_fields.get(key)
        inner = field.annotation if field is not None else None
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, BaseModel):
            given[key] = _given(value, inner)
        elif value is not None or field is None or type(None) in get_args(inner):
            given[key] = value
    return given


def _base_of(place: Path | None) -> Path:
    """The folder that relative paths start from."""
    if place is None:
        return Path.cwd()
    return place.parent.parent if place.parent.name == "config" else place.parent


def _with_folders(section: object, base: Path, variables: set[str]) -> GenerateConfig:
    """The generator's folders and further models, made absolute."""
    assert isinstance(section, GenerateConfig)

    def start(key: str) -> Path:
        return Path.cwd() if f"{PREFIX}GENERATE__{key.upper()}" in variables else base

    configured = {key: getattr(section, key) for key in GENERATE_FOLDERS}
    folders = {key: start(key) / folder for key, folder in configured.items() if folder is not None}
    models = tuple(_model_from(start("models"), model) for model in section.models)
    files = {key: getattr(section.turbo, key) for key in ("lora", "decoder")}
    turbo = {key: _model_from(start(f"turbo__{key}"), name) for key, name in files.items() if name is not None}
    return section.model_copy(update={**folders, "models": models, "turbo": section.turbo.model_copy(update=turbo)})


def _with_further_models(section: object, base: Path, variables: set[str]) -> CaptionConfig:
    """The models beside the captioner, where they are relative paths, made absolute."""
    assert isinstance(section, CaptionConfig)
    named: dict[str, str | None] = {key: getattr(section, key) for key in ("question_model", "matching_model")}
    found = {
        key: _model_from(Path.cwd() if f"{PREFIX}CAPTION__{key.upper()}" in variables else base, name)
        for key, name in named.items()
        if name is not None
    }
    return section.model_copy(update=found)


def _with_programs(settings: Settings, base: Path, variables: set[str]) -> dict[str, object]:
    """The hooks' programs and the log file, made absolute; a program without a slash is looked for in $PATH."""

    def start(section: str, key: str) -> Path:
        return Path.cwd() if f"{PREFIX}{section}__{key}".upper() in variables else base

    hooks = {}
    for kind, (program, *arguments) in settings.hooks.commands.items():
        if "/" in program:
            key = f"on_{kind}"
            hooks[key] = (str(start("hooks", key) / Path(program).expanduser()), *arguments)
    path = settings.log_file.path
    log = {"path": str(start("log_file", "path") / Path(path).expanduser())} if path is not None else {}
    return {
        "hooks": settings.hooks.model_copy(update=hooks),
        "log_file": settings.log_file.model_copy(update=log),
    }


def _model_from(start: Path, model: str) -> str:
    """Makes a relative path that leads somewhere absolute; anything else is the name of a model."""
    if model == EMBEDDED or model in ALIASES or not os.path.exists(start / model):  # noqa: PTH110 - never raises
        return model
    return str(start / model)


def _unknown_variables() -> list[Problem]:
    """Variables with our prefix that are no keys. Keys are in capitals, so that no two variables mean the same."""
    known = {CONFIG_VARIABLE, PROFILE_VARIABLE, *environment.variables()}
    return [
        Problem(key=f"${name}", message="is no key of the configuration", suggestion=nearest(name, known))
        for name in sorted(os.environ)
        if name.upper().startswith(PREFIX) and name not in known and not name.startswith(RESERVED_PREFIX)
    ]


def _from_environment(problem: Problem, error: ValidationError) -> Problem:
    """Names the variable, in place of the file, in the problem of a value that came from a variable."""
    key = problem.key
    variables = {name.upper(): name for name, value in os.environ.items() if value}
    while key:
        variable = variables.get(PREFIX + key.upper().replace(".", "__"))
        if variable is not None:
            inputs = {".".join(map(str, fault["loc"])): fault["input"] for fault in error.errors(include_url=False)}
            given = shown(inputs[problem.key]) if problem.given and problem.key in inputs else problem.given
            message = problem.message
            is_text = isinstance(inputs.get(problem.key), str) and problem.key == key
            if is_text and message.startswith("must be a list"):
                message += '; in a variable as JSON has it, ["one", "two"]'
            return replace(problem, file="", line=None, key=f"${variable}", message=message, given=given)
        key = key.rpartition(".")[0]
    return problem
