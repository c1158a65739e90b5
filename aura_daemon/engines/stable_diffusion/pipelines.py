"""Denoises and decodes with one model: from noise, from an image, within a mask. In: embeddings. Out: pictures.

The loops are diffusers' own, so the pixels are those of one plain call of its pipelines, with weights in the layout
`channels_last`. docs/models.md says where they are not: LMS from an image, texts in turn, joined texts. All pipelines
share one set of weights: they are built around the same modules, or around wrappers of them on lower rungs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias

import diffusers
import torch
from loguru import logger
from PIL import Image

from aura_daemon.engines.compiled.captured_unet import is_in_parts
from aura_daemon.engines.compiled.stand_in import stand_in
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.prompts.encoding import PassPrompt
from aura_daemon.engines.stable_diffusion.guidance.controls.controlled_unet import (
    GuidedSteps,
    MapInUse,
    SteppingUNet,
    guided_by_maps,
)
from aura_daemon.engines.stable_diffusion.guidance.picture_prompts.adapters import SeenPicture
from aura_daemon.engines.stable_diffusion.guidance.picture_prompts.attention import seeing, token_count, with_pictures
from aura_daemon.engines.stable_diffusion.guidance.regions.regional_prompt import RegionalPass
from aura_daemon.engines.stable_diffusion.guidance.regions.regional_unet import RegionalUNet
from aura_daemon.engines.stable_diffusion.levers.feature_cache import EagerCachingUNet, FeatureCachingUNet, can_cache
from aura_daemon.engines.stable_diffusion.levers.guidance_interval import GuidanceIntervalUNet, noise_levels
from aura_daemon.engines.stable_diffusion.levers.levers import LEVERS, Levers, PassPlan, pass_plan
from aura_daemon.engines.stable_diffusion.loading import PipelineParts
from aura_daemon.engines.stable_diffusion.module_wrappers import OffloadProxy, SplitGuidanceUNet, UpcastVae
from aura_daemon.engines.stable_diffusion.prompted_unet import PromptedUNet
from aura_daemon.engines.stable_diffusion.schedulers import scheduler_for
from aura_daemon.engines.stable_diffusion.start_image import InitImage
from aura_daemon.engines.stable_diffusion.turbo.tiny_decoder import load_tiny
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.sampling import MULTIPLE_PX, Scheduler
from aura_daemon.jobs.speed import Speed
from aura_daemon.ladder.prediction import Extent, tile_px
from aura_daemon.ladder.rungs import Offload

PREVIEW_LATENT: Final = 32
"""Longest side of the latents that a preview is decoded from: 256 px of Stable Diffusion 1.x."""

BLACK: Final = -0.99
"""In [-1, 1]: a picture without any lighter number is black."""


Stepped: TypeAlias = Callable[[int, int, torch.Tensor], None]
"""Called with the evaluation, from 1, how many there are, and the latents `[B, 4, H / 8, W / 8]`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Denoised:
    """One pass of the pictures of a batch."""

    latents: torch.Tensor
    """`[B, 4, H / 8, W / 8]`."""
    plan: PassPlan
    """What was computed, and what was not."""


