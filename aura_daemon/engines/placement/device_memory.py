"""Memory of the device that a model computes on. In: a placement. Out: figures, peaks, room; memory given back."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import torch

from aura_daemon.engines.placement.devices import Devices, Placement
from aura_daemon.ladder.rungs import Storage
from aura_daemon.system.host_memory import host_memory

LOOK_S: Final = 0.02
"""Between two looks of a watch: less than a layer of a real model takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryFigures:
    """Bytes; on the CPU the device's memory is the machine's."""

    used_bytes: int
    free_bytes: int
    total_bytes: int
    resident_bytes: int
    """Of this process."""


def memory_figures(placement: Placement | None) -> MemoryFigures:
    """Memory as it is now, no more of it than this process is allowed."""
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
    """Bytes of the GPU that this process may take in all: what is free, and what it has."""
    if placement.on_cpu:
        return 0
    free, total = device_memory(placement)
    reserved = int(_backend(placement).memory_reserved())
    room = free + reserved
    return min(room, int(total * placement.fraction)) if placement.fraction is not None else room


def within_fraction(placement: Placement, amount: int) -> int:
    """So many bytes, or what this process is allowed of the GPU where that is less."""
    if placement.fraction is None:
        return amount
    return min(amount, int(device_memory(placement)[1] * placement.fraction))


def host_room() -> int:
    """Bytes of the host's memory that this process may take in all: what is available, and what it has.

    Pages of files are available: the kernel takes them back, though this process has them in sight.
    """
    used = psutil.Process().memory_info()
    return host_memory().available_bytes + int(used.rss) - int(getattr(used, "shared", 0))  # no such figure on macOS


def device_memory(placement: Placement) -> tuple[int, int]:
    """Bytes free and in all, after everybody's use."""
    if placement.device == "mps":  # memory is the host's; Metal says how much of it is for graphics
        total = int(torch.mps.recommended_max_memory())
        return max(0, total - int(torch.mps.driver_allocated_memory())), total
    free, total = _backend(placement).mem_get_info(placement.device)
    return int(free), int(total)


def release(placement: Placement | None) -> None:
    """Gives freed memory back to the device and the system; whoever calls it has dropped the models first."""
    gc.collect()
    if placement is not None and not placement.on_cpu:
        _backend(placement).empty_cache()
    trim()


def trim() -> None:
    """Gives the host's freed memory back to the system: it grows under offload otherwise (diffusers issue 7970)."""
    with suppress(OSError, AttributeError):  # AttributeError: a C library without malloc_trim (musl, macOS)
        ctypes.CDLL(None).malloc_trim(0)


def wait_for(placement: Placement) -> None:
    """Until the device has done what it was given: a GPU is handed its work, and times would be those of handing."""
    if not placement.on_cpu:
        _backend(placement).synchronize()


class PeakMemory:
    """The highest memory since it was made: the allocator's on a GPU, resident size of the process on the CPU.

    Linux counts the resident peak itself and lets a process reset it (proc(5), `clear_refs` 5). Where that is
    refused, the peak is the largest of what `sample` saw. So it is where weights may stay in their files: their pages
    are no need, and the kernel does not count them apart.
    """

    def __init__(self, placement: Placement) -> None:
        self._placement = placement
        self._without_files = placement.on_cpu and placement.measures.storage is not Storage.NATIVE
        self.restart()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Looks many times a second meanwhile, where nobody else counts."""
        if self._counted:
            yield
            return
        over = threading.Event()

        def watch() -> None:
            while not over.wait(LOOK_S):
                self.sample()

        thread = threading.Thread(target=watch, name="peak memory", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def restart(self) -> None:
        """Counts from now on: while a model is loaded, pages of its files count that the kernel may take back."""
        self._sampled = 0
        self._counted = False
        if self._placement.on_cpu:
            self._counted = not self._without_files and _reset_resident_peak()
        elif self._placement.device != "mps":
            _backend(self._placement).reset_peak_memory_stats(self._placement.device)
            self._counted = True
        self.sample()

    def sample(self) -> None:
        """Looks once; cheap enough for every step."""
        if not self._counted:
            self._sampled = max(self._sampled, self._now())

    def highest_bytes(self) -> int:
        """The peak up to now."""
        self.sample()
        if not self._counted:
            return self._sampled
        if self._placement.on_cpu:
            return _resident_peak()
        return int(_backend(self._placement).max_memory_allocated(self._placement.device))

    def _now(self) -> int:
        if self._placement.device == "mps":
            return int(torch.mps.current_allocated_memory())
        used = psutil.Process().memory_info()
        return int(used.rss) - (int(getattr(used, "shared", 0)) if self._without_files else 0)


def _backend(placement: Placement) -> Any:
    """`torch.cuda` or what stands for it on another device."""
    return getattr(torch, placement.device.partition(":")[0])


def _reset_resident_peak() -> bool:
    """True where the kernel lets us reset its own count."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return _resident_peak() > 0


def _resident_peak() -> int:
    """The kernel's count of the highest resident size, in bytes; 0 where there is none."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
