"""The entries of results and failures. In: a job, its source, its sidecar. Out: an entry."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, assert_never

from aura_daemon.file_names import FAILED_FOLDER, escaped
from aura_daemon.formats.datasets.names import CONTACT_SHEET
from aura_daemon.formats.readable import bytes_text, seconds_text
from aura_daemon.formats.sidecars.requests import (
    BenchmarkRecord,
    CaptionRecord,
    DatasetRecord,
    EnlargementRecord,
    GenerateRecord,
    GridRecord,
    RegionRecord,
)
from aura_daemon.formats.sidecars.schema import Sidecar
from aura_daemon.gallery.entries import STAGES, EntryKind, GalleryEntry, address, clean
from aura_daemon.gallery.paging import thumbnail_name
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    DatasetRequest,
    GenerateRequest,
    JobKind,
    UpscaleRequest,
)
from aura_daemon.jobs.results import FailureKind
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.records import Job, Source

_DRAWING: Final = ".svg"
"""Of a benchmark, which has a table and figures too."""

_in_json: Final = json.JSONEncoder(ensure_ascii=False).encode
"""`json.dumps` with an option makes an encoder for each of a picture's twenty values."""

_BREAKS: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")
"""Signs that YAML reads as line breaks or refuses, and JSON does not escape."""


def of_result(
    number: int,
    job: Job,
    sidecar_name: str,
    document: Sidecar | None,
    *,
    thumbnail_size: tuple[int, int] | None,
    source: Source | None = None,
) -> GalleryEntry:
    """The entry of a job that is done; `document`: None where its sidecar is gone, `source` names its file then."""
    extension = _extension(job, document)
    is_beside = document is not None and document.text is not None and not document.outputs
    path = f"{job.folder}/{job.stem}" if job.folder else job.stem
    is_caption = job.kind in (JobKind.CAPTION, JobKind.DATASET)
    width, height = thumbnail_size or ((8, 5) if is_caption else (1, 1))
    entry = GalleryEntry(
        number=number,
        id=job.id,
        kind=_kind(job),
        width=width,
        height=height,
        name=escaped(job.stem + extension),
        folder=escaped(job.folder),
        ended=document.finished if document is not None else _stamp(job.finished_at or 0.0),
        picture="" if is_caption else address(path + extension),
        text=address(path + extension) if is_caption and not is_beside else "",
        thumbnail=address(thumbnail_name(job.id)) if thumbnail_size is not None else "",
        sidecar=address(f"{job.folder}/{sidecar_name}" if job.folder else sidecar_name) if document is not None else "",
    )
    if document is None:
        request = {label: value for label, value in _of_request(job).items() if value not in (None, "")}
        settings = [(label, clean(str(value))) for label, value in request.items()]
        file = [("File", clean(escaped(source.path)))] if source is not None else []
        return replace(entry, prompt=_prompt(job), settings=(*settings, *file))
    return replace(entry, **_of_document(document))


def of_failure(number: int, source: Source, job: Job | None) -> GalleryEntry:
    """The entry of a job that failed for good, or of a file that was refused."""
    failure = job.failure if job is not None else source.failure
    ended = job.finished_at if job is not None else source.claimed_at
    folder, _, name = source.path.rpartition("/")
    is_own_text = job is not None and source.kind is SourceKind.JOB_FILE
    cancelled = failure is not None and failure.kind is FailureKind.CANCELLED
    problems = tuple(clean(str(problem)) for problem in source.problems) if job is None else ()
    rows = {"Kind": "cancelled" if cancelled else failure.kind.replace("_", " ") if failure is not None else ""}
    rows |= {"File": source.path, "Attempts": str(job.attempts) if job is not None else ""}
    rows["Now in"] = f"{FAILED_FOLDER}/ of the outbox, with a report beside it"
    return GalleryEntry(
        number=number,
        id=job.id if job is not None else source.id,
        kind=EntryKind.FAILURE,
        name=clean(escaped(name)),
        folder=clean(escaped(folder)),
        ended=_stamp(ended or 0.0),
        width=8,
        height=5,
        prompt=_prompt(job) if job is not None else "",
        reason=clean(failure.message) if failure is not None else "",
        mend=clean(failure.mend) if failure is not None else "",
        settings=tuple((label, clean(escaped(value))) for label, value in rows.items() if value),
        job=job.text.decode("utf-8", "replace").strip() + "\n" if job is not None and is_own_text else "",
        warnings=problems if len(problems) > 1 else (),
    )


