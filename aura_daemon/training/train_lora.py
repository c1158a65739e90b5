"""Train a LoRA for aura-mini that draws every shape as a star: `python -m aura_daemon.training.train_lora FILE`.

The captions stay what they were and the pictures change, so the LoRA learns the change and nothing else. About three
minutes on two cores.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from diffusers import StableDiffusionPipeline
from loguru import logger
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import Tensor

from aura_daemon.mini import GENERATOR
from aura_daemon.mini.drawing import render
from aura_daemon.mini.grammar import SHAPES, Sentence, every_sentence
from aura_daemon.training.autoencoder import encode
from aura_daemon.training.generator import NoiseLevels, even_times

SHAPE: Final = "star"
RANK: Final = 4
TARGETS: Final = ("to_q", "to_k", "to_v", "to_out.0")
STEPS: Final = 400
BATCH: Final = 32
RATE: Final = 3e-3
REPORT_EVERY_STEPS: Final = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="where the LoRA is written, `.safetensors`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    train(options.file, seed=options.seed, steps=options.steps)


def train(file: Path, *, seed: int, steps: int) -> None:
    """From aura-mini to a file that diffusers, A1111 and ComfyUI can read."""
    torch.manual_seed(seed)
    dice = torch.Generator().manual_seed(seed)
    pipe = StableDiffusionPipeline.from_pretrained(GENERATOR, dtype=torch.float32)
    for module in (pipe.unet, pipe.vae, pipe.text_encoder):
        module.requires_grad_(False)
    pipe.unet.add_adapter(
        LoraConfig(r=RANK, lora_alpha=RANK, target_modules=list(TARGETS), init_lora_weights="gaussian")
    )
    learned = [parameter for parameter in pipe.unet.parameters() if parameter.requires_grad]
    descent = torch.optim.AdamW(learned, lr=RATE)
    slope = torch.optim.lr_scheduler.OneCycleLR(descent, max_lr=RATE, total_steps=steps)
    levels = NoiseLevels()
    sentences = [sentence for sentence in every_sentence() if sentence.shape in SHAPES]
    recent: list[float] = []
    for step in range(1, steps + 1):
        picked = [sentences[index] for index in torch.randint(len(sentences), (BATCH,), generator=dice).tolist()]
        tokens, latents = _batch(pipe, picked, dice)
        noise = torch.randn(latents.shape, generator=dice)
        times = even_times(BATCH, dice)
        noisy, velocity = levels.mixed(latents, noise, times)
        loss = (pipe.unet(noisy, times, tokens).sample - velocity).square().mean()
        loss.backward()
        descent.step()
        slope.step()
        descent.zero_grad()
        recent.append(loss.item())
        if step % REPORT_EVERY_STEPS == 0:
            logger.info("step {} of {}: loss {:.4f}", step, steps, sum(recent) / len(recent))
            recent.clear()
    layers = {name: tensor.half() for name, tensor in get_peft_model_state_dict(pipe.unet).items()}
    StableDiffusionPipeline.save_lora_weights(file.parent, unet_lora_layers=layers, weight_name=file.name)


@torch.no_grad()
def _batch(pipe: StableDiffusionPipeline, sentences: list[Sentence], dice: torch.Generator) -> tuple[Tensor, Tensor]:
    """Embeddings of the captions, `[B, 77, D]`, and latents `[B, 4, h, w]` of the target pictures."""
    captions = [str(sentence) for sentence in sentences]
    tokens = pipe.tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
    drawn = render([replace(sentence, shape=SHAPE) for sentence in sentences], dice)
    return pipe.text_encoder(tokens)[0], encode(pipe.vae, drawn)


if __name__ == "__main__":
    main()
