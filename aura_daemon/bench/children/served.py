"""An engine that is timed from outside, in a process of its own. In: a command a line. Out: an answer a line, JSON.

Commands are the names of the engine's methods, with whole numbers after them: `step`, `decode`, `picture 4`. So that
engines of different programs can take turns, each process loads one engine, and waits. What libraries print goes to
stderr. This module imports no engine: those that the daemon is compared with bring their own libraries.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from aura_daemon.bench.processor_time import cpu_s
from aura_daemon.system.processes.process_memory import peak_bytes


class EngineFailed(Exception):
    """The engine's process could not do what it was told, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineAnswer:
    """What one command took."""

    seconds: float
    peak_bytes: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the engine says of itself; once loaded."""


def serve(load: Callable[[], object]) -> None:
    """Loads an engine and obeys until stdin ends. An engine has `facts`; a method may return some: a dict."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)

        def timed(work: Callable[..., object], *given: int) -> object:
            began_s = time.perf_counter()
            try:
                result = work(*given)
            except Exception as error:
                line = str(error).strip().splitlines()
                answers.write(json.dumps({"error": f"{type(error).__name__}: {line[0] if line else ''}"}) + "\n")
                answers.flush()
                raise
            seconds = time.perf_counter() - began_s
            facts = getattr(result, "facts", result)
            facts = facts if isinstance(facts, dict) else {}
            answers.write(json.dumps({"seconds": seconds, "peak_bytes": peak_bytes(), "facts": facts}) + "\n")
            answers.flush()
            return result

        engine = timed(load)
        for line in sys.stdin:
            name, *numbers = line.split()
            timed(getattr(engine, name), *map(int, numbers))


class EngineProcess:
    """The process of an engine, from outside; ends with the block."""

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str] | None = None, patience_s: float = 600.0
    ) -> None:
        """`patience_s`: for each answer; a process that takes longer is killed."""
        self._patience_s = patience_s
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **(environment or {})},
            text=True,
        )
        try:
            self.loaded = self._answer()
        except EngineFailed:
            self.end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def cpu_s(self) -> float:
        """Seconds of the processor that it has taken."""
        return cpu_s(self._process.pid)

    def ask(self, command: str) -> EngineAnswer:
        """Has one command carried out; raises EngineFailed."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise EngineFailed(f"its process has ended: {self._last_line()}") from error
        return self._answer()

    def end(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            stream.close()

    def _answer(self) -> EngineAnswer:
        assert self._process.stdout is not None
        killer = threading.Timer(self._patience_s, self._process.kill)
        killer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            killer.cancel()
        if not line:
            code = self._process.wait()
            raise EngineFailed(f"its process ended with {code}: {self._last_line()}")
        answer = json.loads(line)
        if "error" in answer:
            raise EngineFailed(answer["error"])
        return EngineAnswer(**answer)

    def _last_line(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else "it said nothing"
