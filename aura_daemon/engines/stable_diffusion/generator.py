"""Stable Diffusion 1.x: prompt to picture, in phases that are timed.

In: resolved requests of one batch key. Out: Produced | Failure for each.

The phases are diffusers' own, so the pixels are those of one plain call, as far as `pipelines` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Final

import torch
from PIL import Image

from aura_daemon.config.engine import Attention, GenerateSettings, Safety
from aura_daemon.engines.failures import UnusableIngredient
from aura_daemon.engines.images import encode
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.device_memory import PeakMemory, wait_for
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.prompts.encoding import PromptEncoder
from aura_daemon.engines.reporter import Reporter
from aura_daemon.engines.stable_diffusion.guidance.controls.control_maps import ControlMaps
from aura_daemon.engines.stable_diffusion.guidance.controls.nets import ControlNets
from aura_daemon.engines.stable_diffusion.guidance.load import load_of
from aura_daemon.engines.stable_diffusion.guidance.picture_prompts.adapters import PicturePromptReader, SeenPicture
from aura_daemon.engines.stable_diffusion.guidance.regions.regional_prompt import (
    RegionalPass,
    regional_prompt,
)
from aura_daemon.engines.stable_diffusion.loading import load_parts
from aura_daemon.engines.stable_diffusion.loras.lora import LoraAdapters
from aura_daemon.engines.stable_diffusion.picture_finisher import PictureFinisher
from aura_daemon.engines.stable_diffusion.picture_task import PictureTask
from aura_daemon.engines.stable_diffusion.pipelines import Pipelines
from aura_daemon.engines.stable_diffusion.safety_checker import SafetyGuard
from aura_daemon.engines.stable_diffusion.start_image import InitImage
from aura_daemon.engines.stable_diffusion.steps import (
    AllCancelled,
    StepReporter,
    counted_passes,
    second_px,
    sizes_px,
    standstill,
)
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind, Produced

PREVIEW_QUALITY: Final = 75
"""Of a JPEG."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _PictureLatents:
    """The latents of one picture, `[1, 4, H / 8, W / 8]`, with what decoding them takes."""

    tensor: torch.Tensor
    random: torch.Generator
    start: InitImage | None
    has_regions: bool
    """They are decoded in tiles: in a whole picture what stands in one region shifts the colours of others."""


