"""Pictures become tokens that a UNet attends to beside those of the text (IP-Adapter, Ye et al. 2023).

In: pictures, adapters. Out: for each picture its tokens, and the layers that attend to them.

The image encoder is read from its files to look at pictures and given up after: it is in memory as long as it looks.
What it saw is kept, so that each picture is looked at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import torch
from diffusers.loaders.unet import UNet2DConditionLoadersMixin
from diffusers.models.embeddings import ImageProjection
from loguru import logger
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

from aura_daemon.engines.failures import UnusableIngredient, first_line
from aura_daemon.engines.model_files.beside.named_files import refused
from aura_daemon.engines.model_files.configurations import read_json
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.offload import OffloadedModule
from aura_daemon.engines.stable_diffusion.guidance.inputs import FurtherImage
from aura_daemon.engines.stable_diffusion.guidance.picture_prompts.adapter_files import AdapterFiles
from aura_daemon.engines.stable_diffusion.guidance.picture_prompts.adapter_kinds import (
    LAYERS,
    PROJECTION,
    Shapes,
    other_adapter,
    seen_width,
    width_fault,
)
from aura_daemon.file_names import escaped
from aura_daemon.jobs.guidance.picture_prompts import PicturePrompt
from aura_daemon.jobs.results import Ingredient, IngredientKind

KEPT: Final = 32
"""Pictures whose look is kept; of 257 parts it takes 2.6 MB in float32, else 8 KB."""

STEPS: Final = 2
"""Layers are numbered in a file with those that attend to the picture itself between them."""

Key: TypeAlias = tuple[str, str, torch.dtype, bool]
"""Hashes of encoder and picture, number format, and whether it is seen in parts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedAdapter:
    """The small part of an adapter, on the device."""

    files: AdapterFiles
    projection: Any
    """From what the encoder saw to tokens."""
    layers: Mapping[str, tuple[torch.Tensor, torch.Tensor]] = field(repr=False)
    """Name of an attention -> what makes keys and values of the tokens, `[width, D]` each."""

    @property
    def in_parts(self) -> bool:
        """Whether it takes what the encoder sees in each part of a picture."""
        return not isinstance(self.projection, ImageProjection)


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenPicture:
    """A picture that what is drawn is to be like."""

    weight: float
    adapter: LoadedAdapter
    negative: torch.Tensor = field(repr=False)
    """The tokens of no picture, `[1, n, D]`, for negative prompts."""
    tokens: torch.Tensor = field(repr=False)
    """`[1, n, D]`."""


class PicturePromptReader:
    """The adapters of one generator; those of the batch that runs are in memory."""

    def __init__(self, unet: Any, placement: Placement) -> None:
        self._unet = unet
        self._placement = placement
        self._loaded: dict[str, LoadedAdapter] = {}
        self._looks: OrderedDict[Key, tuple[torch.Tensor, torch.Tensor]] = OrderedDict()

    def move_to(self, placement: Placement) -> None:
        """Of a rung that takes the same weights; what was loaded may have to lie elsewhere now."""
        if (placement.device, placement.torch_dtype) != (self._placement.device, self._placement.torch_dtype):
            self._loaded.clear()
        self._placement = placement

    @torch.no_grad()
    def seen(
        self, like: Sequence[PicturePrompt], images: Mapping[str, FurtherImage], adapters: Mapping[str, AdapterFiles]
    ) -> tuple[SeenPicture, ...]:
        """The pictures of a request, as the UNet is to see them; raises UnusableIngredient, or what torch raises."""
        for name in [name for name, one in self._loaded.items() if one.files != adapters.get(name)]:
            del self._loaded[name]
        for name, files in adapters.items():
            if name not in self._loaded:
                self._loaded[name] = self._load(name, files)
        by_encoder: dict[str, list[PicturePrompt]] = {}
        for one in like:
            by_encoder.setdefault(self._loaded[str(one.model)].files.encoder.sha256, []).append(one)
        looks: dict[PicturePrompt, tuple[torch.Tensor, torch.Tensor]] = {}
        for several in by_encoder.values():
            looks |= self._looked(several, images)
        found = []
        for one in like:
            adapter = self._loaded[str(one.model)]
            both = torch.cat(looks[one]).to(self._placement.device, self._placement.torch_dtype)
            negative, tokens = adapter.projection(both).split(1)
            found.append(SeenPicture(weight=one.weight, adapter=adapter, negative=negative, tokens=tokens))
        return tuple(found)

    def ingredients(self, like: Sequence[PicturePrompt], images: Mapping[str, FurtherImage]) -> tuple[Ingredient, ...]:
        """Pictures and models, as the sidecar names them."""
        names = dict.fromkeys(one.image for one in like)
        pictures = (images[name].ingredient(IngredientKind.PICTURE_PROMPT) for name in names)
        files = [self._loaded[str(name)].files for name in dict.fromkeys(one.model for one in like)]
        models = (model for one in files for model in (one.adapter, one.encoder))
        named = (
            Ingredient(kind=IngredientKind.ADAPTER, name=escaped(model.name), sha256=model.sha256) for model in models
        )
        return (*pictures, *named)

    def _looked(
        self, like: Sequence[PicturePrompt], images: Mapping[str, FurtherImage]
    ) -> dict[PicturePrompt, tuple[torch.Tensor, torch.Tensor]]:
        """What one encoder sees in no picture, and in each of these."""
        keys = {one: self._key(one, images) for one in like}
        missing = {key: one for one, key in keys.items() if key not in self._looks}
        if missing:
            name = str(like[0].model)
            files = self._loaded[name].files
            model, px = _encoder(name, files, self._placement.torch_dtype)
            process = CLIPImageProcessorPil(size=px, crop_size=px)
            with OffloadedModule(model, self._placement.device, self._placement.torch_dtype).onloaded():
                for key, one in missing.items():
                    pixels = process(images[one.image].picture, return_tensors="pt").pixel_values
                    pixels = pixels.to(self._placement.device, self._placement.torch_dtype)
                    self._looks[key] = _look(model, pixels, in_parts=key[-1])
        found = {}
        for one, key in keys.items():
            self._looks.move_to_end(key)
            found[one] = self._looks[key]
        while len(self._looks) > KEPT:
            self._looks.popitem(last=False)
        return found

    def _key(self, one: PicturePrompt, images: Mapping[str, FurtherImage]) -> Key:
        adapter = self._loaded[str(one.model)]
        sha256 = images[one.image].sha256
        return adapter.files.encoder.sha256, sha256, self._placement.torch_dtype, adapter.in_parts

    def _load(self, name: str, files: AdapterFiles) -> LoadedAdapter:
        shapes = _shapes_in(files)
        if not all(any(key.startswith(start) for key in shapes) for start in (PROJECTION, LAYERS)):
            raise _unusable(name, "is no IP-Adapter: its file holds other tensors")
        if fault := other_adapter(shapes) or width_fault(shapes, int(self._unet.config.cross_attention_dim)):
            raise _unusable(name, fault)
        tensors = load_file(files.adapter_file)
        try:
            projection = UNet2DConditionLoadersMixin()._convert_ip_adapter_image_proj_to_diffusers(
                _below(tensors, PROJECTION), low_cpu_mem_usage=False
            )
        except (KeyError, IndexError, RuntimeError) as error:  # tensors that lack, or of other shapes
            raise _unusable(name, f"is not understood: {first_line(str(error))}") from None
        placement = self._placement
        layers = {
            place: (
                keys.to(placement.device, placement.torch_dtype),
                values.to(placement.device, placement.torch_dtype),
            )
            for place, (keys, values) in _layers(name, self._unet, _below(tensors, LAYERS)).items()
        }
        seen, in_parts = seen_width(shapes)
        self._fits_encoder(name, files, seen, in_parts=in_parts)
        moved = projection.to(placement.device, placement.torch_dtype).eval()
        return LoadedAdapter(files=files, projection=moved, layers=layers)

    @staticmethod
    def _fits_encoder(name: str, files: AdapterFiles, seen: int, *, in_parts: bool) -> None:
        config = read_json(files.encoder_folder / "config.json")
        given = int(config.get("hidden_size" if in_parts else "projection_dim") or 0)
        if given != seen:
            raise _unusable(
                name, f"does not fit its image encoder, which says {given} numbers of a picture where it takes {seen}"
            )


