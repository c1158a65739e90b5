"""The settings in a folder's `_defaults.yaml`, and which of them a job takes. In: its bytes; a job's keys. Out: keys.

A folder that says what else only a job says is a recipe (`recipes/`). The job's own keys win over the folders'
settings, and a nearer folder wins over those above. Aspect ratio, width and height are one choice: whoever sets one of
them has decided all three. So are beams and sampling of a caption. Of `caption` each key below it counts for itself.
A name for results with `{seed}` or `{prompt}` is for pictures that are drawn, not for those that are enlarged alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from aura_daemon.errors import Problem
from aura_daemon.formats import yaml_reader
from aura_daemon.formats.yaml_reader import Document, Unreadable
from aura_daemon.jobfile.keys.benchmark import BENCHMARK, benchmark_model
from aura_daemon.jobfile.keys.caption import CaptionJob
from aura_daemon.jobfile.keys.caption_writing import WAYS
from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobfile.keys.guidance.guidance_keys import NAMING
from aura_daemon.jobfile.keys.matrix import MATRIX_DESCRIPTION
from aura_daemon.jobfile.keys.neighbours import with_meaning
from aura_daemon.jobfile.keys.output_name import is_for_drawings
from aura_daemon.jobfile.keys.reflect import REFLECT, ReflectJob
from aura_daemon.jobfile.keys.regenerate import REGENERATE, RegenerateJob
from aura_daemon.jobfile.keys.upscale import UpscaleJob
from aura_daemon.jobfile.recipes.written import TASKS_OF_RECIPES, problems_of_recipe
from aura_daemon.jobfile.schema import PROSE, TEXT_KEYS
from aura_daemon.jobs.caption_files import CaptionFile
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.sources import PromptLines
from aura_daemon.problems import capped, nearest, problems_of

FILE_NAME: Final = "_defaults.yaml"

SPELLINGS: Final = (FILE_NAME, "_defaults.yml", "_Defaults.yaml", "_Defaults.yml", "_DEFAULTS.YAML", "_DEFAULTS.YML")
"""The names under which the settings of a folder are read; `FILE_NAME` is the first."""

ABOUT_ONE_JOB: Final = frozenset({"task", "prompt", "image", "mask", "matrix", "images", *NAMING})
"""Keys that make a recipe of a folder: what is dropped there is the rest."""

SIZE: Final = frozenset({"aspect_ratio", "width", "height"})
"""Keys that are one choice."""

MODELS: Final[dict[JobKind, type[BaseModel]]] = {
    JobKind.GENERATE: GenerateJob,
    JobKind.CAPTION: CaptionJob,
    JobKind.UPSCALE: UpscaleJob,
}

CAPTION: Final = "caption"
"""The key whose keys count one by one."""

OUTPUT: Final = "output"

PROMPT_LINES: Final = "prompt_lines"
"""The key that is about the texts in a folder, and that no job has."""

_ALL_MODELS: Final[tuple[type[BaseModel], ...]] = (*MODELS.values(), ReflectJob)

KEYS: Final = frozenset(key for model in _ALL_MODELS for key in model.model_fields) - ABOUT_ONE_JOB - {"images"}


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderDefaults:
    """The settings of one `_defaults.yaml`."""

    name: str
    """The file's path below the inbox."""
    sha256: str
    keys: Mapping[str, object]
    warnings: tuple[str, ...] = ()
    """What YAML reads otherwise than the writer may have meant."""


def is_settings(name: str) -> bool:
    """Whether a file of this name (without folders) holds the settings of its folder, or was meant to."""
    return name.casefold() in (FILE_NAME, "_defaults.yml")


def parse_defaults(content: bytes, *, file: str, sha256: str) -> FolderDefaults | tuple[Problem, ...]:
    """The settings of a folder, or everything that is wrong with them; an empty file is valid."""
    problems: list[Problem] = []
    keys: dict[str, object] = {}
    warnings: tuple[str, ...] = ()
    for document in yaml_reader.parse(content, file=file, text_keys=TEXT_KEYS, prose=PROSE):
        if isinstance(document, Unreadable):
            return capped(document.problems, file=file)
        if document.number > 1:
            line = document.lines.get("")
            return (Problem(file=file, line=line, message="holds several documents; a folder has one set of defaults"),)
        keys = {key: value for key, value in document.mapping.items() if value is not None}
        warnings = tuple(f"{file}: {warning}" for warning in document.warnings)
        known = {*KEYS, *ABOUT_ONE_JOB, PROMPT_LINES}
        problems = _problems_of_prompt_lines(keys, document, file)
        problems += [_unknown(key, document, file) for key in document.mapping if key not in known]
        problems += problems_of_recipe(keys, document, file=file)
        for kind, model in MODELS.items():
            problems += _problems_of_kind(kind, model, keys, document, file)
    if problems:
        in_order = dict.fromkeys(sorted(problems, key=lambda problem: problem.line or 0))
        return capped(tuple(in_order), file=file)
    return FolderDefaults(name=file, sha256=sha256, keys=keys, warnings=warnings)


def prompt_lines_of(folders: Sequence[FolderDefaults], configured: PromptLines) -> PromptLines:
    """How a text in these folders, the nearest first, is cut into prompts."""
    said = (folder.keys.get(PROMPT_LINES) for folder in folders)
    return next((PromptLines(str(value)) for value in said if value is not None), configured)


