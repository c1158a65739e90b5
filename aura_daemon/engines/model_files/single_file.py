"""Checks that a single-file checkpoint is Stable Diffusion 1.x, and finds its configuration. In: a path. Out: a folder.

The file holds tensors only. Tokenizer, scheduler and shapes come from a diffusers folder beside the file that is named
as the file without its suffix, or from the folder of the file, or else from the hub (a few MB, once).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open

from aura_daemon.config.engine import ALIASES
from aura_daemon.engines.model_files.hub import PINNED, AbsentModel, fetch_configuration
from aura_daemon.engines.model_files.weights import header_fault, unavailable
from aura_daemon.engines.reporter import Reporter
from aura_daemon.jobs.results import Failure

CONFIGURATION: Final = (ALIASES["sd-1.4"], PINNED["sd-1.4"])
"""Repository and revision whose configuration fits every Stable Diffusion 1.x checkpoint."""

UNET_KEY: Final = "model.diffusion_model.input_blocks.0.0.weight"
CLIP_KEY: Final = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
OTHER_KEYS: Final = (
    ("conditioner.embedders.", "a Stable Diffusion XL checkpoint"),
    ("cond_stage_model.model.", "a Stable Diffusion 2.x checkpoint"),
    ("model.diffusion_model.joint_blocks.", "a Stable Diffusion 3 checkpoint"),
    ("double_blocks.", "a Flux checkpoint"),
    ("lora_", "a LoRA, not a whole model"),
    ("control_model.", "a ControlNet, not a whole model"),
)
"""Beginnings of tensor names -> what the file is instead."""


def find_checkpoint(model: str, path: Path, reporter: Reporter | None) -> Path | Failure | AbsentModel:
    """The folder that configures a checkpoint, or why it is not Stable Diffusion 1.x; fetches only with a reporter."""
    wrong = _wrong_checkpoint(path) if path.suffix == ".safetensors" else ""
    if wrong:
        mend = "name a checkpoint of that kind, or a folder in diffusers format"
        return unavailable(model, f"it is {wrong}, not a Stable Diffusion 1.x checkpoint", mend)
    for folder in (path.with_suffix(""), path.parent):
        if (folder / "model_index.json").is_file():
            return folder
    return fetch_configuration(model, *CONFIGURATION, reporter)


def _wrong_checkpoint(path: Path) -> str:
    """What the file is instead; empty for the right kind, and for a damaged file, which a later check refuses."""
    if header_fault(path):
        return ""
    try:
        with safe_open(path, framework="numpy") as file:
            names = set(file.keys())
    except (SafetensorError, OSError):
        return ""
    if UNET_KEY in names and CLIP_KEY in names:
        return ""
    kinds = (what for start, what in OTHER_KEYS if any(name.startswith(start) for name in names))
    return next(kinds, "a file of other tensors")
