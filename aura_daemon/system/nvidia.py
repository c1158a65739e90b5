"""What NVIDIA's management library knows of the GPUs, without torch. In: nothing. Out: names, bytes, who uses them.

It numbers cards by their place on the bus; CUDA numbers those that CUDA_VISIBLE_DEVICES lets it see, the fastest first.
What is the same to both is a card's UUID: `GPU-…` here, without the prefix to torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import psutil

try:
    import pynvml
except ImportError:  # beside a torch that somebody else installed: then nobody knows
    pynvml = None


UNKNOWN: Final = "nobody knows who: the driver does not say which of its GPUs it is"


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """One card."""

    name: str
    uuid: str
    """Empty where the driver does not say."""
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


def others(pid: int, uuid: str) -> str:
    """Who else computes on torch's card of this UUID, in words; empty where nobody does, or there is no driver to ask.

    Another card's users are never named for its own.
    """
    found = gpus()
    if not found:
        return ""
    card = _of_uuid(found, uuid) if uuid else _only(found)
    if card is None:
        return UNKNOWN
    said = [
        f"{name} ({user}) {size / (1 << 30):.1f} GiB" if size else f"{name} ({user})"
        for user, name, size in card.users
        if user != pid
    ]
    return ", ".join(said)


def first_visible(cards: Sequence[Gpu], environment: Mapping[str, str]) -> Gpu | None:
    """What CUDA will call its first card; None where that cannot be told before it is asked."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    wanted = visible.partition(",")[0].strip() if visible is not None else "0"
    if wanted.isdecimal():
        is_ordered = len(cards) == 1 or environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
        return cards[int(wanted)] if is_ordered and int(wanted) < len(cards) else None
    return _of_uuid(cards, wanted)


def _of_uuid(cards: Sequence[Gpu], uuid: str) -> Gpu | None:
    """As CUDA_VISIBLE_DEVICES has it, the beginning is enough where only one begins so."""
    bare = uuid.lower().removeprefix("gpu-")
    return _only([card for card in cards if bare and card.uuid.lower().removeprefix("gpu-").startswith(bare)])


def _only(cards: Sequence[Gpu]) -> Gpu | None:
    return cards[0] if len(cards) == 1 else None


def _gpu(number: int) -> Gpu:
    card = pynvml.nvmlDeviceGetHandleByIndex(number)
    memory = pynvml.nvmlDeviceGetMemoryInfo(card)
    return Gpu(
        name=str(pynvml.nvmlDeviceGetName(card)),
        uuid=_uuid(card),
        total_bytes=int(memory.total),
        free_bytes=int(memory.free),
        driver=str(pynvml.nvmlSystemGetDriverVersion()),
        users=tuple(_users(card)),
    )


def _uuid(card: object) -> str:
    with suppress(pynvml.NVMLError):  # not supported on every card
        return str(pynvml.nvmlDeviceGetUUID(card))
    return ""


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
