"""Reads a sidecar that was dropped into the inbox as a job for the same pixels. In: its bytes. Out: a request.

Also says why the pixels may differ, by what has changed since the sidecar was written.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Final

from pydantic import ValidationError

from aura_daemon.errors import Problem
from aura_daemon.formats.file_types import SIDECAR_SCHEMA
from aura_daemon.formats.sidecars.requests import (
    CaptionRecord,
    DatasetRecord,
    EnlargementRecord,
    GenerateRecord,
    GridRecord,
)
from aura_daemon.formats.sidecars.schema import IngredientRecord, Sidecar
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.validation import RegenerateSpec, validated
from aura_daemon.jobs.caption_files import CaptionFile
from aura_daemon.jobs.requests import GenerateRequest, Request
from aura_daemon.jobs.results import Produced
from aura_daemon.problems import capped, cut

MOST_BYTES: Final = 1 << 20

MOST_SIGNS: Final = 40_000
"""Commas and brackets, those in texts included, so that no huge object is built. A usual sidecar has about a
hundred; one whose prompts, tags and notes are all commas has 27,000."""

_INCOMPLETE: Final = f"this is no complete sidecar of schema {SIDECAR_SCHEMA}"


def parse(content: bytes, *, file: str, catalogue: Catalogue | None = None) -> Sidecar | tuple[Problem, ...]:
    """A sidecar, or what is wrong with it; its request must follow the rules of a job file.

    Texts stand as they were drawn: nothing in them is expanded. Without a catalogue every name is allowed.
    """
    document = document_in(content, file=file)
    if isinstance(document, tuple):
        return document
    request = _request(document, catalogue)
    return document if not isinstance(request, tuple) else tuple(replace(problem, file=file) for problem in request)


def document_in(content: bytes, *, file: str) -> Sidecar | tuple[Problem, ...]:
    """A sidecar of any kind, or why the bytes are none; whether its request may run again is not asked."""
    if len(content) > MOST_BYTES or sum(map(content.count, (b",", b"{", b"["))) > MOST_SIGNS:
        return (Problem(file=file, message=f"{_INCOMPLETE}: it holds too much"),)
    try:
        return Sidecar.model_validate_json(content.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        keyed = ((cut(".".join(map(str, fault["loc"]))), cut(fault["msg"].lower(), 200)) for fault in found)
        return capped([Problem(file=file, key=key, message=f"{_INCOMPLETE}: {text}") for key, text in keyed], file=file)


def request_of(document: Sidecar) -> Request:
    """The request that makes the same again. The image of a caption is looked for under the name of its source."""
    request = _request(document)
    if isinstance(request, tuple):
        raise ValueError(f"a sidecar that `parse` lets through asks for something: {request[0]}")
    return request


def _request(document: Sidecar, catalogue: Catalogue | None = None) -> Request | tuple[Problem, ...]:
    """The request that a job file with the same keys would make."""
    if isinstance(document.request, GridRecord):
        message = "a sheet of pictures is made again with them: give the job file that asked for it"
        return (Problem(file="", message=message),)
    if isinstance(document.request, DatasetRecord):
        message = "the captions of a set are put together again with them: give the job file that asked for them"
        return (Problem(file="", message=message),)
    keys = document.request.model_dump()
    if isinstance(document.request, GenerateRecord):  # the sidecar omits the usual, a configuration may say otherwise
        keys |= {name: getattr(document.request, name) for name in ("format", "metadata", "speed")}
    if isinstance(document.request, CaptionRecord):
        keys["embed"] = document.request.embed  # omitted where it is false, and a configuration may say otherwise
        keys["image"] = document.request.image or document.source.name.rpartition("/")[2]
        keys["max_words"] = document.request.max_words
        keys["describe"] = document.request.describe
        if document.request.sampling is None:
            keys["beams"] = document.request.beams
        keys["caption"] = keys.get("caption") or asdict(CaptionFile())  # a configuration may say otherwise
    if isinstance(document.request, EnlargementRecord):
        keys["image"] = document.request.image or document.source.name.rpartition("/")[2]
    spec = validated(keys, file="", catalogue=catalogue)
    assert not isinstance(spec, RegenerateSpec)
    if isinstance(spec, tuple):
        return spec
    made = spec.request
    return replace(made, variant=document.variant) if isinstance(made, GenerateRequest) else made


def differences(document: Sidecar, produced: Produced) -> tuple[str, ...]:
    """Why the same pixels cannot be promised, one line each; empty where nothing that matters has changed."""
    compared = {
        "model": (document.model.sha256, produced.model_sha256),
        "device": (document.device, produced.device),
        "dtype": (document.dtype, produced.dtype),
        "rung": (document.rung, produced.rung),
        "variant": (document.variant, produced.variant),
        "set of levers": (", ".join(document.levers) or "none", ", ".join(produced.levers) or "none"),
        "batch size": (str(document.batch_size), str(produced.batch_size)),
    }
    before, now = document.processor, produced.processor
    if before is not None and now is not None:
        compared["CPU"] = (f"{before.name} with {before.capability}", f"{now.name} with {now.capability}")
        compared["number of CPU threads (`threads` sets it)"] = (str(before.threads), str(now.threads))
    made_with = map(IngredientRecord.model_validate, produced.ingredients)
    compared["set of files"] = (_files(document.ingredients), _files(made_with))
    versions = dict(produced.versions)
    for name in ("torch", "diffusers", "transformers"):
        compared[f"{name} version"] = (document.versions.get(name, "unknown"), versions.get(name, "unknown"))
    return tuple(
        f"made again with another {name} than the sidecar's ({before} then, {after} now): pixels may differ"
        for name, (before, after) in compared.items()
        if before != after
    )


def _files(ingredients: Iterable[IngredientRecord]) -> str:
    """The ingredients in one line."""
    return ", ".join(f"{file.kind} {file.name} {file.sha256[:12]}" for file in ingredients) or "none"
