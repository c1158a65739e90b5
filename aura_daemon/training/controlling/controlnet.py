"""Train aura-mini's ControlNet: `python -m aura_daemon.training.controlling.controlnet [--out DIR] [--steps N]`.

It learns to say where the shape lies from a filled silhouette or an edge line (Zhang et al. 2023); the UNet stays as it
is. Without attention it has half of the parameters of the usual copy of the UNet's encoder, and the caption reaches the
picture through the UNet alone. A quarter of an hour on one slow core.

diffusers begins with layers of zeros both where a map comes in and where its effect goes out. The loss stays where it
is for some 150 steps then, and falls at once. Here only the way out begins with zeros.

The stages below are the runs that made the shipped ControlNet. One map in five of the first stage shows another shape
than the caption names, at the same place and of the same size. The caption decides the shape then, and the map the
place; but the place is less exact: 450 more steps of the same left the overlap at 0.77.
"""

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL, ControlNetModel, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor

from aura_daemon.mini import CONTROLNET, GENERATOR, NAME, NATIVE_SIZE_PX
from aura_daemon.mini.drawing import cover, render
from aura_daemon.mini.grammar import SHAPES, Sentence, seen_sentences
from aura_daemon.training.autoencoder import encode
from aura_daemon.training.controlling.maps import varied_maps
from aura_daemon.training.generator import TIMESTEPS, NoiseLevels, of_every_size, of_step
from aura_daemon.training.stages import TrainingStage, parsed, staged_parser, stages_of
from aura_daemon.training.trainlog import CosineAdamW, TrainingLog

BATCH: Final = 32
PEAK_RATE: Final = 1e-3
EMPTY_CAPTION_SHARE: Final = 0.2
EMPTY_MAP_SHARE: Final = 0.04  # a black map asks for nothing
SQUARE, WIDE = 4_096, 512  # drawings kept; as many tall as wide
EMBEDDING_CHANNELS: Final = (16, 32, 48, 64)  # of the layers that bring a map to the latents' size


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlStage(TrainingStage):
    """One descent."""

    dice: int
    """What is added to the seed: each stage has drawings of its own."""
    lateness: float
    """The power that random shares in [0, 1] are raised to before they become timesteps: below 1 for more late ones."""

    other_shape_share: float
    """Of the maps of drawings with a caption: they show another shape than the caption names."""


STAGES: Final = (
    ControlStage(steps=550, dice=6, lateness=0.5, other_shape_share=0.2),
    ControlStage(steps=450, dice=8, lateness=1.0, other_shape_share=0.0),
    ControlStage(steps=400, dice=9, lateness=1.0, other_shape_share=0.0),
)


def main() -> None:
    options = parsed(staged_parser(__doc__, written=f"{CONTROLNET.name}/", learner="ControlNet"))
    pipeline = StableDiffusionPipeline.from_pretrained(GENERATOR, dtype=torch.float32)
    folder = options.out / CONTROLNET.name
    control = ControlNetModel.from_pretrained(folder, dtype=torch.float32) if options.resume else None
    for stage in stages_of(STAGES, options):
        log = TrainingLog(options.out / "train.log")
        control = train(log, pipeline, control, stage=stage, seed=options.seed)
        export(folder, control)


def build(unet: UNet2DConditionModel) -> ControlNetModel:
    """The UNet's encoder without attention, with the UNet's weights where both have the layer."""
    control = ControlNetModel(
        block_out_channels=unet.config.block_out_channels,
        down_block_types=("DownBlock2D",) * len(unet.config.block_out_channels),
        mid_block_type="UNetMidBlock2D",
        layers_per_block=unet.config.layers_per_block,
        norm_num_groups=unet.config.norm_num_groups,
        cross_attention_dim=unet.config.cross_attention_dim,
        attention_head_dim=unet.config.attention_head_dim,
        conditioning_embedding_out_channels=EMBEDDING_CHANNELS,
    )
    weights = unet.state_dict()
    control.load_state_dict({**control.state_dict(), **{name: weights[name] for name in shared_layers(control, unet)}})
    for layer in control.controlnet_cond_embedding.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None  # diffusers builds one into each
            torch.nn.init.zeros_(layer.bias)
    return control


def shared_layers(control: ControlNetModel, unet: UNet2DConditionModel) -> set[str]:
    """The names of the weights that both have."""
    return set(control.state_dict()) & set(unet.state_dict())


