"""Upscalers as a family: picture to larger picture, one at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from aura_daemon.config.engine import EngineSettings, ModelSettings
from aura_daemon.engines.images import encode
from aura_daemon.engines.images.thumbnail import thumbnail
from aura_daemon.engines.interface import DecodedTask, TaskResult
from aura_daemon.engines.model_files.beside.further_models import FurtherModel
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.reporter import Reporter
from aura_daemon.engines.upscaling.footprint import tile_side, upscaler_footprint
from aura_daemon.engines.upscaling.model_format import UPSCALERS
from aura_daemon.engines.upscaling.names import name_of, upscaler_named
from aura_daemon.engines.upscaling.pictures import SmallPicture, obstacle, read_small, with_opacity
from aura_daemon.engines.upscaling.upscaler import Upscaler, scaled
from aura_daemon.formats.picture_metadata import enlarged_texts
from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.queueing import batch_key
from aura_daemon.jobs.requests import ImageFormat, JobKind, Request, UpscaleRequest
from aura_daemon.jobs.resolved import ResolvedUpscale
from aura_daemon.jobs.results import CANCELLED, EAGER, EngineTiming, Failure, Outcome, Payload, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.prediction import Extent, Footprint
from aura_daemon.ladder.rungs import Backend, Rung, ladder
from aura_daemon.system.library_versions import versions

Decoded: TypeAlias = DecodedTask[SmallPicture]


class Upscaling:
    """Enlarges pictures by a network."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings

    def model_format(self, request: Request) -> ModelFormat:
        """The same for all."""
        return UPSCALERS

    def batch_key(self, request: Request) -> Request | None:
        """Those of one upscaler, which are enlarged one after the other."""
        return batch_key(request)

    def model(self, request: Request) -> ModelSettings | Failure:
        """The upscaler that a request names, or the configured one."""
        return upscaler_named(self._settings.upscale, _asked(request).upscale.model)

    def further_models(self, request: Request) -> tuple[FurtherModel, ...]:
        """None."""
        return ()

    def decode(self, task: Task) -> SmallPicture | Failure:
        """The picture, with its opacity and its texts."""
        return read_small(task, self._settings)

    def extent(self, tasks: Sequence[Decoded], files: ModelFiles) -> Extent:
        """The largest picture before it is enlarged."""
        width, height = _largest(tasks)
        return Extent(width=width, height=height, batch=len(tasks), guided=False)

    def variant(self, tasks: Sequence[Decoded], files: ModelFiles, placement: Placement) -> str:
        """By PyTorch."""
        return EAGER

    def rungs(self, backend: Backend) -> tuple[Rung, ...]:
        """With larger and smaller tiles."""
        return ladder(backend, JobKind.UPSCALE)

    def footprint(self, files: ModelFiles, placement: Placement, tasks: Sequence[Decoded] = ()) -> Footprint:
        """Weights, a tile and the picture."""
        if not tasks:
            return upscaler_footprint(files, placement, (0, 0), None)
        asked = _asked(tasks[0].task.request).upscale.tile
        return upscaler_footprint(files, placement, _largest(tasks), asked)

    def load(self, files: ModelFiles, placement: Placement) -> Upscaler:
        """Loads; raises UnfitModel."""
        return Upscaler(files, placement)

    def prepare(self, engine: Upscaler, picture: SmallPicture) -> SmallPicture:
        """As it is."""
        return picture

    def run(
        self, engine: Upscaler, tasks: Sequence[Decoded], reporter: Reporter, peak: PeakMemory
    ) -> Iterator[TaskResult]:
        """One after the other; raises what torch raises."""
        for decoded in tasks:
            outcome = CANCELLED if reporter.is_cancelled(decoded.task.job_id) else None
            yield TaskResult(task=decoded.task, outcome=outcome or self._enlarged(engine, decoded, reporter, peak))

    def _enlarged(self, engine: Upscaler, decoded: Decoded, reporter: Reporter, peak: PeakMemory) -> Outcome:
        task, picture, asked = decoded.task, decoded.picture, _asked(decoded.task.request)
        began_s = time.monotonic()
        scale = asked.upscale.scale or float(engine.network.scale)
        passes = engine.passes(scale)
        if isinstance(passes, Failure):
            return passes
        resolved = self._resolved(asked, scale, tile_side(engine.placement, asked.upscale.tile))
        size, most = scaled(picture.image.size, scale), self._settings.max_image_pixels
        largest = scaled(picture.image.size, max(scale, engine.network.scale**passes))
        lacks = encode.lacking(resolved.format) or obstacle(size, resolved.format, most)
        if (lacks := lacks or obstacle(largest, ImageFormat.PNG, most)) is not None:
            return lacks

        def stepped(tile: int, tiles: int) -> bool:
            peak.sample()
            reporter.stepped(task.job_id, tile, tiles)
            return not reporter.is_cancelled(task.job_id)

        side = resolved.upscale.tile
        assert side is not None
        large = engine.enlarge(picture.image, scale=scale, passes=passes, side=side, stepped=stepped)
        if large is None:
            return CANCELLED
        large, notes = with_opacity(large, picture.alpha, resolved.format)
        drawn_s = time.monotonic()
        name = name_of(self._settings.upscale, engine.files.name)
        version = dict(versions())["aura_daemon"]
        texts = enlarged_texts.written(picture.texts, resolved, model=name, version=version)
        file = encode.encoded(large, resolved, texts.parameters, texts.packet)
        if isinstance(file, Failure):
            return file
        small, ended_s = thumbnail(large, wanted=self._settings.thumbnails), time.monotonic()
        payload = Payload(extension=f".{resolved.format}", content=file.content, width=size[0], height=size[1])
        return Produced(
            payloads=(payload,),
            resolved=resolved,
            model=name,
            model_sha256=engine.files.sha256,
            device=engine.placement.device,
            dtype=engine.dtype,
            rung=engine.placement.rung,
            batch_size=1,
            timing=EngineTiming(decoded_s=ended_s - began_s, filed_s=ended_s - drawn_s),
            peak_bytes=peak.highest_bytes(),
            ingredients=(picture.ingredient,),
            warnings=(*picture.warnings, *_notes(engine, scale, passes), *notes, *file.warnings),
            versions=versions(),
            thumbnail=small,
        )

    def _resolved(self, asked: UpscaleRequest, scale: float, side: int) -> ResolvedUpscale:
        """The request with what it leaves open, as of pictures that are drawn."""
        configured = self._settings.generate
        image_format = asked.format or configured.format
        quality = asked.quality if asked.quality is not None else configured.quality
        return ResolvedUpscale(
            image=asked.image,
            upscale=Upscale(model=asked.upscale.model, scale=scale, tile=side),
            format=image_format,
            quality=None if image_format is ImageFormat.PNG else quality,
            metadata=asked.metadata or configured.metadata,
            tags=asked.tags,
            notes=asked.notes,
        )


def _notes(engine: Upscaler, scale: float, passes: int) -> tuple[str, ...]:
    """What is done beside running the network once."""
    own = engine.network.scale
    given = own**passes
    twice = f"runs twice, and enlarges {given} times" if passes > 1 else f"enlarges {own} times"
    if given == scale:
        return (f"the upscaler enlarges {own} times: it ran twice",) if passes > 1 else ()
    return (f"the upscaler {twice}: the result was made smaller (Lanczos) to {scale:g} times",)


def _largest(tasks: Sequence[Decoded]) -> tuple[int, int]:
    return max((one.picture.image.size for one in tasks), key=math.prod)


def _asked(request: Request) -> UpscaleRequest:
    assert isinstance(request, UpscaleRequest)
    return request
