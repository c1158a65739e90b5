"""Texts and sidecars that are no jobs, as they belong to an image or are results of a daemon. In: a path. Out: why.

Training sets hold a `.txt` beside each image, outboxes a `.json` beside each result. The journal remembers such a
companion also when its image has gone; a companion that is edited where it lies stays one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aura_daemon import file_names
from aura_daemon.formats import file_types
from aura_daemon.intake.image_lookup import status_of
from aura_daemon.journal.journal import Journal
from aura_daemon.system import durable_files

COMPANION_S: Final = 900.0
"""For how long after an image was claimed a late `.txt` or `.json` of its stem still belongs to the image, and for how
long a companion that went may come back changed: editors rename the old file away before they write the new one."""

MOST_SIDECAR_BYTES: Final = 1 << 20


class Companions:
    """The companions of the images in one inbox."""

    def __init__(self, inbox: Path, journal: Journal, *, now: Callable[[], float]) -> None:
        """`now`: seconds since the epoch."""
        self._inbox = inbox
        self._journal = journal
        self._now = now
        self._gone_since: dict[str, float | None] = {}
        """Path of a companion -> since when it is gone; None while it is there."""

    def owned(self, path: str, size_bytes: int, modified_ns: int) -> str:
        """Why a `.txt` or `.json` is no job, in words; empty where it is one. Raises OSError."""
        if self._is_companion(path, size_bytes, modified_ns):
            return "it lies beside an image of the same name"
        return "a result of a daemon's, with its sidecar" if self._is_result(path.rpartition(".")[0]) else ""

    def gone(self, path: str) -> None:
        """A file is not there any more; another one of its name that comes much later is no companion."""
        if path in self._gone_since:
            self._gone_since[path] = self._now()

    def _is_companion(self, path: str, size_bytes: int, modified_ns: int) -> bool:
        is_one = self._journal.is_companion(path, size_bytes, modified_ns)
        if not is_one and (self._was_one(path) or self._has_image(path)):
            is_one = True
            if not self._journal.is_read_only:  # as it is for the command `why`
                self._journal.add_companion(path, size_bytes, modified_ns)
        if is_one:
            self._gone_since[path] = None
        else:
            self._gone_since.pop(path, None)
        return is_one

    def _was_one(self, path: str) -> bool:
        """Whether the file is a companion that is there, or that went shortly before."""
        return path in self._gone_since and self._is_late(self._gone_since[path])

    def _has_image(self, path: str) -> bool:
        """Whether an image of the same stem lies, or lately lay, beside the file."""
        stem = path.rpartition(".")[0]
        for extension in file_types.IMAGE_EXTENSIONS:
            for image in (stem + extension, stem + extension.upper()):
                if status_of(self._inbox / image) is not None:
                    return True
                taken = self._journal.latest_source(image)
                if taken is not None and self._is_late(taken.claimed_at):
                    return True
        return False

    def _is_late(self, since: float | None) -> bool:
        return since is None or self._now() - since < COMPANION_S

    def _is_result(self, stem: str) -> bool:
        """Whether `STEM.txt` and a sidecar of ours that names it as its output lie side by side."""
        text, sidecar = self._inbox / f"{stem}.txt", self._inbox / f"{stem}.json"
        if status_of(text) is None or status_of(sidecar) is None:
            return False
        try:
            document = json.loads(durable_files.read(sidecar, most_bytes=MOST_SIDECAR_BYTES, below=self._inbox).content)
        except (FileNotFoundError, PermissionError, durable_files.NotARegularFile, ValueError, RecursionError):
            return False
        if not isinstance(document, dict) or document.get("schema") != file_types.SIDECAR_SCHEMA:
            return False
        outputs = document.get("outputs")
        named = {"name": file_names.escaped(text.name)}.items()
        return isinstance(outputs, list) and any(isinstance(one, dict) and named <= one.items() for one in outputs)
