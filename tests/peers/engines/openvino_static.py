"""OpenVINO with static shapes, as its own notebooks and optimum-intel run Stable Diffusion: no guidance tricks.

`python -m tests.peers.engines.openvino_static MODEL SIZE FOLDER [--few]`: `bench.served` says how it obeys. The UNet is
converted once with weights in float16 and compiled for one size; the plugin chooses its number format. `--few`: as
FastSD CPU runs few-step models: one row a step, for there is no guidance, and a tiny autoencoder (random weights in
the layout of madebyollin/taesd). optimum-intel itself takes an older transformers than this project.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from aura_daemon.bench.served import serve

WORDS = (77, 768)


class OpenVino:
    """UNet and decoder, compiled."""

    def __init__(self, folder: Path, size_px: int, *, few: bool) -> None:
        core = ov.Core()
        latent = size_px // 8
        rows = 1 if few else 2
        unet = core.read_model(folder / "unet.xml")
        unet.reshape({0: [rows, 4, latent, latent], 1: [], 2: [rows, *WORDS]})
        options = {"PERFORMANCE_HINT": "LATENCY"}
        self._unet = core.compile_model(unet, "CPU", options)
        decoder = core.read_model(folder / ("tiny.xml" if few else "decoder.xml"))
        decoder.reshape({0: [1, 4, latent, latent]})
        self._decoder = core.compile_model(decoder, "CPU", options)
        dice = np.random.default_rng(0)
        self._latents = dice.standard_normal((1, 4, latent, latent), dtype=np.float32)
        self._words = dice.standard_normal((rows, *WORDS), dtype=np.float32)
        self._rows = rows
        self.facts = {
            "calls": 1,
            "dtype": str(self._unet.get_property("INFERENCE_PRECISION_HINT")).strip("<>").split("'")[-2],
            "versions": {"openvino": ov.get_version().split("-")[0]},
        }

    def step(self) -> None:
        """One guided step; one row alone for few-step models."""
        doubled = np.concatenate([self._latents] * self._rows)
        noise = self._unet([doubled, np.float32(500), self._words])[0]
        self._latents = self._latents - 0.01 * noise[-1:]

    def decode(self) -> None:
        """Latents to pixels."""
        self._decoder([self._latents])


def convert(model: Path, folder: Path) -> None:
    """Writes what is not there yet: minutes, and 8 GB of memory for the UNet."""
    import torch
    from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel

    from tests.peers.engines.wrappers import Decoder, Unet

    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, module: torch.nn.Module, example: Any, shapes: list[Any]) -> None:
        if (folder / name).exists():
            return
        with torch.no_grad():
            converted = ov.convert_model(module.eval(), example_input=example, input=shapes)
        ov.save_model(converted, folder / f"unfinished-{name}", compress_to_fp16=True)
        stem = name.removesuffix(".xml")
        (folder / f"unfinished-{stem}.bin").rename(folder / f"{stem}.bin")
        (folder / f"unfinished-{name}").rename(folder / name)

    noise, words = torch.randn(2, 4, 64, 64), torch.randn(2, *WORDS)
    if not (folder / "unet.xml").exists():
        unet = UNet2DConditionModel.from_pretrained(model / "unet", dtype=torch.float32)
        write("unet.xml", Unet(unet), (noise, torch.tensor(500.0), words), [[2, 4, 64, 64], [], [2, *WORDS]])
        del unet
    if not (folder / "decoder.xml").exists():
        vae = AutoencoderKL.from_pretrained(model / "vae", dtype=torch.float32)
        write("decoder.xml", Decoder(vae), noise[:1], [[1, 4, 64, 64]])
    torch.manual_seed(0)
    write("tiny.xml", Decoder(AutoencoderTiny()), noise[:1], [[1, 4, 64, 64]])


if __name__ == "__main__":
    model, size_px, folder = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    if "--convert" in sys.argv:
        convert(model, folder)
    else:
        serve(lambda: OpenVino(folder, size_px, few="--few" in sys.argv))
