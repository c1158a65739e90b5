"""What the daemon believes of a worker's report. In: a report, the jobs of its batch. Out: the report, fit to be used.

A report of the right form may still lie. What it says of its own job is that job's business; what would reach further
is refused: another job, a name of a file, a figure that no sum survives, more than there is room for. Sentences are
made fit for logs and terminals.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any, Final, assert_never

from aura_daemon.file_names import escaped
from aura_daemon.formats.datasets.names import CONTACT_SHEET, METADATA, TABLE
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS
from aura_daemon.jobs.caption_files import CaptionExtension
from aura_daemon.jobs.picture_copies import PictureCopy
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    DatasetRequest,
    GenerateRequest,
    GridRequest,
    ImageFormat,
    MatchRequest,
    Request,
    UpscaleRequest,
)
from aura_daemon.jobs.resolved import (
    ResolvedBenchmark,
    ResolvedCaption,
    ResolvedDataset,
    ResolvedGenerate,
    ResolvedUpscale,
)
from aura_daemon.jobs.results import Failure, FailureKind, Payload, Produced
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.workers.protocol import Finished, Loading, LogLine, Placed, Progress, Ready, Up
from aura_daemon.workers.reports.decoding import BrokenProtocol

MOST_NAME_CHARACTERS: Final = 4096
"""Of a name: that of a model may be a path."""

MOST_SENTENCE_CHARACTERS: Final = 64 << 10
"""Of a sentence, a caption, or an entry of the log with its traceback; a longer one is cut."""

MOST_ENTRIES: Final = 1000
"""Of a list: warnings, versions, models."""

MOST_SIDE_PX: Final = 1 << 20
MOST_PREVIEW_BYTES: Final = 1 << 20
"""Of a JPEG of 256 x 256 pixels: five times what it takes without any compression."""

MOST_THUMBNAIL_BYTES: Final = 1 << 20
"""Of a WebP of 400 x 400 pixels: twice what it takes without any compression."""

LEVELS: Final = frozenset({"TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"})
"""Of the log."""

SAYABLE: Final = frozenset(FailureKind) - {FailureKind.INTERRUPTED, FailureKind.DEADLINE}
"""Kinds of failure that a worker may tell: that it was ended is for others to say, and counts for no job."""

PICTURE_EXTENSIONS: Final = frozenset(f".{one}" for one in ImageFormat)

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Signs that change what a terminal shows, or end a line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Form:
    """What results from one kind of request."""

    resolved: type[Any]
    required: frozenset[str] = frozenset()
    """Extensions of which exactly one has to be there, and the only file; of a set: that has to be there."""
    further: frozenset[str] = frozenset()
    """Extensions that may be there beside it."""


_FORMS: Final[dict[type[Any], _Form]] = {
    GenerateRequest: _Form(resolved=ResolvedGenerate, required=PICTURE_EXTENSIONS),
    CaptionRequest: _Form(resolved=ResolvedCaption, required=frozenset({CaptionExtension.TXT.value})),
    GridRequest: _Form(resolved=GridRequest, required=frozenset({".png"})),
    MatchRequest: _Form(resolved=MatchRequest),
    UpscaleRequest: _Form(resolved=ResolvedUpscale, required=PICTURE_EXTENSIONS),
    BenchmarkRequest: _Form(resolved=ResolvedBenchmark),
    DatasetRequest: _Form(
        resolved=ResolvedDataset, required=frozenset({METADATA}), further=frozenset({TABLE, CONTACT_SHEET})
    ),
}


def believed(report: Up, requests: Mapping[str, Request], unfinished: Collection[str]) -> Up:
    """The report with its sentences made fit; raises BrokenProtocol.

    `requests`: of all jobs of the worker's batch, or of its last one, by id; `unfinished`: those without a last word.
    """
    match report:
        case Ready():
            require_names(report.device, report.dtype, report.rung)
            _require_versions(report.versions)
            _require(len(report.sandbox_lacks) <= MOST_ENTRIES, "too much is missing")
            lacks = tuple(map(sentence, report.sandbox_lacks))
            return replace(report, device_name=sentence(report.device_name), sandbox_lacks=lacks)
        case LogLine():
            _require(report.level in LEVELS, "a line of its log has no level")
            return replace(report, message=log_entry(report.message))
        case Loading():
            require_names(report.model)
            _require(not report.job_ids, "it says which jobs wait for a model")
            _require_amounts(report.done_bytes, report.total_bytes)
            return replace(report, model=escaped(report.model))
        case Placed():
            _require(bool(report.job_ids) and requests.keys() >= set(report.job_ids), "it runs jobs it was not given")
            _require(len(report.job_ids) <= len(requests), "it runs a job twice")
            _require_conditions(report.tried)
        case Progress():
            _require(report.job_id in requests, "it tells of a job it was not given")
            _require_amounts(report.step, report.steps)
            if report.preview:
                _require_preview(report.preview, requests[report.job_id])
        case Finished():
            _require(report.job_id in unfinished, "it ends a job it was not given, or has ended before")
            _require(not report.lost_node, "it tells of the end of its own machine")
            _require_amounts(report.step_s, *astuple(report.memory))
            _require(len(report.models) <= MOST_ENTRIES, "too many models are loaded")
            _require(len(report.model_kinds) in (0, len(report.models)), "its models are of no kind")
            require_names(*report.models, *report.model_kinds)
            if report.tried is not None:
                _require_conditions(report.tried)
            outcome = report.outcome
            if isinstance(outcome, Failure):
                return replace(report, outcome=_believed_failure(outcome))
            return replace(report, outcome=_believed_result(outcome, requests[report.job_id]))
        case _:
            assert_never(report)
    return report


def sentence(text: str) -> str:
    """A text on one line, printable, and not too long."""
    return escaped(text[:MOST_SENTENCE_CHARACTERS])


def log_entry(text: str) -> str:
    """A text of several lines, each of them printable; a further line is indented, so that none passes for an entry."""
    first, *further = text[:MOST_SENTENCE_CHARACTERS].replace("\t", "    ").split("\n")
    return "\n".join([escaped(first), *(f"  {escaped(line)}" for line in further)])


def words(text: str) -> str:
    """What a model has written, as it is, but for signs that no model means."""
    shown = text[:MOST_SENTENCE_CHARACTERS].split("\n")
    return "\n".join(_CONTROL.sub(lambda sign: escaped(sign[0]), line) for line in shown)


def require_names(*names: str) -> None:
    """Raises BrokenProtocol where one cannot be a name of anything."""
    _require(all(len(name) <= MOST_NAME_CHARACTERS for name in names), "a name is too long")
    _require(not any(map(_CONTROL.search, names)), "a name holds signs that cannot be printed")


def _believed_failure(failure: Failure) -> Failure:
    _require(failure.kind in SAYABLE, f"it says of a job that it is {failure.kind}")
    return replace(failure, message=sentence(failure.message), mend=sentence(failure.mend))


def _believed_result(produced: Produced, request: Request) -> Produced:
    form = _FORMS[type(request)]
    _require(type(produced.resolved) is form.resolved, "a result is of another kind than its job")
    _require_payloads(produced.payloads, form)
    if produced.copy is not None:
        _require_copy(produced.copy, request)
    _require(not produced.parts and not produced.earlier and produced.match is None and not produced.node, _OURS)
    require_names(produced.model, produced.model_sha256, produced.device, produced.dtype, produced.rung)
    require_names(produced.variant, *(file.name for file in produced.ingredients))
    require_names(*(file.sha256 for file in produced.ingredients))
    lists: tuple[tuple[object, ...], ...] = (
        produced.levers,
        produced.ingredients,
        produced.warnings,
        produced.candidates,
        produced.scores,
    )
    _require(all(len(one) <= MOST_ENTRIES for one in lists), "a result has too many entries")
    _require_versions(produced.versions)
    _require_amounts(produced.peak_bytes, produced.windows)
    _require(produced.batch_size >= 1, "a result is of no batch")
    _require(len(produced.thumbnail) <= MOST_THUMBNAIL_BYTES, "a thumbnail is too large")
    _require(produced.thumbnail[:4] in (b"", b"RIFF"), "a thumbnail is no WebP")
    if produced.processor is not None:
        require_names(produced.processor.name, produced.processor.capability)
        _require_amounts(produced.processor.threads)
    _require((produced.benchmark is not None) == isinstance(request, BenchmarkRequest), _FIGURES)
    if produced.benchmark is not None:
        run = produced.benchmark
        keys = {key for key, _ in run.settings}
        _require(bool(run.sizes) and all(size.runs for size in run.sizes), _FIGURES)
        _require("steps" not in keys or keys >= {"scheduler", "guidance_scale", "batch"}, _FIGURES)
    if isinstance(request, MatchRequest):
        assert isinstance(produced.resolved, MatchRequest)
        _require(produced.resolved.texts == request.texts, "other texts were compared than those of the job")
        _require(len(produced.scores) == len(request.texts), "a text that was compared has no score")
    return replace(
        produced,
        text=words(produced.text),
        candidates=tuple(replace(one, text=words(one.text)) for one in produced.candidates),
        ranked_by=sentence(produced.ranked_by),
        levers=tuple(map(sentence, produced.levers)),
        warnings=tuple(map(sentence, produced.warnings)),
    )


_OURS: Final = "a result holds what only the daemon says"
_FIGURES: Final = "the figures of a benchmark are none"


def _require_payloads(payloads: Collection[Payload], form: _Form) -> None:
    """The extension becomes part of a file's name."""
    extensions = [payload.extension for payload in payloads]
    of_kind = [one for one in extensions if one in form.required]
    _require(len(of_kind) == bool(form.required), "a result lacks its file, or has several")
    _require(all(one in form.further for one in extensions if one not in form.required), "a result has a strange file")
    _require(len(set(extensions)) == len(extensions), "a result has a file twice")
    for payload in payloads:
        _require_sides(payload.width, payload.height)


