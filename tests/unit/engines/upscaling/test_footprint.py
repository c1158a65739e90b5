"""What an upscaler keeps at once is told by which of its layers take what several before them made."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aura_daemon.engines.upscaling.footprint import CHAINED, INNER, OUTER, network_size
from tests.support.tiny_upscalers import write_compact, write_tensors


def elements(file: Path) -> float:
    files: Any = SimpleNamespace(folder=file.parent, weights=SimpleNamespace(names=[file.name]), sha256="")
    return network_size(files).elements


def test_a_chain_of_layers_keeps_less_than_layers_that_add_up(tmp_path: Path) -> None:
    chain = write_compact(tmp_path / "chain.safetensors", scale=4, features=64)
    same = {"same__weight": (64, 64, 3, 3), "last__weight": (3, 64, 3, 3)}
    dense = write_tensors(tmp_path / "dense.safetensors", **same, deep__weight=(64, 192, 3, 3))
    attending = write_tensors(tmp_path / "attending.safetensors", **same, qkv__weight=(192, 64))
    assert elements(chain) == CHAINED * 64 + OUTER * 3 * 16
    assert elements(dense) == elements(attending) == INNER * 64 + OUTER * 64 * 16
