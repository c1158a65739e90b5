"""What NVIDIA's management library knows of the GPUs, without torch. In: nothing. Out: names, bytes, who uses them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

try:
    import pynvml
except ImportError:  # beside a torch that somebody else installed: then nobody knows
    pynvml = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """One card."""

    name: str
    total_bytes: int
    free_bytes: int
    driver: str
    users: tuple[tuple[int, str, int], ...]
    """Process id, its name, bytes; 0 bytes where the driver does not say how many."""


def gpus() -> tuple[Gpu, ...]:
    """Every card; none where there is no driver, or where it does not say how much memory they have."""
    with _library() as works:
        if not works:
            return ()
        try:
            return tuple(_gpu(number) for number in range(pynvml.nvmlDeviceGetCount()))
        except pynvml.NVMLError:  # not supported: a GPU whose memory is the host's
            return ()


def others(pid: int, number: int = 0) -> str:
    """Who else computes on a card, in words; empty where nobody does, or nobody knows."""
    found = gpus()
    if number >= len(found):
        return ""
    said = [
        f"{name} ({user}) {size / (1 << 30):.1f} GiB" if size else f"{name} ({user})"
        for user, name, size in found[number].users
        if user != pid
    ]
    return ", ".join(said)


def _gpu(number: int) -> Gpu:
    card = pynvml.nvmlDeviceGetHandleByIndex(number)
    memory = pynvml.nvmlDeviceGetMemoryInfo(card)
    return Gpu(
        name=str(pynvml.nvmlDeviceGetName(card)),
        total_bytes=int(memory.total),
        free_bytes=int(memory.free),
        driver=str(pynvml.nvmlSystemGetDriverVersion()),
        users=tuple(_users(card)),
    )


def _users(card: object) -> Iterator[tuple[int, str, int]]:
    with suppress(pynvml.NVMLError):  # not supported on every card
        for process in pynvml.nvmlDeviceGetComputeRunningProcesses(card):
            name = "a process"
            with suppress(psutil.Error):
                name = psutil.Process(process.pid).name()
            yield int(process.pid), name, int(process.usedGpuMemory or 0)


@contextmanager
def _library() -> Iterator[bool]:
    """Whether there is one."""
    if pynvml is None:
        yield False
        return
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield False
        return
    try:
        yield True
    finally:
        pynvml.nvmlShutdown()