class Pipelines:
    """diffusers' pipelines around the modules of one loaded `StableDiffusionPipeline`."""

    def __init__(self, parts: PipelineParts, placement: Placement, files: ModelFiles) -> None:
        self._parts = parts
        self._files = files
        self._tiny = load_tiny(files.decoder, placement) if files.at_turbo and files.decoder is not None else None
        self._has_tried = False
        self.levers: Mapping[Speed, Levers] = LEVERS
        """What each speed leaves out."""
        self._own_scheduler = dict(parts.pipe.scheduler.config)
        self.alive: Callable[[], None] = lambda: None
        """A sign of life to whoever waits, in the midst of a step."""
        unet = EagerCachingUNet(parts.pipe.unet) if can_cache(parts.pipe.unet) else parts.pipe.unet
        self._give_back: Callable[[], None] | None = getattr(parts.pipe.unet, "give_back", None)
        """Gives the UNet's memory for activations back before a decode, where it keeps any (OpenVINO's)."""
        self._unet = stand_in(unet, placement, lambda: self.alive())
        self.move_to(placement)

    @property
    def variant(self) -> str:
        """How the UNet computes: as the placement says, unless that failed."""
        return str(getattr(self._unet, "variant", self._placement.variant))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the engine could not do."""
        return tuple(getattr(self._unet, "warnings", ()))

    def move_to(self, placement: Placement) -> None:
        """Rebuilds the pipelines for a rung that takes the same weights."""
        self._placement = placement
        self._kinds: dict[str, Any] = {}
        pipe, unet = self._parts.pipe, self._unet
        # Layers that are streamed come in the order of the whole UNet; a shallow pass leaves most of them out.
        streams = placement.measures.offload in (Offload.GROUP, Offload.SEQUENTIAL)
        self._caches = not streams and is_in_parts(unet)
        self._proxy = OffloadProxy(SplitGuidanceUNet(unet), self._parts.unet) if self._parts.unet is not None else None
        if self._proxy is not None:
            unet = self._proxy
        elif placement.measures.splits:
            unet = SplitGuidanceUNet(unet)
        vae = pipe.vae
        if self._parts.vae is not None:
            vae = OffloadProxy(vae, self._parts.vae)
        elif placement.vae_dtype is not placement.torch_dtype:
            vae = UpcastVae(vae, placement.torch_dtype)
        # No text encoder: prompts are encoded already, and in host memory its number format is another.
        self._components = {**pipe.components, "unet": unet, "vae": vae, "text_encoder": None}

    def denoise(
        self,
        resolved: ResolvedGenerate,
        encoded: Sequence[PassPrompt],
        start: InitImage | None,
        random: Sequence[torch.Generator],
        stepped: Stepped,
        maps: Sequence[MapInUse] = (),
        like: Sequence[SeenPicture] = (),
    ) -> Denoised:
        """Noise, or a fitted start, to latents; all prompts have equally many windows, all or none are plain.

        `maps`: guide all pictures; `like`: all are to be like these.
        """
        encoded = with_pictures(encoded, like)
        chosen = scheduler_for(Scheduler(resolved.scheduler), self._own_scheduler, resolved.steps)
        size_options: dict[str, Any] = {"width": resolved.width, "height": resolved.height}
        name = "StableDiffusionPipeline"
        if start is not None:
            name = "StableDiffusionImg2ImgPipeline"
            size_options = {"image": start.picture, "strength": resolved.strength}
            if start.mask is not None:
                name = "StableDiffusionInpaintPipeline"
                size_options |= {"mask_image": start.mask, "width": resolved.width, "height": resolved.height}
        pipe = self._pipe(name)
        pipe.scheduler = chosen.scheduler
        levers = self.levers[resolved.speed]
        # A feature is of one text, so prompts in turn or joined keep none; the residuals of maps are of one step.
        is_plain = all(one.is_plain for one in encoded) and not maps
        caches = self._caches and levers.keeps_features(resolved.steps) and is_plain

        @cache
        def plan() -> PassPlan:
            levels = noise_levels(pipe.scheduler, pipe.num_timesteps)
            return pass_plan(levers, levels, guided=pipe.do_classifier_free_guidance, caches=caches)

        def step_ended(pipe: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            stepped(index + 1, pipe.num_timesteps, tensors["latents"])
            return tensors

        guided = self._files.own.is_guided(resolved.guidance_scale)
        negatives = [one.negative(1) for one in encoded if guided]
        row_by_row = self._placement.measures.splits
        try:
            with (
                self._tiling(resolved.width, resolved.height),
                seeing(self._parts.pipe.unet, like),
                guided_by_maps(
                    pipe, maps, pictures=len(encoded), row_by_row=row_by_row, beside_texts=token_count(like)
                ) as steps,
                _unet_of_pass(pipe, encoded, plan, caches=caches, limits=levers.limits_guidance, steps=steps),
            ):
                latents: torch.Tensor = pipe(
                    prompt_embeds=torch.cat([one.part(0, 1) for one in encoded]),
                    negative_prompt_embeds=torch.cat(negatives) if negatives else None,
                    guidance_scale=resolved.guidance_scale,
                    generator=list(random) if len(random) > 1 else random[0],
                    output_type="latent",
                    callback_on_step_end=step_ended,
                    **chosen.steps,
                    **chosen.noise,
                    **size_options,
                ).images
        finally:
            if self._proxy is not None:
                self._proxy.offload()
            if self._give_back is not None:
                self._give_back()
        return Denoised(latents=latents, plan=plan())

    def decode(
        self, latents: torch.Tensor, random: torch.Generator, *, in_tiles: bool = False
    ) -> tuple[Image.Image, bool] | None:
        """Latents to a picture, and whether it is black; None where the picture is NaN.

        `in_tiles`: of the size that the decoder was trained at, on every rung.
        A picture that is black or NaN is decoded once more in float32: half precision overflows in some VAEs.
        """
        vae = self._tiny if self._tiny is not None and self._files.at_turbo else self._parts.pipe.vae
        image = self._decoded(vae, latents, random, in_tiles=in_tiles)
        if _is_spoilt(image) and (before := vae.dtype) != torch.float32:
            logger.warning("the picture is black or NaN in {}: decoding once more in float32", self._placement.dtype)
            vae.to(torch.float32)
            try:
                image = self._decoded(vae, latents, random, in_tiles=in_tiles)
            finally:
                vae.to(before)
        if not bool(torch.isfinite(image).all()):
            return None
        picture: Image.Image = self._parts.pipe.image_processor.postprocess(image, "pil")[0]
        return picture, _is_spoilt(image)

    def preview(self, latents: torch.Tensor) -> Image.Image:
        """A small picture of unfinished latents; takes no more than a sixteenth of a decode at 1024 px."""
        tiny = self._tiny_for_previews()
        if self._proxy is not None and tiny is None:
            self._proxy.offload()  # there is no room for both; the UNet is copied again for its next step
        small = latents
        longest = max(latents.shape[-2:])
        if longest > PREVIEW_LATENT:
            small = torch.nn.functional.interpolate(latents.float(), scale_factor=PREVIEW_LATENT / longest, mode="area")
        decoder = tiny if tiny is not None else self._parts.pipe.vae
        image = self._decoded(decoder, small.to(latents.dtype), None).nan_to_num()
        picture: Image.Image = self._parts.pipe.image_processor.postprocess(image, "pil")[0]
        return picture

    def _tiny_for_previews(self) -> Any:
        """The tiny decoder, read when the first preview is made; None where there is none that works."""
        if self._tiny is None and self._files.decoder is not None and not self._has_tried:
            self._has_tried = True
            try:
                self._tiny = load_tiny(self._files.decoder, self._placement)
            except (OSError, RuntimeError, ValueError) as error:  # damaged, or changed since it was found
                logger.warning("{} shows no previews, the VAE does: {}", self._files.decoder.name, error)
        return self._tiny

    def _decoded(
        self, vae: Any, latents: torch.Tensor, random: torch.Generator | None, *, in_tiles: bool = False
    ) -> torch.Tensor:
        offloaded = self._parts.vae if vae is self._parts.pipe.vae else None
        height, width = (length * MULTIPLE_PX for length in latents.shape[-2:])
        with (
            self._tiling(width, height, vae, always=in_tiles),
            offloaded.onloaded() if offloaded is not None else nullcontext(),
        ):
            decoded: torch.Tensor = vae.decode(
                latents.to(vae.dtype) / vae.config.scaling_factor, return_dict=False, generator=random
            )[0]
        return decoded

    @contextmanager
    def _tiling(self, width: int, height: int, decoder: Any = None, *, always: bool = False) -> Iterator[None]:
        """Has the VAE, or another decoder, work tile by tile meanwhile, on the rungs that do so, or `always`."""
        measures, native_px = self._placement.measures, int(self._parts.pipe.vae.config.sample_size)
        vae = decoder if decoder is not None else self._parts.pipe.vae
        if not measures.tiles and not always:
            yield
            return
        side = tile_px(native_px, measures, Extent(width=width, height=height)) if measures.tiles else native_px
        if always:  # a small model's tiles are no smaller than `LEAST_TILE_PX`: too large for its regions
            side = min(side, native_px)
        vae.tile_sample_min_size, vae.tile_latent_min_size = side, side // MULTIPLE_PX
        vae.enable_tiling()
        try:
            yield
        finally:
            vae.disable_tiling()

    def _pipe(self, name: str) -> Any:
        """One of diffusers' pipelines; `from_pipe` would convert the shared weights."""
        if name not in self._kinds:
            made = _computing_on(getattr(diffusers, name), self._placement.device)(
                **self._components, requires_safety_checker=False
            )
            made.set_progress_bar_config(disable=True)
            self._kinds[name] = made
        return self._kinds[name]


