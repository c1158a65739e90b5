"""What aura-mini's files for few steps do: `python -m aura_daemon.training.distilling.few_steps [--prompts N]`.

The LoRA and the tiny decoder, each alone and both together, beside the plain model; drawn by diffusers' own pipeline in
batches, so that the figures say nothing of the daemon. Prints a table.
"""

import argparse
import random
import time
from collections.abc import Sequence

from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.mini.grammar import Sentence
from aura_daemon.mini.knowledge import shows
from aura_daemon.training.evaluate import prompted
from aura_daemon.training.models import DrawSettings, came_back, decoded, decoder_of, draw_latents

STEPS = (1, 2, 4, 8)  # with the LoRA


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    quiet_libraries()
    asked = prompted(options.prompts, random.Random(options.seed))
    print("| drawn with | steps | decoder | shape, colour and background | by geometry | denoising, s | decoding, s |")
    print("|---|---:|---|---:|---:|---:|---:|")
    for turbo, steps in ((False, None), (False, 4), *((True, steps) for steps in STEPS)):
        measure(asked, turbo=turbo, steps=steps)


def measure(asked: Sequence[Sentence], *, turbo: bool, steps: int | None) -> None:
    """Two lines of the table: the same latents through both decoders. `steps`: None for the model's own."""
    began_s = time.monotonic()
    settings = DrawSettings(turbo=turbo, num_inference_steps=steps)
    latents = draw_latents([str(sentence) for sentence in asked], range(len(asked)), settings)
    drawn_s = time.monotonic() - began_s
    for tiny in (False, True):
        began_s = time.monotonic()
        pictures = decoded(decoder_of(tiny=tiny), latents)
        decoded_s = time.monotonic() - began_s
        print(
            f"| {'the LoRA' if turbo else 'aura-mini'} | {steps or 'its own'} | {'tiny' if tiny else 'VAE'}"
            f" | {came_back(asked, pictures) / len(asked):.1%}"
            f" | {sum(map(shows, pictures, asked)) / len(asked):.1%} | {drawn_s:.1f} | {decoded_s:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
