"""What one process holds and does: models loaded on first use, a batch at a time, each on the rung that fits.

In: requests. Out: outcomes.

This is where an exception ends: it is put into words inside the `except`, and memory is given back after
it, when its frames no longer keep tensors alive.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from loguru import logger

from aura_daemon.config.engine import EngineSettings, GenerateSettings, ModelSettings, Safety
from aura_daemon.engines.attempt import EngineAttempt
from aura_daemon.engines.captioning.blip import Captioner
from aura_daemon.engines.defaults import resolve_generate
from aura_daemon.engines.failures import broken, failure_of, first_line, is_broken, is_out_of_memory, no_room
from aura_daemon.engines.images.contact_sheet import laid_out
from aura_daemon.engines.images.decode import read_picture
from aura_daemon.engines.interface import Reporter
from aura_daemon.engines.model_files.find import ModelFiles, find_model
from aura_daemon.engines.placement.device_memory import MemoryFigures, PeakMemory, memory_figures, release, trim
from aura_daemon.engines.placement.devices import Devices, Placement, find_devices
from aura_daemon.engines.placement.loaded_models import Engine, Key, LoadedModels
from aura_daemon.engines.placement.rung_choice import PlacementRequest, RungChooser
from aura_daemon.engines.stable_diffusion.generator import Generator, timed
from aura_daemon.engines.stable_diffusion.picture_task import PictureTask
from aura_daemon.engines.stable_diffusion.start_image import read_start
from aura_daemon.engines.stable_diffusion.steps import second_px, steps_of
from aura_daemon.file_names import escaped
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, GridRequest, JobKind, Request
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind, Produced, ResolvedGenerate
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import TOP, RunConditions, Start
from aura_daemon.ladder.fitting import NoRoom
from aura_daemon.ladder.prediction import Extent, Measured

NO_PICTURE: Final = Extent(width=0, height=0, guided=False)
"""A captioner looks at pictures of its own size."""


class Session:
    """The engines of one process; several models may be loaded at once."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._shelf = LoadedModels()
        self._files: dict[Key, ModelFiles] = {}
        self._loading = ""
        self._is_broken = False
        self.devices = find_devices(settings)
        self.memory()  # a GPU's context, made when it is first asked for anything, is part of the process
        self._base_bytes = self.memory().resident_bytes

    @property
    def models(self) -> tuple[str, ...]:
        """Names of what is loaded."""
        return self._shelf.names

    def memory(self) -> MemoryFigures:
        """Memory as it is now, of the first device; of the host where that answers no more."""
        if self._is_broken or isinstance(self.devices, Failure):
            return memory_figures(None)
        return memory_figures(self.devices.first)

    def run(
        self, tasks: Sequence[Task], reporter: Reporter, *, start: Start = TOP, measured: Sequence[Measured] = ()
    ) -> None:
        """Finishes every task, pictures together as far as there is memory.

        Never raises for what a request, a model or the memory can cause. `start` and `measured`: for the choice of a
        rung.
        """
        if isinstance(self.devices, Failure):
            for task in tasks:
                reporter.finish(task.job_id, self.devices)
            return
        chooser = RungChooser(
            self.devices, self._shelf, base_bytes=self._base_bytes, climb_after=self._settings.climb_after
        )
        left: list[Task] = []
        for task in tasks:
            if reporter.is_cancelled(task.job_id):
                reporter.finish(task.job_id, CANCELLED)
            else:
                left.append(task)
        while left:
            attempt = EngineAttempt(tasks=left, reporter=reporter, start=start, measured=measured, chooser=chooser)
            self._run(attempt, self.devices)
            left = attempt.left
        trim()

    def _run(self, attempt: EngineAttempt, devices: Devices) -> None:
        """As many as go at once; an exception is the last word on each of them that has had none."""
        self._loading = ""
        failure = None
        try:
            self._run_first(attempt, devices)
        except Exception as error:  # noqa: BLE001 - the one place: see the module's docstring
            failure = self._in_words(error, attempt)
            level = "DEBUG" if failure.kind is FailureKind.OUT_OF_MEMORY else "ERROR"
            logger.log(level, "{}", traceback.format_exc())
        if failure is None:
            return
        if failure.kind is FailureKind.OUT_OF_MEMORY:
            self._shelf.clear()  # the next attempt begins alone
        if not self._is_broken:  # it would only fail again, and its first words would be lost
            release(devices.first)
        attempt.fail(failure)

    def _run_first(self, attempt: EngineAttempt, devices: Devices) -> None:
        work = attempt.tasks[0]
        match work.request:
            case GenerateRequest():
                self._draw(attempt)
            case CaptionRequest():
                self._describe(attempt, work, work.request)
            case GridRequest():
                attempt.end(work, laid_out(work.request, work.cells, self._settings, PeakMemory(devices.cpu)))

    # -- drawing ---------------------------------------------------------------------------------------------------

    def _draw(self, attempt: EngineAttempt) -> None:
        """Pictures of one model and one size."""
        first = attempt.tasks[0]
        configured = self._model_named(first.request)
        if isinstance(configured, Failure):
            attempt.fail(configured)
            return
        key = JobKind.GENERATE, configured.model
        files = self._found(key, configured, attempt.reporter)
        if isinstance(files, Failure):
            attempt.fail(files)
            return
        drawings: dict[int, tuple[Task, PictureTask]] = {}
        for work in attempt.tasks:
            drawing = self._drawing(work, configured, files)
            if isinstance(drawing, Failure):
                attempt.end(work, drawing)
            else:
                drawings[id(drawing)] = work, drawing
        if not drawings:
            return
        asked = [drawing for _, drawing in drawings.values()]
        checks = configured.safety is not Safety.OFF
        wanted = PlacementRequest(
            key=key, files=files, extent=_extent(asked[0].resolved, len(asked)), with_checker=checks
        )
        batch = self._place(attempt, wanted, [work for work, _ in drawings.values()])
        if batch is None:
            return
        began, peak = time.monotonic(), attempt.peak
        attention = self._settings.attention
        engine = self._loaded(
            attempt, wanted, configured, lambda placement: Generator(files, placement, configured, attention)
        )
        assert isinstance(engine, Generator)
        loaded_s = time.monotonic() - began
        with peak.watched():
            for drawing, outcome in engine.run(asked[:batch], attempt.reporter, peak):
                step_s = 0.0
                if isinstance(outcome, Produced):
                    step_s = drawing.step_s(steps_of(drawing.resolved))
                    outcome = timed(outcome, loaded_s)
                attempt.end(drawings[id(drawing)][0], outcome, step_s=step_s)

    def _drawing(self, work: Task, configured: GenerateSettings, files: ModelFiles) -> PictureTask | Failure:
        request = work.request
        assert isinstance(request, GenerateRequest)
        start = read_start(request, work.image, work.mask, self._settings)
        if isinstance(start, Failure):
            return start
        size = start.picture.size if start is not None else None
        resolved, notes = resolve_generate(request, configured, files.own, size)
        return PictureTask(resolved=resolved, task=work, start=start, notes=notes)

    def _model_named(self, request: Request) -> GenerateSettings | Failure:
        """The settings of the model that a job names, or of the configured one."""
        assert isinstance(request, GenerateRequest)
        configured = self._settings.generate
        name = request.model or configured.model
        if name not in (configured.model, *configured.models):
            allowed = ", ".join((configured.model, *configured.models))
            message = f"model {escaped(name)} is none that the configuration allows"
            return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=f"name one of {allowed}")
        return configured if name == configured.model else replace(configured, model=name, revision=None)

    # -- describing ------------------------------------------------------------------------------------------------

    def _describe(self, attempt: EngineAttempt, work: Task, request: CaptionRequest) -> None:
        picture = read_picture(work.image or b"", work.image_name, self._settings)
        if isinstance(picture, Failure):
            attempt.end(work, picture)
            return
        configured = self._settings.caption
        key = JobKind.CAPTION, configured.model
        files = self._found(key, configured, attempt.reporter)
        if isinstance(files, Failure):
            attempt.end(work, files)
            return
        if self._place(attempt, PlacementRequest(key=key, files=files, extent=NO_PICTURE), [work]) is None:
            return
        began, peak = time.monotonic(), attempt.peak
        wanted = PlacementRequest(key=key, files=files, extent=NO_PICTURE)
        engine = self._loaded(attempt, wanted, configured, lambda placement: Captioner(files, placement, configured))
        assert isinstance(engine, Captioner)
        loaded_s = time.monotonic() - began
        with peak.watched():
            produced = engine.run(picture, request, peak)
        attempt.end(work, timed(produced, loaded_s))

    # -- below -----------------------------------------------------------------------------------------------------

    def _found(self, key: Key, settings: ModelSettings, reporter: Reporter) -> ModelFiles | Failure:
        """A model's files, looked for anew where it is not loaded."""
        if key in self._files and self._shelf.has(key):
            return self._files[key]
        self._loading = settings.model
        devices = self.devices
        half = isinstance(devices, Devices) and devices.first.dtype == "float16"
        files = find_model(settings, key[0], half=half, reporter=reporter)
        self._loading = ""
        if not isinstance(files, Failure):
            self._files[key] = files
        return files

    def _place(self, attempt: EngineAttempt, wanted: PlacementRequest, works: Sequence[Task]) -> int | None:
        """Chooses a rung and makes room for it: how many go at once; None where there is no room, which is said."""
        choice = attempt.chooser.choose(wanted, attempt.start, attempt.measured)
        if isinstance(choice, NoRoom):
            tried = attempt.chooser.tried(wanted, choice)
            attempt.place(works, tried, attempt.chooser.placement(choice.rung))
            attempt.fail(no_room(tried, neighbours=self._neighbours(tried)))
            return None
        is_alone = attempt.start.alone
        if choice.alone or is_alone:
            self._shelf.make_room(
                wanted.key,
                lambda: not is_alone and attempt.chooser.is_enough(wanted, choice),
                wanted_by=wanted.files.name,
            )
        attempt.place(
            works[: choice.batch], attempt.chooser.tried(wanted, choice), attempt.chooser.placement(choice.rung)
        )
        return choice.batch

    def _loaded(
        self,
        attempt: EngineAttempt,
        wanted: PlacementRequest,
        settings: ModelSettings,
        load: Callable[[Placement], Engine],
    ) -> Engine:
        """A model from the shelf, brought to the chosen rung, or loaded for it, telling so."""
        placement = attempt.placement
        known = self._shelf.take(wanted.key, placement)
        if known is not None:
            return known
        self._shelf.drop(wanted.key)
        self._loading = settings.model
        attempt.reporter.loading(settings.model)
        engine = load(placement)
        trim()
        attempt.peak.restart()
        self._shelf.put(wanted.key, engine, attempt.chooser.footprint(wanted, placement.rung))
        said = "model {} is loaded on {} in {}, rung {}"
        logger.info(said, wanted.files.name, placement.device, placement.dtype, placement.rung)
        self._loading = ""
        return engine

    def _neighbours(self, tried: RunConditions) -> str:
        """Who else takes memory of the GPU, where anybody knows."""
        if not tried.device.startswith("cuda"):
            return ""
        from aura_daemon.system.nvidia import others

        card = self.devices.accelerator if isinstance(self.devices, Devices) else None
        return others(os.getpid(), card.uuid if card is not None else "")

    def _in_words(self, error: Exception, attempt: EngineAttempt) -> Failure:
        """A failure while loading is the model's, so that its jobs wait; any other is the job's, or the GPU's."""
        if is_broken(error):
            self._is_broken = True
            return broken(error)
        if self._loading and not is_out_of_memory(error):
            return Failure(
                kind=FailureKind.MODEL_UNAVAILABLE,
                message=f"model {self._loading}: it cannot be loaded "
                f"({type(error).__name__}: {first_line(str(error))})",
                mend="the traceback is in the log; the model's files do not fit together, or these libraries",
            )
        memory = memory_figures(attempt.placed_on)
        neighbours = self._neighbours(attempt.tried) if attempt.tried is not None else ""
        return failure_of(error, memory, rung=attempt.tried.rung if attempt.tried else None, neighbours=neighbours)


def _extent(resolved: ResolvedGenerate, batch: int) -> Extent:
    width, height = second_px(resolved)
    return Extent(width=width, height=height, batch=batch, guided=resolved.guidance_scale > 1)
