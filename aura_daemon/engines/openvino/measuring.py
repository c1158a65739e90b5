"""How long a step takes with each engine, in turn. In: a model's files, its graphs. Out: seconds of one core.

The time that the processor spent counts, not that of the clock: jobs go on meanwhile, and take the cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, Final

import torch

from aura_daemon.config.engine import Dtype
from aura_daemon.engines.failures import FaultyVariant
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.conversion import WINDOW, read_unet
from aura_daemon.engines.openvino.store import Kind
from aura_daemon.engines.openvino.unet import OpenVinoUNet
from aura_daemon.engines.placement.devices import TORCH_DTYPES
from aura_daemon.jobs.results import EAGER
from aura_daemon.jobs.sampling import MULTIPLE_PX

ROUNDS: Final = 3
ROWS: Final = 2
"""Of a guided step."""


@torch.no_grad()
def step_s(
    files: ModelFiles, graphs: Mapping[Kind, Path], dtype: str, failed: Callable[[Kind, FaultyVariant], None]
) -> dict[str, float]:
    """Variant -> seconds of one core for a guided step at native size, the median of three after one.

    `failed` hears of each graph that OpenVINO cannot compute; the others are measured.
    """
    torch.set_num_threads(1)
    computed = TORCH_DTYPES[Dtype(dtype)]
    unets: dict[str, Callable[..., Any]] = {
        EAGER: read_unet(files, computed).to(memory_format=torch.channels_last),
        **{kind: OpenVinoUNet(files, graph, dtype=computed, threads=1) for kind, graph in graphs.items()},
    }
    config: Any = unets[Kind.OPENVINO]
    side = files.own.native_size_px // MULTIPLE_PX
    sample = torch.zeros(ROWS, config.config.in_channels, side, side, dtype=computed)
    embeddings = torch.zeros(ROWS, WINDOW, config.config.cross_attention_dim, dtype=computed)
    taken: dict[str, list[float]] = {name: [] for name in unets}
    for number in range(1 + ROUNDS):
        for name, unet in list(unets.items()):
            began_s = time.process_time()
            try:
                unet(sample, torch.tensor(500.0), encoder_hidden_states=embeddings)
            except FaultyVariant as fault:
                failed(Kind(name), fault)
                del unets[name], taken[name]
                continue
            if number:
                taken[name].append(time.process_time() - began_s)
    return {name: median(seconds) for name, seconds in taken.items()}
