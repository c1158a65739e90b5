"""Where the result of a job and its sidecar lie. In: a job that is done, the folders. Out: paths."""

from __future__ import annotations

import os
from pathlib import Path

from aura_daemon.formats.datasets.names import METADATA
from aura_daemon.formats.file_types import CAPTION_SIDECAR_EXTENSION, SIDECAR_EXTENSION
from aura_daemon.jobs.caption_files import CaptionPlace
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    DatasetRequest,
    GenerateRequest,
    ImageFormat,
    UpscaleRequest,
)
from aura_daemon.journal.records import Job


def output_of(job: Job, outbox: Path, inbox: Path) -> Path:
    """The result; where it is gone, the name that it most likely had. A caption may lie beside its picture."""
    match job.request:
        case CaptionRequest() as caption:
            in_outbox, file = _place(job, outbox, caption.file.extension), caption.file
            is_beside = file.place is CaptionPlace.BESIDE and caption.text_path and not os.path.lexists(in_outbox)
            return inbox / caption.text_path if is_beside else in_outbox
        case BenchmarkRequest():
            return _place(job, outbox, ".md")
        case DatasetRequest():
            return _place(job, outbox, METADATA)
        case GenerateRequest(format=wanted) | UpscaleRequest(format=wanted):
            formats = dict.fromkeys((*([wanted] if wanted else []), *ImageFormat))
        case _:
            formats = dict.fromkeys(ImageFormat)
    places = [_place(job, outbox, f".{image_format}") for image_format in formats]
    return next((found for found in places if os.path.lexists(found)), places[0])


def sidecar_path_of(job: Job, outbox: Path) -> Path:
    """Its sidecar; that of a caption may lie apart, beside the sidecar of what was drawn from its text."""
    apart = _place(job, outbox, CAPTION_SIDECAR_EXTENSION)
    is_apart = isinstance(job.request, CaptionRequest) and os.path.lexists(apart)
    return apart if is_apart else _place(job, outbox, SIDECAR_EXTENSION)


def _place(job: Job, outbox: Path, extension: str) -> Path:
    """A stem may hold dots, so `with_suffix` will not do."""
    return outbox / job.folder / (job.stem + extension)
