"""Draws one size too many in too little memory: `python -m tests.unit.engines.openvino.starved_unet GRAPH`.

Out: `out of memory`, or what else became of it.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch

from aura_daemon.config.engine import ModelSettings
from aura_daemon.engines.failures import is_out_of_memory
from aura_daemon.engines.model_files.find import ModelFiles, look_for_model
from aura_daemon.engines.openvino.unet import OpenVinoUNet
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION

LEFT_BYTES = 200 << 20


def main() -> None:
    """Prints what became of it."""
    files = look_for_model(ModelSettings(), STABLE_DIFFUSION, half=False)
    assert isinstance(files, ModelFiles)
    unet = OpenVinoUNet(files, Path(sys.argv[1]), dtype=torch.float32, threads=1)
    words = torch.zeros(1, 77, unet.config.cross_attention_dim)
    unet(torch.zeros(1, 4, 8, 8), 1, words)
    lines = Path("/proc/self/status").read_text().splitlines()
    taken_bytes = next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmSize"))
    resource.setrlimit(resource.RLIMIT_AS, (taken_bytes + LEFT_BYTES, taken_bytes + LEFT_BYTES))
    large = torch.zeros(1, 4, 256, 256)
    try:
        unet(large, 1, words)
    except Exception as error:  # noqa: BLE001 - the question is which one
        print("out of memory" if is_out_of_memory(error) else f"{type(error).__name__}: {error}")
    else:
        print("drawn")


if __name__ == "__main__":
    main()
