"""What `speed: turbo` loads of aura-mini, and how these files are written below the generator's folder.

They change nothing of the model: whoever trains the generator anew distils again, since a LoRA belongs to its weights.
"""

import copy
import json
from pathlib import Path
from typing import Any, Final

from diffusers import AutoencoderTiny, StableDiffusionPipeline
from torch import Tensor

# The key `turbo` of the model's `aura.json`; paths from the generator's folder.
TURBO_FACTS: Final[dict[str, Any]] = {
    "lora": "turbo/lora.safetensors",
    "decoder": "turbo/decoder",
    "steps": 4,
    "guidance_scale": 1.0,
    "scheduler": "lcm",
}


def export_lora(folder: Path, layers: dict[str, Tensor]) -> None:
    """The LoRA for few steps; `layers` as `peft` names them."""
    file = folder / TURBO_FACTS["lora"]
    file.parent.mkdir(parents=True, exist_ok=True)
    StableDiffusionPipeline.save_lora_weights(
        file.parent, unet_lora_layers=layers, weight_name=file.name, safe_serialization=True
    )
    _offer(folder)


def export_decoder(folder: Path, tiny: AutoencoderTiny) -> None:
    """The small decoder, fp16."""
    copy.deepcopy(tiny).half().save_pretrained(folder / TURBO_FACTS["decoder"])
    _offer(folder)


def _offer(folder: Path) -> None:
    """Adds the key to the model's `aura.json` as soon as both files are there."""
    facts = folder / "aura.json"
    if facts.is_file() and all((folder / TURBO_FACTS[part]).exists() for part in ("lora", "decoder")):
        said = json.loads(facts.read_text(encoding="utf-8"))
        facts.write_text(json.dumps({**said, "turbo": TURBO_FACTS}, indent=2) + "\n", encoding="utf-8")
