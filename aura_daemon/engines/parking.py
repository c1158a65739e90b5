"""Parts of a model that lie in host memory and visit the device. In: modules. Out: modules, there when they compute.

Ours and not accelerate's hooks: those undo each other when one placement is laid over another, copy weights back that
nobody has changed, and put the safety checker on the GPU. What is streamed layer by layer is diffusers' own work
(`apply_group_offloading`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


class Parked:
    """One part. Its weights are copied to the device for a visit and dropped there after it."""

    def __init__(self, module: torch.nn.Module, device: str) -> None:
        """`device`: where it computes; `cpu` makes every visit a formality."""
        self.module = module
        self._device = torch.device(device)
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
        """On the device; None where it is there."""
        return data.to(self._device, non_blocking=True) if data.device != self._device else None


class RowByRow:
    """A UNet that computes one row at a time, where diffusers hands it prompt and negative prompt together."""

    def __init__(self, unet: Any) -> None:
        self._unet = unet

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unet, name)

    def __call__(
        self, sample: torch.Tensor, timestep: Any, encoder_hidden_states: torch.Tensor, **told: Any
    ) -> tuple[torch.Tensor]:
        """`sample` `[rows, 4, H / 8, W / 8]`, `encoder_hidden_states` `[rows, 77 * windows, D]`, as in diffusers."""
        told = {**told, "return_dict": False}
        rows = [
            self._unet(
                sample[row : row + 1],
                timestep,
                encoder_hidden_states=encoder_hidden_states[row : row + 1],
                **told,
            )[0]
            for row in range(len(sample))
        ]
        return (torch.cat(rows),)


class Visitor:
    """A part as a pipeline sees it that comes to the device when it is called, and stays until it is sent away."""

    def __init__(self, part: Any, parked: Parked) -> None:
        """`part`: the parked module, or what stands for it."""
        self._part = part
        self._parked = parked
        self._is_there = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    def __call__(self, *told: Any, **named: Any) -> Any:
        """A forward pass."""
        self._come()
        return self._part(*told, **named)

    def encode(self, *told: Any, **named: Any) -> Any:
        """Of a VAE; it does not stay, as the UNet comes next."""
        with self._parked.visiting():
            return self._part.encode(*told, **named)

    def go(self) -> None:
        """Makes room for the next part."""
        if self._is_there:
            self._is_there = False
            self._parked.leave()

    def _come(self) -> None:
        if not self._is_there:
            self._is_there = True
            self._parked.arrive()
