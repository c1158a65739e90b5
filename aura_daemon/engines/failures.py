"""Exceptions put into words. In: an exception and the memory's figures. Out: a Failure of plain text.

A live exception keeps its frames and frames keep tensors, so nothing here outlives the `except` block but
text.
"""

from __future__ import annotations

import re
from typing import Final

import torch

from aura_daemon.core.job import Failure, FailureKind
from aura_daemon.engines.placement import MemoryFigures

OUT_OF_MEMORY_WORDS: Final = (
    " out of memory.",
    "CUDA out of memory",
    "CUDA error: out of memory",
    "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED.",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",
    "can't allocate memory",
    "Cannot allocate memory",
    "not enough memory: you tried to allocate",
)
"""What accelerate's `should_reduce_batch_size` looks for, and what cuBLAS, cuDNN and the CPU say."""

NEEDED: Final = re.compile(r"[Tt]ried to allocate (?P<amount>[\d.]+ ?[KMGT]?i?B|\d+ bytes)")

MESSAGE_LIMIT: Final = 300
"""Characters of an exception's text that go into a failure; all of it is in the log."""


def failure_of(error: BaseException, memory: MemoryFigures) -> Failure:
    """What an engine's exception means; copies text and keeps no reference to `error`."""
    text = str(error)
    if is_out_of_memory(error):
        return Failure(
            kind=FailureKind.OUT_OF_MEMORY,
            message=f"out of memory: {_needed(text)}{in_words(memory.free_bytes)} free of "
            f"{in_words(memory.total_bytes)}, {in_words(memory.resident_bytes)} resident in the worker",
            mend="ask for fewer pixels, or free memory on this device",
        )
    return Failure(
        kind=FailureKind.UNEXPECTED,
        message=f"{type(error).__name__}: {first_line(text)}" if text else type(error).__name__,
        mend="the traceback is in the log",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """True for every way in which torch, CUDA's libraries and Python say that memory ran out."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, (RuntimeError, OSError)) and any(words in str(error) for words in OUT_OF_MEMORY_WORDS)


def first_line(text: str) -> str:
    """The first line that says something, cut to a length fit for a sidecar."""
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


def _needed(text: str) -> str:
    """The amount that was asked for, where the exception tells."""
    match = NEEDED.search(text)
    if match is None:
        return ""
    amount = match["amount"]
    if amount.endswith("bytes"):
        amount = in_words(int(amount.split()[0]))
    return f"{amount} needed, "