class Generator:
    """A loaded pipeline."""

    def __init__(
        self,
        files: ModelFiles,
        placement: Placement,
        configured: GenerateSettings,
        attention: Attention,
        wait: Callable[[Placement], None] = wait_for,
        *,
        thumbnails: bool = False,
        graph: Path | None = None,
    ) -> None:
        """Loads; raises what diffusers raises. `wait` returns when a device has finished; `graph`: see `load_parts`."""
        self._wait = wait
        self.files = files
        self.placement = placement
        self._configured = configured
        with_checker = configured.safety is not Safety.OFF
        self.parts = load_parts(files, placement, attention, with_checker=with_checker, graph=graph)
        self._guard = SafetyGuard(self.parts.checker, self.parts.pipe.feature_extractor, configured.safety)
        self.loras = LoraAdapters(self.parts.pipe, configured.loras)
        self.prompting = PromptEncoder(
            self.parts.pipe.tokenizer,
            self.parts.text_encoder,
            device=placement.device,
            embeddings=configured.embeddings,
        )
        self.pipelines = Pipelines(self.parts, placement, files)
        self._nets = ControlNets(self.parts.pipe.unet, placement, attention)
        self._reader = PicturePromptReader(self.parts.pipe.unet, placement)
        self._finisher = PictureFinisher(
            files=files,
            guard=self._guard,
            loras=self.loras,
            pipelines=self.pipelines,
            reader=self._reader,
            thumbnails=thumbnails,
        )
        self._like: tuple[SeenPicture, ...] = ()
        """What the pictures of the batch that runs are to be like."""

    def move_to(self, placement: Placement) -> None:
        """Moves to a rung that takes the same weights: only what is done with them changes."""
        self.placement = placement
        self.pipelines.move_to(placement)
        self._nets.move_to(placement)
        self._reader.move_to(placement)

    @torch.no_grad()
    def draw(
        self, tasks: Sequence[PictureTask], reporter: Reporter, peak: PeakMemory
    ) -> Iterator[tuple[PictureTask, Produced | Failure]]:
        """Draws pictures of one size and one set of settings together; raises what torch raises.

        A picture that cannot be drawn, or is NaN, fails alone. A cancelled picture is not decoded.
        """
        begun = []
        try:
            if self._nets.use(tasks[0].nets):
                peak.restart()  # while one is read, pages of its files count that the kernel may take back
            if tasks[0].resolved.like:
                reporter.loading(self.files.name)  # an image encoder may have to be read
            self._like = self._reader.seen(tasks[0].resolved.like, tasks[0].inputs.further, tasks[0].adapters)
        except UnusableIngredient as unusable:
            yield from ((task, unusable.failure) for task in tasks)
            return
        for task in tasks:
            failure = self._begin(task)
            if failure is not None:
                yield task, failure
            else:
                begun.append(task)
        for alike in sorted({task.alike for task in begun}):
            yield from self._together([task for task in begun if task.alike == alike], reporter, peak)

    def _begin(self, task: PictureTask) -> Failure | None:
        """Puts LoRAs on and encodes the prompt; the reason where that is impossible."""
        resolved = task.resolved
        obstacle = encode.lacking(resolved.format) or standstill(resolved)
        if task.start is not None:
            obstacle = obstacle or task.start.obstacle(resolved.width, resolved.height)
        places = task.places(self.files.own.native_size_px)
        obstacle = obstacle or places.obstacle(resolved.width, resolved.height)
        if obstacle is not None:
            return obstacle
        task.clock.restart()
        try:
            task.loras = self.loras.put_on(resolved.loras)
        except UnusableIngredient as unusable:
            return unusable.failure
        encoding = partial(
            self.prompting.encode,
            negative_prompt=resolved.negative_prompt,
            passes=counted_passes(resolved),
            clip_skip=resolved.clip_skip,
            guided=self.files.own.is_guided(resolved.guidance_scale),
            adapted=self.loras.state,
        )
        encoded = (
            regional_prompt(resolved.prompt, places, sizes_px(resolved), encoding)
            if resolved.regions
            else encoding(resolved.prompt)
        )
        if isinstance(encoded, Failure):
            return encoded
        task.encoded = encoded
        task.clock.ended("encoded_s")
        return None

    def _together(
        self, tasks: list[PictureTask], reporter: Reporter, peak: PeakMemory
    ) -> Iterator[tuple[PictureTask, Produced | Failure]]:
        """Denoises pictures together, decodes them one by one."""
        maps = ControlMaps(tasks[0].resolved, tasks[0].inputs, self._nets)
        load = load_of(tasks, maps, guided=self.files.own.is_guided(tasks[0].resolved.guidance_scale))
        for task in tasks:
            task.clock.restart()
            task.load = load
        self.pipelines.alive = lambda: reporter.loading(self.files.name)
        steps = StepReporter(tasks, reporter, peak, self.preview, lambda: self._wait(self.placement))
        try:
            passes = [self._pass(tasks, 0, [task.start for task in tasks], steps, maps)]
            if tasks[0].resolved.hires is not None:  # a picture with a second pass runs alone
                passes.append(self._second_pass(tasks[0], passes[0], steps, maps))
            for number, task in enumerate(tasks):
                if reporter.is_cancelled(task.job_id):
                    yield task, CANCELLED
                    continue
                yield task, self._finished(task, passes[-1][number], len(tasks), peak, maps)
        except AllCancelled:
            for task in tasks:
                yield task, CANCELLED

    def _finished(
        self, task: PictureTask, latents: _PictureLatents, batch_size: int, peak: PeakMemory, maps: ControlMaps
    ) -> Produced | Failure:
        """Decodes one picture, and has it checked and written."""
        task.clock.restart()
        drawn = self._decoded(latents)
        if drawn is None:
            return Failure(
                kind=FailureKind.UNEXPECTED,
                message=f"the model made no picture but NaN in {self.placement.dtype}",
                mend="set dtype: float32; if that does not help, the weights are damaged",
            )
        task.clock.ended("decoded_s")
        return self._finisher.finished(task, drawn, self.placement, maps, batch_size=batch_size, peak=peak)

    def preview(self, latents: torch.Tensor) -> bytes:
        """A small JPEG of unfinished latents, after the safety checker."""
        picture, _ = self._guard.checked(self.pipelines.preview(latents))
        content = BytesIO()
        picture.save(content, "JPEG", quality=PREVIEW_QUALITY)
        return content.getvalue()

    def _second_pass(
        self, task: PictureTask, first: list[_PictureLatents], steps: StepReporter, maps: ControlMaps
    ) -> list[_PictureLatents]:
        """Enlarges the picture and denoises it again; latents that decode to NaN are returned as they are."""
        resolved = task.resolved
        assert resolved.hires is not None
        drawn = self._decoded(first[0])
        task.clock.ended("decoded_s")
        if drawn is None:
            return first
        width, height = second_px(resolved)
        enlarged = InitImage(picture=drawn[0].resize((width, height), Image.Resampling.LANCZOS))
        if task.start is not None:
            enlarged = task.start.fitted(width, height).holding(enlarged.picture)
        task.resolved = replace(resolved, width=width, height=height, strength=resolved.hires.strength)
        try:
            return self._pass([task], 1, [enlarged], steps, maps)
        finally:
            task.resolved = resolved

    def _pass(
        self,
        tasks: list[PictureTask],
        number: int,
        starts: list[InitImage | None],
        steps: StepReporter,
        maps: ControlMaps,
    ) -> list[_PictureLatents]:
        """Noise or start to latents. The noise is made on the CPU, so that it is the same on every device and rung."""
        resolved = tasks[0].resolved
        random = [torch.Generator("cpu").manual_seed(task.resolved.seed) for task in tasks]
        fitted = [start.fitted(resolved.width, resolved.height) if start is not None else None for start in starts]
        encoded = [task.encoded.of_pass(number) for task in tasks if task.encoded is not None]
        guiding = maps.of_pass(number, resolved.width, resolved.height)
        try:
            denoised = self.pipelines.denoise(resolved, encoded, fitted[0], random, steps.stepped, guiding, self._like)
        finally:
            self._nets.offload()
        maps.pass_ended(guiding)
        self._wait(self.placement)
        steps.pass_ended()
        for task in tasks:
            task.clock.ended("denoised_s")
            task.passed(denoised.plan)
        return [
            _PictureLatents(
                tensor=denoised.latents[place : place + 1],
                random=random[place],
                start=fitted[place],
                has_regions=isinstance(encoded[place], RegionalPass),
            )
            for place in range(len(tasks))
        ]

    def _decoded(self, latents: _PictureLatents) -> tuple[Image.Image, bool] | None:
        """The picture, and whether it is black; None where it is NaN."""
        decoded = self.pipelines.decode(latents.tensor, latents.random, in_tiles=latents.has_regions)
        if decoded is None or latents.start is None:
            return decoded
        return latents.start.around(decoded[0]), decoded[1]
