"""Stage `vae`: the autoencoder that turns 64x64 pictures into 4x8x8 latents and back."""

from typing import Final

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from aura_daemon.mini import NATIVE_SIZE_PX
from aura_daemon.training.trainlog import CosineAdamW, TrainingLog, fresh_drawings

STEPS: Final = 2400
BATCH: Final = 32
PEAK_RATE: Final = 2e-3
KL_WEIGHT: Final = 5e-4  # a mean over latent values: enough that the decoder forgives a latent slightly off


def build() -> AutoencoderKL:
    """Four levels, so a factor of 8; no attention: a picture of two colours needs none."""
    return AutoencoderKL(
        block_out_channels=(16, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=NATIVE_SIZE_PX,
        scaling_factor=1.0,
    )


def train(log: TrainingLog, *, seed: int) -> AutoencoderKL:
    torch.manual_seed(seed)
    dice = torch.Generator().manual_seed(seed)
    vae = build()
    millions = round(sum(parameter.numel() for parameter in vae.parameters()) / 1e6, 2)
    log.begin("vae", f"{STEPS} steps of {BATCH}, {millions} M parameters")
    descent = CosineAdamW(vae.parameters(), peak_rate=PEAK_RATE, steps=STEPS)
    for step in range(1, STEPS + 1):
        _, pictures = fresh_drawings(BATCH, dice)
        with torch.autocast("cpu", torch.bfloat16):
            posterior = vae.encode(pictures).latent_dist
            decoded = vae.decode(posterior.sample()).sample
        error = decoded.float() - pictures
        divergence = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).float().mean()
        loss = error.abs().mean() + error.square().mean() + KL_WEIGHT * divergence
        descent.down(loss)
        log.step(step, loss)
    vae.eval()
    centre_latents(vae, encode(vae, fresh_drawings(512, dice)[1]))
    _, pictures = fresh_drawings(256, dice)
    latents = encode(vae, pictures)
    error = (decode(vae, latents) - pictures).abs().mean()
    log.note(f"mean error {error:.4f} of a range of 2, latents' deviation {latents.std():.3f}")
    return vae


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """float32 [B, 3, H, W] in [-1, 1] to the latents' means [B, 4, H/8, W/8]."""
    return torch.cat([vae.encode(part).latent_dist.mean for part in torch.split(pictures, 64)])


@torch.no_grad()
def decode(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Latents [B, 4, h, w] to pictures [B, 3, 8h, 8w] in [-1, 1]."""
    return torch.cat([vae.decode(part).sample for part in torch.split(latents, 64)]).clamp(-1, 1)


@torch.no_grad()
def centre_latents(vae: AutoencoderKL, latents: Tensor) -> None:
    """Give every latent channel mean 0 and deviation 1 by folding the change into the two 1x1 convolutions.

    Diffusion starts from noise of that very mean, so a channel off centre would tint every picture.
    """
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    channels = len(mean)
    inward, outward = vae.quant_conv, vae.post_quant_conv
    assert inward is not None and outward is not None  # diffusers builds both unless told not to
    inward.weight[:channels] /= deviation[:, None, None, None]
    inward.bias[:channels] = (inward.bias[:channels] - mean) / deviation
    inward.bias[channels:] -= 2 * deviation.log()
    outward.bias += outward.weight[:, :, 0, 0] @ mean
    outward.weight *= deviation[None, :, None, None]
