"""Plain diffusers, as anybody writes it in ten lines: what the daemon's speed is a ratio to.

`bench.children` starts it, `bench.served` says how it obeys. One `step`
is what the pipeline does for one: the UNet with both halves of guidance, the guidance, the scheduler.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import diffusers
import torch

from aura_daemon.bench.children.commands import PROMPT, PlainSettings
from aura_daemon.bench.children.served import serve
from aura_daemon.config.engine import Device, EngineSettings, ModelSettings
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.model_files.find import ModelFiles, find_model
from aura_daemon.engines.placement.devices import Devices, find_devices
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.jobs.results import Failure


class PlainDiffusers:
    """One pipeline, called in parts or whole."""

    def __init__(self, settings: PlainSettings) -> None:
        self._settings = settings
        self._dtype: torch.dtype = getattr(torch, settings.dtype)
        devices = find_devices(EngineSettings(device=Device(settings.device)))
        if not isinstance(devices, Devices):
            raise RuntimeError(devices.message)
        self._device = devices.first.device
        self._pipe = pipeline_of(files_of(settings), self._dtype).to(self._device)
        if settings.karras:
            self._pipe.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(
                self._pipe.scheduler.config, use_karras_sigmas=True
            )
        self._pipe.scheduler.set_timesteps(settings.steps, device=self._device)
        self._number = 0
        self._latents = torch.randn(
            1,
            4,
            settings.height // 8,
            settings.width // 8,
            generator=torch.Generator().manual_seed(0),
        ).to(self._device, self._dtype)
        with torch.inference_mode():
            self._words = self._encoded()
        self.facts = {
            "calls": len(self._pipe.scheduler.timesteps),
            "scheduler": type(self._pipe.scheduler).__name__,
            "device": self._device,
            "dtype": settings.dtype,
            "versions": {"diffusers": diffusers.__version__, "torch": torch.__version__},
        }

    @torch.inference_mode()
    def encode(self) -> None:
        """The prompt and the empty negative prompt."""
        self._words = self._encoded()
        self._wait()

    @torch.inference_mode()
    def step(self) -> None:
        """One step of a picture that goes on and on."""
        scheduler = self._pipe.scheduler
        if self._number == len(scheduler.timesteps):
            scheduler.set_timesteps(self._settings.steps, device=self._device)
            self._number = 0
        moment = scheduler.timesteps[self._number]
        self._number += 1
        doubled = scheduler.scale_model_input(torch.cat([self._latents] * 2), moment)
        noise = self._pipe.unet(doubled, moment, encoder_hidden_states=self._words, return_dict=False)[0]
        plain, told = noise.chunk(2)
        guided = plain + self._settings.guidance_scale * (told - plain)
        self._latents = scheduler.step(guided, moment, self._latents, return_dict=False)[0].clamp(-20, 20)
        self._wait()

    @torch.inference_mode()
    def decode(self) -> None:
        """Latents to a PIL image."""
        vae = self._pipe.vae
        pixels = vae.decode(self._latents / vae.config.scaling_factor, return_dict=False)[0]
        self._pipe.image_processor.postprocess(pixels)

    def picture(self, steps: int) -> dict[str, float]:
        """The whole pipeline, as its users call it."""
        began_s = time.perf_counter()
        self._pipe(
            PROMPT,
            num_inference_steps=steps,
            guidance_scale=self._settings.guidance_scale,
            width=self._settings.width,
            height=self._settings.height,
        )
        calls = len(self._pipe.scheduler.timesteps)
        self._number = calls
        return {"whole_s": time.perf_counter() - began_s, "calls": calls}

    def _encoded(self) -> Any:
        told, plain = self._pipe.encode_prompt(PROMPT, self._device, 1, True)
        return torch.cat([plain, told])

    def _wait(self) -> None:
        if self._device.startswith("cuda"):
            torch.cuda.synchronize()


def files_of(settings: PlainSettings) -> ModelFiles:
    model = ModelSettings(model=settings.model, revision=settings.revision, allow_pickle=settings.allow_pickle)
    files = find_model(model, STABLE_DIFFUSION, False, Silent())
    if isinstance(files, Failure):
        raise RuntimeError(files.message)
    return files


def pipeline_of(files: ModelFiles, dtype: torch.dtype) -> Any:
    bare: dict[str, Any] = {"dtype": dtype, "safety_checker": None, "local_files_only": True}
    if files.checkpoint is not None:
        pipe = diffusers.StableDiffusionPipeline.from_single_file(
            str(files.checkpoint), config=str(files.folder), **bare
        )
    else:
        pipe = diffusers.StableDiffusionPipeline.from_pretrained(
            str(files.folder), variant=files.weights.variant, use_safetensors=not files.weights.pickled, **bare
        )
    pipe.set_progress_bar_config(disable=True)
    return pipe


class Silent:
    """A reporter whom nobody hears."""

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None: ...

    def placed(self, job_ids: object, tried: object) -> None: ...

    def is_cancelled(self, job_id: str) -> bool:
        return False

    def stepped(self, job_id: str, step: int, steps: int, preview: bytes = b"") -> None: ...

    def finish(self, job_id: str, outcome: object, *, tried: object = None, step_s: float = 0.0) -> None: ...


if __name__ == "__main__":
    quiet_libraries()
    serve(lambda: PlainDiffusers(PlainSettings(**json.loads(sys.argv[1]))))
