"""ONNX Runtime: the UNet exported by torch, float32, static shapes; a step is timed, nothing else.

`python -m tests.peers.engines.onnx_runtime MODEL SIZE FOLDER [--convert]`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from aura_daemon.bench.children.served import serve
from tests.peers.engines.openvino_static import words_shape


class OnnxRuntime:
    """The UNet in a session."""

    def __init__(self, model: Path, folder: Path, size_px: int) -> None:
        import numpy as np
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self._session = onnxruntime.InferenceSession(
            str(folder / f"unet-{size_px}.onnx"), options, providers=["CPUExecutionProvider"]
        )
        dice = np.random.default_rng(0)
        values = (
            dice.standard_normal((2, 4, size_px // 8, size_px // 8), dtype=np.float32),
            np.array(500.0, dtype=np.float32),
            dice.standard_normal((2, *words_shape(model)), dtype=np.float32),
        )
        names = [one.name for one in self._session.get_inputs()]
        self._inputs = dict(zip(names, values, strict=True))
        self.facts = {"calls": 1, "dtype": "float32", "versions": {"onnxruntime": onnxruntime.__version__}}

    def step(self) -> None:
        """One guided step."""
        self._session.run(None, self._inputs)


def convert(model: Path, folder: Path, size_px: int) -> None:
    """Exports the UNet: minutes, 3.4 GB on the disk and 8 GB of memory."""
    import torch
    from diffusers import UNet2DConditionModel

    from tests.peers.engines.wrappers import Unet

    folder.mkdir(parents=True, exist_ok=True)
    goal = folder / f"unet-{size_px}.onnx"
    if goal.exists():
        return
    unet = UNet2DConditionModel.from_pretrained(model / "unet", dtype=torch.float32).eval()
    example = torch.randn(2, 4, size_px // 8, size_px // 8), torch.tensor(500.0), torch.randn(2, *words_shape(model))
    unfinished = folder / "unfinished"
    unfinished.mkdir(exist_ok=True)
    with torch.no_grad():
        torch.onnx.export(
            Unet(unet), example, str(unfinished / goal.name), input_names=["sample", "moment", "words"], dynamo=True
        )
    for file in sorted(unfinished.iterdir(), reverse=True):
        file.rename(folder / file.name)
    unfinished.rmdir()


if __name__ == "__main__":
    model, size_px, folder = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    if "--convert" in sys.argv:
        convert(model, folder, size_px)
    else:
        serve(lambda: OnnxRuntime(model, folder, size_px))
