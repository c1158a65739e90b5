"""What stands in for a loaded UNet on a placement. In: the UNet. Out: the UNet, or what computes it faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aura_daemon.engines.compiled.variants import COMPILED, TENSORRT, VARIANTS, is_cuda
from aura_daemon.engines.placement.devices import Placement


def stand_in(unet: Any, placement: Placement, alive: Callable[[], None]) -> Any:
    """Nothing is compiled or recorded before the first call. `alive`: a sign of life while something is."""
    variant = placement.variant
    if variant not in VARIANTS.values():
        return unet
    # Only here: torch's compilers take a second to import.
    from aura_daemon.engines.compiled.captured_unet import CapturedUNet
    from aura_daemon.engines.compiled.compiled_unet import CompiledUNet
    from aura_daemon.engines.compiled.compilers import inductor, tensorrt
    from aura_daemon.engines.compiled.cuda_capture import CudaRecorder

    if variant == COMPILED:
        compiled = CompiledUNet(unet, inductor(), variant, alive)
        return CapturedUNet(compiled, CudaRecorder()) if is_cuda(placement) else compiled
    if variant == TENSORRT:
        return CapturedUNet(CompiledUNet(unet, tensorrt(), variant, alive), CudaRecorder())
    return CapturedUNet(unet, CudaRecorder())
