"""Asks NVIDIA's management library about the GPUs, without torch. In: nothing. Out: names, bytes, users of each card.

The library numbers cards by their place on the bus. CUDA numbers the cards that CUDA_VISIBLE_DEVICES allows, the
fastest first. Both know a card's UUID: `GPU-…` here, without that prefix in torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

try:
    import pynvml
except ImportError:  # torch was installed by other means, without this library
    pynvml = None


UNKNOWN: Final = "nobody knows who: the driver does not say which of its GPUs it is"


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """One card."""

    name: str
    uuid: str
    """Empty where the driver does not tell."""
    total_bytes: int
    free_bytes: int
    driver: str
    users: tuple[tuple[int, str, int], ...]
    """Id, name and bytes of each process on the card; 0 bytes where the driver does not tell."""


def gpus() -> tuple[Gpu, ...]:
    """Every card; none where there is no driver, or where it does not tell their memory."""
    with _library() as works:
        if not works:
            return ()
        try:
            return tuple(_gpu(number) for number in range(pynvml.nvmlDeviceGetCount()))
        except pynvml.NVMLError:  # not supported, as on a GPU that shares the host's memory
            return ()


def others(pid: int, uuid: str) -> str:
    """Other processes on the card with torch's UUID (on no other), in words; empty without any and without a driver."""
    if not (found := gpus()):
        return ""
    card = _of_uuid(found, uuid) if uuid else _only(found)
    if card is None:
        return UNKNOWN
    descriptions = [
        f"{name} ({user}) {size / (1 << 30):.1f} GiB" if size else f"{name} ({user})"
        for user, name, size in card.users
        if user != pid
    ]
    return ", ".join(descriptions)


def first_visible(cards: Sequence[Gpu], environment: Mapping[str, str]) -> Gpu | None:
    """The card that CUDA will number first; None where only CUDA itself can tell."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    first = visible.partition(",")[0].strip() if visible is not None else "0"
    if first.isdecimal():
        is_ordered = len(cards) == 1 or environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
        return cards[int(first)] if is_ordered and int(first) < len(cards) else None
    return _of_uuid(cards, first)


def _of_uuid(cards: Sequence[Gpu], uuid: str) -> Gpu | None:
    """The card whose UUID starts so, if only one does; CUDA_VISIBLE_DEVICES is read in the same way."""
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
    import psutil  # large, and not needed without a card

    with suppress(pynvml.NVMLError):  # not supported on every card
        for process in pynvml.nvmlDeviceGetComputeRunningProcesses(card):
            name = "a process"
            with suppress(psutil.Error):
                name = psutil.Process(process.pid).name()
            yield int(process.pid), name, int(process.usedGpuMemory or 0)


@contextmanager
def _library() -> Iterator[bool]:
    """Opens the library; yields whether it works."""
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
