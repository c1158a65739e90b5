"""Counts the work of a step and measures the machine's best: `python -m aura_daemon.bench.children.ceilings SETTINGS`.

In: JSON of `children.CeilingSettings`. Out: JSON of `floor.Counted` on stdout. Nothing but configurations is read: the
work is counted on tensors without memory. The ceilings are products of matrices that fit into no cache, and a copy of
as many bytes as no cache holds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from aura_daemon.bench.children.commands import CeilingSettings
from aura_daemon.bench.floor import Ceiling, Counted, Work
from aura_daemon.config.engine import Device, Dtype, EngineSettings, ModelSettings
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.model_files.find import ModelFiles, look_for_model
from aura_daemon.engines.placement.devices import Devices, computes_in, find_devices
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.jobs.results import Failure

SIDES: Final = {"cpu": 2048, "cuda": 8192}
"""Of the matrices that are multiplied."""
COPIED: Final = 64 << 20
"""Numbers of float32 that are copied."""
TIMES: Final = 15
TAKEN: Final = {"convolution": 0, "addmm": 1, "mm": 0}
"""What has to be moved, however well kernels are joined: each such operation takes this argument and gives a result.

The matrix of attention is not among it: it is never in memory where attention is computed well.
"""


def count(settings: CeilingSettings) -> tuple[tuple[int, int], Work, Work]:
    """Width and height, the work of a guided step, and of a decode."""
    model = ModelSettings(model=settings.model, revision=settings.revision, allow_pickle=settings.allow_pickle)
    files = look_for_model(model, STABLE_DIFFUSION, half=False)
    if isinstance(files, Failure):
        raise SystemExit(files.told)
    if not isinstance(files, ModelFiles):
        raise SystemExit(f"model {settings.model} is not on this machine: `aura-daemon fetch` brings it")
    unet = _without_memory(UNet2DConditionModel, files.folder / "unet")
    vae = _without_memory(AutoencoderKL, files.folder / "vae")
    width, height = (side or files.own.native_size_px for side in (settings.width, settings.height))
    latent = height // 8, width // 8
    noise, moment = torch.empty(2, 4, *latent, device="meta"), torch.empty((), device="meta")
    words = torch.empty(2, 77, unet.config.cross_attention_dim, device="meta")
    step = _work(unet, lambda: unet(noise, moment, encoder_hidden_states=words))
    # The encoder's weights are not read by a decode.
    decode = _work(vae.decoder, lambda: vae.decode(torch.empty(1, 4, *latent, device="meta")))
    return (width, height), step, decode


def measure(device: str) -> tuple[Ceiling, ...]:
    """The machine's best in each number format."""
    kind = device.split(":")[0]
    source, goal = torch.ones(COPIED, device=device), torch.empty(COPIED, device=device)
    copy_s = _best_s(lambda: goal.copy_(source), device)
    moved_per_s = 2 * 4 * COPIED / copy_s
    found = []
    for dtype in _formats(kind):
        side = SIDES.get(kind, 2048)
        one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        seconds = _best_s(lambda one=one, other=other: one @ other, device)  # type: ignore[misc]
        found.append(
            Ceiling(
                dtype=str(dtype).removeprefix("torch."),
                flops_per_s=2 * side**3 / seconds,
                bytes_per_s=moved_per_s,
                number_bytes=dtype.itemsize,
            )
        )
    return tuple(found)


def _formats(kind: str) -> tuple[torch.dtype, ...]:
    """Those that are measured: a CPU that has to widen bfloat16 takes a minute for one product, and nobody uses it."""
    if kind == "cuda":
        return torch.float32, torch.float16, torch.bfloat16
    is_native = kind == "cpu" and computes_in(Dtype.BFLOAT16)
    return (torch.float32, torch.bfloat16) if is_native else (torch.float32,)


def _without_memory(kind: Any, folder: Any) -> Any:
    with torch.device("meta"):
        return kind.from_config(kind.load_config(str(folder))).eval()


def _work(part: torch.nn.Module, call: Callable[[], object]) -> Work:
    moved = _Moved()
    with torch.no_grad(), FlopCounterMode(display=False) as flops, moved:
        call()
    weights = sum(parameter.numel() for parameter in part.parameters())
    return Work(flops=flops.get_total_flops(), weights=weights, activations=moved.numbers)


class _Moved(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what operations take and give, but for their weights."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        taken = TAKEN.get(str(func.overloadpacket).removeprefix("aten."))
        if taken is not None:
            self.numbers += args[taken].numel() + result.numel()
        return result


def _best_s(work: Callable[[], object], device: str) -> float:
    """The fastest of several times: what else runs on the machine makes no ceiling."""

    def once() -> float:
        began_s = time.perf_counter()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter() - began_s

    return min(once() for _ in range(TIMES))


def main() -> None:
    """Prints the answer."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)
        quiet_libraries()
        settings = CeilingSettings(**json.loads(sys.argv[1]))
        devices = find_devices(EngineSettings(device=Device(settings.device)))
        if not isinstance(devices, Devices):
            raise SystemExit(devices.message)
        (width, height), step, decode = count(settings)
        ceilings = measure(devices.first.device)
        counted = Counted(width=width, height=height, step=step, decode=decode, ceilings=ceilings)
        answer.write(json.dumps(asdict(counted)))


if __name__ == "__main__":
    main()
