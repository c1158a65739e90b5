"""Distil aura-mini's decoder: `python -m aura_daemon.training.distilling.tiny_decoder [--out DIR] [--steps N]`.

An AutoencoderTiny learns to decode latents, of drawings and of the generator with many steps and with few, into what
the VAE makes of them. Pixels alone are not enough: with 28 dB the captioner misread every sixth picture. So the decoder
also has to give pictures in which the captioner's vision encoder finds the same features. Run `consistency` first: its
LoRA draws a part of the latents. About ten minutes on one core.

The stages below are the two runs that made the shipped decoder: 31.7 dB against the VAE after the first, 32.7 dB after
the second; of 200 prompts the captioner read 94 % after twelve steps (VAE: 98 %), 91.5 % after four with the LoRA
(93.5 %). They have not been run as one yet.
"""

from dataclasses import dataclass
from typing import Final

import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from torch import Tensor
from transformers import BlipForConditionalGeneration, BlipVisionModel

from aura_daemon.mini import CAPTIONER, GENERATOR
from aura_daemon.mini.grammar import seen_sentences
from aura_daemon.training.autoencoder import decode, encode
from aura_daemon.training.distilling.turbo import TURBO_FACTS, export_decoder
from aura_daemon.training.models import DrawSettings, draw_latents
from aura_daemon.training.stages import TrainingStage, parsed, staged_parser, stages_of
from aura_daemon.training.trainlog import CosineAdamW, TrainingLog, fresh_drawings

BATCH: Final = 16
PEAK_RATE: Final = 3e-3
CHECKED_EVERY: Final = 16  # one latent of so many is kept back for the check at the end
LATENT_NOISE: Final = 0.05  # latents have deviation 1
FIRST_SEED: Final = 2_000_000  # far from any seed the evaluation uses


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderStage(TrainingStage):
    """One descent."""

    drawn: int
    """Latents of drawings."""
    generated: int
    """Latents of the generator, as many with few steps as with more."""
    many_steps: int
    """What more means."""
    feature_weight: float


STAGES: Final = (
    DecoderStage(steps=2000, drawn=4_096, generated=1_024, many_steps=12, feature_weight=0.1),
    DecoderStage(steps=1300, drawn=1_536, generated=512, many_steps=8, feature_weight=0.2),
)


def main() -> None:
    options = parsed(staged_parser(__doc__, written="generator/turbo/decoder/", learner="decoder"))
    folder = options.out / "generator"
    tiny = AutoencoderTiny.from_pretrained(folder / TURBO_FACTS["decoder"]) if options.resume else None
    for stage in stages_of(STAGES, options):
        tiny = distil(TrainingLog(options.out / "train.log"), tiny, stage=stage, seed=options.seed)
        export_decoder(folder, tiny)


def build() -> AutoencoderTiny:
    """Most blocks work where pixels are few; the encoder is there because the format has one."""
    return AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(16, 16, 16, 16),
        num_encoder_blocks=(0, 1, 1, 1),
        num_decoder_blocks=(3, 3, 1, 1),
    )


def distil(
    log: TrainingLog,
    begun: AutoencoderTiny | None = None,
    *,
    stage: DecoderStage,
    seed: int,
) -> AutoencoderTiny:
    """`begun`: a decoder trained before."""
    torch.manual_seed(seed)
    dice = torch.Generator().manual_seed(seed + 4)
    tiny = (begun or build()).float().train().to(memory_format=torch.channels_last)
    sizes = [round(sum(one.numel() for one in part.parameters()) / 1e3, 1) for part in (tiny.decoder, tiny.encoder)]
    start = "from scratch" if begun is None else "resumed"
    note = f"{stage.steps} steps of {BATCH}, {start}, features {stage.feature_weight}"
    log.begin("decoder", f"{note}, {sizes[0]} k parameters and {sizes[1]} k of an encoder")
    vae = AutoencoderKL.from_pretrained(GENERATOR / "vae", dtype=torch.float32).requires_grad_(False)
    captioner = BlipForConditionalGeneration.from_pretrained(CAPTIONER, dtype=torch.float32)
    vision = captioner.vision_model.requires_grad_(False).eval()
    every = torch.cat([_drawn(vae, stage.drawn, dice), _generated(stage.generated, stage.many_steps, dice)])
    goals = decode(vae, every).half()
    is_check = torch.arange(len(every)) % CHECKED_EVERY == 0
    kept, pictures = every[~is_check], goals[~is_check]
    log.note(f"{stage.drawn} latents of drawings, {len(every) - stage.drawn} of the generator")

    descent = CosineAdamW(tiny.parameters(), peak_rate=PEAK_RATE, steps=stage.steps)
    for step in range(1, stage.steps + 1):
        picks = torch.randint(len(kept), (BATCH,), generator=dice)
        clean, goal = kept[picks], pictures[picks].float()
        noisy = clean + LATENT_NOISE * torch.randn(clean.shape, generator=dice)
        with torch.autocast("cpu", torch.bfloat16):
            decoded = tiny.decode(noisy).sample
            encoded = tiny.encode(goal).latents
            seen = _features(vision, decoded.clamp(-1, 1))
            with torch.no_grad():
                wanted = _features(vision, goal)
        error = decoded.float() - goal
        unlike = (seen - wanted).square().sum(0).mean()
        loss = error.abs().mean() + error.square().mean() + stage.feature_weight * unlike
        descent.down(loss + (encoded.float() - clean).square().mean())
        log.step(step, loss)
    tiny.eval()
    with torch.no_grad():
        error = (tiny.decode(every[is_check]).sample.clamp(-1, 1) - goals[is_check]).square().mean((1, 2, 3))
    log.note(f"{10 * (4 / error).log10().mean():.1f} dB against the VAE on latents kept back")
    return tiny


def _features(vision: BlipVisionModel, pictures: Tensor) -> Tensor:
    """What each layer of the vision encoder finds, every token brought to deviation 1: [layers, B, tokens, D]."""
    layers = torch.stack(vision(pictures, output_hidden_states=True).hidden_states[1:])
    return torch.nn.functional.layer_norm(layers.float(), layers.shape[-1:])


def _drawn(vae: AutoencoderKL, count: int, dice: torch.Generator) -> Tensor:
    sizes = (min(256, count - start) for start in range(0, count, 256))
    return torch.cat([encode(vae, fresh_drawings(size, dice)[1]) for size in sizes])


def _generated(count: int, many_steps: int, dice: torch.Generator) -> Tensor:
    """`count` latents of 4 steps and as many of `many_steps`."""
    known = seen_sentences()
    prompts = [str(known[pick]) for pick in torch.randint(len(known), (count,), generator=dice).tolist()]
    first = FIRST_SEED + int(torch.randint(FIRST_SEED, (), generator=dice))
    few = draw_latents(prompts, range(first, first + count), DrawSettings(turbo=True))
    many = draw_latents(prompts, range(first, first + count), DrawSettings(num_inference_steps=many_steps))
    return torch.cat([few, many])


if __name__ == "__main__":
    main()