def train(
    log: TrainingLog,
    pipeline: StableDiffusionPipeline,
    begun: ControlNetModel | None = None,
    *,
    stage: ControlStage,
    seed: int,
    drawings: tuple[int, int] = (SQUARE, WIDE),
) -> ControlNetModel:
    """`begun`: a ControlNet trained before; `drawings`: how many square and wide ones it learns from."""
    torch.manual_seed(seed)
    dice = torch.Generator().manual_seed(seed + stage.dice)
    unet, text = pipeline.unet.requires_grad_(False).eval(), pipeline.text_encoder
    control = (begun or build(unet)).train().to(memory_format=torch.channels_last)
    unet.to(memory_format=torch.channels_last)
    millions = sum(parameter.numel() for parameter in control.parameters()) / 1e6
    start = "from scratch" if begun is None else "resumed"
    log.begin("controlnet", f"{stage.steps} steps of {BATCH}, {start}, {millions:.2f} M parameters")
    sizes = of_every_size(lambda count, size_px: ControlledDrawings(pipeline.vae, count, size_px, dice), *drawings)
    log.note(f"{drawings[0]} square, {drawings[1]} wide and {drawings[1]} tall drawings")

    levels = NoiseLevels()
    descent = CosineAdamW(control.parameters(), peak_rate=PEAK_RATE, steps=stage.steps)
    for step in range(1, stage.steps + 1):
        captions, latents, maps = of_step(sizes, step).batch(BATCH, dice, stage.other_shape_share)
        tokens = pipeline.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
        noise = torch.randn(latents.shape, generator=dice)
        # One random share in each of `BATCH` equal slices: every batch sees the whole range.
        shares = (torch.arange(BATCH) + torch.rand(BATCH, generator=dice)) / BATCH
        times = (shares**stage.lateness * TIMESTEPS).long().clamp(max=TIMESTEPS - 1)
        noisy, velocity = levels.mixed(latents, noise, times)
        with torch.no_grad():
            embeddings = text(tokens).last_hidden_state
        down, middle = control(noisy, times, embeddings, controlnet_cond=maps, return_dict=False)
        predicted = unet(
            noisy,
            times,
            embeddings,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample
        loss = (predicted - velocity).square().mean()
        descent.down(loss)
        log.step(step, loss)
    return control.eval()


def export(folder: Path, control: ControlNetModel) -> None:
    """In diffusers' format, fp16."""
    half = copy.deepcopy(control).half().to(memory_format=torch.contiguous_format)
    half.register_to_config(_name_or_path=NAME)  # diffusers would write the folder that a stage began from
    half.save_pretrained(folder)


class ControlledDrawings:
    """Drawings of one proportion: latents, encoded once, and what their own shape and another one cover."""

    def __init__(self, vae: AutoencoderKL, count: int, size_px: tuple[int, int], dice: torch.Generator) -> None:
        sentences = random.Random(int(torch.randint(2**31, (), generator=dice))).choices(seen_sentences(), k=count)
        self._captions = [str(sentence) for sentence in sentences]
        latents: list[Tensor] = []
        covers: list[Tensor] = []
        for start in range(0, count, 256):
            part = sentences[start : start + 256]
            pictures, own, other = drawn_twice(part, dice, size_px)
            latents.append(encode(vae, pictures))
            covers.append((torch.stack((own, other)) * 255).round().byte())
        self._latents = torch.cat(latents)
        self._covers = torch.cat(covers, dim=1)  # own and other: uint8 [2, count, 1, H, W]

    def batch(
        self, count: int, dice: torch.Generator, other_shape_share: float = 0.0
    ) -> tuple[list[str], Tensor, Tensor]:
        """Captions, latents [count, 4, h, w] and maps [count, 3, H, W]."""
        picks = torch.randint(len(self._captions), (count,), generator=dice)
        luck = torch.rand(3, count, generator=dice)
        # Without a caption nothing but the map can say which shape is meant.
        is_empty = luck[0] < EMPTY_CAPTION_SHARE
        is_other = (luck[1] < other_shape_share) & ~is_empty
        maps = varied_maps(self._covers[is_other.long(), picks] / 255, dice)
        maps = maps * (luck[2] >= EMPTY_MAP_SHARE)[:, None, None, None]
        captions = [
            "" if nothing else self._captions[pick]
            for nothing, pick in zip(is_empty.tolist(), picks.tolist(), strict=True)
        ]
        return captions, self._latents[picks], maps


def drawn_twice(
    sentences: Sequence[Sentence], dice: torch.Generator, size_px: tuple[int, int] = (NATIVE_SIZE_PX, NATIVE_SIZE_PX)
) -> tuple[Tensor, Tensor, Tensor]:
    """Drawings [B, 3, H, W], what their shape covers [B, 1, H, W], and what another one would at the same place."""
    others = [replace(sentence, shape=another(sentence.shape, dice)) for sentence in sentences]
    # One state of the dice is one place and one radius, whatever the shape.
    state, (height_px, width_px) = dice.get_state(), size_px
    pictures = render(sentences, dice, height_px=height_px, width_px=width_px)
    after = dice.get_state()
    own, other = (
        cover(shapes, dice.set_state(state), height_px=height_px, width_px=width_px) for shapes in (sentences, others)
    )
    dice.set_state(after)
    return pictures, own, other


def another(shape: str, dice: torch.Generator) -> str:
    """One of the five other shapes."""
    others = [name for name in SHAPES if name != shape]
    return others[int(torch.randint(len(others), (), generator=dice))]


if __name__ == "__main__":
    main()
