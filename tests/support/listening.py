"""A listener to an engine's reports."""

from __future__ import annotations


class Listener:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.loads: list[tuple[str, int, int]] = []
        self.steps: list[tuple[int, int]] = []
        self.previews: list[bytes] = []
        self.cancelled_after: int | None = None
        """Steps after which nobody wants it any more."""

    @property
    def is_cancelled(self) -> bool:
        return self.cancelled_after is not None and len(self.steps) >= self.cancelled_after

    def loading(self, model: str, done_bytes: int = 0, total_bytes: int = 0) -> None:
        self.loads.append((model, done_bytes, total_bytes))

    def stepped(self, step: int, steps: int, preview: bytes = b"") -> None:
        self.steps.append((step, steps))
        self.previews += [preview] if preview else []
