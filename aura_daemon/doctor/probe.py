"""Asks torch without importing it. In: a request. Out: the answer of a short-lived child, or why there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from aura_daemon.doctor.report import Finding, ProbeAnswer, ProbeRequest
from aura_daemon.system.processes.stop_signals import KILL, signal_of

CHILD: Final = (sys.executable, "-P", "-m", "aura_daemon.doctor.probe_child")

PATIENCE_S: Final = 180.0
"""torch and diffusers may have to come from a slow disk; a driver that hangs never answers."""

MEND: Final = "most likely torch, another library or the GPU's driver is broken: `aura-daemon once` meets the same"


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeFailed:
    """The child gave no answer."""

    complaint: Finding
    log: str
    """What the child wrote to stderr."""


class TorchProbe:
    """Starts a child for every request, and kills it where it does not answer in time."""

    def __init__(self, command: Sequence[str] = CHILD, *, patience_s: float = PATIENCE_S) -> None:
        """`command` is run with this process's pid appended: JSON of a request on stdin, of the answer on stdout."""
        self._command = tuple(command)
        self._patience_s = patience_s

    def ask(self, request: ProbeRequest) -> ProbeAnswer | ProbeFailed:
        """Never raises for what the child does."""
        command = [*self._command, str(os.getpid())]
        content = request.model_dump_json().encode()
        try:
            ran = subprocess.run(command, input=content, capture_output=True, timeout=self._patience_s)
        except subprocess.TimeoutExpired as error:
            return _failed(f"it did not answer within {self._patience_s:g} s and was killed", error.stderr)
        except OSError as error:
            return _failed(f"its process could not be started: {error}", b"")
        if ran.returncode != 0:
            return _failed(_ending(ran.returncode), ran.stderr)
        try:
            return ProbeAnswer.model_validate_json(ran.stdout)
        except ValidationError as error:
            return _failed(f"its answer is not understood ({error.error_count()} mistakes)", ran.stderr)


def _ending(code: int) -> str:
    if code > 0:
        return f"it ended with exit code {code}"
    number = signal_of(code)
    out_of_memory = ", as the kernel does where memory has run out" if number in KILL else ""
    return f"it was killed by signal {-code} ({number.name if number is not None else 'unknown'}){out_of_memory}"


def _failed(reason: str, stderr: bytes | None) -> ProbeFailed:
    log = (stderr or b"").decode(errors="replace").strip()
    last_line = f": {log.splitlines()[-1].strip()}" if log else ""
    return ProbeFailed(complaint=Finding(message=f"torch could not be asked; {reason}{last_line}", mend=MEND), log=log)