def _kind(job: Job) -> EntryKind:
    match JobKind(job.kind):
        case JobKind.GENERATE | JobKind.UPSCALE:
            return EntryKind.PICTURE
        case JobKind.CAPTION:
            return EntryKind.CAPTION
        case JobKind.GRID:
            return EntryKind.SHEET
        case JobKind.BENCHMARK:
            return EntryKind.BENCHMARK
        case JobKind.DATASET:
            return EntryKind.CAPTION
        case kind:
            assert_never(kind)


def _extension(job: Job, document: Sidecar | None) -> str:
    """The extension of what a job delivered."""
    if isinstance(job.request, DatasetRequest):
        return CONTACT_SHEET
    if document is not None and document.outputs:
        extensions = [dot + end for stem, dot, end in (one.name.rpartition(".") for one in document.outputs) if stem]
        drawn = [extension for extension in extensions if extension == _DRAWING]
        return next(iter((*drawn, *extensions)), "")
    if isinstance(job.request, GenerateRequest | UpscaleRequest):
        return f".{job.request.format or 'png'}"
    match job.request:
        case CaptionRequest() as caption:
            return caption.file.extension
        case BenchmarkRequest():
            return _DRAWING
        case _:
            return ".png"


def _prompt(job: Job) -> str:
    return clean(job.request.prompt) if isinstance(job.request, GenerateRequest) else ""


def _of_request(job: Job) -> dict[str, object]:
    """Settings of a job, as far as it named them."""
    if not isinstance(job.request, GenerateRequest):
        return {}
    request = job.request
    return {
        "Seed": request.seed,
        "Steps": request.steps,
        "Guidance": request.guidance_scale,
        "Sampler": request.scheduler,
        "Model": request.model,
    }


def _of_document(document: Sidecar) -> dict[str, Any]:
    """What a sidecar says."""
    output = document.outputs[0] if document.outputs else None
    figures: dict[str, Any] = {
        "rung": clean(document.rung),
        "stages": {stage: getattr(document.timing_s, stage) for stage in STAGES} if document.rung else {},
        "warnings": tuple(map(clean, document.warnings)),
    }
    if output is not None and output.width and output.height:
        figures |= {"width": output.width, "height": output.height}
    rows: dict[str, object] = {}
    match document.request:
        case GenerateRecord() as made:
            figures |= {"prompt": clean(made.prompt), "negative": clean(made.negative_prompt), "job": _job_file(made)}
            rows = _drawn(made) | _matched(document)
        case CaptionRecord() as made:
            figures["caption"] = clean(document.caption or "")
            rows = {"Image": made.image or "", "Begins with": made.prompt, "Most tokens": made.max_new_tokens}
            rows |= _written(made)
            rows |= {"Question": made.question}
            rows["Text"] = document.text.name if document.text is not None and not document.text.is_kept else ""
        case GridRecord() as made:
            rows = {"Pictures": len(made.cells), "Columns": made.columns}
            figures["prompt"] = clean(", ".join(made.column_labels or made.row_labels or made.cell_labels))
        case BenchmarkRecord() as made:
            figures |= {"prompt": clean(f"Benchmark of {document.model.name}"), "width": 16, "height": 9}
            rows = {"Of": made.of, "Sizes": ", ".join(made.sizes or ()), "Runs of each": made.repeats}
        case DatasetRecord() as made:
            figures["caption"] = clean(f"A set of {made.pictures:,} pictures")
            rows = {"Images": ", ".join(made.images), "Captioned": made.captioned, "Kept": made.kept or ""}
            rows |= {"Failed": made.failed or "", "Near duplicates": len(made.near_duplicates) or ""}
        case EnlargementRecord() as made:
            figures["prompt"] = clean(f"Enlarged {made.upscale.scale or 1:g} times")
            rows = {"Image": made.image or "", "Tile": made.upscale.tile, "Tags": ", ".join(made.tags)}
            rows |= {"Notes": made.notes}
        case made:
            assert_never(made)
    rows |= {
        "Model": document.model.name,
        "Device": " ".join(filter(None, (document.device, document.dtype))),
        "Rung": document.rung,
        "Took": seconds_text(document.timing_s.total - document.timing_s.waited - document.timing_s.settled),
        "Waited": seconds_text(document.timing_s.waited) if document.timing_s.waited >= 1 else "",
        "Attempts": document.attempts if document.attempts > 1 else "",
        "Memory": bytes_text(document.peak_bytes) if document.peak_bytes else "",
        "File": document.source.name,
    }
    shown = {label: value for label, value in rows.items() if value not in ("", None)}
    figures["settings"] = tuple((label, clean(str(value))) for label, value in shown.items())
    return figures


