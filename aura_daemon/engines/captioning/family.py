"""Captioners as a family: image to caption, to an answer, or to how well texts fit it; those of one prompt together.

The architecture of the configured model decides which captioner runs (`captioners`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias, cast

from aura_daemon.config.engine import EngineSettings, ModelSettings
from aura_daemon.config.workers.services import ConvertedPart, Services
from aura_daemon.engines.captioning.blip import PreparedPicture
from aura_daemon.engines.captioning.blip_pictures.converted_blip import ConvertedCaptioner
from aura_daemon.engines.captioning.captioners import captioner_of
from aura_daemon.engines.captioning.interface import CaptioningEngine
from aura_daemon.engines.captioning.model_format import ANSWERS, CAPTIONS, MATCHES
from aura_daemon.engines.defaults import resolve_caption
from aura_daemon.engines.images.decode import ReadPicture, read_picture
from aura_daemon.engines.interface import DecodedTask, TaskResult
from aura_daemon.engines.model_files.beside.further_models import FurtherModel
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.openvino.choice import Chosen, chosen_looking, is_looking_convertible
from aura_daemon.engines.openvino.converted_models import ConvertedModels
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.footprints import captioner_footprint
from aura_daemon.engines.reporter import Reporter
from aura_daemon.jobs.queueing import ANSWERS_MEND, MATCHING_MEND, batch_key
from aura_daemon.jobs.requests import CaptionRequest, Describe, JobKind, MatchRequest, Request, is_question
from aura_daemon.jobs.results import CANCELLED, EAGER, Failure, FailureKind
from aura_daemon.jobs.speed import CaptionEngine, CaptionSpeed
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.prediction import Extent, Footprint
from aura_daemon.ladder.rungs import Backend, Rung, ladder

CaptionPicture: TypeAlias = ReadPicture | PreparedPicture


class Captioning:
    """Describes images, answers questions about them and compares them with texts, several at once."""

    def __init__(self, settings: EngineSettings, services: Services | None = None) -> None:
        """`services`: who has models converted; None: this process."""
        self._settings = settings
        self._converted = ConvertedModels(ConvertedPart.LOOKING, services)

    def model_format(self, request: Request) -> ModelFormat:
        """Questions have a model of their own, and so have comparisons."""
        if isinstance(request, MatchRequest):
            return MATCHES
        return ANSWERS if is_question(request) else CAPTIONS

    def batch_key(self, request: Request) -> Request | None:
        """Captions may differ in their image."""
        return batch_key(request)

    def model(self, request: Request) -> ModelSettings | Failure:
        """The configured captioner, or the model that answers or compares; a request names none."""
        if isinstance(request, MatchRequest):
            # There was one when the job came, or no part of it would ask for this: it waits until there is one again.
            message, unavailable = "no model compares pictures with texts here", FailureKind.MODEL_UNAVAILABLE
            return self._settings.caption.matching or Failure(kind=unavailable, message=message, mend=MATCHING_MEND)
        if not is_question(request):
            return self._settings.caption
        return self._settings.caption.answering or _none("no model answers questions about pictures here", ANSWERS_MEND)

    def further_models(self, request: Request) -> tuple[FurtherModel, ...]:
        """None."""
        return ()

    def decode(self, task: Task) -> ReadPicture | Failure:
        """The image, mode RGB."""
        return read_picture(task.image or b"", task.image_name, self._settings)

    def extent(self, tasks: Sequence[DecodedTask[CaptionPicture]], files: ModelFiles) -> Extent:
        """No pixels: a captioner scales every image to a size of its own."""
        request = tasks[0].task.request
        if isinstance(request, MatchRequest):
            rows = max(len(cast(MatchRequest, decoded.task.request).texts) for decoded in tasks)
        else:
            rows = resolve_caption(cast(CaptionRequest, request), self._settings.caption, files.own).rows
        return Extent(width=rows if rows > 1 else 0, height=0, batch=len(tasks), guided=False)

    def variant(self, tasks: Sequence[DecodedTask[CaptionPicture]], files: ModelFiles, placement: Placement) -> str:
        """On OpenVINO where the model was converted and that is faster; else eager."""
        return self._chosen(files, placement).variant

    def rungs(self, backend: Backend) -> tuple[Rung, ...]:
        """Those that do something for a single model without guidance or tiles."""
        return ladder(backend, JobKind.CAPTION)

    def footprint(
        self, files: ModelFiles, placement: Placement, tasks: Sequence[DecodedTask[CaptionPicture]] = ()
    ) -> Footprint:
        """Weights, and what each image of a batch takes beside them."""
        row = captioner_of(files)
        return captioner_footprint(files, placement, row.base, reads=row.reads)

    def load(self, files: ModelFiles, placement: Placement) -> CaptioningEngine:
        """Loads; raises what transformers raises."""
        if placement.variant == EAGER:
            return captioner_of(files).load(files, placement, self._settings.caption)
        with self._converted.used(files, placement):
            return ConvertedCaptioner(files, placement, self._settings.caption, self._converted.graph(files, placement))

    def prepare(self, engine: CaptioningEngine, picture: CaptionPicture) -> PreparedPicture:
        """At the model's size."""
        if isinstance(picture, PreparedPicture):
            return picture
        return engine.prepare(picture, with_thumbnail=self._settings.thumbnails)

    def run(
        self,
        engine: CaptioningEngine,
        tasks: Sequence[DecodedTask[CaptionPicture]],
        reporter: Reporter,
        peak: PeakMemory,
    ) -> Iterator[TaskResult]:
        """All captions together; raises what torch raises."""
        wanted = []
        for decoded in tasks:
            if reporter.is_cancelled(decoded.task.job_id):
                yield TaskResult(task=decoded.task, outcome=CANCELLED)
            else:
                wanted.append(decoded)
        if not wanted:
            return
        refusal = self._refusal(engine, wanted[0].task.request)
        if refusal is not None:
            for decoded in wanted:
                yield TaskResult(task=decoded.task, outcome=refusal)
            return
        requests = [cast(CaptionRequest | MatchRequest, decoded.task.request) for decoded in wanted]
        files, placement = engine.files, engine.placement
        with self._converted.used(files, placement):
            made = engine.describe([self.prepare(engine, decoded.picture) for decoded in wanted], requests, peak)
        warnings: tuple[str, ...] = ()
        if self._settings.caption.engine is CaptionEngine.OPENVINO and placement.variant == EAGER:
            why = self._chosen(files, placement).why
            warnings = (f"caption.engine: openvino is configured, but PyTorch looked at this: {why}",)
        for decoded, produced in zip(wanted, made, strict=True):
            outcome = replace(produced, warnings=(*warnings, *produced.warnings))
            yield TaskResult(task=decoded.task, outcome=outcome)
        if not is_looking_convertible(self._settings, files, placement):
            is_rough = self._settings.caption.speed is CaptionSpeed.BALANCED
            self._converted.convert_meanwhile(files, placement, wants_int8=is_rough)

    def _chosen(self, files: ModelFiles, placement: Placement) -> Chosen:
        found = chosen_looking(self._settings, files, placement, self._converted.of(files))
        return self._converted.sound(files, found)

    def _refusal(self, engine: CaptioningEngine, request: Request) -> Failure | None:
        """Why the model cannot say what is asked for; None where it can. Answers are what they are."""
        if not isinstance(request, CaptionRequest) or is_question(request):
            return None
        wanted = request.describe or self._settings.caption.describe
        if wanted in engine.writes:
            return None
        model, able = (
            self._settings.caption.model,
            ", ".join(_WRITTEN[what] for what in Describe if what in engine.writes),
        )
        return Failure(
            kind=FailureKind.BAD_INPUT,
            message=f"the captioner {model} cannot be asked for `describe: {wanted}`: it writes {able} only",
            mend="Name a Florence-2 as `caption.model`, such as florence-2-base, or leave `describe` out.",
        )


_WRITTEN: Final = {
    Describe.SENTENCE: "sentences",
    Describe.DETAILED: "detailed descriptions",
    Describe.PARAGRAPH: "paragraphs",
    Describe.TAGS: "tags",
}
"""What is said of images -> in words."""


def _none(message: str, mend: str) -> Failure:
    return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
