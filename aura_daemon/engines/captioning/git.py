"""GIT: images to captions. In: RGB images and requests of one batch key. Out: Produced.

Picture and words pass through one stack of layers (Wang et al. 2022, GIT), so the first step also encodes the picture:
all the time that a caption takes counts as decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import transformers

from aura_daemon.config.engine import CaptionSettings
from aura_daemon.engines.captioning.blip import Captioner, PreparedPicture
from aura_daemon.engines.failures import UnfitModel
from aura_daemon.engines.model_files.configurations import read_json
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.model_files.weights import unavailable
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.resolved import ResolvedCaption


class GitCaptioner(Captioner):
    """A loaded GIT."""

    kinds = (transformers.GitProcessor, transformers.GitForCausalLM)
    fills_up = False  # its pictures stand before the words

    def __init__(self, files: ModelFiles, placement: Placement, configured: CaptionSettings) -> None:
        """Loads; raises what transformers raises, and UnfitModel for one that reads films."""
        if read_json(files.folder / "config.json").get("num_image_with_embedding"):
            cause, mend = "it describes films, not pictures", "name a GIT for pictures, such as git-base-coco"
            raise UnfitModel(unavailable(files.name, cause, mend))
        super().__init__(files, placement, configured)

    def _encode(self, pictures: Sequence[PreparedPicture], resolved: Sequence[ResolvedCaption]) -> torch.Tensor:
        """The pictures as they are."""
        return self._pixels(pictures)

    @property
    def _words(self) -> Any:
        return self._model.config

    @property
    def _end(self) -> int:
        return int(self._words.eos_token_id)

    def _decoder(self, embedded: torch.Tensor, rows: int) -> tuple[Callable[..., Any], dict[str, Any]]:
        return self._model.generate, {"pixel_values": embedded}
