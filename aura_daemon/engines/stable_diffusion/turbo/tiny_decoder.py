"""A tiny decoder (AutoencoderTiny, as TAESD): latents to pictures at a fraction of the time that the VAE takes.

Pictures at turbo are decoded by it, at other levels previews. It takes latents as the UNet gives them, and is so small
that it stays on the device on every rung. Encoding is left to the VAE: what a picture shows of its start comes through
the encoder, and a tiny one blurs it, for one pass in a whole job.
"""

from __future__ import annotations

from typing import Any

import diffusers
import torch

from aura_daemon.engines.loading.whole import require_whole
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.devices import Placement


def load_tiny(files: ModelFiles, placement: Placement) -> Any:
    """An AutoencoderTiny without its encoder; raises what diffusers raises, and UnfitModel."""
    tiny: Any = diffusers.AutoencoderTiny.from_pretrained(
        str(files.folder),
        dtype=placement.vae_dtype,
        variant=files.weights.variant,
        use_safetensors=not files.weights.pickled,
        local_files_only=True,
    )
    require_whole(tiny, model=files.name)
    tiny.encoder = None
    tiny.to(placement.device, memory_format=torch.channels_last)
    return tiny
