"""Ten lines of diffusers in a loop: pictures drawn and written one after the other. `bench.children` starts it.

What is written is not forced onto the disk, and nothing is recorded: what the daemon does beside it must cost nothing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import diffusers
import torch

from aura_daemon.bench.children.commands import PlainSettings
from aura_daemon.bench.children.plain import files_of, pipeline_of
from aura_daemon.bench.children.served import serve
from aura_daemon.bench.steady import prompt_of
from aura_daemon.config.engine import Device, EngineSettings
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.placement.devices import Devices, find_devices


class BarePictures:
    """One pipeline, loaded once."""

    def __init__(self, settings: PlainSettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        devices = find_devices(EngineSettings(device=Device(settings.device)))
        if not isinstance(devices, Devices):
            raise RuntimeError(devices.message)
        self._pipe = pipeline_of(files_of(settings), getattr(torch, settings.dtype)).to(devices.first.device)
        if settings.karras:
            self._pipe.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(
                self._pipe.scheduler.config, use_karras_sigmas=True
            )

    def draw(self, first: int, count: int) -> None:
        """Draws and writes pictures with the seeds from `first` on."""
        settings = self._settings
        for seed in range(first, first + count):
            picture = self._pipe(
                prompt_of(seed),
                num_inference_steps=settings.steps,
                guidance_scale=settings.guidance_scale,
                width=settings.width,
                height=settings.height,
                generator=torch.Generator().manual_seed(seed),
            ).images[0]
            picture.save(self._folder / f"{seed}.png")


if __name__ == "__main__":
    quiet_libraries()
    serve(lambda: BarePictures(PlainSettings(**json.loads(sys.argv[1])), Path(sys.argv[2])))
