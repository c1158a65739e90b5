"""Stage `unet`: text encoder and UNet, trained together to take noise away from latents that a caption describes.

Velocity is predicted (Salimans & Ho 2022): the colours of a flat picture are decided in the noisiest steps, where
predicting noise says the least about them.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, TypeVar

import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from aura_daemon.mini import NATIVE_SIZE_PX
from aura_daemon.mini.grammar import Sentence
from aura_daemon.training.autoencoder import encode
from aura_daemon.training.tokenizer import CLIP_MAX_LENGTH, clip_tokenizer
from aura_daemon.training.trainlog import CosineAdamW, TrainingLog, follow, fresh_drawings

STEPS: Final = 5000
BATCH: Final = 64
PEAK_RATE: Final = 1.5e-3
EMA_DECAY: Final = 0.999
EMPTY_CAPTION_SHARE: Final = 0.1  # what classifier-free guidance needs
LOOSE_CAPTION_SHARE: Final = 0.15  # captions without size or article, or with a dot: people write so
SQUARE, WIDE = 20_480, 2_048  # latents kept; as many tall as wide
OTHER_SHAPE_EVERY_STEPS: Final = 12  # one step in so many is wide, the next time tall
WIDE_PX: Final = (64, 112)  # height, width
SNAPSHOT_EVERY_STEPS: Final = 500

TIMESTEPS: Final = 1000


def build_text_encoder() -> CLIPTextModel:
    tokenizer = clip_tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=CLIP_MAX_LENGTH,
        projection_dim=64,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def build_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=NATIVE_SIZE_PX // 8,
        block_out_channels=(64, 128),
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        layers_per_block=1,
        cross_attention_dim=64,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def build_scheduler() -> DPMSolverMultistepScheduler:
    """Stable Diffusion's noise, and the sampler the daemon uses by default."""
    return DPMSolverMultistepScheduler(
        num_train_timesteps=TIMESTEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        algorithm_type="dpmsolver++",
        use_karras_sigmas=True,
        steps_offset=1,
    )


class NoiseLevels:
    """How much of a picture and how much noise are in latents at each timestep."""

    def __init__(self) -> None:
        self.signal: Tensor = build_scheduler().alphas_cumprod.sqrt()[:, None, None, None]
        self.noise_share = (1 - self.signal**2).sqrt()

    def mixed(self, clean: Tensor, noise: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """Noisy latents, and the velocity that is to be predicted of them."""
        signal, share = self.signal[times], self.noise_share[times]
        return signal * clean + share * noise, signal * noise - share * clean


def even_times(count: int, dice: torch.Generator) -> Tensor:
    """One random timestep in each of `count` equal slices: every batch sees the whole range."""
    return ((torch.arange(count) + torch.rand(count, generator=dice)) * TIMESTEPS / count).long()


AnyPictures = TypeVar("AnyPictures")


def of_every_size(
    made: Callable[[int, tuple[int, int]], AnyPictures], square: int, wide: int
) -> tuple[AnyPictures, ...]:
    """What is learned from: so many square, wide and tall pictures. `made`: of a count, height and width in pixels."""
    return made(square, (NATIVE_SIZE_PX, NATIVE_SIZE_PX)), made(wide, WIDE_PX), made(wide, WIDE_PX[::-1])


def of_step(sizes: Sequence[AnyPictures], step: int) -> AnyPictures:
    """Those of the size whose turn it is."""
    return sizes[1 + step // OTHER_SHAPE_EVERY_STEPS % 2 if step % OTHER_SHAPE_EVERY_STEPS == 0 else 0]


Snapshot: TypeAlias = Callable[[CLIPTextModel, UNet2DConditionModel], None]


def train(log: TrainingLog, vae: AutoencoderKL, *, seed: int, snapshot: Snapshot) -> None:
    """Train both, and hand their running average to `snapshot` every now and then and at the end."""
    torch.manual_seed(seed)
    dice = torch.Generator().manual_seed(seed + 2)
    pair = torch.nn.ModuleDict({"text": build_text_encoder(), "unet": build_unet()})
    average = copy.deepcopy(pair).eval()
    log.begin("unet", f"{STEPS} steps of {BATCH}, {sum(p.numel() for p in pair.parameters()) / 1e6:.2f} M parameters")
    sizes = of_every_size(lambda count, size_px: TrainingLatents(vae, count, size_px, dice), SQUARE, WIDE)
    log.note(f"{SQUARE} square, {WIDE} wide and {WIDE} tall latents")

    levels = NoiseLevels()
    descent = CosineAdamW(pair.parameters(), peak_rate=PEAK_RATE, steps=STEPS)
    for step in range(1, STEPS + 1):
        tokens, latents = of_step(sizes, step).batch(BATCH, dice)
        noise = torch.randn(latents.shape, generator=dice)
        times = even_times(BATCH, dice)
        noisy, velocity = levels.mixed(latents, noise, times)
        predicted = pair["unet"](noisy, times, pair["text"](tokens).last_hidden_state).sample
        loss = (predicted - velocity).square().mean()
        descent.down(loss)
        follow(average.parameters(), pair.parameters(), step, most=EMA_DECAY)
        log.step(step, loss)
        if step % SNAPSHOT_EVERY_STEPS == 0 or step == STEPS:
            snapshot(average["text"], average["unet"])


class TrainingLatents:
    """Latents of one proportion with their sentences, encoded once."""

    def __init__(self, vae: AutoencoderKL, count: int, size_px: tuple[int, int], dice: torch.Generator) -> None:
        self._sentences: list[Sentence] = []
        self._tokenizer = clip_tokenizer()
        parts: list[Tensor] = []
        for start in range(0, count, 256):
            sentences, pictures = fresh_drawings(
                min(256, count - start), dice, height_px=size_px[0], width_px=size_px[1]
            )
            self._sentences.extend(sentences)
            parts.append(encode(vae, pictures))
        self._latents = torch.cat(parts)

    def batch(self, count: int, dice: torch.Generator) -> tuple[Tensor, Tensor]:
        """Captions' tokens int64 [count, 77], and latents [count, 4, h, w]."""
        picks = torch.randint(len(self._sentences), (count,), generator=dice)
        captions = [_caption(self._sentences[pick], dice) for pick in picks.tolist()]
        tokens = self._tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
        return tokens["input_ids"], self._latents[picks]


def _caption(sentence: Sentence, dice: torch.Generator) -> str:
    """The sentence as somebody might type it; a missing size means large, see `grammar.parse`."""
    luck: Sequence[float] = torch.rand(5, generator=dice).tolist()
    text = str(sentence)
    if luck[0] < EMPTY_CAPTION_SHARE:
        return ""
    if luck[0] < EMPTY_CAPTION_SHARE + LOOSE_CAPTION_SHARE:
        if sentence.size == "large" and luck[1] < 0.7:
            text = text.replace("large ", "")
        if luck[2] < 0.5:
            text = text.removeprefix("a ")
        if luck[3] < 0.3:
            text = text.replace("on a ", "on ").replace("on an ", "on ")
        if luck[4] < 0.3:
            text += "."
    return text
