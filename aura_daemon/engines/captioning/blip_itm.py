"""BLIP that compares pictures with texts (image-text matching). In: RGB images, texts. Out: Produced, with scores.

The computation is that of `BlipForImageTextRetrieval.forward` with its matching head; each picture is encoded once for
all of its texts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import torch
import transformers

from aura_daemon.config.engine import CaptionSettings
from aura_daemon.engines.captioning.blip import PreparedPicture
from aura_daemon.engines.captioning.loading import load_model
from aura_daemon.engines.images.decode import ReadPicture
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.requests import CaptionRequest, Describe, MatchRequest
from aura_daemon.jobs.results import EngineTiming, Produced
from aura_daemon.system.library_versions import versions

FITS: Final = 1
"""The matching head's second class: the text is about the picture."""


class BlipMatcher:
    """A loaded BLIP for matching."""

    writes: frozenset[Describe] = frozenset()

    def __init__(self, files: ModelFiles, placement: Placement, configured: CaptionSettings) -> None:
        """Loads; raises what transformers raises. `configured`: whether copies are made with texts in them."""
        self._configured = configured
        self.files = files
        self.placement = placement
        self._processor: Any = transformers.BlipProcessor.from_pretrained(
            str(files.folder), local_files_only=True, trust_remote_code=False
        )
        self._model = load_model(transformers.BlipForImageTextRetrieval, files, placement)

    def move_to(self, placement: Placement) -> None:
        """No two rungs of such a model take the same weights in the same place: there is nothing to change."""
        self.placement = placement

    def prepare(self, read: ReadPicture, *, with_thumbnail: bool) -> PreparedPicture:
        """A picture at the model's size; a comparison has no result that a thumbnail would be for."""
        pixels = self._processor.image_processor([read.image], return_tensors="pt").pixel_values[0]
        return PreparedPicture(pixels=pixels, thumbnail=b"", warnings=read.warnings, image=None)

    @torch.no_grad()
    def describe(
        self, pictures: Sequence[PreparedPicture], requests: Sequence[CaptionRequest | MatchRequest], peak: PeakMemory
    ) -> list[Produced]:
        """How probably each text is about its picture, 0 to 1; raises what torch raises."""
        began = time.monotonic()
        texts = [request.texts if isinstance(request, MatchRequest) else () for request in requests]
        seen = self._seen(pictures)
        encoded_at = time.monotonic()
        scores = self._scores(seen, texts)
        count = len(pictures)
        timing = EngineTiming(encoded_s=(encoded_at - began) / count, decoded_s=(time.monotonic() - encoded_at) / count)
        return [
            Produced(
                payloads=(),
                resolved=MatchRequest(texts=own, image=request.image, embed=self._embeds(request)),
                model=self.files.name,
                model_sha256=self.files.sha256,
                device=self.placement.device,
                dtype=self.placement.dtype,
                rung=self.placement.rung,
                variant=self.placement.variant,
                batch_size=count,
                timing=timing,
                peak_bytes=peak.highest_bytes(),
                scores=scores[sum(map(len, texts[:number])) :][: len(own)],
                warnings=picture.warnings,
                versions=versions(),
            )
            for number, (picture, request, own) in enumerate(zip(pictures, requests, texts, strict=True))
        ]

    def _embeds(self, request: CaptionRequest | MatchRequest) -> bool:
        return request.embed if request.embed is not None else self._configured.embed

    def _seen(self, pictures: Sequence[PreparedPicture]) -> torch.Tensor:
        """Pictures to embeddings `[B, patches + 1, D]`."""
        pixels = torch.stack([picture.pixels for picture in pictures])
        pixels = pixels.to(self.placement.device, self.placement.torch_dtype)
        seen: torch.Tensor = self._model.vision_model(pixel_values=pixels)[0]
        return seen

    def _scores(self, seen: torch.Tensor, texts: Sequence[Sequence[str]]) -> tuple[float, ...]:
        """Of all texts in a row; `texts`: of each picture."""
        counts = [len(own) for own in texts]
        if not sum(counts):
            return ()
        device, positions = self.placement.device, self._model.config.text_config.max_position_embeddings
        words = self._processor.tokenizer(
            [text for own in texts for text in own],
            padding=True,
            truncation=True,
            max_length=positions,
            return_tensors="pt",
        )
        rows = seen.repeat_interleave(torch.tensor(counts, device=device), dim=0)
        read = self._model.text_encoder(
            input_ids=words.input_ids.to(device),
            attention_mask=words.attention_mask.to(device),
            encoder_hidden_states=rows,
            encoder_attention_mask=torch.ones(rows.shape[:2], dtype=torch.long, device=device),
        ).last_hidden_state
        fits = self._model.itm_head(read[:, 0, :]).float().softmax(dim=-1)[:, FITS]
        return tuple(float(chance) for chance in fits)
