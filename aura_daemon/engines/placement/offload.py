"""Parts of a model that lie in host memory and visit the device. In: modules. Out: modules, there when they compute.

Ours and not accelerate's hooks: those undo each other when one placement is laid over another, copy weights back that
nobody has changed, and put the safety checker on the GPU. What is streamed layer by layer is diffusers' own work
(`apply_group_offloading`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class OffloadedModule:
    """One part. Its weights are copied to the device for a visit and dropped there after it."""

    def __init__(self, module: torch.nn.Module, device: str, dtype: torch.dtype | None = None) -> None:
        """`device`: where it computes; `cpu` makes a visit a formality, but for a `dtype` that it has not at home."""
        self.module = module
        self._device = torch.device(device)
        self._dtype = dtype
        self._at_home: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._visits = 0

    @contextmanager
    def visiting(self) -> Iterator[None]:
        """On the device meanwhile; a visit within a visit is part of it."""
        self.arrive()
        try:
            yield
        finally:
            self.leave()

    def arrive(self) -> None:
        """Copies what is not there; LoRAs that were put on since the last visit are part of the module."""
        self._visits += 1
        if self._visits > 1:
            return
        for tensor in (*self.module.parameters(), *self.module.buffers()):
            copy = self._copied(tensor.data)
            if copy is not None:
                self._at_home.append((tensor, tensor.data))
                tensor.data = copy

    def leave(self) -> None:
        """Ends a visit; with the last one the copies are dropped."""
        self._visits -= 1
        if self._visits:
            return
        for tensor, data in self._at_home:
            tensor.data = data
        self._at_home.clear()

    def _copied(self, data: torch.Tensor) -> torch.Tensor | None:
        """On the device, in the format that is computed in; None where it is there."""
        dtype = self._dtype if self._dtype is not None and data.is_floating_point() else data.dtype
        if data.device == self._device and data.dtype is dtype:
            return None
        return data.to(self._device, dtype, non_blocking=True)
