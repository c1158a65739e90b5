"""BLIP whose pictures are looked at by OpenVINO. In: as `blip`, and a converted graph. Out: Produced.

The graph gives keys and values of each layer that writes (`openvino.captioners.conversion`); PyTorch finds the words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import torch

from aura_daemon.config.engine import CaptionSettings
from aura_daemon.engines.captioning.blip import Captioner, PreparedPicture
from aura_daemon.engines.captioning.blip_pictures.picture_cache import cache_of
from aura_daemon.engines.failures import FaultyVariant
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.store import Kind
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.resolved import ResolvedCaption

LEVER: Final = "pictures looked at in 8 bits"


class ConvertedCaptioner(Captioner):
    """A loaded BLIP captioner without the layers that look."""

    def __init__(self, files: ModelFiles, placement: Placement, configured: CaptionSettings, graph: Path) -> None:
        """`graph`: the converted file; raises what transformers raises, and FaultyVariant."""
        super().__init__(files, placement, configured)
        del self._model.vision_model
        for layer in self._model.text_decoder.bert.encoder.layer:
            del layer.crossattention.self.key, layer.crossattention.self.value
        try:
            from aura_daemon.engines.openvino.captioners.looking import OpenVinoLooking  # imports openvino
        except (ImportError, OSError) as error:
            raise FaultyVariant(f"openvino cannot be imported: {error}", lasts=False) from error
        self._look = OpenVinoLooking(graph, dtype=placement.torch_dtype, threads=torch.get_num_threads())

    @property
    def levers(self) -> tuple[str, ...]:
        return (LEVER,) if self.placement.variant == Kind.INT8 else ()

    def _encode(self, pictures: Sequence[PreparedPicture], resolved: Sequence[ResolvedCaption]) -> torch.Tensor:
        """Keys and values, `[B, 2 * layers, heads, patches, width]`."""
        return self._look(torch.stack([picture.pixels for picture in pictures]))

    def _decoder(self, embedded: torch.Tensor, rows: int) -> tuple[Callable[..., Any], dict[str, Any]]:
        count, _, _, patches, _ = embedded.shape
        kept = embedded.transpose(0, 1)[:, :, None].expand(-1, -1, rows, -1, -1, -1).contiguous()
        width = self._model.config.vision_config.hidden_size
        inputs = {
            "encoder_hidden_states": embedded.new_empty(1).expand(count, patches, width),  # asked for its shape alone
            "encoder_attention_mask": torch.ones(count, patches, dtype=torch.long),
            "past_key_values": cache_of(self._model.config.text_config, kept),
        }
        return self._model.text_decoder.generate, inputs