def _require_copy(copy: PictureCopy, request: Request) -> None:
    _require(isinstance(request, CaptionRequest | MatchRequest), "a copy is made of a picture that is none")
    _require(copy.extension in IMAGE_EXTENSIONS, "a copy has a strange name")
    _require_sides(copy.width, copy.height)
    place = 0
    for change in copy.changes:
        _require(place <= change.start <= change.end, "the changes of a copy are in no order")
        place = change.end


def _require_sides(*sides: int | None) -> None:
    _require(all(side is None or 1 <= side <= MOST_SIDE_PX for side in sides), "a picture has no size")


def _require_preview(preview: bytes, request: Request) -> None:
    is_wanted = isinstance(request, GenerateRequest) and request.preview > 0
    _require(is_wanted and len(preview) <= MOST_PREVIEW_BYTES, "a preview comes that nobody asked for")


def _require_conditions(tried: RunConditions) -> None:
    require_names(tried.device, tried.device_name, tried.dtype, tried.variant)
    _require_amounts(tried.width, tried.height, tried.batch)
    _require_amounts(tried.expected_bytes, tried.total_bytes, tried.peak_bytes)


def _require_versions(versions: Collection[tuple[str, str]]) -> None:
    _require(len(versions) <= MOST_ENTRIES, "too many libraries are installed")
    require_names(*(word for pair in versions for word in pair))


def _require_amounts(*amounts: float) -> None:
    _require(all(amount >= 0 for amount in amounts), "an amount is below nought")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BrokenProtocol(otherwise)
