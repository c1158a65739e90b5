"""OpenVINO with static shapes, as its own notebooks and optimum-intel run Stable Diffusion: no guidance tricks.

`python -m tests.peers.engines.openvino_static MODEL SIZE FOLDER [--few]`: `bench.served` says how it obeys. The UNet is
converted once with weights in float16 and compiled for one size; the plugin chooses its number format. `--few`: as
FastSD CPU runs few-step models: one row a step, for there is no guidance, and a tiny autoencoder (random weights in
the layout of madebyollin/taesd). optimum-intel itself takes an older transformers than this project.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from aura_daemon.bench.children.served import serve


def words_shape(model: Path) -> tuple[int, int]:
    """Of a prompt's embeddings."""
    config = json.loads((model / "unet" / "config.json").read_text(encoding="utf-8"))
    return 77, int(config["cross_attention_dim"])


class OpenVino:
    """UNet and decoder, compiled."""

    def __init__(self, model: Path, folder: Path, size_px: int, *, few: bool) -> None:
        core = ov.Core()
        latent, shape = size_px // 8, words_shape(model)
        rows = 1 if few else 2
        unet = core.read_model(folder / f"unet-{size_px}.xml")
        unet.reshape({0: [rows, 4, latent, latent], 1: [], 2: [rows, *shape]})
        options = {"PERFORMANCE_HINT": "LATENCY"}
        self._unet = core.compile_model(unet, "CPU", options)
        decoder = core.read_model(folder / f"{'tiny' if few else 'decoder'}-{size_px}.xml")
        decoder.reshape({0: [1, 4, latent, latent]})
        self._decoder = core.compile_model(decoder, "CPU", options)
        dice = np.random.default_rng(0)
        self._latents = dice.standard_normal((1, 4, latent, latent), dtype=np.float32)
        self._words = dice.standard_normal((rows, *shape), dtype=np.float32)
        self._rows = rows
        self._moment = np.array(500, dtype=unet.inputs[1].element_type.to_dtype())
        self.facts = {
            "calls": 1,
            "dtype": str(self._unet.get_property("INFERENCE_PRECISION_HINT")).strip("<>").split("'")[-2],
            "versions": {"openvino": ov.get_version().split("-")[0]},
        }

    def step(self) -> None:
        """One guided step; one row alone for few-step models."""
        doubled = np.concatenate([self._latents] * self._rows)
        noise = self._unet([doubled, self._moment, self._words])[0]
        self._latents = self._latents - 0.01 * noise[-1:]

    def decode(self) -> None:
        """Latents to pixels."""
        self._decoder([self._latents])


def convert(model: Path, folder: Path, size_px: int) -> None:
    """Writes what is not there yet: minutes, and 8 GB of memory for the UNet of Stable Diffusion 1.4."""
    import torch
    from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel

    from tests.peers.engines.wrappers import Decoder, Unet

    folder.mkdir(parents=True, exist_ok=True)
    latent, shape = size_px // 8, words_shape(model)
    noise, words = torch.randn(2, 4, latent, latent), torch.randn(2, *shape)

    def write(stem: str, module: Callable[[], torch.nn.Module], example: Any, shapes: list[Any]) -> None:
        goal = folder / f"{stem}-{size_px}.xml"
        if goal.exists():
            return
        with torch.no_grad():
            converted = ov.convert_model(module().eval(), example_input=example, input=shapes)
        unfinished = folder / "unfinished"
        unfinished.mkdir(exist_ok=True)
        ov.save_model(converted, unfinished / goal.name, compress_to_fp16=True)
        for end in (".bin", ".xml"):
            (unfinished / goal.name).with_suffix(end).rename(goal.with_suffix(end))
        unfinished.rmdir()

    def unet() -> torch.nn.Module:
        return Unet(UNet2DConditionModel.from_pretrained(model / "unet", dtype=torch.float32))

    def decoder() -> torch.nn.Module:
        return Decoder(AutoencoderKL.from_pretrained(model / "vae", dtype=torch.float32))

    def tiny() -> torch.nn.Module:
        torch.manual_seed(0)
        return Decoder(AutoencoderTiny())

    # With any number of rows: a file serves guided models and those of few steps.
    write("unet", unet, (noise, torch.tensor(500.0), words), [(-1, 4, latent, latent), (), (-1, *shape)])
    write("decoder", decoder, noise[:1], [(1, 4, latent, latent)])
    write("tiny", tiny, noise[:1], [(1, 4, latent, latent)])


if __name__ == "__main__":
    model, size_px, folder = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    if "--convert" in sys.argv:
        convert(model, folder, size_px)
    else:
        serve(lambda: OpenVino(model, folder, size_px, few="--few" in sys.argv))
