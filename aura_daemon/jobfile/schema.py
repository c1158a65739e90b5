"""The published schema of job files (`schema job`). In: the models of `keys/`. Out: JSON Schema.

Schema and parser accept the same documents, which a property test checks, except for rules that JSON Schema cannot
express: a part of an image's path has at most 255 *bytes*; a number that stands for text has no more digits than the
text may have characters; not-a-number is no number; a range of seeds counts up, to 500 seeds at most; choices are
closed and known; a prompt is more than a comment; and a file asks for at most 500 jobs.
"""

from __future__ import annotations

from typing import Any, Final

from aura_daemon.jobfile.keys.benchmark import BenchmarkJob, CaptionBenchmarkJob
from aura_daemon.jobfile.keys.caption import CaptionJob
from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobfile.keys.guidance.guidance_keys import NAMING
from aura_daemon.jobfile.keys.reflect import ReflectJob
from aura_daemon.jobfile.keys.regenerate import RegenerateJob
from aura_daemon.jobfile.keys.upscale import UpscaleJob

_TEXTS: Final = ("prompt", "negative_prompt", "aspect_ratio", "image", "mask", "notes", "question", "images")

_IMAGES: Final = tuple(f"{key}{each}.{name}" for key, name in NAMING.items() for each in ("", ".*"))
"""Names of images below other keys, one of them or a list."""

_REGION_PROMPTS: Final = ("regions.prompt", "regions.*.prompt")

_AROUND_CAPTIONS: Final = ("caption.prefix", "caption.suffix", "caption.trigger_word")

TEXT_KEYS: Final = frozenset(
    {
        *_TEXTS,
        *_AROUND_CAPTIONS,
        *_IMAGES,
        *_REGION_PROMPTS,
        "tags.*",
        "images.*",
        *(f"matrix.{key}.*" for key in _TEXTS),
    }
)
"""Keys whose value is read as it is written: `prompt: no` and `prompt: 1984` are text."""

PROSE: Final = frozenset(
    {
        "prompt",
        "negative_prompt",
        "notes",
        "tags.*",
        "matrix.prompt.*",
        "matrix.negative_prompt.*",
        "question",
        *_AROUND_CAPTIONS,
        *_REGION_PROMPTS,
    }
)
"""Keys whose text may hold ` #`, where YAML begins a comment."""


def job_schema() -> dict[str, Any]:
    """JSON Schema of one document of a job file."""
    models = GenerateJob, CaptionJob, UpscaleJob, RegenerateJob, ReflectJob, BenchmarkJob, CaptionBenchmarkJob
    jobs = [model.model_json_schema() for model in models]
    definitions = {name: rule for job in jobs for name, rule in job.pop("$defs", {}).items()}
    return {
        "$id": "urn:aura-daemon:job:1",
        "title": "aura-daemon job",
        "description": "One document of a job file.",
        "anyOf": jobs,
        "examples": [{"prompt": "a lighthouse at dawn, oil painting", "aspect_ratio": "16:9"}],
        "$defs": definitions,
    }
