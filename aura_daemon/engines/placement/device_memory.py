"""Memory of the device that a model computes on: figures, peaks, free memory, and giving memory back."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import psutil
import torch

from aura_daemon.engines.placement.devices import Devices, Placement
from aura_daemon.ladder.rungs import Storage
from aura_daemon.system.hardware.host_memory import host_memory
from aura_daemon.system.processes import process_memory
from aura_daemon.system.processes.repeating import repeating

SAMPLE_S: Final = 0.02
"""Between two samples: less than a layer of a real model takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryFigures:
    """Bytes; on the CPU the device's memory is the machine's."""

    used_bytes: int
    free_bytes: int
    total_bytes: int
    resident_bytes: int
    """Of this process."""


def memory_figures(placement: Placement | None) -> MemoryFigures:
    """Memory as it is now; None: of the host."""
    resident = int(psutil.Process().memory_info().rss)
    if placement is not None and not placement.on_cpu:
        free, total = device_memory(placement)
        return MemoryFigures(used_bytes=total - free, free_bytes=free, total_bytes=total, resident_bytes=resident)
    host = host_memory()
    return MemoryFigures(
        used_bytes=resident,
        free_bytes=host.available_bytes,
        total_bytes=host.total_bytes,
        resident_bytes=resident,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FreeMemory:
    """Bytes that this process may take in all, with what it has already."""

    device_bytes: int
    """Of the GPU; 0 without one."""
    host_bytes: int


def free_memory(devices: Devices) -> FreeMemory:
    """What this process may take now."""
    card = devices.accelerator
    return FreeMemory(device_bytes=device_room(card) if card is not None else 0, host_bytes=host_room())


def device_room(placement: Placement) -> int:
    """Bytes of the GPU that this process may take in all: what is free and what the process has."""
    if placement.on_cpu:
        return 0
    free, total = device_memory(placement)
    reserved = int(_backend(placement).memory_reserved())
    room = free + reserved
    return min(room, int(total * placement.fraction)) if placement.fraction is not None else room


def keep_within_room(placement: Placement) -> None:
    """Has torch refuse what the GPU has no room for now, where the driver would give memory of the host instead."""
    if placement.may_spill:
        share = device_room(placement) / device_memory(placement)[1]
        torch.cuda.set_per_process_memory_fraction(min(1.0, share), placement.device)


def within_fraction(placement: Placement, amount: int) -> int:
    """At most the share of the GPU's memory that this process is allowed."""
    if placement.fraction is None:
        return amount
    return min(amount, int(device_memory(placement)[1] * placement.fraction))


def host_room() -> int:
    """Bytes of the host's memory that this process may take in all: what is available and what the process has.

    Pages of mapped files count as available, because the kernel can take them back.
    """
    used = psutil.Process().memory_info()
    return host_memory().available_bytes + int(used.rss) - int(getattr(used, "shared", 0))  # no such figure on macOS


def device_memory(placement: Placement) -> tuple[int, int]:
    """Free and total bytes; what other programs use is not free."""
    if placement.device == "mps":  # memory is the host's; Metal says how much of it is for graphics
        total = int(torch.mps.recommended_max_memory())
        return max(0, total - int(torch.mps.driver_allocated_memory())), total
    free, total = _backend(placement).mem_get_info(placement.device)
    return int(free), int(total)


def release(placement: Placement | None) -> None:
    """Gives freed memory back to the device and the system; the caller has dropped its references to models before."""
    gc.collect()
    if placement is not None and not placement.on_cpu:
        _backend(placement).empty_cache()
    process_memory.trim()


def wait_for(placement: Placement) -> None:
    """Waits until the device has finished: calls to a GPU return early, so that measured times would be too short."""
    if not placement.on_cpu:
        _backend(placement).synchronize()


class PeakMemory:
    """The highest memory since the last restart: of the allocator on a GPU, of the process's resident size on the CPU.

    Linux counts the resident peak itself and lets a process reset it (proc(5), `clear_refs` 5). Where the system
    refuses that, the peak is the largest sample. The same holds where weights may stay in their files: their pages are
    not needed memory, and the kernel does not count them apart.
    """

    def __init__(self, placement: Placement) -> None:
        self._placement = placement
        self._without_files = placement.on_cpu and placement.measures.storage is not Storage.NATIVE
        self.restart()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Samples many times a second meanwhile, where neither kernel nor allocator counts the peak."""
        with nullcontext() if self._counted else repeating(self.sample, SAMPLE_S, name="peak memory"):
            yield

    def restart(self) -> None:
        """Forgets the peak so far: while a model is loaded, pages of its files count that the kernel may take back."""
        self._sampled = 0
        self._counted = False
        if self._placement.on_cpu:
            self._counted = not self._without_files and process_memory.reset_peak()
        elif self._placement.device != "mps":
            _backend(self._placement).reset_peak_memory_stats(self._placement.device)
            self._counted = True
        self.sample()

    def sample(self) -> None:
        """Takes one sample; cheap enough for every step."""
        if not self._counted:
            self._sampled = max(self._sampled, self._now())

    def highest_bytes(self) -> int:
        """The peak up to now."""
        self.sample()
        if not self._counted:
            return self._sampled
        if self._placement.on_cpu:
            return process_memory.peak_bytes()
        return int(_backend(self._placement).max_memory_allocated(self._placement.device))

    def _now(self) -> int:
        if self._placement.device == "mps":
            return int(torch.mps.current_allocated_memory())
        used = psutil.Process().memory_info()
        return int(used.rss) - (int(getattr(used, "shared", 0)) if self._without_files else 0)


def _backend(placement: Placement) -> Any:
    """`torch.cuda`, or the module of another kind of device."""
    return getattr(torch, placement.device.partition(":")[0])
