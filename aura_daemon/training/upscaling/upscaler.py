"""Train aura-mini's upscaler: `python -m aura_daemon.training.upscaling.upscaler [--out DIR] [--steps N]`.

From drawings of 64 pixels to the same of 128. The small ones are the large ones scaled down, by every common filter,
some softened before, some through the VAE, whose marks are on every picture that aura-mini draws. Half of the drawings
are such as it draws, half have two shapes and any colours. About twelve minutes on one slow core.

The stages below are the two runs that made the shipped upscaler, the first of which took its convolutions in PyTorch's
usual memory layout. After it drawings that Lanczos had scaled down came back 1.3 dB better than by Lanczos, and some
worse: what is nearly right already counted for nothing in its loss. So the second stage counts decibels.
"""

import random
from dataclasses import dataclass
from typing import Final

import torch
from diffusers import AutoencoderKL
from PIL import Image, ImageFilter
from torch import Tensor

from aura_daemon.mini import GENERATOR, NATIVE_SIZE_PX, UPSCALER, WEIGHTS
from aura_daemon.mini.drawing import cover, mix, render
from aura_daemon.mini.grammar import seen_sentences
from aura_daemon.training.autoencoder import decode, encode
from aura_daemon.training.models import as_pictures
from aura_daemon.training.stages import TrainingStage, parsed, staged_parser, stages_of
from aura_daemon.training.trainlog import CosineAdamW, TrainingLog
from aura_daemon.training.upscaling.compact import SCALE, CompactUpscaler, as_bytes, export, load

