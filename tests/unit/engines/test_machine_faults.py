"""Exceptions that are the machine's fault, whatever the job."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from aura_daemon.engines.machine_faults import machine_fault
from aura_daemon.jobs.results import FailureKind
from tests.support.forbidden_code import FORBID_CODE, can_forbid_code


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        (RuntimeError("could not create a primitive"), "LimitAS="),
        (RuntimeError("Failed to initialize cpuinfo!"), "ProcSubset=pid"),
        (RuntimeError("could not execute a primitive"), "LimitAS="),
        (RuntimeError("CUDA error: no kernel image is available for execution on the device"), "device: cpu"),
        (RuntimeError("The NVIDIA driver on your system is too old: driver version is insufficient"), "driver"),
        (ImportError("libx.so: failed to map segment from shared object"), "NoExecPaths="),
        (OSError("libx.so: cannot enable executable stack as shared object requires"), "MemoryDenyWriteExecute=yes"),
        (RuntimeError("can't start new thread"), "TasksMax="),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "free room"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "LimitNOFILE="),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_would_fail_every_job_holds_up_the_model(error: Exception, mend: str) -> None:
    failure = machine_fault(error)
    assert failure is not None
    assert failure.kind is FailureKind.MODEL_UNAVAILABLE
    assert str(error) in failure.message
    assert mend in failure.mend


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("could not create a primitive descriptor for a convolution forward propagation primitive"),
        RuntimeError("The size of tensor a (4) must match the size of tensor b (5)"),
        OSError("cannot identify image file"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "a.safetensors"),
        ValueError("no kernel image is available"),
    ],
    ids=lambda error: str(error)[:40],
)
def test_what_may_be_the_jobs_own_fault_is_not_the_machines(error: Exception) -> None:
    assert machine_fault(error) is None


@pytest.mark.skipif(not can_forbid_code(), reason="this kernel has no prctl(PR_SET_MDWE)")
def test_where_code_is_forbidden_the_mend_names_the_units_key() -> None:
    program = (
        "import torch\n"
        "from aura_daemon.engines.machine_faults import machine_fault\n"
        "half = torch.ones(64, 64, dtype=torch.bfloat16)\n"
        "try:\n    half @ half\n"
        "except RuntimeError as error:\n    print(machine_fault(error).told)\n"
        "else:\n    print('this processor needs no code of oneDNN')"
    )
    ran = subprocess.run([*FORBID_CODE, sys.executable, "-c", program], capture_output=True, text=True, check=True)
    if "needs no code" in ran.stdout:
        pytest.skip(ran.stdout.strip())
    assert "MemoryDenyWriteExecute=yes" in ran.stdout
