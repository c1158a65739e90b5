"""Stage `blip`: the captioner, a BLIP in miniature that reads a 64x64 picture back into its sentence.

The training data are fresh drawings; drawings in colours without a name, with size and shape alone as the target (else
the captioner learns which shapes it never saw in which colours, and rejects them); an album of drawings that were
squeezed to a square from other proportions or sent through the autoencoder with disturbed latents; pictures of the
generator in which geometry (not a captioner) finds the shape of the prompt; and the generator's shapes in colours
without a name.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import BlipConfig, BlipForConditionalGeneration, BlipProcessor
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from aura_daemon.mini import NATIVE_SIZE_PX
from aura_daemon.mini.drawing import cover, mix
from aura_daemon.mini.grammar import COLOURS, PALETTE, SIZES, Sentence, held_out, seen_sentences
from aura_daemon.mini.knowledge import shows
from aura_daemon.training.autoencoder import decode, encode
from aura_daemon.training.models import DrawSettings, draw
from aura_daemon.training.tokenizer import CAPTION_START, caption_tokenizer
from aura_daemon.training.trainlog import CosineAdamW, TrainingLog, fresh_drawings

STEPS: Final = 9000
PLAIN, TINTED, KEPT, GENERATED, RECOLOURED = 8, 8, 8, 20, 20  # of every batch, in the order above
LEAST_CONTRAST: Final = 0.6  # distance of two nameless colours; black and white are 3.5 apart
PROMPTS: Final = ((64, 64, 3072), (64, 112, 512), (112, 64, 512))  # height, width, how many the generator is given
SMALL_SHARE: Final = 0.7  # of those prompts: small shapes are drawn worst
GUIDANCE: Final = (2.0, 3.0, 4.0)
FIRST_SEED: Final = 1_000_000  # far from any seed the evaluation uses
PEAK_RATE: Final = 1.5e-3
SQUEEZED, DECODED = 4_096, 8_192  # pictures of each kind in the album
SQUEEZED_SIZES_PX: Final = ((64, 112), (112, 64), (64, 88), (88, 64))  # height, width
LATENT_DISTURBANCE: Final = 0.2  # the most; latents have deviation 1
PIXEL_NOISE: Final = 0.06  # the most; pixels lie in [-1, 1]
PROMPTED_SHARE: Final = 0.1  # captions begun by up to four foreign words, as "a picture of" begins one
MAX_NEW_TOKENS: Final = 16


def build() -> BlipForConditionalGeneration:
    tokenizer = caption_tokenizer()
    shared = {"hidden_size": 96, "intermediate_size": 384, "num_attention_heads": 4}
    text = {
        **shared,
        "vocab_size": len(tokenizer),
        "num_hidden_layers": 2,
        "max_position_embeddings": 64,
        "bos_token_id": tokenizer.bos_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    layers = {"num_hidden_layers": 4, "initializer_range": 0.02}
    vision = {**shared, **layers, "image_size": NATIVE_SIZE_PX, "patch_size": 8}
    return BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision))


def processor() -> BlipProcessor:
    side = {"height": NATIVE_SIZE_PX, "width": NATIVE_SIZE_PX}
    images = BlipImageProcessorPil(size=side, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    return BlipProcessor(images, caption_tokenizer())


def train(log: TrainingLog, vae: AutoencoderKL, generator: Path, *, seed: int) -> BlipForConditionalGeneration:
    """Train from scratch; `generator`: the folder of the finished pipeline."""
    torch.manual_seed(seed)
    dice = torch.Generator().manual_seed(seed + 1)
    blip = build()
    millions = sum(parameter.numel() for parameter in blip.parameters()) / 1e6
    parts = " + ".join(map(str, (PLAIN, TINTED, KEPT, GENERATED, RECOLOURED)))
    log.begin("blip", f"{STEPS} steps of {parts}, {millions:.2f} M parameters")
    album, kept = _album(vae, dice)
    prompts, drawn = _generated(generator, dice)
    covered = _covered(prompts, drawn)
    log.note(f"album of {len(album)} pictures, {len(prompts)} of {sum(row[2] for row in PROMPTS)} generated ones")
    descent = CosineAdamW(blip.parameters(), peak_rate=PEAK_RATE, steps=STEPS)
    for step in range(1, STEPS + 1):
        fresh, pictures = fresh_drawings(PLAIN, dice)
        shapes, tinted = _tinted_drawings(dice)
        old = torch.randint(len(album), (KEPT,), generator=dice)
        new = torch.randint(len(prompts), (GENERATED,), generator=dice)
        again = torch.randint(len(prompts), (RECOLOURED,), generator=dice)
        reshaped = [prompts[pick] for pick in again.tolist()]
        recoloured = mix(covered[again], *_nameless_colours(reshaped, dice))
        # What must not name its colours comes last.
        named = [*fresh, *(album[pick] for pick in old.tolist()), *(prompts[pick] for pick in new.tolist())]
        stored = torch.cat([kept[old], drawn[new]]).float() / 127.5 - 1
        seen = torch.cat([pictures, stored, tinted, recoloured])
        is_mirrored = torch.rand(len(seen), 1, 1, 1, generator=dice) < 0.5  # every shape is its own mirror image
        seen = torch.where(is_mirrored, seen.flip(-1), seen)
        seen += torch.rand(len(seen), 1, 1, 1, generator=dice) * PIXEL_NOISE * torch.randn(seen.shape, generator=dice)
        tokens, labels = _captions([*named, *shapes, *reshaped], dice)
        _hide_colours(tokens[len(named) :], labels[len(named) :])
        loss = blip(pixel_values=seen, input_ids=tokens, labels=labels).loss
        descent.down(loss)
        log.step(step, loss)
    blip.eval()
    asked, unseen = fresh_drawings(512, dice)
    exact = sum(name == str(sentence) for name, sentence in zip(read(blip, unseen), asked, strict=True))
    log.note(f"{exact} of {len(asked)} fresh drawings exact")
    return blip


@torch.no_grad()
def read(blip: BlipForConditionalGeneration, pictures: Tensor) -> list[str]:
    """Captions of float32 [B, 3, 64, 64] in [-1, 1]."""
    tokens = blip.generate(pixel_values=pictures, max_new_tokens=MAX_NEW_TOKENS, do_sample=False, num_beams=1)
    captions: list[str] = caption_tokenizer().batch_decode(tokens, skip_special_tokens=True)
    return captions


def _album(vae: AutoencoderKL, dice: torch.Generator) -> tuple[list[Sentence], Tensor]:
    """The data that take too long to draw for every step: sentences and uint8 [N, 3, 64, 64]."""
    sentences: list[Sentence] = []
    pictures: list[Tensor] = []

    def add(words: Sequence[Sentence], drawn: Tensor) -> None:
        sentences.extend(words)
        pictures.append(((drawn.clamp(-1, 1) + 1) * 127.5).round().byte())

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


def _generated(folder: Path, dice: torch.Generator) -> tuple[list[Sentence], Tensor]:
    """Training prompts and the generator's pictures that show their prompts: uint8 [N, 3, 64, 64]."""
    known = seen_sentences()
    by_size = {size: [sentence for sentence in known if sentence.size == size] for size in SIZES}
    kept: list[Sentence] = []
    pixels: list[Tensor] = []
    seed = FIRST_SEED
    for height_px, width_px, count in PROMPTS:
        for guidance in GUIDANCE:
            asked = []
            for _ in range(count // len(GUIDANCE)):
                pool = by_size["small" if torch.rand((), generator=dice) < SMALL_SHARE else "large"]
                asked.append(pool[int(torch.randint(len(pool), (), generator=dice))])
            images = draw(
                [str(sentence) for sentence in asked],
                range(seed, seed + len(asked)),
                DrawSettings(
                    height_px=height_px,
                    width_px=width_px,
                    num_inference_steps=15,
                    guidance_scale=guidance,
                    folder=folder,
                ),
            )
            seed += len(asked)
            for sentence, image in zip(asked, images, strict=True):
                if shows(image, sentence):
                    kept.append(sentence)
                    pixels.append(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None])
    square = [_squeezed(picture.float()).clamp(0, 255).round().byte() for picture in pixels]
    return kept, torch.cat(square)


