"""Asks torch without importing it. In: a question. Out: the findings of a short-lived child, or why there are none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from aura_daemon.doctor.report import Finding, ProbeAnswer, ProbeRequest

CHILD: Final = (sys.executable, "-m", "aura_daemon.doctor.probe_child")

PATIENCE_S: Final = 180.0
"""torch and diffusers may have to come from a slow disk; a driver that hangs never answers."""

MEND: Final = "most likely torch, another library or the GPU's driver is broken: `aura-daemon once` meets the same"


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeFailed:
    """There are no findings."""

    complaint: Finding
    log: str
    """What the child had to say."""


def ask(
    question: ProbeRequest, *, patience_s: float = PATIENCE_S, command: Sequence[str] = CHILD
) -> ProbeAnswer | ProbeFailed:
    """Never raises for what the child does; it is killed when patience is at an end."""
    asked = question.model_dump_json().encode()
    try:
        ran = subprocess.run([*command, str(os.getpid())], input=asked, capture_output=True, timeout=patience_s)
    except subprocess.TimeoutExpired as error:
        return _unanswered(f"it did not answer within {patience_s:g} s and was killed", error.stderr)
    except OSError as error:
        return _unanswered(f"its process could not be started: {error}", b"")
    if ran.returncode != 0:
        return _unanswered(_ending(ran.returncode), ran.stderr)
    try:
        return ProbeAnswer.model_validate_json(ran.stdout)
    except ValidationError as error:
        return _unanswered(f"its answer is not understood ({error.error_count()} mistakes)", ran.stderr)


def _ending(code: int) -> str:
    if code > 0:
        return f"it ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
    full = ", as the kernel does where memory has run out" if -code == signal.SIGKILL else ""
    return f"it was killed by signal {-code} ({name}){full}"


def _unanswered(what: str, log: bytes | None) -> ProbeFailed:
    said = (log or b"").decode(errors="replace").strip()
    last = f": {said.splitlines()[-1].strip()}" if said else ""
    return ProbeFailed(complaint=Finding(message=f"torch could not be asked; {what}{last}", mend=MEND), log=said)
