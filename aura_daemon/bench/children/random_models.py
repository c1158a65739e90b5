"""Stable Diffusion 1.4, TAESD and BLIP base at real size with random weights, in half precision as users have them.

Built from the known configurations, nothing is fetched: time and memory do not depend on what weights say. 2.0 and
0.5 GB, kept from one run to the next. The last layers are scaled so that noise of variance 1 comes out as such: what
the UNet says counts in the picture, and a rung that computes wrongly shows.

`python -m aura_daemon.bench.children.random_models FOLDER` writes what is not there yet, in a process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    BlipProcessor,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
)

from aura_daemon.bench.children.random_names import CAPTIONER, CHECKED_GENERATOR, GENERATOR, TINY_DECODER

WORDS: Final = ("a", "red", "circle", "on", "blue", "background", "square", "of", "picture")
"""That the captioners of tests and benchmarks know."""

CONTRAST: Final = 0.5
"""Of the pictures, which are in [-1, 1]: the standard deviation of what the VAE makes of noise."""


def generator(folder: Path) -> Path:
    """The generator below a folder, written where it is not there yet."""
    return once(folder / GENERATOR, write_generator)


def checked_generator(folder: Path) -> Path:
    """The same with its safety checker, as users have it; the other parts are the same files."""
    plain = generator(folder)
    return once(folder / CHECKED_GENERATOR, lambda fresh: write_checked_generator(fresh, plain))


def captioner(folder: Path) -> Path:
    """The captioner below a folder, written where it is not there yet."""
    return once(folder / CAPTIONER, write_captioner)


def tiny_decoder(folder: Path) -> Path:
    """The tiny decoder below a folder, written where it is not there yet."""
    return once(folder / TINY_DECODER, write_tiny_decoder)


def write_generator(folder: Path, dtype: torch.dtype = torch.float16) -> Path:
    """The configuration of CompVis/stable-diffusion-v1-4."""
    torch.manual_seed(0)
    with _default_dtype(dtype):
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=4,
            sample_size=512,
        )
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                hidden_size=768,
                intermediate_size=3072,
                num_hidden_layers=12,
                num_attention_heads=12,
                projection_dim=768,
            )
        )
        unet = UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(320, 640, 1280, 1280),
            cross_attention_dim=768,
            attention_head_dim=8,
        )
        _calibrate(unet, vae, dtype)
        pipe = StableDiffusionPipeline(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=clip_tokenizer(folder),
            unet=unet,
            scheduler=PNDMScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                skip_prk_steps=True,
                set_alpha_to_one=False,
                steps_offset=1,
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipe.save_pretrained(folder)
    return folder


def write_checked_generator(folder: Path, plain: Path) -> Path:
    """A generator with the safety checker of CompVis/stable-diffusion-v1-4, which flags nothing."""
    torch.manual_seed(0)
    shutil.copytree(plain, folder, copy_function=_linked)
    vision = {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 224,
        "patch_size": 14,
    }
    words = {"num_hidden_layers": 1}  # the checker reads none, and the library makes no model of them
    with _default_dtype(torch.float16):
        checker = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, text_config=words, projection_dim=768))
        checker.concept_embeds_weights.data.fill_(2.0)  # above every cosine
        checker.special_care_embeds_weights.data.fill_(2.0)
    checker.save_pretrained(folder / "safety_checker")
    CLIPImageProcessorPil(size=224, crop_size=224).save_pretrained(folder / "feature_extractor")
    index = folder / "model_index.json"
    parts = json.loads(index.read_text(encoding="utf-8")) | {
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "feature_extractor": ["transformers", "CLIPImageProcessorPil"],
    }
    index.unlink()  # else the plain model's own would change
    index.write_text(json.dumps(parts, indent=2), encoding="utf-8")
    return folder


def write_tiny_decoder(folder: Path) -> Path:
    """The configuration of madebyollin/taesd."""
    torch.manual_seed(0)
    with _default_dtype(torch.float16):
        AutoencoderTiny().save_pretrained(folder)
    return folder


def write_captioner(folder: Path) -> Path:
    """The configuration of Salesforce/blip-image-captioning-base, but for its words: a few, in as large a table."""
    torch.manual_seed(0)
    tokenizer = bert_tokenizer(folder)
    marks = tokenizer.convert_tokens_to_ids("[DEC]"), tokenizer.sep_token_id
    with _default_dtype(torch.float16):
        model = BlipForConditionalGeneration(
            BlipConfig(
                vision_config={"image_size": 384, "initializer_range": 0.02},  # the default is 0 in half precision
                text_config={
                    "vocab_size": 30524,
                    "bos_token_id": marks[0],
                    "sep_token_id": marks[1],
                    "eos_token_id": marks[1],
                    "pad_token_id": tokenizer.pad_token_id,
                    "is_decoder": True,
                },
            )
        )
    model.save_pretrained(folder)
    BlipProcessor(BlipImageProcessorPil(size={"height": 384, "width": 384}), tokenizer).save_pretrained(folder)
    return folder


def _linked(source: str, target: str) -> None:
    """The same file under another name; a copy where the file system knows no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


@torch.no_grad()
def _calibrate(unet: Any, vae: Any, dtype: torch.dtype) -> None:
    """Scales the last layers, by what a small picture shows."""
    random = torch.Generator("cpu").manual_seed(0)
    noise = torch.randn(1, 4, 8, 8, generator=random).to(dtype)
    words = torch.randn(1, 77, unet.config.cross_attention_dim, generator=random).to(dtype)
    spread = unet(noise, 500, encoder_hidden_states=words).sample.float().std()
    unet.conv_out.weight.data.mul_(1 / spread)
    vae.to(torch.float32)  # half precision is slow on a CPU
    spread = vae.decode(noise.float()).sample.std()
    vae.to(dtype)
    vae.decoder.conv_out.weight.data.mul_(CONTRAST / spread)


def clip_tokenizer(folder: Path) -> CLIPTokenizer:
    """Letters alone, in CLIP's files."""
    letters = [chr(code) for code in range(33, 127)]
    names = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    source = folder.parent / f"{folder.name}-clip"
    source.mkdir(parents=True)
    vocabulary = source / "vocab.json"
    vocabulary.write_text(json.dumps({name: index for index, name in enumerate(names)}))
    merges = source / "merges.txt"
    merges.write_text("#version: 0.2\n")
    return CLIPTokenizer(str(vocabulary), str(merges), model_max_length=77)


def bert_tokenizer(folder: Path) -> BertTokenizer:
    """Whole words and letters, in BERT's file."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    marks = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]")
    names = [*marks, *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    source = folder.parent / f"{folder.name}-bert"
    source.mkdir(parents=True)
    vocabulary = source / "vocab.txt"
    vocabulary.write_text("\n".join(dict.fromkeys(names)))
    return BertTokenizer(str(vocabulary), bos_token="[DEC]")


def once(folder: Path, write: Callable[[Path], Path]) -> Path:
    """Written beside its place and moved there whole."""
    if folder.is_dir():
        return folder
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
    try:
        write(unfinished / folder.name)
        (unfinished / folder.name).rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """New parameters are of this format meanwhile."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


if __name__ == "__main__":
    checked_generator(Path(sys.argv[1]))
    captioner(Path(sys.argv[1]))
    tiny_decoder(Path(sys.argv[1]))