def _covered(sentences: Sequence[Sentence], pictures: Tensor) -> Tensor:
    """How much of each pixel has the shape's colour: float32 [N, 1, 64, 64] in [0, 1]."""
    inside, outside = (
        torch.tensor([PALETTE[colour] for colour in colours], dtype=torch.float32)[..., None, None]
        for colours in zip(*((sentence.colour, sentence.background) for sentence in sentences), strict=True)
    )
    line = inside - outside
    along = ((pictures.float() - outside) * line).sum(1, keepdim=True) / (line * line).sum(1, keepdim=True)
    return along.clamp(0, 1)


def _tinted_drawings(dice: torch.Generator) -> tuple[list[Sentence], Tensor]:
    """Shapes in two colours of any kind: float32 [TINTED, 3, 64, 64]."""
    known = seen_sentences()
    sentences = [known[pick] for pick in torch.randint(len(known), (TINTED,), generator=dice).tolist()]
    covered = cover(sentences, dice, height_px=NATIVE_SIZE_PX, width_px=NATIVE_SIZE_PX)
    return sentences, mix(covered, *_nameless_colours(sentences, dice))


def _nameless_colours(sentences: Sequence[Sentence], dice: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two colours a shape that can be told apart and are near no held-out combination: float32 [B, 3, 1, 1] each."""
    palette = torch.tensor(list(PALETTE.values())) / 127.5 - 1
    pairs: list[Tensor] = []
    while len(pairs) < len(sentences):
        pair = torch.rand(2, 3, generator=dice) * 2 - 1
        colour, background = (COLOURS[index] for index in torch.cdist(pair, palette).argmin(1).tolist())
        is_held_out = (sentences[len(pairs)].shape, colour, background) in held_out()
        if torch.dist(pair[0], pair[1]) >= LEAST_CONTRAST and not is_held_out:
            pairs.append(pair)
    inside, outside = torch.stack(pairs)[..., None, None].unbind(1)
    return inside, outside


def _hide_colours(tokens: Tensor, labels: Tensor) -> None:
    """Replaces every colour by [UNK] and takes it out of the targets; in place."""
    tokenizer = caption_tokenizer()
    is_colour = torch.isin(tokens, torch.tensor(tokenizer.convert_tokens_to_ids(list(COLOURS))))
    tokens[is_colour] = tokenizer.unk_token_id
    labels[is_colour] = -100


def _squeezed(pictures: Tensor) -> Tensor:
    side = (NATIVE_SIZE_PX, NATIVE_SIZE_PX)
    return interpolate(pictures, side, mode="bicubic", antialias=True, align_corners=False)


def _captions(sentences: Sequence[Sentence], dice: torch.Generator) -> tuple[Tensor, Tensor]:
    """Tokens int64 [B, T]: [DEC], sometimes foreign words, the caption, [SEP]; labels [B, T] ask for the last two."""
    tokenizer = caption_tokenizer()
    begin, pad = tokenizer.convert_tokens_to_ids(CAPTION_START), tokenizer.pad_token_id
    foreign: list[int] = tokenizer.convert_tokens_to_ids(["[UNK]", "a", "on", "an"])
    spoken: list[list[int]] = tokenizer([str(sentence) for sentence in sentences])["input_ids"]
    prompted: list[bool] = (torch.rand(len(spoken), generator=dice) < PROMPTED_SHARE).tolist()
    rows, asked_from = [], []
    for words, has_prompt in zip(spoken, prompted, strict=True):
        count = int(torch.randint(1, 5, (1,), generator=dice)) if has_prompt else 0
        choice = torch.randint(len(foreign), (count,), generator=dice).tolist()
        rows.append([begin, *(foreign[index] for index in choice), *words[1:]])
        asked_from.append(1 + count)
    tokens = torch.full((len(rows), max(map(len, rows))), pad)
    labels = torch.full_like(tokens, -100)
    for index, (row, start) in enumerate(zip(rows, asked_from, strict=True)):
        tokens[index, : len(row)] = torch.tensor(row)
        labels[index, start : len(row)] = torch.tensor(row[start:])
    return tokens, labels
