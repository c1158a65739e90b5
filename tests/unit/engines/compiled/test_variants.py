"""Where compiled and recorded UNets compute, and what they take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aura_daemon.config.engine import Dtype
from aura_daemon.engines.compiled.variants import GRAPH_BYTES, variant_of, with_variant
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.speed import EngineChoice
from aura_daemon.ladder.prediction import Footprint
from aura_daemon.ladder.rungs import Rung

GPU = Placement(device="cuda:0", device_name="a card", dtype=Dtype.FLOAT16, rung=Rung.RESIDENT)
CPU = Placement(device="cpu", device_name="a processor", dtype=Dtype.FLOAT32, rung=Rung.CPU)
AUTO, COMPILED, GRAPHS, TENSORRT = (
    EngineChoice.AUTO,
    EngineChoice.COMPILED,
    EngineChoice.CUDA_GRAPHS,
    EngineChoice.TENSORRT,
)


@pytest.mark.parametrize(
    ("engine", "place", "rung", "variant"),
    [
        (AUTO, GPU, Rung.RESIDENT, None),
        (AUTO, CPU, Rung.CPU, None),
        (EngineChoice.EAGER, GPU, Rung.RESIDENT, None),
        (COMPILED, GPU, Rung.RESIDENT, "compiled"),
        (COMPILED, GPU, Rung.TILED_DECODE, "compiled"),
        (COMPILED, GPU, Rung.SPLIT_GUIDANCE, None),
        (COMPILED, GPU, Rung.FP8_STORAGE, None),
        (COMPILED, CPU, Rung.CPU, "compiled"),
        (COMPILED, CPU, Rung.CPU_TILED_DECODE, "compiled"),
        (COMPILED, CPU, Rung.CPU_HALF_WEIGHTS, None),
        (GRAPHS, GPU, Rung.RESIDENT, "cuda-graphs"),
        (GRAPHS, GPU, Rung.GROUP_OFFLOAD, None),
        (GRAPHS, CPU, Rung.CPU, None),
        (TENSORRT, GPU, Rung.RESIDENT, "tensorrt"),
        (TENSORRT, CPU, Rung.CPU, None),
    ],
)
def test_an_engine_computes_where_the_unet_is_whole(
    engine: EngineChoice, place: Placement, rung: Rung, variant: str | None
) -> None:
    placement = replace(place, rung=rung)
    assert variant_of(engine, placement, adapted=False) == variant
    assert variant_of(engine, placement, adapted=True) is None


def test_a_graph_keeps_tensors() -> None:
    plain = Footprint(unet_bytes=1000, workspace_bytes=7)
    assert with_variant(plain, GPU) == plain
    assert with_variant(plain, replace(GPU, variant="cuda-graphs")).workspace_bytes == 7 + GRAPH_BYTES
    assert with_variant(plain, replace(CPU, variant="compiled")) == plain
