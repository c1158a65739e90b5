"""What a job file may say: its kinds of job, and their published schema (`schema job`). In: nothing. Out: models.

The keys are in `generatekeys`, `captionkeys` and `regeneratekeys`, what their values are made of in `keytypes`.

Schema and parser take the same documents (a property test holds them to it), but for what JSON Schema cannot say: a
part of an image's path has at most 255 *bytes*, a number that stands for text has no more digits than the text may have
characters, and not-a-number is no number; a range of seeds counts up, to 500; choices are closed, and no more than 500
jobs come of it all.
"""

from __future__ import annotations

from typing import Any, Final

from aura_daemon.jobfile.keys.caption import CaptionJob
from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobfile.keys.regenerate import RegenerateJob

_TEXTS: Final = ("prompt", "negative_prompt", "aspect_ratio", "image", "mask", "notes")

TEXT_KEYS: Final = frozenset({*_TEXTS, *(f"matrix.{key}.*" for key in _TEXTS)})
"""Keys whose value is taken as written: `prompt: no` and `prompt: 1984` are text."""


def job_schema() -> dict[str, Any]:
    """JSON Schema of one document of a job file."""
    jobs = [model.model_json_schema() for model in (GenerateJob, CaptionJob, RegenerateJob)]
    definitions = {name: rule for job in jobs for name, rule in job.pop("$defs", {}).items()}
    return {
        "$id": "urn:aura-daemon:job:1",
        "title": "aura-daemon job",
        "description": "One document of a job file.",
        "anyOf": jobs,
        "examples": [{"prompt": "a lighthouse at dawn, oil painting", "aspect_ratio": "16:9"}],
        "$defs": definitions,
    }
