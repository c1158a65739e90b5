"""What one device holds and does: models loaded on first use, one request at a time.

In: requests. Out: outcomes.

This is where an exception ends: it is put into words inside the `except`, and memory is given back after
it, when its frames no longer keep tensors alive.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import replace

from loguru import logger

from aura_daemon.core.job import (
    CaptionRequest,
    Failure,
    FailureKind,
    GenerateRequest,
    GridRequest,
    JobKind,
    Outcome,
    Request,
)
from aura_daemon.core.names import escaped
from aura_daemon.core.settings import EngineSettings, ModelSettings
from aura_daemon.engines.caption import Captioner
from aura_daemon.engines.failures import failure_of, first_line, is_out_of_memory
from aura_daemon.engines.generate import Generator, timed
from aura_daemon.engines.grid import laid_out
from aura_daemon.engines.models import ModelFiles, find_model
from aura_daemon.engines.picture import read_picture
from aura_daemon.engines.pipelines import read_start
from aura_daemon.engines.placement import (
    MemoryFigures,
    PeakMemory,
    Placement,
    memory_figures,
    place,
    release,
)
from aura_daemon.engines.report import Report
from aura_daemon.engines.shelf import Engine, Shelf


class Session:
    """The engines of one process on one device; several models may be loaded at once."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._shelf: Shelf | None = None
        self._loading = ""
        self.placement = place(settings)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of what is loaded."""
        return self._shelf.names if self._shelf is not None else ()

    def memory(self) -> MemoryFigures:
        """Memory as it is now."""
        return memory_figures(self.placement if isinstance(self.placement, Placement) else None)

    def run(
        self,
        request: Request,
        image: bytes | None,
        image_name: str,
        report: Report,
        *,
        mask: bytes | None = None,
        cells: tuple[bytes | None, ...] = (),
    ) -> Outcome:
        """One request; never raises for what a request, a model or the memory can cause."""
        if isinstance(self.placement, Failure):
            return self.placement
        self._loading = ""
        try:
            if isinstance(request, GenerateRequest):
                return self._draw(request, image, mask, self.placement, report)
            if isinstance(request, GridRequest):
                return laid_out(request, cells, self._settings, PeakMemory(self.placement))
            return self._describe(request, image, image_name, self.placement, report)
        except Exception as error:  # noqa: BLE001 - the one place: see the module's docstring
            failure = self._in_words(error)
            level = "DEBUG" if failure.kind is FailureKind.OUT_OF_MEMORY else "ERROR"
            logger.log(level, "{}", traceback.format_exc())
        release(self.placement)
        return failure

    def _draw(
        self,
        request: GenerateRequest,
        image: bytes | None,
        mask: bytes | None,
        placement: Placement,
        report: Report,
    ) -> Outcome:
        start = read_start(request, image, mask, self._settings)
        if isinstance(start, Failure):
            return start
        configured = self._settings.generate
        name = request.model or configured.model
        if name not in (configured.model, *configured.models):
            allowed = ", ".join((configured.model, *configured.models))
            message = f"model {escaped(name)} is none that the configuration allows"
            return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=f"name one of {allowed}")
        if name != configured.model:
            configured = replace(configured, model=name, revision=None)
        began = time.monotonic()
        peak = PeakMemory(placement)
        generator = self._loaded(
            configured, JobKind.GENERATE, placement, report, lambda files: Generator(files, placement, configured)
        )
        if isinstance(generator, Failure):
            return generator
        assert isinstance(generator, Generator)
        loaded_s = time.monotonic() - began
        produced = generator.run(request, start, report, peak)
        return produced if isinstance(produced, Failure) else timed(produced, loaded_s)

    def _describe(
        self, request: CaptionRequest, image: bytes | None, name: str, placement: Placement, report: Report
    ) -> Outcome:
        picture = read_picture(image or b"", name, self._settings)
        if isinstance(picture, Failure):
            return picture
        began = time.monotonic()
        peak = PeakMemory(placement)
        configured = self._settings.caption
        captioner = self._loaded(
            configured, JobKind.CAPTION, placement, report, lambda files: Captioner(files, placement, configured)
        )
        if isinstance(captioner, Failure):
            return captioner
        assert isinstance(captioner, Captioner)
        loaded_s = time.monotonic() - began
        return timed(captioner.run(picture, request, peak), loaded_s)

    def _loaded(
        self,
        settings: ModelSettings,
        kind: JobKind,
        placement: Placement,
        report: Report,
        load: Callable[[ModelFiles], Engine],
    ) -> Engine | Failure:
        """A model from the shelf, or found, given room and loaded, telling so."""
        key = (kind, settings.model)
        known = self._shelf.take(key) if self._shelf is not None else None
        if self._shelf is None:
            self._shelf = Shelf(placement, lambda: self.memory().free_bytes)
        if known is not None:
            return known
        self._loading = settings.model
        files = find_model(settings, kind, half=placement.dtype == "float16", report=report)
        if isinstance(files, Failure):
            return files
        report.loading(settings.model)
        self._shelf.make_room(files)
        engine = load(files)
        self._shelf.put(key, engine)
        logger.info("model {} is loaded on {} in {}", files.name, placement.device, placement.dtype)
        self._loading = ""
        return engine

    def _in_words(self, error: Exception) -> Failure:
        """A failure while loading is the model's, so that its jobs wait; any other is the job's."""
        if self._loading and not is_out_of_memory(error):
            return Failure(
                kind=FailureKind.MODEL_UNAVAILABLE,
                message=f"model {self._loading}: it cannot be loaded "
                f"({type(error).__name__}: {first_line(str(error))})",
                mend="the traceback is in the log; the model's files do not fit together, or these libraries",
            )
        return failure_of(error, self.memory())
