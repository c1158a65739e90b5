"""A picture becomes a file, and how it was made is told. In: a decoded picture, its task. Out: Produced | Failure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Final

from PIL import Image

from aura_daemon.config.engine import EMBEDDED
from aura_daemon.engines.images import encode
from aura_daemon.engines.images.thumbnail import thumbnail
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.prompts.encoding import EncodedPrompt
from aura_daemon.engines.stable_diffusion.guidance.controls.control_maps import ControlMaps
from aura_daemon.engines.stable_diffusion.guidance.picture_prompts.adapters import PicturePromptReader
from aura_daemon.engines.stable_diffusion.guidance.regions.regional_prompt import RegionalPrompt
from aura_daemon.engines.stable_diffusion.loras.lora import LoraAdapters
from aura_daemon.engines.stable_diffusion.picture_task import PictureTask
from aura_daemon.engines.stable_diffusion.pipelines import Pipelines
from aura_daemon.engines.stable_diffusion.safety_checker import SafetyGuard
from aura_daemon.engines.stable_diffusion.turbo.few_steps import companions, levers_of, unheard
from aura_daemon.formats.prompts.prompt_syntax import plain_text
from aura_daemon.jobs.results import Failure, Payload, Produced
from aura_daemon.system.library_versions import versions

BLACK: Final = "the picture is black, in float32 too: the prompt may ask for that, or the weights are damaged"


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureFinisher:
    """Of one generator, with whose parts its pictures were drawn."""

    files: ModelFiles
    guard: SafetyGuard
    loras: LoraAdapters
    pipelines: Pipelines
    reader: PicturePromptReader
    thumbnails: bool

    def finished(
        self,
        task: PictureTask,
        drawn: tuple[Image.Image, bool],
        placement: Placement,
        maps: ControlMaps,
        *,
        batch_size: int,
        peak: PeakMemory,
    ) -> Produced | Failure:
        """Checks and writes one picture. `drawn`: the picture, and whether it is black."""
        resolved, encoded, clock, start = task.resolved, task.encoded, task.clock, task.start
        assert encoded is not None
        picture, is_black = drawn
        picture, flagged = self.guard.checked(picture)
        clock.ended("checked_s")
        text, packet = encode.described(resolved, model=self.files.name, model_sha256=self.files.sha256)
        file = encode.encoded(picture, resolved, text, packet)
        if isinstance(file, Failure):
            return file
        small = thumbnail(picture, wanted=self.thumbnails)
        clock.ended("filed_s")
        extension = f".{resolved.format}"
        places = task.places(self.files.own.native_size_px)
        warnings = (
            *task.notes,
            *unheard(resolved, self.files, composes=encoded.of_pass(0).is_opposed),
            *self.loras.warnings,
            *(start.warnings if start is not None else ()),
            *maps.warnings,
            *task.inputs.warnings_of(one.image for one in resolved.like),
            *places.warnings(resolved.width, resolved.height),
            *encoded.warnings,
            *self.pipelines.warnings,
            *self._undrawable(encoded, resolved.width, resolved.height),
            flagged,
            BLACK if is_black and not flagged else "",
            *file.warnings,
        )
        return Produced(
            payloads=(Payload(extension=extension, content=file.content, width=picture.width, height=picture.height),),
            resolved=resolved,
            model=self.files.name,
            model_sha256=self.files.sha256,
            device=placement.device,
            dtype=placement.dtype,
            rung=placement.rung,
            variant=self.pipelines.variant,
            levers=(*levers_of(resolved, self.files), *task.levers),
            batch_size=batch_size,
            timing=clock.timing(),
            peak_bytes=peak.highest_bytes(),
            warnings=tuple(filter(None, warnings)),
            ingredients=(
                *companions(self.files),
                *task.loras,
                *encoded.inversions,
                *(start.ingredients if start is not None else ()),
                *maps.ingredients,
                *self.reader.ingredients(resolved.like, task.inputs.further),
                *places.ingredients,
            ),
            windows=encoded.windows,
            versions=versions(),
            thumbnail=small,
            is_hidden=bool(flagged) and self.guard.hides,
        )

    def _undrawable(self, encoded: EncodedPrompt | RegionalPrompt, width: int, height: int) -> list[str]:
        """Warnings about what the embedded model cannot draw."""
        # A textual inversion may teach the embedded model words that it does not list.
        if self.files.carried_name != EMBEDDED or encoded.inversions:
            return []
        from aura_daemon.mini.knowledge import prompt_warnings

        of_texts = (prompt_warnings(plain_text(text), width, height) for text in encoded.said)
        return list(dict.fromkeys(chain.from_iterable(of_texts)))
