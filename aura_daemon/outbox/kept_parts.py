"""The results of the parts of a job that goes on, kept until it ends. In: a result. Out: the same, after any crash."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from aura_daemon.jobs.parts import kept_name
from aura_daemon.jobs.results import Produced
from aura_daemon.journal.records import Job
from aura_daemon.journal.request_json import ANY, adapter
from aura_daemon.system import durable_files
from aura_daemon.system.files import regular_files

_BYTES: Final = "base64"
"""The only key of an object that stands for bytes."""


class KeptParts:
    """The results of parts, in one folder of our own."""

    def __init__(self, folder: Path, temp_folder: Path) -> None:
        self._folder = folder
        self._temp_folder = temp_folder

    def keep(self, job: Job, produced: Produced) -> str:
        """Keeps the result of the part that is next among those that are done; its SHA-256. Raises OSError."""
        content = json.dumps(ANY.dump_python(produced), default=_bytes_to_json).encode()
        place = self._place(job, _parts_of(job))
        durable_files.write(place, content, temp_folder=self._temp_folder, replace=True, is_private=True)
        return regular_files.sha256_of(place)

    def result(self, job: Job, part: int) -> Produced | None:
        """The result of a part; None where its file is gone or has changed. Raises OSError where it cannot be read."""
        assert job.chain is not None
        try:
            found = regular_files.read(self._place(job, part))
        except (FileNotFoundError, regular_files.NotARegularFile):
            return None
        if found.sha256 != job.chain.done[part].kept_sha256:
            return None
        try:
            return _result_of(found.content)
        except ValueError:  # written by another version
            return None

    def picture(self, job: Job) -> bytes | None:
        """The picture that a job delivered, which is kept for those that follow it; None where it is not, any more."""
        try:
            content = regular_files.read(self._place(job, _parts_of(job))).content
            produced = _result_of(content)
        except (FileNotFoundError, regular_files.NotARegularFile, ValueError):
            return None
        picture = produced.payloads[0].content
        return picture if sha256(picture).hexdigest() in (job.payload_sha256 or "").split() else None

    def forget(self, job: Job) -> None:
        """Removes what is kept of a job that has ended."""
        for part in range(_parts_of(job) + 1) if job.chain is not None else ():  # the last one is not journaled
            self._place(job, part).unlink(missing_ok=True)

    def _place(self, job: Job, part: int) -> Path:
        return self._folder / kept_name(job.id, part)


def _parts_of(job: Job) -> int:
    """How many parts are journaled; the last one never is."""
    return len(job.chain.done) if job.chain is not None else 0


def _result_of(content: bytes) -> Produced:
    """Raises ValueError for anything else."""
    produced: Produced = adapter(Produced).validate_python(json.loads(content, object_hook=_bytes_from_json))
    return produced


def _bytes_to_json(content: bytes) -> dict[str, str]:
    return {_BYTES: base64.b64encode(content).decode()}


def _bytes_from_json(found: dict[str, Any]) -> Any:
    return base64.b64decode(found[_BYTES]) if found.keys() == {_BYTES} else found