def _unusable(name: str, reason: str) -> UnusableIngredient:
    mend = "take an IP-Adapter that was made for Stable Diffusion 1.x, or leave `like` out"
    return UnusableIngredient(refused(f"adapter {escaped(name)} {reason}", mend))


def _layers(name: str, unet: Any, tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Those of a file by the names of the attentions: they are numbered, every second one attends to texts."""
    found = {}
    for number, place in enumerate(attentions(unet)):
        attention = unet.get_submodule(place)
        both = tuple(tensors.get(f"{STEPS * number + 1}.to_{part}_ip.weight") for part in "kv")
        wanted = attention.inner_kv_dim, attention.cross_attention_dim
        if any(one is None or tuple(one.shape) != wanted for one in both):
            raise _unusable(name, f"was made for a model with other blocks: it has nothing for {place}")
        keys, values = both
        assert keys is not None and values is not None
        found[place] = keys, values
    return found


def attentions(unet: Any) -> list[str]:
    """The names of the layers of a UNet that attend to texts, in diffusers' order."""
    ending = ".processor"
    return [place.removesuffix(ending) for place in unet.attn_processors if place.endswith(f"attn2{ending}")]


def _look(model: Any, pixels: torch.Tensor, *, in_parts: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """What is seen in no picture and in this one, as diffusers' `encode_image` has it; on the CPU."""
    if not in_parts:
        seen = model(pixels).image_embeds
        return torch.zeros_like(seen).cpu(), seen.cpu()
    seen, nothing = (
        model(one, output_hidden_states=True).hidden_states[-2] for one in (pixels, torch.zeros_like(pixels))
    )
    return nothing.cpu(), seen.cpu()


def _encoder(name: str, files: AdapterFiles, dtype: torch.dtype) -> tuple[Any, int]:
    """The model that looks, in host memory, and the side of the pictures that it takes."""
    logger.debug("reading the image encoder of adapter {}", escaped(name))
    try:
        model = CLIPVisionModelWithProjection.from_pretrained(
            str(files.encoder_folder),
            dtype=dtype,
            variant=files.encoder.weights.variant,
            use_safetensors=True,
            local_files_only=True,
        )
    except torch.OutOfMemoryError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        raise _unusable(name, f"has an image encoder that cannot be read: {first_line(str(error))}") from None
    return model.eval(), int(model.config.image_size)


def _shapes_in(files: AdapterFiles) -> Shapes:
    with safe_open(files.adapter_file, framework="numpy") as opened:
        return {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118 - no dictionary


def _below(tensors: Mapping[str, torch.Tensor], start: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