LARGE_PX: Final = SCALE * NATIVE_SIZE_PX
BATCH: Final = 32
CROP_PX: Final = 32  # of the small pictures
PEAK_RATE: Final = 2e-3
DRAWINGS: Final = 3_072
LEAST_ERROR: Final = 1e-5  # 50 dB: a crop without an edge has no more to learn from
SOFTEST_PX: Final = 1.2  # deviation of the Gaussian, before scaling down: a native drawing's edge is twice as wide
CHECKED_EVERY: Final = 16  # one drawing of so many is kept back for the check at the end
FILTERS: Final = (
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.HAMMING,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class UpscalerStage(TrainingStage):
    """One descent."""

    soft_share: float
    """Of the drawings that are softened before they are scaled down."""
    decoded_share: float
    """Of those that go through the VAE."""
    decibels: bool
    """The loss is each crop's logarithm of its square error, instead of all crops' absolute and square error."""


STAGES: Final = (
    UpscalerStage(steps=1500, soft_share=0.5, decoded_share=0.25, decibels=False),
    UpscalerStage(steps=1200, soft_share=0.25, decoded_share=0.15, decibels=True),
)


def main() -> None:
    options = parsed(staged_parser(__doc__, written=str(UPSCALER.relative_to(WEIGHTS)), learner="upscaler"))
    file = options.out / UPSCALER.relative_to(WEIGHTS)
    upscaler = load(file) if options.resume else None
    for stage in stages_of(STAGES, options):
        upscaler = train(TrainingLog(options.out / "train.log"), upscaler, stage=stage, seed=options.seed)
        export(file, upscaler)


def train(
    log: TrainingLog,
    begun: CompactUpscaler | None = None,
    *,
    stage: UpscalerStage,
    seed: int,
    drawings: int = DRAWINGS,
) -> CompactUpscaler:
    """`begun`: an upscaler trained before; `drawings`: how many pairs it learns from."""
    torch.manual_seed(seed)
    dice = torch.Generator().manual_seed(seed + 7)
    upscaler = begun or CompactUpscaler()
    upscaler.train()
    for layer in upscaler.body:
        if isinstance(layer, torch.nn.Conv2d):
            layer.weight.data = layer.weight.contiguous(memory_format=torch.channels_last)
    thousands = sum(parameter.numel() for parameter in upscaler.parameters()) / 1e3
    start = "from scratch" if begun is None else "resumed"
    loss_of = "decibels" if stage.decibels else "pixels"
    note = f"{stage.steps} steps of {BATCH} crops of {CROP_PX} px, {start}, loss of {loss_of}"
    log.begin("upscaler", f"{note}, {thousands:.1f} k parameters")
    vae = AutoencoderKL.from_pretrained(GENERATOR / "vae", dtype=torch.float32)
    small, large = pairs(vae, drawings, dice, stage)
    is_check = torch.arange(drawings) % CHECKED_EVERY == 0
    log.note(f"{drawings} pairs")

    descent = CosineAdamW(upscaler.parameters(), peak_rate=PEAK_RATE, steps=stage.steps)
    learned_small, learned_large = small[~is_check], large[~is_check]
    for step in range(1, stage.steps + 1):
        given, goal = _crops(learned_small, learned_large, dice)
        error = upscaler(given) - goal
        if stage.decibels:
            loss = (error.square().mean((1, 2, 3)) + LEAST_ERROR).log10().mean()
        else:
            loss = error.abs().mean() + 10 * error.square().mean()
        descent.down(loss)
        log.step(step, loss)
    upscaler.eval()
    with torch.no_grad():
        error = (upscaler(small[is_check] / 255).clamp(0, 1) - large[is_check] / 255).square().mean((1, 2, 3))
    log.note(f"{-10 * error.log10().mean():.1f} dB on drawings kept back")
    return upscaler


def pairs(
    vae: AutoencoderKL, count: int, dice: torch.Generator, stage: UpscalerStage = STAGES[0]
) -> tuple[Tensor, Tensor]:
    """Small and large pictures: uint8 [count, 3, 64, 64] and [count, 3, 128, 128]."""
    luck = random.Random(int(torch.randint(2**31, (), generator=dice)))
    sizes = [min(256, count // 2 - start) for start in range(0, count // 2, 256)]
    known = [part for size in sizes for part in as_pictures(_known_drawings(size, dice, luck))]
    other = as_pictures(_other_drawings(count - len(known), dice, luck))
    pictures = known + other
    small = [
        _softened(picture, stage.soft_share, luck).resize((NATIVE_SIZE_PX, NATIVE_SIZE_PX), luck.choice(FILTERS))
        for picture in pictures
    ]
    through = round(count * stage.decoded_share)  # of the known ones: the VAE has never seen other colours
    latents = encode(vae, as_bytes(small[:through]) / 127.5 - 1)
    return as_bytes([*as_pictures(decode(vae, latents)), *small[through:]]), as_bytes(pictures)


def _known_drawings(count: int, dice: torch.Generator, luck: random.Random) -> Tensor:
    """Such as aura-mini draws: [count, 3, 128, 128] in [-1, 1]."""
    return render(luck.choices(seen_sentences(), k=count), dice, height_px=LARGE_PX, width_px=LARGE_PX)


def _other_drawings(count: int, dice: torch.Generator, luck: random.Random) -> Tensor:
    """Of two shapes and any three colours."""
    picture: Tensor = torch.rand(count, 3, 1, 1, generator=dice) * 2 - 1
    for _ in range(2):
        colours = torch.rand(count, 3, 1, 1, generator=dice) * 2 - 1
        shapes = luck.choices(seen_sentences(), k=count)
        picture = mix(cover(shapes, dice, height_px=LARGE_PX, width_px=LARGE_PX), colours, picture)
    return picture


def _softened(picture: Image.Image, share: float, luck: random.Random) -> Image.Image:
    if luck.random() >= share:
        return picture
    return picture.filter(ImageFilter.GaussianBlur(luck.uniform(0, SOFTEST_PX)))


def _crops(small: Tensor, large: Tensor, dice: torch.Generator) -> tuple[Tensor, Tensor]:
    """The same parts of small and large pictures, in [0, 1]."""
    picks: list[int] = torch.randint(len(small), (BATCH,), generator=dice).tolist()
    corners: list[list[int]] = torch.randint(NATIVE_SIZE_PX - CROP_PX + 1, (BATCH, 2), generator=dice).tolist()
    given = torch.stack(
        [small[pick, :, y : y + CROP_PX, x : x + CROP_PX] for pick, (y, x) in zip(picks, corners, strict=True)]
    )
    goal = torch.stack(
        [
            large[pick, :, SCALE * y : SCALE * (y + CROP_PX), SCALE * x : SCALE * (x + CROP_PX)]
            for pick, (y, x) in zip(picks, corners, strict=True)
        ]
    )
    return given / 255, goal / 255


if __name__ == "__main__":
    main()
