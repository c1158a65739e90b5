"""Makes a picture again from the settings that it holds. In: a job, the picture's bytes. Out: a job that draws."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from aura_daemon.errors import Problem
from aura_daemon.formats import infotext
from aura_daemon.formats.image_metadata import embedded_text
from aura_daemon.formats.infotext import HASH_CHARACTERS, PROGRAM, Infotext
from aura_daemon.jobfile.folder_defaults import FILE_NAME, KEYS, SIZE
from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobfile.validation import JobSpec, RegenerateSpec, with_loras_of_prompt
from aura_daemon.jobs.requests import EmbeddedSettings
from aura_daemon.jobs.results import Produced
from aura_daemon.problems import cut, problems_of

NOTHING: Final = (
    "the picture holds no settings to make it again from; give the file as aura-daemon or AUTOMATIC1111 wrote it "
    "(sending, uploading and editing often remove them), or `task: caption` to have it described"
)


def made_again(spec: RegenerateSpec, content: bytes, *, file: str) -> JobSpec | tuple[Problem, ...]:
    """The job that a picture asks for; `file` is its name for people."""
    text = embedded_text(content)
    settings = infotext.parse(text) if text is not None else None
    if settings is None:
        return (Problem(file=file, message=NOTHING),)
    own = spec.request.keys
    settled = SIZE if SIZE & own.keys() else frozenset()
    keys = {key: value for key, value in settings.keys.items() if key not in settled} | dict(own)
    try:
        job = GenerateJob.model_validate({"task": "generate", **keys})
    except ValidationError as error:
        problems = problems_of(error, GenerateJob, file=file, lines={}, written={})
        return tuple(_with_mend(problem) for problem in problems)
    request = with_loras_of_prompt(replace(job.request(), embedded=_embedded(settings, file)), file=file)
    if isinstance(request, tuple):
        return tuple(_with_mend(problem) for problem in request)
    return JobSpec(request=request, priority=spec.priority)


def differences(embedded: EmbeddedSettings, produced: Produced) -> tuple[str, ...]:
    """Why the same pixels cannot be promised, one line each."""
    found = [f"{embedded.image}: {lost}" for lost in embedded.lost]
    now = infotext.model_label(produced.model)
    is_ours = embedded.version.startswith(PROGRAM)
    before = embedded.model or embedded.model_hash
    if not is_ours:
        found.append(f"{embedded.image} was made by another program: the same settings, but not the same pixels")
    is_other = is_ours and embedded.model_hash not in ("", produced.model_sha256[:HASH_CHARACTERS])
    if is_other or (before and embedded.model.casefold() != now.casefold()):
        found.append(f"made again with another model than {embedded.image} ({cut(before)} then, {now} now)")
    version = dict(produced.versions).get("aura_daemon", "")
    if is_ours and embedded.version != f"{PROGRAM} {version}":
        found.append(f"{embedded.image} was made by {cut(embedded.version)}, this is {version}: pixels may differ")
    return tuple(found)


def _embedded(settings: Infotext, file: str) -> EmbeddedSettings:
    labels = {key: cut(getattr(settings, key)) for key in ("model", "model_hash", "version")}
    return EmbeddedSettings(image=file, lost=tuple(cut(lost, 200) for lost in settings.lost), **labels)


def _with_mend(problem: Problem) -> Problem:
    """Adds where the job can override what the picture says."""
    where = "in a job file" + f" or in its folder's `{FILE_NAME}`" * (problem.key.partition(".")[0] in KEYS)
    return replace(problem, message=f"{problem.message}; so the picture says, and another can be said {where}")
