"""How exceptions are put into words."""

from __future__ import annotations

import pytest
import torch

from aura_daemon.engines.failures import broken, failure_of, in_words, is_broken
from aura_daemon.engines.placement.device_memory import MemoryFigures
from aura_daemon.jobs.results import FailureKind

GIB = 1 << 30
MEMORY = MemoryFigures(used_bytes=3 * GIB, free_bytes=GIB, total_bytes=4 * GIB, resident_bytes=2 * GIB)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.10 GiB. GPU 0 has 4.00 GiB"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes."),
        RuntimeError("Exception from src/inference/src/cpp/infer_request.cpp:223:\ncan't alloc"),
        RuntimeError("Check 'ptr' failed at src/core/src/runtime/aligned_buffer.cpp:9:\nFailed to allocate memory"),
        RuntimeError("Exception from src/core/src/x.cpp:9:\nFailed to allocate 318768128 bytes of memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 99 bytes."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear"),
        RuntimeError("CUDA error: out of memory"),
        OSError(12, "Cannot allocate memory"),
    ],
    ids=lambda error: str(error)[:40] or type(error).__name__,
)
def test_every_way_of_running_out_of_memory_is_recognised(error: Exception) -> None:
    failure = failure_of(error, MEMORY)
    assert failure.kind is FailureKind.OUT_OF_MEMORY
    assert "1.0 GiB free of 4.0 GiB, 2.0 GiB resident" in failure.message
    assert failure.mend
    assert not is_broken(error)


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("CUDA out of memory. Tried to allocate 1.10 GiB. GPU 0", "1.10 GiB needed"),
        (
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 2147483648 bytes. Error",
            "2.0 GiB needed",
        ),
    ],
)
def test_the_amount_that_was_asked_for_is_told(text: str, needed: str) -> None:
    assert needed in failure_of(RuntimeError(text), MEMORY).message


def test_a_real_allocation_that_is_too_large_is_out_of_memory() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert failure_of(caught.value, MEMORY).kind is FailureKind.OUT_OF_MEMORY


def test_any_other_exception_is_unexpected_and_told_in_one_line() -> None:
    failure = failure_of(ValueError("first\nsecond"), MEMORY)
    assert (failure.kind, failure.message) == (FailureKind.UNEXPECTED, "ValueError: first")


@pytest.mark.parametrize(("amount", "words"), [(12, "12 B"), (1536, "1.5 KiB"), (GIB, "1.0 GiB"), (3 << 40, "3.0 TiB")])
def test_bytes_are_written_as_a_person_reads_them(amount: int, words: str) -> None:
    assert in_words(amount) == words


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: device-side assert triggered"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    ],
    ids=str,
)
def test_a_gpu_that_answers_no_more_is_told_from_one_that_is_full(error: Exception) -> None:
    assert is_broken(error)
    failure = broken(error)
    assert failure.kind is FailureKind.CRASHED
    assert str(error) in failure.message
