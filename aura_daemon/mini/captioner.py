"""Stage `blip`: the captioner, a BLIP in miniature that reads a 64x64 picture back into its sentence.

It learns from drawings, from drawings of other proportions squeezed to a square (as its processor does), and from
drawings that went through the autoencoder with their latents disturbed, which is what generated pictures look like.
"""

from collections.abc import Sequence
from typing import Final

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import BlipConfig, BlipForConditionalGeneration, BlipProcessor
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from aura_daemon.mini import NATIVE_SIZE_PX
from aura_daemon.mini.autoencoder import decode, encode
from aura_daemon.mini.grammar import Sentence
from aura_daemon.mini.tokenizer import CAPTION_START, caption_tokenizer
from aura_daemon.mini.trainlog import Descent, TrainingLog, fresh_drawings

STEPS: Final = 5000
BATCH: Final = 64
PEAK_RATE: Final = 1.5e-3
PLAIN, SQUEEZED, DECODED = 16_384, 4_096, 8_192  # pictures of each kind in the album
SQUEEZED_SIZES_PX: Final = ((64, 112), (112, 64), (64, 88), (88, 64))  # height, width
LATENT_DISTURBANCE: Final = 0.35  # the most; latents have deviation 1
PIXEL_NOISE: Final = 0.06  # the most; pixels lie in [-1, 1]
PROMPTED_SHARE: Final = 0.1  # captions begun by up to four foreign words, as "a picture of" begins one
MAX_NEW_TOKENS: Final = 16


def build() -> BlipForConditionalGeneration:
    tokenizer = caption_tokenizer()
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 96,
        "intermediate_size": 384,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "bos_token_id": tokenizer.bos_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {
        "image_size": NATIVE_SIZE_PX,
        "patch_size": 8,
        "hidden_size": 96,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "initializer_range": 0.02,
    }
    return BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision))


def processor() -> BlipProcessor:
    side = {"height": NATIVE_SIZE_PX, "width": NATIVE_SIZE_PX}
    images = BlipImageProcessorPil(size=side, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    return BlipProcessor(images, caption_tokenizer())


def train(log: TrainingLog, vae: AutoencoderKL, *, seed: int) -> BlipForConditionalGeneration:
    torch.manual_seed(seed)
    dice = torch.Generator().manual_seed(seed + 1)
    blip = build()
    log.begin(
        "blip",
        f"{STEPS} steps of {BATCH}, {sum(p.numel() for p in blip.parameters()) / 1e6:.2f} M parameters",
    )
    sentences, pictures = _album(vae, dice)
    captions = _Captions(sentences)
    log.note(f"album of {len(sentences)} pictures")
    descent = Descent(blip.parameters(), peak_rate=PEAK_RATE, steps=STEPS)
    for step in range(1, STEPS + 1):
        picks = torch.randint(len(sentences), (BATCH,), generator=dice)
        seen = pictures[picks].float() / 127.5 - 1
        seen += torch.rand(BATCH, 1, 1, 1, generator=dice) * PIXEL_NOISE * torch.randn(seen.shape, generator=dice)
        tokens, labels = captions.batch(picks, dice)
        loss = blip(pixel_values=seen, input_ids=tokens, labels=labels).loss
        descent.down(loss)
        log.step(step, loss)
    blip.eval()
    unseen, fresh = fresh_drawings(512, dice)
    exact = sum(name == str(sentence) for name, sentence in zip(read(blip, fresh), unseen, strict=True))
    log.note(f"{exact} of {len(unseen)} fresh drawings exact")
    return blip


@torch.no_grad()
def read(blip: BlipForConditionalGeneration, pictures: Tensor) -> list[str]:
    """Captions of float32 [B, 3, 64, 64] in [-1, 1]."""
    tokens = blip.generate(pixel_values=pictures, max_new_tokens=MAX_NEW_TOKENS, do_sample=False, num_beams=1)
    return caption_tokenizer().batch_decode(tokens, skip_special_tokens=True)


def _album(vae: AutoencoderKL, dice: torch.Generator) -> tuple[list[Sentence], Tensor]:
    """Everything the captioner sees: sentences and uint8 [N, 3, 64, 64]."""
    sentences: list[Sentence] = []
    pictures: list[Tensor] = []

    def add(words: Sequence[Sentence], drawn: Tensor) -> None:
        sentences.extend(words)
        pictures.append(((drawn.clamp(-1, 1) + 1) * 127.5).round().byte())

    for _ in range(PLAIN // 256):
        add(*fresh_drawings(256, dice))
    for height_px, width_px in SQUEEZED_SIZES_PX:
        for _ in range(SQUEEZED // 256 // len(SQUEEZED_SIZES_PX)):
            words, drawn = fresh_drawings(256, dice, height_px=height_px, width_px=width_px)
            add(words, _squeezed(drawn))
    for _ in range(DECODED // 256):
        words, drawn = fresh_drawings(256, dice)
        latents = encode(vae, drawn)
        disturbance = LATENT_DISTURBANCE * torch.rand(256, 1, 1, 1, generator=dice)
        add(words, decode(vae, latents + disturbance * torch.randn(latents.shape, generator=dice)))
    return sentences, torch.cat(pictures)


def _squeezed(pictures: Tensor) -> Tensor:
    side = (NATIVE_SIZE_PX, NATIVE_SIZE_PX)
    return interpolate(pictures, side, mode="bicubic", antialias=True, align_corners=False)


class _Captions:
    """The album's captions as tokens: [DEC] words [SEP], and sometimes foreign words before them."""

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        tokenizer = caption_tokenizer()
        self._start, self._pad = tokenizer.convert_tokens_to_ids(CAPTION_START), tokenizer.pad_token_id
        self._foreign: list[int] = tokenizer.convert_tokens_to_ids(["[UNK]", "a", "on", "an"])
        texts = [str(sentence) for sentence in sentences]
        self._tokens: list[list[int]] = [tokens[1:] for tokens in tokenizer(texts)["input_ids"]]

    def batch(self, picks: Tensor, dice: torch.Generator) -> tuple[Tensor, Tensor]:
        """Tokens [B, T], and labels [B, T] that ask for nothing at the start, the foreign words and the padding."""
        rows, asked_from = [], []
        prompted = torch.rand(len(picks), generator=dice) < PROMPTED_SHARE
        for pick, has_prompt in zip(picks.tolist(), prompted.tolist(), strict=True):
            count = int(torch.randint(1, 5, (1,), generator=dice)) if has_prompt else 0
            choice = torch.randint(len(self._foreign), (count,), generator=dice).tolist()
            rows.append([self._start, *(self._foreign[index] for index in choice), *self._tokens[pick]])
            asked_from.append(1 + count)
        tokens = torch.full((len(rows), max(map(len, rows))), self._pad)
        labels = torch.full_like(tokens, -100)
        for index, (row, start) in enumerate(zip(rows, asked_from, strict=True)):
            tokens[index, : len(row)] = torch.tensor(row)
            labels[index, start : len(row)] = torch.tensor(row[start:])
        return tokens, labels
