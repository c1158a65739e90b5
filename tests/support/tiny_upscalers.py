"""Upscalers of a few numbers, as files of safetensors."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from aura_daemon.engines.upscaling.compact import CompactNetwork


def write_compact(file: Path, *, scale: int = 2, features: int = 8, layers: int = 2, seed: int = 0) -> Path:
    """A compact network with random weights; it sees `layers` + 1 pixels around each."""
    file.parent.mkdir(parents=True, exist_ok=True)
    network = random_compact(scale=scale, features=features, layers=layers, seed=seed)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, file)
    return file


def random_compact(*, scale: int = 2, features: int = 8, layers: int = 2, seed: int = 0) -> CompactNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CompactNetwork(features, layers, scale).eval()


def write_tensors(file: Path, **shapes: tuple[int, ...]) -> Path:
    """Zeros under these names; two underlines stand for a dot."""
    save_file({name.replace("__", "."): torch.zeros(shape) for name, shape in shapes.items()}, file)
    return file