@contextmanager
def _unet_of_pass(
    pipe: Any,
    pictures: Sequence[PassPrompt],
    plan: Callable[[], PassPlan],
    *,
    caches: bool,
    limits: bool,
    steps: GuidedSteps | None,
) -> Iterator[None]:
    """Has the UNet meanwhile told what diffusers knows no way to tell, and leave out what the plan leaves out.

    `caches`: features are kept; `limits`: guidance has an interval; `steps`: of a pass that maps guide. A plain prompt
    without any of them goes the plain way.
    """
    whole = pipe.unet
    if not all(picture.is_plain for picture in pictures):
        pipe.unet = (
            RegionalUNet(pipe.unet, pictures[0], steps)
            if isinstance(pictures[0], RegionalPass)  # such a picture runs alone
            else PromptedUNet(pipe.unet, pictures, steps.tell if steps is not None else None)
        )
    if caches:
        pipe.unet = FeatureCachingUNet(pipe.unet, plan)
    if limits:
        pipe.unet = GuidanceIntervalUNet(pipe.unet, plan)
    if steps is not None:
        pipe.unet = SteppingUNet(pipe.unet, steps)
    try:
        yield
    finally:
        pipe.unet = whole


def _computing_on(pipeline: type[Any], device: str) -> type[Any]:
    """The pipeline class with its device set: it would take the device of its first part, which may be offloaded."""
    return type(pipeline.__name__, (pipeline,), {"_execution_device": property(lambda _pipe: torch.device(device))})


def _is_spoilt(image: torch.Tensor) -> bool:
    """Whether a picture `[1, 3, H, W]` in [-1, 1] has a NaN somewhere or is all black."""
    return not bool(torch.isfinite(image).all()) or bool((image <= BLACK).all())
