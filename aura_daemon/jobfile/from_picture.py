"""Makes a picture again from the settings that it holds. In: a job, the picture's bytes. Out: a job that draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from aura_daemon.errors import Problem
from aura_daemon.formats.picture_metadata import comfyui_graph, infotext
from aura_daemon.formats.picture_metadata.embedded_texts import GRAPH, PARAMETERS, WORKFLOW, embedded_texts
from aura_daemon.formats.picture_metadata.infotext import HASH_CHARACTERS, PROGRAM, PictureSettings
from aura_daemon.formats.picture_metadata.upscaler_settings import upscaler_present
from aura_daemon.jobfile.catalogue import Catalogue, problems_of_names
from aura_daemon.jobfile.folder_defaults import FILE_NAME, KEYS, SIZE
from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobfile.keys.guidance.guidance_keys import controls_again, maps_said
from aura_daemon.jobfile.validation import JobSpec, RegenerateSpec, with_loras_of_prompt
from aura_daemon.jobs.requests import EmbeddedSettings
from aura_daemon.jobs.results import Produced
from aura_daemon.problems import cut, problems_of

NOTHING: Final = (
    "the picture holds no settings to make it again from; give the file as aura-daemon, AUTOMATIC1111 or ComfyUI wrote "
    "it (sending, uploading and editing often remove them), or `task: caption` to have it described"
)

CONTROL: Final = "control"
UPSCALE: Final = "upscale"

_WRITE_THEM: Final = "write them into a job file, or `task: caption` to have it described"


def made_again(
    spec: RegenerateSpec, content: bytes, *, file: str, catalogue: Catalogue | None = None
) -> JobSpec | tuple[Problem, ...]:
    """The job that a picture asks for; `file` is its name for people. Without a catalogue every name is allowed."""
    settings = _settings(embedded_texts(content))
    if isinstance(settings, str):
        return (Problem(file=file, message=settings),)
    own = spec.request.keys
    if catalogue is not None and own.get(UPSCALE) is None:
        settings = _with_upscaler(settings, catalogue.upscalers)
    settled = SIZE if SIZE & own.keys() else frozenset()
    keys = {key: value for key, value in settings.keys.items() if key not in settled} | dict(own)
    if (said := settings.keys.get(CONTROL)) is not None:
        keys[CONTROL] = again = controls_again(said, own.get(CONTROL))
        lost = maps_said(said)[len(again) :]
        settings = replace(settings, lost=(*_without_maps(lost), *settings.lost))
    try:
        job = GenerateJob.model_validate({"task": "generate", **keys})
    except ValidationError as error:
        problems = problems_of(error, GenerateJob, file=file, lines={}, written={})
        return tuple(_with_mend(problem) for problem in problems)
    request = with_loras_of_prompt(replace(job.request(), embedded=_embedded(settings, file)), file=file)
    if isinstance(request, tuple):
        return tuple(_with_mend(problem) for problem in request)
    if unknown := problems_of_names(request, catalogue, file=file):
        return tuple(_with_mend(problem) for problem in unknown)
    return JobSpec(request=request, priority=spec.priority)


def _without_maps(lost: Sequence[str]) -> Iterator[str]:
    """What is told where the job names too few maps. `lost`: what the picture says of the others."""
    if lost:
        models = ", ".join(cut(name) for name in lost)
        yield f"it was guided by maps ({models}), which it does not hold: `control: {{image: …}}` names them"


def _with_upscaler(settings: PictureSettings, upscalers: Sequence[str]) -> PictureSettings:
    """The settings with the upscaler that is meant, or without one that is not here."""
    asked = settings.keys.get(UPSCALE)
    if not isinstance(asked, Mapping) or (name := asked.get("model")) is None:
        return settings
    if (present := upscaler_present(str(name), upscalers)) is not None:
        return replace(settings, keys={**settings.keys, UPSCALE: {**asked, "model": present}})
    keys = {key: value for key, value in settings.keys.items() if key != UPSCALE}
    lost = f"it was enlarged by the upscaler {name}, which is not here: it comes out as large as it was drawn"
    return replace(settings, keys=keys, lost=(*settings.lost, lost))


def _settings(texts: Mapping[str, str]) -> PictureSettings | str:
    """The settings in a picture's texts, or why there are none that a job can ask for."""
    settings = infotext.parse(texts.get(PARAMETERS, ""))
    if settings is not None:
        return settings
    match comfyui_graph.read_graph(texts.get(GRAPH, "")):
        case PictureSettings() as settings:
            return settings
        case Problem(message=reason):
            return f"the settings are ComfyUI's, and too complex: {reason}; {_WRITE_THEM}"
    program = _program_of(texts)
    return f"the picture was made by {program}, whose settings are not read: {_WRITE_THEM}" if program else NOTHING


def _program_of(texts: Mapping[str, str]) -> str:
    """The program that wrote texts which cannot be read; empty where nothing tells."""
    if {"invokeai_metadata", "invokeai_graph", "sd-metadata", "Dream"} & texts.keys():
        return "InvokeAI"
    if "NovelAI" in texts.get("Software", ""):
        return "NovelAI"
    if "fooocus_scheme" in texts:
        return "Fooocus"
    if '"sui_image_params"' in texts.get(PARAMETERS, ""):
        return "SwarmUI"
    if "Job ID:" in texts.get("Description", ""):
        return "Midjourney"
    return "ComfyUI without the graph of its run" if {GRAPH, WORKFLOW} & texts.keys() else ""


def differences(embedded: EmbeddedSettings, produced: Produced) -> tuple[str, ...]:
    """Why the same pixels cannot be promised, one line each."""
    found = [f"{embedded.image}: {lost}" for lost in embedded.lost]
    now = infotext.model_label(produced.model)
    is_ours = embedded.version.startswith(PROGRAM)
    before = embedded.model or embedded.model_hash
    if not is_ours:
        same = "the same settings, but not the same pixels" if not embedded.lost else "not the same pixels"
        found.append(f"{embedded.image} was made by another program: {same}")
    is_other = is_ours and embedded.model_hash not in ("", produced.model_sha256[:HASH_CHARACTERS])
    if is_other or (before and embedded.model.casefold() != now.casefold()):
        found.append(f"made again with another model than {embedded.image} ({cut(before)} then, {now} now)")
    version = dict(produced.versions).get("aura_daemon", "")
    if is_ours and embedded.version != f"{PROGRAM} {version}":
        found.append(f"{embedded.image} was made by {cut(embedded.version)}, this is {version}: pixels may differ")
    return tuple(found)


def _embedded(settings: PictureSettings, file: str) -> EmbeddedSettings:
    labels = {key: cut(getattr(settings, key)) for key in ("model", "model_hash", "version")}
    return EmbeddedSettings(image=file, lost=tuple(cut(lost, 200) for lost in settings.lost), **labels)


def _with_mend(problem: Problem) -> Problem:
    """Adds where the job can override what the picture says."""
    where = "in a job file" + f" or in its folder's `{FILE_NAME}`" * (problem.key.partition(".")[0] in KEYS)
    return replace(problem, message=f"{problem.message}; so the picture says, and another can be said {where}")