def with_folder_defaults(keys: Mapping[str, object], task: str, folders: Sequence[FolderDefaults]) -> dict[str, object]:
    """The keys of a job, with the settings that its folders, the nearest first, add."""
    merged = dict(keys)
    fields = KEYS & _model(task, keys).model_fields.keys()
    without_use = frozenset({"strength"}) if merged.get("image") is None else frozenset()
    needs_one_seed = task in (REGENERATE, REFLECT, BENCHMARK)
    for defaults in folders:
        chosen = (choice for choice in (SIZE, WAYS) if any(merged.get(key) is not None for key in choice))
        settled = frozenset[str]().union(*chosen)
        numbered = _settled_seeds(merged)
        for key, value in defaults.keys.items():
            if key == OUTPUT and task == JobKind.UPSCALE and is_for_drawings(value):
                continue
            is_free = key not in settled | without_use and (key not in numbered or (key == "seed" and _is_one(value)))
            is_free &= not (needs_one_seed and key == "seed" and not _is_one(value))
            if key in fields and is_free and merged.get(key) is None:
                merged[key] = value
            elif key == CAPTION and key in fields:
                merged[key] = _with_keys_of(merged[key], value)
    if "tries" not in keys and (isinstance(merged.get("verify"), bool) or not merged.get("verify")):
        merged.pop("tries", None)  # it goes with a number alone
    return merged


def _with_keys_of(own: object, above: object) -> object:
    """A mapping with the keys that it has no value for; anything else is left to whoever refuses it."""
    if not isinstance(own, Mapping) or not isinstance(above, Mapping):
        return own
    return {**above, **{key: value for key, value in own.items() if value is not None or key not in above}}


def caption_file_of(folders: Sequence[FolderDefaults], configured: CaptionFile) -> CaptionFile:
    """The file that the caption of a picture is written to which is dropped into these folders, the nearest first."""
    if not any(CAPTION in folder.keys for folder in folders):
        return configured
    keys = with_folder_defaults({}, JobKind.CAPTION, folders)
    return CaptionJob.model_validate(keys).request().file_over(configured)


def _model(task: str, keys: Mapping[str, object]) -> type[BaseModel]:
    """The model of a job's keys."""
    if task == BENCHMARK:
        return benchmark_model(keys)
    if task == REFLECT:
        return ReflectJob
    return RegenerateJob if task == REGENERATE else MODELS[JobKind(task)]


def _settled_seeds(keys: Mapping[str, object]) -> frozenset[str]:
    """The key that a folder must not add: several seeds go with no `count`, and `count` with no list of seeds."""
    if keys.get("count") is not None:
        return frozenset({"seed"})
    return frozenset({"count"} if keys.get("seed") is not None and not _is_one(keys["seed"]) else ())


def _is_one(seed: object) -> bool:
    return not isinstance(seed, str | list)


def defaults_schema() -> dict[str, Any]:
    """JSON Schema of `_defaults.yaml`."""
    properties: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for model in reversed(_ALL_MODELS):
        schema = model.model_json_schema()
        definitions.update(schema.get("$defs", {}))
        properties.update({key: rule for key, rule in schema["properties"].items() if key in KEYS})
    for rule in properties.values():
        rule.pop("default", None)
    description = "what becomes of a picture that is dropped here"
    properties["task"] = {"enum": [*TASKS_OF_RECIPES, None], "description": description}
    text = {"type": ["string", "number", "boolean", "null"]}
    properties["prompt"] = {**text, "description": "what is drawn, or how a caption begins, where a job says nothing"}
    name = "the name of an image; `{file}` is the picture that is dropped, `photos/*.jpg` stands for several"
    properties |= {key: {**text, "description": name} for key in ("image", "mask")}
    properties["images"] = CaptionJob.model_json_schema()["properties"]["images"]
    properties["images"].pop("default")
    properties["matrix"] = {"type": ["object", "null"], "description": MATRIX_DESCRIPTION}
    lines = "how a `.txt` in the folder is cut into prompts: `lines`, one a line, `whole`, the text is one, or `auto`"
    properties[PROMPT_LINES] = {"enum": [*PromptLines, None], "description": lines}
    return {
        "$id": "urn:aura-daemon:defaults:1",
        "title": "aura-daemon folder settings",
        "description": f"`{FILE_NAME}`: what every job below its folder takes where it says nothing itself.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": definitions,
    }


def _problems_of_kind(
    kind: JobKind, model: type[BaseModel], keys: Mapping[str, object], document: Document, file: str
) -> Sequence[Problem]:
    """What is wrong with the settings that jobs of one kind take."""
    own = {key: value for key, value in keys.items() if key in model.model_fields and key in KEYS}
    if kind is JobKind.UPSCALE and keys.get("task") != kind and is_for_drawings(own.get(OUTPUT)):
        del own[OUTPUT]  # pictures that are enlarged here take it not
    needed = {"prompt": "x", "image": "x.png", "verify": 1} if kind is JobKind.GENERATE else {}
    try:
        model.model_validate({"task": kind.value, **needed, **own})
    except ValidationError as error:
        return problems_of(error, model, file=file, lines=document.lines, written=document.written)
    return ()


def _problems_of_prompt_lines(keys: Mapping[str, object], document: Document, file: str) -> list[Problem]:
    value = keys.get(PROMPT_LINES)
    if value is None or value in tuple(PromptLines):
        return []
    return [
        Problem(
            file=file,
            line=document.lines.get(PROMPT_LINES),
            key=PROMPT_LINES,
            message=f"must be one of {', '.join(PromptLines)}",
            given=document.written.get(PROMPT_LINES, ""),
            suggestion=nearest(str(value), PromptLines),
        )
    ]


def _unknown(key: str, document: Document, file: str) -> Problem:
    suggestion = nearest(key, {*KEYS, *ABOUT_ONE_JOB, PROMPT_LINES})
    line = document.lines.get(key)
    problem = Problem(file=file, line=line, key=key, message="unknown key", suggestion=suggestion)
    return with_meaning(problem, KEYS)
