"""Exceptions that are the machine's fault, whatever the job asks for. In: an exception. Out: a Failure that waits.

Such a fault would fail every job after the other, so it holds up the model until someone has mended the machine.
"""

from __future__ import annotations

import errno
import re
from typing import Final

from aura_daemon.engines.failures import first_line
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.system.processes.process_memory import may_make_code

NO_CODE: Final = re.compile(r"could not (create|execute) a primitive(?! descriptor)")
"""oneDNN compiles its kernels while it runs, and could not."""

FORBIDDEN_CODE: Final = (
    "this process may not make memory executable, which torch needs on a CPU: take `MemoryDenyWriteExecute=yes` out of "
    "the service unit (`systemctl cat`), or relax the seccomp or SELinux rule that says so; then restart the service"
)

FAILED_CODE: Final = (
    "this is no fault of the job: look for too little memory or address space (LimitAS=, ulimit -v) and at the log"
)

WORDS: Final = {
    "Failed to initialize cpuinfo": "torch may not read /proc/cpuinfo: take `ProcSubset=pid` out of the service unit, "
    "then restart the service",
    "no kernel image is available": "this build of torch does not know this GPU: install one that does, or set "
    "device: cpu",
    "driver version is insufficient": "update the GPU's driver, or install a torch for the older CUDA",
    "CUDA driver initialization failed": "look at the GPU's driver (`nvidia-smi`), or set device: cpu",
    "failed to map segment from shared object": "a file system is mounted noexec, or NoExecPaths= forbids it: let the "
    "libraries be executed",
    "cannot enable executable stack": "the service unit or SELinux forbids executable memory "
    "(MemoryDenyWriteExecute=yes): relax that",
    "cannot open shared object file": "a library is missing or not readable: install it, and see `aura-daemon doctor`",
    "undefined symbol": "two libraries do not fit together: install the versions of constraints.txt",
}
"""Parts of messages -> the mend."""

ERRNOS: Final = {
    errno.ENOSPC: "free room on the disk of the temporary files and of the cache",
    errno.EDQUOT: "free room: the quota of the daemon's user is used up",
    errno.EROFS: "let the service write its cache: ReadWritePaths= or CacheDirectory= in its unit",
    errno.EMFILE: "raise the limit of open files (LimitNOFILE=, ulimit -n)",
    errno.ENFILE: "raise the machine's limit of open files (fs.file-max)",
    errno.EAGAIN: "raise the limit of threads (TasksMax=, LimitNPROC=, ulimit -u)",
}
"""What the system lacks -> the mend. Pictures reach an engine as bytes, so none of these comes from a job's file."""


def machine_fault(error: BaseException) -> Failure | None:
    """The failure for which jobs of the same model wait; None where the machine is not known to be at fault."""
    mend = _mend(error, str(error))
    if mend is None:
        return None
    return Failure(
        kind=FailureKind.MODEL_UNAVAILABLE,
        message=f"this machine cannot run the model: {type(error).__name__}: {first_line(str(error))}",
        mend=mend,
    )


def _mend(error: BaseException, text: str) -> str | None:
    if isinstance(error, OSError) and error.errno in ERRNOS:
        return ERRNOS[error.errno]
    if not isinstance(error, (RuntimeError, OSError, ImportError)):
        return None
    if NO_CODE.search(text):
        return FAILED_CODE if may_make_code() else FORBIDDEN_CODE
    if "can't start new thread" in text:
        return ERRNOS[errno.EAGAIN]
    return next((mend for words, mend in WORDS.items() if words in text), None)
