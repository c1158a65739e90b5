"""aura-mini: the embedded model, a tiny latent diffusion model and a tiny captioner in the formats of the real ones.

It knows one kind of picture (see `grammar`) and is made from nothing by `python -m aura_daemon.training.train`.
Importing this package loads nothing heavy: it only says where the weights lie.
"""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
GENERATOR = WEIGHTS / "generator"  # loads with diffusers' StableDiffusionPipeline.from_pretrained
CAPTIONER = WEIGHTS / "captioner"  # loads with transformers' BlipForConditionalGeneration.from_pretrained
QUALITY = WEIGHTS / "quality.json"  # what `python -m aura_daemon.training.evaluate` measured

NAME = "aura-mini"
NATIVE_SIZE_PX = 64
