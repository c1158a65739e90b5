"""Parts of a model that stay in host memory and are copied to the device while they compute.

accelerate's hooks are not used: they undo each other when one placement follows another, copy unchanged weights back,
and put the safety checker on the GPU. Streaming layer by layer is left to diffusers (`apply_group_offloading`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from aura_daemon.system.processes.mapped_pages import without_pages_of


class OffloadedModule:
    """One part. Its weights are copied to the device for a computation, and the copies are dropped after it."""

    def __init__(
        self, module: torch.nn.Module, device: str, dtype: torch.dtype | None = None, *, mapped: Path | None = None
    ) -> None:
        """`device`: where the part computes; with `cpu` only weights of another format than `dtype` are copied.

        `mapped`: the file that holds the weights, whose pages are not to stay in memory.
        """
        self.module = module
        self._device = torch.device(device)
        self._dtype = dtype
        self._originals: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._users = 0
        self._mapped = mapped
        self._dropping = ExitStack()

    @contextmanager
    def onloaded(self) -> Iterator[None]:
        """Keeps the part on the device meanwhile; may be nested."""
        self.onload()
        try:
            yield
        finally:
            self.offload()

    def onload(self) -> None:
        """Copies what is not on the device, LoRAs that were added since the last copy included."""
        self._users += 1
        if self._users > 1:
            return
        if self._mapped is not None:
            self._dropping.enter_context(without_pages_of(self._mapped))
        for tensor in (*self.module.parameters(), *self.module.buffers()):
            copy = self._copied(tensor.data)
            if copy is not None:
                self._originals.append((tensor, tensor.data))
                tensor.data = copy

    def offload(self) -> None:
        """Ends one `onload`; the last one drops the copies."""
        self._users -= 1
        if self._users:
            return
        for tensor, data in self._originals:
            tensor.data = data
        self._originals.clear()
        self._dropping.close()

    def _copied(self, data: torch.Tensor) -> torch.Tensor | None:
        """A copy on the device, in the format of the computation; None where none is needed."""
        dtype = self._dtype if self._dtype is not None and data.is_floating_point() else data.dtype
        if data.device == self._device and data.dtype is dtype:
            return None
        return data.to(self._device, dtype, non_blocking=True)
