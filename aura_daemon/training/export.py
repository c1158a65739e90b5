"""Stage `export`: writes the trained parts as the two folders that the daemon loads, in fp16 safetensors.

A folder is written beside its place and renamed into it, so that a reader never sees half a model.
"""

import copy
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import BlipForConditionalGeneration, CLIPTextModel

from aura_daemon.mini import NAME, NATIVE_SIZE_PX
from aura_daemon.training import captioner, generator
from aura_daemon.training.tokenizer import clip_tokenizer, save_clip_tokenizer

# What the daemon uses where neither job nor config says otherwise: measured with `aura_daemon.training.evaluate`.
GENERATOR_FACTS: Final = {
    "name": NAME,
    "native_size_px": NATIVE_SIZE_PX,
    "defaults": {"num_inference_steps": 25, "scheduler": "dpm++_2m_karras", "guidance_scale": 3.0},
}
CAPTIONER_FACTS: Final = {"name": NAME, "native_size_px": NATIVE_SIZE_PX, "max_new_tokens": captioner.MAX_NEW_TOKENS}


def export_generator(folder: Path, vae: AutoencoderKL, text: CLIPTextModel, unet: UNet2DConditionModel) -> None:
    """A StableDiffusionPipeline without safety checker: it can only draw its own six shapes."""
    pipeline = StableDiffusionPipeline(
        vae=copy.deepcopy(vae).half(),
        text_encoder=copy.deepcopy(text).half(),
        tokenizer=clip_tokenizer(),
        unet=copy.deepcopy(unet).half(),
        scheduler=generator.build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    with _replaced(folder, GENERATOR_FACTS) as fresh:
        pipeline.save_pretrained(fresh, safe_serialization=True)
        save_clip_tokenizer(fresh / "tokenizer")


def export_captioner(folder: Path, blip: BlipForConditionalGeneration) -> None:
    with _replaced(folder, CAPTIONER_FACTS) as fresh:
        copy.deepcopy(blip).half().save_pretrained(fresh)
        captioner.processor().save_pretrained(fresh)


@contextmanager
def _replaced(folder: Path, facts: dict[str, object]) -> Iterator[Path]:
    """Gives a new folder to write to, which takes the old one's place; `facts` become its `aura.json`."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    for rest in (fresh, old):
        shutil.rmtree(rest, ignore_errors=True)
    yield fresh
    (fresh / "aura.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
