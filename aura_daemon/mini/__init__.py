"""aura-mini: the embedded model, a tiny latent diffusion model and a tiny captioner in the formats of the real ones.

The model draws and names one kind of picture (see `grammar`); `python -m aura_daemon.training.train` trains it from
scratch. Importing this package imports no library: it only names the folders of the weights.
"""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
GENERATOR = WEIGHTS / "generator"  # loads with diffusers' StableDiffusionPipeline.from_pretrained
CAPTIONER = WEIGHTS / "captioner"  # loads with transformers' BlipForConditionalGeneration.from_pretrained
CONTROLNET = WEIGHTS / "controlnet"  # loads with diffusers' ControlNetModel.from_pretrained
UPSCALER = WEIGHTS / "upscaler" / "aura-mini-2x.safetensors"  # loads with spandrel's ModelLoader().load_from_file
QUALITY = WEIGHTS / "quality.json"  # what `python -m aura_daemon.training.evaluate` measured

NAME = "aura-mini"
NATIVE_SIZE_PX = 64
