"""BLIP as a family: image to caption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from aura_daemon.config.engine import CaptionSettings, EngineSettings
from aura_daemon.engines.captioning.blip import Captioner
from aura_daemon.engines.captioning.model_format import BLIP
from aura_daemon.engines.images.decode import ReadPicture, read_picture
from aura_daemon.engines.images.thumbnail import thumbnail
from aura_daemon.engines.interface import DecodedTask, TaskResult
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.footprints import captioner_footprint
from aura_daemon.engines.reporter import Reporter
from aura_daemon.jobs.requests import CaptionRequest, JobKind, Request, batch_key
from aura_daemon.jobs.results import CANCELLED, EAGER, Failure
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.prediction import Extent, Footprint
from aura_daemon.ladder.rungs import Backend, Rung, ladder


class Blip:
    """Describes images, one after the other."""

    model_format: ModelFormat = BLIP

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings

    def batch_key(self, request: Request) -> Request | None:
        """Captions may differ in their image."""
        return batch_key(request)

    def model(self, request: Request) -> CaptionSettings:
        """The configured captioner; a request names none."""
        return self._settings.caption

    def decode(self, task: Task) -> ReadPicture | Failure:
        """The image, mode RGB."""
        return read_picture(task.image or b"", task.image_name, self._settings)

    def extent(self, tasks: Sequence[DecodedTask[ReadPicture]], files: ModelFiles) -> Extent:
        """No pixels: a captioner scales every image to a size of its own."""
        return Extent(width=0, height=0, batch=len(tasks), guided=False)

    def variant(self, tasks: Sequence[DecodedTask[ReadPicture]], files: ModelFiles, placement: Placement) -> str:
        """Eager."""
        return EAGER

    def rungs(self, backend: Backend) -> tuple[Rung, ...]:
        """Those that do something for a single model without guidance or tiles."""
        return ladder(backend, JobKind.CAPTION)

    def footprint(
        self, files: ModelFiles, placement: Placement, tasks: Sequence[DecodedTask[ReadPicture]] = ()
    ) -> Footprint:
        """Weights; the activations are within the spare bytes of every prediction."""
        return captioner_footprint(files, placement)

    def load(self, files: ModelFiles, placement: Placement) -> Captioner:
        """Loads; raises what transformers raises."""
        return Captioner(files, placement, self._settings.caption)

    def run(
        self, engine: Captioner, tasks: Sequence[DecodedTask[ReadPicture]], reporter: Reporter, peak: PeakMemory
    ) -> Iterator[TaskResult]:
        """One caption after the other; raises what torch raises."""
        for decoded in tasks:
            task = decoded.task
            if reporter.is_cancelled(task.job_id):
                yield TaskResult(task=task, outcome=CANCELLED)
                continue
            assert isinstance(task.request, CaptionRequest)
            read = decoded.picture
            produced = engine.describe(read.image, task.request, peak)
            small = thumbnail(read.image, wanted=self._settings.thumbnails)
            told = replace(produced, warnings=(*read.warnings, *produced.warnings), thumbnail=small)
            yield TaskResult(task=task, outcome=told)
