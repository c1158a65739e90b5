"""One reader fuzzed in a process of its own. In: a name, seconds. Out: what was run, what was found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tests.corpus import findings_of
from tests.fuzzing.limits import MOST_INPUT_BYTES, bounded
from tests.fuzzing.targets import target_of
from tests.support.programs import ROOT

MOST_MEMORY_MB: Final = 2048
SILENCE_S: Final = 60
"""Seconds of one input after which libFuzzer takes a reader for hung."""

_STAGES: Final = ((0.7, 1024), (0.3, MOST_INPUT_BYTES))
"""Share of the time -> the most bytes of an input."""

_EXECUTIONS: Final = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_COVERED: Final = re.compile(r"\bcov: (\d+) ft: (\d+)")
_REASON: Final = re.compile(r"=== Uncaught Python exception: ===\s*\n(.*)|ERROR: libFuzzer: (.*)")
_ENVIRONMENT: Final = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, kw_only=True, slots=True)
class FuzzRun:
    """What one run did."""

    target: str
    seconds: float = 0.0
    executions: int = 0
    edges: int = 0
    """Of the readers' code, that were passed."""
    features: int = 0
    """As libFuzzer counts them: edges, and how often each was passed."""
    finding: bytes | None = None
    """The shortest input found that breaks something."""
    reason: str = ""


def is_here() -> bool:
    """Whether Atheris is installed."""
    return find_spec("atheris") is not None


def fuzzed(target: str, seconds: float, grown: Path | None = None) -> FuzzRun:
    """Fuzzes one reader, until something is found or the time is over. `grown`: where inputs are kept for the next.

    First with short inputs, which run tens of times as often; then with those of any length.
    """
    with tempfile.TemporaryDirectory(prefix="aura-fuzz-") as folder:
        place = Path(folder)
        kept = grown / target if grown is not None else place / "grown"
        kept.mkdir(parents=True, exist_ok=True)
        run = FuzzRun(target=target)
        for share, most_bytes in _STAGES:
            if run.finding is None:
                run = _added(run, _fuzzed(target, share * seconds, most_bytes, kept, place / str(most_bytes)))
    return run


def _added(before: FuzzRun, run: FuzzRun) -> FuzzRun:
    return replace(run, seconds=before.seconds + run.seconds, executions=before.executions + run.executions)


def _fuzzed(target: str, seconds: float, most_bytes: int, kept: Path, place: Path) -> FuzzRun:
    """One process, with inputs of up to so many bytes."""
    seeds, found = place / "seeds", place / "found"
    for one in (seeds, found):
        one.mkdir(parents=True)
    for number, content in enumerate(seeds_of(target)):
        if len(content) <= most_bytes:
            (seeds / str(number)).write_bytes(content)
    words = "".join(map(_entry_of, target_of(target).words))
    (place / "words").write_text(words)
    options = (
        f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={most_bytes}",
        f"-timeout={SILENCE_S}",
        f"-report_slow_units={SILENCE_S}",  # by the clock, beside other programs: `limits` counts the processor's time
        f"-rss_limit_mb={MOST_MEMORY_MB}",
        f"-artifact_prefix={found}/",
        "-entropic_scale_per_exec_time=1",  # an input that takes a second is changed less often than one of a ms
        "-print_final_stats=1",
        "-verbosity=1",
        *((f"-dict={place / 'words'}",) if words else ()),
    )
    command = (sys.executable, "-m", "tests.fuzzing.child", target, str(kept), str(seeds), *options)
    began_s = time.monotonic()
    ended = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **_ENVIRONMENT}, capture_output=True, text=True, errors="replace"
    )
    inputs = [file.read_bytes() for file in found.iterdir()]
    executions = _EXECUTIONS.search(ended.stderr)
    if executions is None and not inputs:
        raise RuntimeError(f"Atheris did not run (exit {ended.returncode}): {ended.stderr[-2000:]}")
    covered = _COVERED.findall(ended.stderr) or [("0", "0")]
    told = _REASON.search(ended.stdout + ended.stderr)
    reason = " ".join(filter(None, told.groups())) if told is not None else ended.stderr[-300:]
    return FuzzRun(
        target=target,
        seconds=time.monotonic() - began_s,
        executions=int(executions[1]) if executions is not None else 0,
        edges=int(covered[-1][0]),
        features=int(covered[-1][1]),
        finding=minimised(target, inputs[0]) if inputs else None,
        reason=reason if inputs else "",
    )


def seeds_of(target: str) -> Iterator[bytes]:
    """What a reader is fuzzed from: its seeds, and what was found before."""
    for content in (*target_of(target).seeds(), *findings_of(target).values()):
        if len(content) <= MOST_INPUT_BYTES:
            yield content


def _entry_of(word: bytes) -> str:
    """A line of a libFuzzer dictionary."""
    written = "".join(f"\\x{byte:02x}" for byte in word)
    return f'"{written}"\n'


def minimised(target: str, content: bytes) -> bytes:
    """A shorter input that breaks the same; the input itself where nothing breaks without a fuzzer."""
    broken = _broken(target, content)
    if not broken:
        return content
    piece = len(content) // 2
    while piece:
        start = 0
        while start < len(content):
            shorter = content[:start] + content[start + piece :]
            if _broken(target, shorter) == broken:
                content = shorter
            else:
                start += piece
        piece //= 2
    return content


def _broken(target: str, content: bytes) -> str:
    """What an input breaks: the kind of the exception and the place that raised it; empty for nothing."""
    try:
        bounded(target_of(target).read, content)
    except Exception as error:  # noqa: BLE001 - any exception is a finding
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        return f"{type(error).__name__} at {place.tb_lineno if place is not None else 0}"
    return ""
