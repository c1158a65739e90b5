"""Exceptions put into words. In: an exception and the memory's figures. Out: a Failure of plain text.

A live exception keeps its frames, and frames keep tensors: only text may outlive the `except` block.
"""

from __future__ import annotations

import re
from typing import Final

import torch

from aura_daemon.engines.placement.device_memory import MemoryFigures
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.rungs import Rung

OUT_OF_MEMORY_WORDS: Final = (
    " out of memory.",
    "CUDA out of memory",
    "CUDA error: out of memory",
    "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED.",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
    "can't alloc",
    "Could not allocate memory",
    "Failed to allocate memory",
    " bytes of memory",
    "Cannot allocate memory",
    "not enough memory: you tried to allocate",
    "std::bad_alloc",
)
"""Parts of messages: those of accelerate's `should_reduce_batch_size`, of cuBLAS, cuDNN, the CPU and OpenVINO."""

NEEDED: Final = re.compile(r"[Tt]ried to allocate (?P<amount>[\d.]+ ?[KMGT]?i?B|\d+ bytes)")

MESSAGE_LIMIT: Final = 300
"""Characters of an exception's text that go into a failure; the log has the whole text."""


BROKEN_WORDS: Final = (
    "CUDA error:",
    "device-side assert",
    "an illegal memory access",
    "unspecified launch failure",
    "CUDNN_STATUS_EXECUTION_FAILED",
    "CUBLAS_STATUS_EXECUTION_FAILED",
    "HIP error:",
)
"""After these errors nothing works any more in this process: its CUDA context is broken."""


class UnfitModel(Exception):
    """A model whose files do not fit together, and what to say of it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class UnusableIngredient(Exception):
    """A LoRA, a ControlNet or an adapter that this model cannot be drawn with, and what to say of it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class FaultyVariant(Exception):
    """What a model computes with (`Placement.variant`) is at fault, and no job; its family does not choose it again."""

    def __init__(self, reason: str, *, lasts: bool) -> None:
        """`lasts`: it would be so in another process too."""
        super().__init__(reason)
        self.lasts = lasts


def failure_of(
    error: BaseException, memory: MemoryFigures, *, rung: Rung | None = None, neighbours: str = ""
) -> Failure:
    """What an engine's exception means; copies text and keeps no reference to `error`.

    `neighbours`: other programs that take memory of the device.
    """
    text = str(error)
    if is_out_of_memory(error):
        on = f" on rung {rung}" if rung is not None else ""
        return Failure(
            kind=FailureKind.OUT_OF_MEMORY,
            message=f"out of memory{on}: {_needed(text)}{in_words(memory.free_bytes)} free of "
            f"{in_words(memory.total_bytes)}, {in_words(memory.resident_bytes)} resident in the worker"
            f"{_also(neighbours)}",
            mend="ask for fewer pixels, or free memory on this device",
        )
    return Failure(
        kind=FailureKind.UNEXPECTED,
        message=f"{type(error).__name__}: {first_line(text)}" if text else type(error).__name__,
        mend="the traceback is in the log",
    )


def broken(error: BaseException) -> Failure:
    """The failure for an error after which the device does not even say how much of its memory is free."""
    return Failure(
        kind=FailureKind.CRASHED,
        message=f"the GPU failed: {type(error).__name__}: {first_line(str(error))}",
        mend="the worker process is started anew; if it comes again, look at the system's log and the driver",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """True for every way in which torch, CUDA's libraries and Python say that memory ran out."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, (RuntimeError, OSError)) and any(words in str(error) for words in OUT_OF_MEMORY_WORDS)


def is_broken(error: BaseException) -> bool:
    """True where the device does not answer any more, so that this process is useless; False where it is full."""
    if is_out_of_memory(error):
        return False
    accelerator_error = getattr(torch, "AcceleratorError", None)
    if accelerator_error is not None and isinstance(error, accelerator_error):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in BROKEN_WORDS)


def no_room(tried: RunConditions, *, neighbours: str = "") -> Failure:
    """The failure of a job that fits on no rung, with the figures of the last rung; nothing was run."""
    return Failure(
        kind=FailureKind.OUT_OF_MEMORY,
        message=f"not enough memory: {in_words(tried.expected_bytes)} needed on the last rung, {tried.rung}, "
        f"{in_words(max(0, tried.room_bytes))} to be had{_also(neighbours)}",
        mend="ask for fewer pixels, or free memory on this device",
    )


def first_line(text: str) -> str:
    """The first line that is not blank, cut to a length fit for a sidecar."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:MESSAGE_LIMIT] if lines else ""


def in_words(amount_bytes: int) -> str:
    """Bytes as a person reads them: `1.1 GiB`."""
    amount = float(amount_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def _also(neighbours: str) -> str:
    return f"; also on this GPU: {neighbours}" if neighbours else ""


def _needed(text: str) -> str:
    """The amount that was to be allocated, where the exception says it."""
    match = NEEDED.search(text)
    if match is None:
        return ""
    amount = match["amount"]
    if amount.endswith("bytes"):
        amount = in_words(int(amount.split()[0]))
    return f"{amount} needed, "
