"""The results of the parts of a job that goes on, kept until it ends. In: a result. Out: the same, after any crash."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from aura_daemon.jobs.results import Produced
from aura_daemon.journal.records import Job
from aura_daemon.journal.request_json import ANY, adapter
from aura_daemon.system import durable_files

_BYTES: Final = "base64"
"""The only key of an object that stands for bytes."""


class KeptParts:
    """The results of parts, in one folder of our own."""

    def __init__(self, folder: Path, temp_folder: Path) -> None:
        self._folder = folder
        self._temp_folder = temp_folder

    def keep(self, job: Job, produced: Produced) -> str:
        """Keeps the result of the part that is next among those that are done; its SHA-256. Raises OSError."""
        assert job.chain is not None
        content = json.dumps(ANY.dump_python(produced), default=_bytes_to_json).encode()
        place = self._place(job, len(job.chain.done))
        durable_files.write(place, content, temp_folder=self._temp_folder, replace=True)
        return durable_files.sha256_of(place)

    def result(self, job: Job, part: int) -> Produced | None:
        """The result of a part; None where its file is gone or has changed. Raises OSError where it cannot be read."""
        assert job.chain is not None
        try:
            found = durable_files.read(self._place(job, part))
        except (FileNotFoundError, durable_files.NotARegularFile):
            return None
        if found.sha256 != job.chain.done[part].kept_sha256:
            return None
        try:
            fields = json.loads(found.content, object_hook=_bytes_from_json)
            produced: Produced = adapter(Produced).validate_python(fields)
        except ValidationError:  # written by another version
            return None
        return produced

    def forget(self, job: Job) -> None:
        """Removes what is kept of a job that has ended."""
        if job.chain is None:
            return
        for part in range(len(job.chain.done) + 1):  # a crash may have come before the last one was journaled
            self._place(job, part).unlink(missing_ok=True)

    def _place(self, job: Job, part: int) -> Path:
        return self._folder / f"{job.id}.part{part}"


def _bytes_to_json(content: bytes) -> dict[str, str]:
    return {_BYTES: base64.b64encode(content).decode()}


def _bytes_from_json(found: dict[str, Any]) -> Any:
    return base64.b64decode(found[_BYTES]) if found.keys() == {_BYTES} else found
