"""A sidecar is a job file too: dropped into the inbox it asks for the same pixels again. In: its bytes. Out: a request.

Besides, why they may not be the same: what has changed since.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from aura_daemon.errors import Problem
from aura_daemon.formats.file_types import SIDECAR_SCHEMA
from aura_daemon.formats.sidecar_schema import CaptionRecord, GenerateRecord, GridRecord, IngredientRecord, Sidecar
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.validation import RegenerateSpec, validated
from aura_daemon.jobs.requests import Request
from aura_daemon.jobs.results import Produced
from aura_daemon.problems import capped, cut

MOST_BYTES: Final = 1 << 20

MOST_SIGNS: Final = 40_000
"""Commas and brackets, those in texts too, so that nothing huge is built; a sidecar has about a hundred, and one whose
prompts, tags and notes are all commas 27,000."""


def parse(content: bytes, *, file: str, catalogue: Catalogue | None = None) -> Sidecar | tuple[Problem, ...]:
    """A sidecar read back, or what is wrong with it; what it asks for is held to the rules of a job file.

    Its texts are as they were drawn: nothing in them is expanded. Without a catalogue any name will do.
    """
    if len(content) > MOST_BYTES or sum(map(content.count, (b",", b"{", b"["))) > MOST_SIGNS:
        return (
            Problem(file=file, message=f"this is no complete sidecar of schema {SIDECAR_SCHEMA}: it holds too much"),
        )
    try:
        document = Sidecar.model_validate_json(content.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        faults = [
            Problem(
                file=file,
                key=cut(".".join(str(part) for part in fault["loc"])),
                message=f"this is no complete sidecar of schema {SIDECAR_SCHEMA}: {cut(fault['msg'].lower(), 200)}",
            )
            for fault in error.errors(include_url=False, include_input=False)
        ]
        return capped(faults, file=file)
    asked = _asked(document, catalogue)
    return document if not isinstance(asked, tuple) else tuple(replace(problem, file=file) for problem in asked)


def request_of(document: Sidecar) -> Request:
    """What to ask for to make the same again. A caption's image is looked for under its source's name."""
    asked = _asked(document)
    if isinstance(asked, tuple):
        raise ValueError(f"a sidecar that `parse` lets through asks for something: {asked[0]}")
    return asked


def _asked(document: Sidecar, catalogue: Catalogue | None = None) -> Request | tuple[Problem, ...]:
    """The sidecar as a job file would say it."""
    if isinstance(document.request, GridRecord):
        message = "a sheet of pictures is made again with them: give the job file that asked for it"
        return (Problem(file="", message=message),)
    keys = document.request.model_dump()
    if isinstance(document.request, GenerateRecord):  # left out as the usual, which is not what a configuration says
        keys |= {"format": document.request.format, "metadata": document.request.metadata}
    if isinstance(document.request, CaptionRecord):
        keys["image"] = document.request.image or document.source.name.rpartition("/")[2]
    spec = validated(keys, file="", catalogue=catalogue)
    assert not isinstance(spec, RegenerateSpec)
    return spec if isinstance(spec, tuple) else spec.request


def differences(document: Sidecar, produced: Produced) -> tuple[str, ...]:
    """Why the same pixels cannot be promised, one line each; empty where everything that counts is the same."""
    now = {
        "model": (document.model.sha256, produced.model_sha256),
        "device": (document.device, produced.device),
        "dtype": (document.dtype, produced.dtype),
        "rung": (document.rung, produced.rung),
        "variant": (document.variant, produced.variant),
        "batch size": (str(document.batch_size), str(produced.batch_size)),
    }
    made_with = [IngredientRecord.model_validate(one) for one in produced.ingredients]
    now["set of files"] = (_files(document.ingredients), _files(made_with))
    versions = dict(produced.versions)
    for name in ("torch", "diffusers", "transformers"):
        now[f"{name} version"] = (document.versions.get(name, "unknown"), versions.get(name, "unknown"))
    return tuple(
        f"made again with another {name} than the sidecar's ({before} then, {after} now): pixels may differ"
        for name, (before, after) in now.items()
        if before != after
    )


def _files(ingredients: Iterable[IngredientRecord]) -> str:
    """What it was made with, in one line."""
    return ", ".join(f"{one.kind} {one.name} {one.sha256[:12]}" for one in ingredients) or "none"
