"""What an engine tells while it works.

In: an engine's news. Out: whoever listens, the worker's child process.
"""

from __future__ import annotations

from typing import Protocol


class Report(Protocol):
    """Called from inside the engines, from any thread; each call is a sign of life."""

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        """A model is being fetched, checked or loaded; `total_bytes` is 0 where nothing is counted."""

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody wants this any more; asked after each step."""

    def stepped(self, step: int, steps: int, preview: bytes = b"") -> None:
        """Step `step`, counted from 1, of `steps` is done; `preview` is a small JPEG of the picture by now."""
