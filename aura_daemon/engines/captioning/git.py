"""GIT: images to captions. In: RGB images and requests of one batch key. Out: Produced.

Picture and words pass through one stack of layers (Wang et al. 2022, GIT), so the first step also encodes the picture:
all the time that a caption takes counts as decoding.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
import transformers

from aura_daemon.config.engine import CaptionSettings
from aura_daemon.engines.captioning.blip import PreparedPicture
from aura_daemon.engines.captioning.likeliest import Written, beginning, finished, prepared, produced
from aura_daemon.engines.captioning.loading import load_model
from aura_daemon.engines.defaults import resolve_caption
from aura_daemon.engines.failures import UnfitModel
from aura_daemon.engines.images.decode import ReadPicture
from aura_daemon.engines.images.thumbnail import thumbnail
from aura_daemon.engines.model_files.find import ModelFiles, read_json
from aura_daemon.engines.model_files.weights import unavailable
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.results import EngineTiming, Produced, ResolvedCaption


class GitCaptioner:
    """A loaded GIT."""

    def __init__(self, files: ModelFiles, placement: Placement, configured: CaptionSettings) -> None:
        """Loads; raises what transformers raises, and UnfitModel for one that reads films."""
        if read_json(files.folder / "config.json").get("num_image_with_embedding"):
            cause, mend = "it describes films, not pictures", "name a GIT for pictures, such as git-base-coco"
            raise UnfitModel(unavailable(files.name, cause, mend))
        self.files = files
        self.placement = placement
        self._configured = configured
        self._processor: Any = transformers.GitProcessor.from_pretrained(str(files.folder), local_files_only=True)
        self._model = load_model(transformers.GitForCausalLM, files, placement)

    def move_to(self, placement: Placement) -> None:
        """No two rungs of a captioner take the same weights in the same place: there is nothing to change."""
        self.placement = placement

    def prepare(self, read: ReadPicture, *, with_thumbnail: bool) -> PreparedPicture:
        """The middle of a picture, a square, at the model's size."""
        small = thumbnail(read.image, wanted=with_thumbnail)
        return prepared(self._processor.image_processor, read.image, small, read.warnings)

    @torch.no_grad()
    def describe(
        self, pictures: Sequence[PreparedPicture], requests: Sequence[CaptionRequest], peak: PeakMemory
    ) -> list[Produced]:
        """A caption of each picture; raises what torch raises."""
        resolved = [resolve_caption(request, self._configured, self.files.own) for request in requests]
        began = time.monotonic()
        written = self._write(pictures, resolved[0])
        timing = EngineTiming(decoded_s=(time.monotonic() - began) / len(written))
        return [
            produced(
                written=one,
                picture=picture,
                resolved=asked,
                files=self.files,
                placement=self.placement,
                timing=timing,
                batch_size=len(written),
                peak_bytes=peak.highest_bytes(),
            )
            for one, picture, asked in zip(written, pictures, resolved, strict=True)
        ]

    def _write(self, pictures: Sequence[PreparedPicture], resolved: ResolvedCaption) -> list[Written]:
        """The most likely words; all captions begin with the same ones."""
        config, tokenizer = self._model.config, self._processor.tokenizer
        begun = beginning(tokenizer, resolved, mark=config.bos_token_id, positions=config.max_position_embeddings)
        pixels = torch.stack([picture.pixels for picture in pictures])
        ids = begun.ids(len(pictures), self.placement.device)
        tokens = self._model.generate(
            pixel_values=pixels.to(self.placement.device, self.placement.torch_dtype),
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=begun.room,
            do_sample=False,
            num_beams=1,
        )
        return [finished(tokenizer, row, begun, config.eos_token_id) for row in tokens]
