"""A converted UNet in 8 bits. In: a model and its graph. Out: a graph whose weights and activations have 8 bits.

The ranges of activations are those of real denoising: the model draws a few pictures, and what its UNet was asked at
each step calibrates it (NNCF: mixed preset, smooth quantization of Xiao et al. 2022, as for all transformers).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import StableDiffusionPipeline

from aura_daemon.config.engine import EMBEDDED
from aura_daemon.engines.loading.pipeline_parts import load_parts_whole, read_checkpoint
from aura_daemon.engines.loading.whole import require_whole
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.conversion import INPUTS, save, shaped
from aura_daemon.engines.openvino.library import openvino
from aura_daemon.engines.openvino.unet import OpenVinoUNet
from aura_daemon.engines.placement.mapped_weights import CHECKER, READER
from aura_daemon.mini.grammar import every_sentence

PROMPTS: Final = (
    "a photograph of an old fisherman mending a net, harbour at dawn",
    "oil painting of a mountain village in autumn, thick brush strokes",
)
"""Of a model that draws anything."""

EMBEDDED_PROMPTS: Final = 8
STEPS: Final = 8
"""Of each picture."""

WHOLE: Final = (r".*conv_in.*", r".*conv_out.*", r".*time_emb.*")
"""Layers that stay as they were: little work, and 0.8 dB on aura-mini at `fast`."""


@torch.no_grad()
def quantize(files: ModelFiles, graph: Path, folder: Path) -> None:
    """Writes the quantized graph into `folder`; raises what the libraries raise."""
    import nncf  # after `library` has kept its telemetry away

    asked = _asked(files, graph)
    sample, _, embeddings = asked[0]
    core = openvino.Core()
    whole = shaped(core, graph, sample=sample.shape[1:], embeddings=embeddings.shape[1:])
    quantized = nncf.quantize(
        whole,
        nncf.Dataset(asked, lambda one: dict(zip(INPUTS, one, strict=True))),
        preset=nncf.QuantizationPreset.MIXED,
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(asked),
        ignored_scope=nncf.IgnoredScope(patterns=list(WHOLE), validate=False),
    )
    save(quantized, folder)


def _asked(files: ModelFiles, graph: Path) -> list[tuple[Any, Any, Any]]:
    """What the UNet is asked, a row each: as arrays, in the order of `INPUTS`."""
    unet = _Recorder(OpenVinoUNet(files, graph, dtype=torch.float32, threads=torch.get_num_threads()))
    given: dict[str, Any] = {"unet": unet.original, "safety_checker": None, "dtype": torch.float32}
    if files.checkpoint is not None:
        pipe = read_checkpoint(StableDiffusionPipeline, files, **given)
    else:
        pipe = StableDiffusionPipeline.from_pretrained(
            str(files.folder),
            variant=files.weights.variant,
            local_files_only=True,
            requires_safety_checker=False,
            **given,
            **load_parts_whole(files, torch.float32, without={CHECKER}),
        )
    for part in (READER, "vae"):
        require_whole(getattr(pipe, part), model=files.name, part=part)
    pipe.unet = unet
    pipe.set_progress_bar_config(disable=True)
    side = files.own.native_size_px
    for number, prompt in enumerate(_prompts(files)):
        pipe(
            prompt,
            num_inference_steps=STEPS,
            guidance_scale=files.own.guidance_scale,
            width=side,
            height=side,
            generator=torch.Generator().manual_seed(number),
            output_type="latent",
        )
    return unet.asked


def _prompts(files: ModelFiles) -> Sequence[str]:
    if files.carried_name != EMBEDDED:
        return PROMPTS
    return [str(one) for one in random.Random(0).sample(every_sentence(), EMBEDDED_PROMPTS)]


class _Recorder:
    """A UNet that keeps what it is asked."""

    def __init__(self, unet: OpenVinoUNet) -> None:
        self._unet = unet
        self.asked: list[tuple[Any, Any, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unet, name)

    def __call__(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, **arguments: Any
    ) -> tuple[torch.Tensor]:
        moment = torch.tensor(float(timestep)).numpy()
        for row in range(len(sample)):
            rows = sample[row : row + 1].clone().numpy(), encoder_hidden_states[row : row + 1].clone().numpy()
            self.asked.append((rows[0], moment, rows[1]))
        return self._unet(sample, timestep, encoder_hidden_states, **arguments)
