"""How far a download is. In: what the hub's client, or our own, says of bytes. Out: reports, now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Any, Final

from tqdm.std import tqdm  # type: ignore[import-untyped]

from aura_daemon.engines.reporter import Reporter

REPORT_EVERY_S: Final = 0.5
"""Seconds between two reports of a download."""


class _NullStream:
    """A file that drops what progress bars write."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def silent() -> type[Any]:
    """A progress bar that shows nothing."""

    class NoReport(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            options["file"] = _NullStream()
            super().__init__(*args, **options)

    return NoReport


def reported(model: str, total_bytes: int, reporter: Reporter) -> Callable[[int], None]:
    """Counts bytes, and reports them now and then."""
    done, reported_at = 0, 0.0

    def read(amount: int) -> None:
        nonlocal done, reported_at
        done += amount
        now = time.monotonic()
        if now - reported_at >= REPORT_EVERY_S or done >= total_bytes:
            reported_at = now
            reporter.loading(model, max(0, min(done, total_bytes)), total_bytes)

    return read


def counter(model: str, total_bytes: int, reporter: Reporter) -> type[Any]:
    """A progress bar that calls `reporter` and writes nothing; called from several threads."""
    lock = Lock()
    reported_at = 0.0

    class Counter(silent()):  # type: ignore[misc]
        def update(self, amount: float | None = 1) -> Any:
            nonlocal reported_at
            shown = super().update(amount)
            if getattr(self, "unit", "") == "B" and str(self.desc or "").startswith("Downloading"):
                with lock:
                    now = time.monotonic()
                    if now - reported_at >= REPORT_EVERY_S or self.n >= total_bytes:
                        reported_at = now
                        reporter.loading(model, min(int(self.n), total_bytes), total_bytes)
            return shown

    return Counter