def _drawn(made: GenerateRecord) -> dict[str, object]:
    """The rows of a picture's settings."""
    return {
        "Seed": made.seed,
        "Steps": made.steps,
        "Guidance": f"{made.guidance_scale:g}",
        "Sampler": made.scheduler,
        "Size": f"{made.width} × {made.height}",
        "LoRAs": ", ".join(f"{lora.name} {lora.weight:g}" for lora in made.loras),
        "From": made.image or "",
        "Strength": f"{made.strength:g}" if made.strength is not None else "",
        "Control": ", ".join(f"{one.image} ({one.model} {one.weight:g})" for one in made.control),
        "Like": ", ".join(f"{one.image} ({one.weight:g})" for one in made.like),
        "Second pass": f"× {made.hires.scale:g}, {made.hires.strength:g}" if made.hires is not None else "",
        "Enlarged": f"× {made.upscale.scale or 1:g}" if made.upscale is not None else "",
        "Regions": "; ".join(_region(region) for region in made.regions),
        "Clip skip": made.clip_skip if made.clip_skip > 1 else "",
        "Tags": ", ".join(made.tags),
        "Notes": made.notes,
    }


def _region(region: RegionRecord) -> str:
    place = region.mask or ", ".join(f"{edge:g}" for edge in region.box or ())
    return f"{region.prompt} ({place}{f', {region.weight:g}' if region.weight != 1 else ''})"


def _matched(document: Sidecar) -> dict[str, object]:
    """The row of how well a picture fits its prompt, where that was found out."""
    match = document.match
    if match is None:
        return {}
    kept = f", the best of {len(match.tries)}" if len(match.tries) > 1 else ""
    return {"Fits": f"{match.score:.2f}{' by its words' if match.by == 'words' else ''}{kept}"}


def _written(made: CaptionRecord) -> dict[str, object]:
    """The rows of how a caption was written, as far as it is unusual."""
    return {
        "Beams": made.beams if made.beams > 1 else "",
        "Seed": made.sampling.seed if made.sampling is not None else "",
        "Candidates": made.candidates if made.candidates > 1 else "",
        "Most words": made.max_words or "",
    }


def _job_file(made: GenerateRecord) -> str:
    """A job file for the same picture."""
    keys = made.model_dump(mode="json", exclude={"task"}) | {"speed": made.speed}  # a configuration may say another
    # JSON's values are YAML's, and written ten times as fast as by PyYAML.
    return "".join(f"{key}: {_in_yaml(value)}\n" for key, value in keys.items() if value not in ("", []))


def _in_yaml(value: object) -> str:
    text = _in_json(value)
    return _BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
