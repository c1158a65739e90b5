"""A daemon's folders in a temporary place, and the real daemon on them with a scripted worker."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aura_daemon.config.settings import Settings
from aura_daemon.daemon.assembly import assemble_daemon
from aura_daemon.daemon.loop import Daemon, Summary
from aura_daemon.health.listener import Listener
from aura_daemon.intake.assembly import assemble_intake
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.results import (
    Failure,
    FailureKind,
    Outcome,
)
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.outbox.kept_parts import KeptParts
from aura_daemon.outbox.source_disposal import SourceDisposal
from aura_daemon.outbox.source_policy import SourcePolicy
from aura_daemon.system.mount_guard import MountGuard
from aura_daemon.watch.file_stamp import FileStamp
from aura_daemon.workers.pool import WorkerPool
from tests.support.outcomes import PNG as PNG
from tests.support.outcomes import make as make
from tests.support.outcomes import sha256 as sha256
from tests.support.scripted_worker import Play, ScriptedWorker

PROMPT = b"prompt: a red circle\n"

CATALOGUE = Catalogue(models=("aura-mini",))


class House:
    """Inbox, outbox and state folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inbox, self.outbox, self.state = root / "inbox", root / "outbox", root / "state"
        for folder in (self.inbox, self.outbox, self.state):
            folder.mkdir(parents=True, exist_ok=True)

    def drop(self, name: str, content: bytes = PROMPT) -> Path:
        """Puts a file into the inbox, whole."""
        place = self.inbox / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return place

    def settings(self, **changes: Any) -> Settings:
        """Settings under which nothing waits, with `changes`."""
        patience = {"settle": 0, "incomplete_after": 0, "reference_wait": 0, "pair_wait": 0}
        patience |= {"retry_first": 0.1, "stop_timeout": 0}
        folders = {"inbox": self.inbox, "outbox": self.outbox, "state": self.state}
        return Settings(**{**folders, **patience, **changes})

    @contextmanager
    def daemon(
        self,
        play: Play | ScriptedWorker | Sequence[ScriptedWorker] | Mapping[str, ScriptedWorker] | None = None,
        *,
        listeners: Sequence[Listener] = (),
        drain: bool = True,
        **changes: Any,
    ) -> Iterator[Daemon]:
        """The daemon as `daemon.assembly` builds it; `play` is the script of its worker, or the worker(s)."""
        if isinstance(play, Mapping):
            pool, workers = WorkerPool(play), list(play.values())
        else:
            given = [play] if isinstance(play, ScriptedWorker) else play
            workers = list(given) if isinstance(given, Sequence) else [ScriptedWorker(given or make)]
            pool = WorkerPool(workers)
        try:
            with self.daemon_of(pool, listeners=listeners, drain=drain, **changes) as daemon:
                yield daemon
        finally:
            for worker in workers:
                worker.close()

    @contextmanager
    def daemon_of(
        self, pool: WorkerPool, *, listeners: Sequence[Listener] = (), drain: bool = False, **changes: Any
    ) -> Iterator[Daemon]:
        """A daemon whose workers outlive it."""
        with assemble_daemon(self.settings(**changes), pool, listeners=listeners, drain=drain) as daemon:
            yield daemon

    def drain(self, play: Play | ScriptedWorker | None = None, **changes: Any) -> Summary:
        """`aura-daemon once` without a process."""
        with self.daemon(play, **changes) as daemon:
            return daemon.run()

    def journal(self) -> Journal:
        """The journal, opened for reading."""
        return Journal(self.state / FILE_NAME, read_only=True)

    def results(self) -> list[str]:
        """All visible files of the outbox except `failed/`, the health document and the gallery."""
        ours = ("failed/", "aura-gallery/")
        others = [name for name in self.visible(self.outbox) if not name.startswith(ours)]
        return [name for name in others if name not in ("health.json", "index.html")]

    def failed(self) -> list[str]:
        """All visible files in `failed/`."""
        return self.visible(self.outbox / "failed")

    def archived(self) -> list[str]:
        """All visible files in the archive."""
        return self.visible(self.inbox / ".aura" / "done")

    def waiting(self) -> list[str]:
        """All visible files in the inbox."""
        return self.visible(self.inbox)

    def temporary(self) -> list[str]:
        """Temporary files, copies and claims that should be gone when nothing runs."""
        ours = (self.outbox / ".aura" / "tmp", self.inbox / ".aura" / "tmp", self.inbox / ".aura" / "work")
        state = (self.state / "copying", self.state / "inputs", self.state / "tmp")
        return [name for place in (*ours, *state) for name in self.visible(place)]

    def sidecar(self, name: str) -> dict[str, Any]:
        """A JSON document in the outbox."""
        found: dict[str, Any] = json.loads((self.outbox / name).read_text(encoding="utf-8"))
        return found

    @staticmethod
    def visible(folder: Path) -> list[str]:
        """Paths of the files below a folder that have no hidden part; folders may vanish meanwhile."""
        found = []
        for place, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [(Path(place) / name).relative_to(folder).as_posix() for name in files if not name.startswith(".")]
        return sorted(found)


class Door:
    """The parts between inbox and outbox, without the daemon's loop."""

    def __init__(
        self,
        house: House,
        *,
        keeps: bool = False,
        overwrites: bool = False,
        reads_heic: bool = True,
        catalogue: Callable[[], Catalogue] = lambda: CATALOGUE,
        **settings: Any,
    ) -> None:
        """`settings`: as in the configuration; files need the usual time to settle."""
        self.house = house
        self.clock_s = 1_000_000.0
        self.journal = Journal(house.state / FILE_NAME)
        patience = {"settle": 2, "incomplete_after": 60, "reference_wait": 600, "pair_wait": 2}
        limits = {"limits": {"image_bytes": 1_000_000}}
        chosen = house.settings(**{**patience, **limits, **settings})
        intake = assemble_intake(
            chosen, self.journal, now=self.now, keeps=keeps, catalogue=catalogue, reads_heic=reads_heic
        )
        self.claims, self.references, self.inputs = intake.claims, intake.image_lookup, intake.input_images
        self.folders, self.judging, self.intake = intake.folder_defaults, intake.triage, intake.admission
        guard = MountGuard(house.outbox, house.state)
        self.outbox = Delivery(guard, self.journal, inbox=house.inbox, overwrites=overwrites, monotonic=self.now)
        self.kept_parts = KeptParts(self.claims.inputs, self.claims.temp)
        self.disposition = SourcePolicy.KEEP if keeps else SourcePolicy.ARCHIVE

    def now(self) -> float:
        """A clock that advances by a millisecond at every call: ids sort in the order of the claims."""
        self.clock_s += 0.001
        return self.clock_s

    def disposal(self, disposition: SourcePolicy | None = None) -> SourceDisposal:
        """What puts sources away, under a policy."""
        return SourceDisposal(
            disposition or self.disposition, self.claims, self.inputs, self.kept_parts, self.outbox, self.journal
        )

    def close(self) -> None:
        """Closes the journal."""
        self.journal.close()


def stamp_of(file: Path) -> FileStamp:
    """The stamp of a file, as `watch` takes it."""
    return FileStamp.of(file.lstat())


def fail(kind: FailureKind, message: str = "it went wrong", mend: str = "mend it") -> Callable[[Task], Outcome]:
    """A script in which every job fails alike."""
    return lambda task: Failure(kind=kind, message=message, mend=mend)


def is_caption(task: Task) -> bool:
    """Whether a task is a caption job."""
    return isinstance(task.request, CaptionRequest)
