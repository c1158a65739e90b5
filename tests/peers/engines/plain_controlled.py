"""Plain diffusers with ControlNets, as anybody writes it in ten lines, and the models with random weights for it.

`python -m tests.peers.engines.plain_controlled SETTINGS` is served (`bench.served` says how it obeys); with `--write
FOLDER` it writes what is not there yet: two ControlNets in float32, as their authors offer them (1.4 GB each), and
upscalers of real size; with `--tiny` the embedded model's instead.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Final

import diffusers
import torch
from PIL import Image
from safetensors.torch import save_file

from aura_daemon.bench.children.commands import PROMPT, PlainSettings
from aura_daemon.bench.children.plain import files_of, pipeline_of
from aura_daemon.bench.children.random_models import once
from aura_daemon.bench.children.served import serve
from aura_daemon.config.engine import Device, EngineSettings
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.placement.devices import Devices, find_devices
from aura_daemon.engines.stable_diffusion.schedulers import scheduler_for
from aura_daemon.engines.upscaling.compact import CompactNetwork
from aura_daemon.engines.upscaling.spandrel_library import is_installed, spandrel
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.mini import CONTROLNET, UPSCALER
from aura_daemon.system.processes import process_memory
from tests.peers.controlled_settings import (
    CONTROLNETS,
    GUIDANCE,
    NETS,
    SEED,
    UPSCALERS,
    WEIGHT,
    ControlledSettings,
    step_seconds,
)

RESIDUALS: Final = 0.02
"""Of a ControlNet: the standard deviation of its last layers' weights, which begin as zeros."""


class PlainControlled:
    """One pipeline, loaded once."""

    def __init__(self, settings: ControlledSettings) -> None:
        self._settings, plain = settings, PlainSettings(**settings.plain)
        self._plain = plain
        devices = find_devices(EngineSettings(device=Device(plain.device)))
        if not isinstance(devices, Devices):
            raise RuntimeError(devices.message)
        self._device, dtype = devices.first.device, getattr(torch, plain.dtype)
        pipe = pipeline_of(files_of(plain), dtype)
        if settings.nets:
            nets = [diffusers.ControlNetModel.from_pretrained(folder, dtype=dtype) for folder in settings.nets]
            pipe = diffusers.StableDiffusionControlNetPipeline(
                **pipe.components, controlnet=nets, requires_safety_checker=False
            )
            pipe.set_progress_bar_config(disable=True)
        if settings.halves:
            for part in (pipe.unet, pipe.vae, *(nets if settings.nets else ())):
                part.enable_layerwise_casting(storage_dtype=torch.float16, compute_dtype=dtype)
        self._own_scheduler = dict(pipe.scheduler.config)
        self._pipe = pipe.to(self._device)
        self.facts = {"device": self._device, "dtype": plain.dtype}

    def picture(self, size: int, steps: int) -> dict[str, float]:
        """The whole pipeline; seconds of a step, of the clock and of the processor, and the highest memory."""
        chosen = scheduler_for(Scheduler.DPMPP_2M_KARRAS, self._own_scheduler, steps)
        self._pipe.scheduler = chosen.scheduler
        maps = [Image.open(file.format(size)).convert("RGB") for file in self._settings.maps]
        ended: list[tuple[float, float]] = []

        def step_ended(_pipe: Any, _index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            self._wait()
            ended.append((time.perf_counter(), time.process_time()))
            return tensors

        self._restart_peak()
        began_s = time.perf_counter()
        picture = self._pipe(
            PROMPT,
            width=size,
            height=size,
            guidance_scale=GUIDANCE,
            generator=torch.Generator().manual_seed(SEED),
            callback_on_step_end=step_ended,
            **({"image": maps, "controlnet_conditioning_scale": [WEIGHT] * len(maps)} if maps else {}),
            **chosen.steps,
            **chosen.noise,
        ).images[0]
        whole_s = time.perf_counter() - began_s
        picture.save(self._settings.picture)
        step_s, cpu_s = step_seconds(ended)
        return {"step_s": step_s, "cpu_s": cpu_s, "whole_s": whole_s, "peak": self._peak()}

    def _wait(self) -> None:
        if self._device.startswith("cuda"):
            torch.cuda.synchronize()

    def _restart_peak(self) -> None:
        process_memory.trim()
        if self._device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats()
        else:
            process_memory.reset_peak()

    def _peak(self) -> int:
        is_cuda = self._device.startswith("cuda")
        return int(torch.cuda.max_memory_allocated()) if is_cuda else process_memory.peak_bytes()


def write(folder: Path, *, tiny: bool) -> None:
    """What is not there yet."""
    for name in NETS:
        once(folder / CONTROLNETS / name, _tiny_net if tiny else _net)
    once(folder / UPSCALERS, _tiny_upscalers if tiny else _upscalers)


def _net(folder: Path) -> Path:
    """The configuration of those for Stable Diffusion 1.5."""
    torch.manual_seed(len(folder.name))
    net = diffusers.ControlNetModel(cross_attention_dim=768)
    for layer in (*net.controlnet_down_blocks, net.controlnet_mid_block):
        torch.nn.init.normal_(layer.weight, std=RESIDUALS)
    net.save_pretrained(folder)
    return folder


def _tiny_net(folder: Path) -> Path:
    return Path(shutil.copytree(CONTROLNET, folder))


def _upscalers(folder: Path) -> Path:
    """Real-ESRGAN's general x4v3 and x4plus, in their authors' float32."""
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    save_file(CompactNetwork(64, 32, 4).state_dict(), folder / "compact.safetensors")
    if is_installed():
        spandrel()
        from spandrel.architectures.ESRGAN import ESRGAN

        save_file(ESRGAN(num_filters=64, num_blocks=23, scale=4).state_dict(), folder / "rrdb.safetensors")
    return folder


def _tiny_upscalers(folder: Path) -> Path:
    folder.mkdir(parents=True)
    shutil.copy(UPSCALER, folder / "compact.safetensors")
    return folder


if __name__ == "__main__":
    quiet_libraries()
    if sys.argv[1] == "--write":
        write(Path(sys.argv[2]), tiny="--tiny" in sys.argv)
    else:
        serve(lambda: PlainControlled(ControlledSettings(**json.loads(sys.argv[1]))))
