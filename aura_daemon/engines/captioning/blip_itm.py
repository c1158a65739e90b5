"""BLIP that compares a picture with texts (image-text matching). In: an RGB image, texts. Out: probabilities.

The computation is that of `BlipForImageTextRetrieval.forward` with its matching head; the picture is encoded once for
all of its texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
import transformers

from aura_daemon.engines.captioning.blip import PreparedPicture
from aura_daemon.engines.captioning.loading import load_model
from aura_daemon.engines.images.decode import ReadPicture
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.devices import Placement

MATCHES: Final = 1
"""The matching head's second class: the text is about the picture."""


class BlipMatcher:
    """A loaded BLIP for matching."""

    def __init__(self, files: ModelFiles, placement: Placement) -> None:
        """Loads; raises what transformers raises."""
        self.files = files
        self.placement = placement
        self._processor: Any = transformers.BlipProcessor.from_pretrained(str(files.folder), local_files_only=True)
        self._model = load_model(transformers.BlipForImageTextRetrieval, files, placement)

    def move_to(self, placement: Placement) -> None:
        """No two rungs of such a model take the same weights in the same place: there is nothing to change."""
        self.placement = placement

    def prepare(self, read: ReadPicture) -> PreparedPicture:
        """A picture at the model's size."""
        pixels = self._processor.image_processor([read.image], return_tensors="pt").pixel_values[0]
        return PreparedPicture(pixels=pixels, thumbnail=b"", warnings=read.warnings, image=None)

    @torch.no_grad()
    def score(self, picture: PreparedPicture, texts: Sequence[str]) -> list[float]:
        """How probably each text is about the picture, 0 to 1; raises what torch raises."""
        if not texts:
            return []
        device, positions = self.placement.device, self._model.config.text_config.max_position_embeddings
        pixels = picture.pixels[None].to(device, self.placement.torch_dtype)
        seen = self._model.vision_model(pixel_values=pixels)[0].expand(len(texts), -1, -1)
        tokenizer = self._processor.tokenizer
        words = tokenizer(list(texts), padding=True, truncation=True, max_length=positions, return_tensors="pt")
        read = self._model.text_encoder(
            input_ids=words.input_ids.to(device),
            attention_mask=words.attention_mask.to(device),
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:2], dtype=torch.long, device=device),
        ).last_hidden_state
        chances = self._model.itm_head(read[:, 0, :]).float().softmax(dim=-1)[:, MATCHES]
        return [float(chance) for chance in chances]
