"""What lies in the inbox and is not ours yet: sightings -> complete -> judged. In: looks. Out: files to claim.

Remembers why files are left alone, so that each is judged once, logged once and counted in health until it changes.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from loguru import logger

from aura_daemon import file_names
from aura_daemon.intake.triage import Leave, ReadyToClaim, Triage, Wait
from aura_daemon.jobfile.folder_defaults import FILE_NAME
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.watch import completeness
from aura_daemon.watch.file_stamp import FileStamp
from aura_daemon.watch.settling import Settling
from aura_daemon.watch.watcher import Observation, Sighting

UNREADABLE_S: Final = 30.0
"""How long a file that cannot be opened is left unchanged before the next try."""

AT_ONCE: Final = 64
"""Files judged between two looks at everything else, so that the heart keeps beating with ten thousand of them."""

NEVER_ENDS_S: Final = 60.0
"""A file that somebody has been writing for so long is not waited for where the inbox is only drained."""

MOST_CONFLICTS: Final = 20
"""Conflict copies named in health; all are counted."""

MOST_PENDING: Final = 5_000
"""Files remembered before they are claimed; the rest of a hundred thousand is found by another scan."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimableFile:
    """A file that is to be claimed now."""

    path: str
    kind: SourceKind
    settled_s: float
    """From first sight to now."""


class PendingFiles:
    """Everything in the inbox that has no journal entry yet."""

    def __init__(self, inbox: Path, judging: Triage, *, settle_s: float) -> None:
        self._inbox = inbox
        self._judging = judging
        self._settle_s = settle_s
        self._stability = Settling()
        self._left: dict[str, tuple[int, str]] = {}
        self._reasons: Counter[str] = Counter()
        self._conflicts: dict[str, None] = {}
        self._waiting: dict[str, str] = {}
        self._refused: set[str] = set()
        self._bound: set[str] = set()
        self._held: dict[str, str] = {}

    def __len__(self) -> int:
        """How many files are not claimed, and not left alone either."""
        return len(self._stability)

    @property
    def refused(self) -> int:
        """How many of those nobody can read or claim, or a writer does not let go of: only their mend ends the wait."""
        return len(self._refused) + len(self._held)

    @property
    def bound(self) -> int:
        """How many of those belong to a job file and wait for its end."""
        return len(self._bound)

    def left_alone(self) -> dict[str, int]:
        """Files that are no jobs, counted by reason."""
        return {reason: count for reason, count in self._reasons.items() if count}

    def conflicts(self) -> list[str]:
        """Copies that sync tools made of files that two sides changed, the first few: somebody must decide."""
        return [file_names.escaped(path) for path in islice(self._conflicts, MOST_CONFLICTS)]

    def held(self) -> dict[str, int]:
        """Why files are held up by the settings of their folders, and how many."""
        return dict(Counter(self._held.values()))

    def oldest(self, now: float) -> tuple[str, float] | None:
        """The pending file that has been known for longest, and for how many seconds."""
        path = self._stability.oldest()
        return (file_names.escaped(path), self._stability.waited_s(path, now)) if path is not None else None

    def next_s(self) -> float | None:
        """When the next file is to be judged."""
        return self._stability.next_s()

    def due(self, now: float) -> list[str]:
        """The files that `ready` is going to judge: they are looked at once more before."""
        return self._stability.due(now, AT_ONCE)

    def take(self, look: Observation, now: float) -> bool:
        """Notes what a look brought; False where there was more of it than is remembered at once."""
        before = {*self._left, *self._stability} if look.complete else set()
        has_room = True
        for sighting in look.seen:
            before.discard(sighting.path)
            has_room &= self._sight(sighting, now, is_scan=look.complete)
        for path in (*look.gone, *before):
            self._settings_changed(path, now)
            self._judging.gone(path)
            self._welcome_back(path)
            self.forget(path)
        return has_room

    def ready(self, now: float) -> list[ClaimableFile]:
        """Judges what is due and returns what is to be claimed."""
        return [arrival for path in self.due(now) if (arrival := self._judge(path, now)) is not None]

    def postpone(self, path: str, now: float, reason: str) -> None:
        """The file system refused to let it be read or claimed: try again later."""
        self._stability.hold(path, self._stability.unchanged_s(path, now) + UNREADABLE_S)
        self._refused.add(path)
        self._waits(path, reason)

    def recall(self, path: str, now: float) -> bool:
        """What it waited for may have come: judged at once; True where it was left alone, and is to be looked for."""
        if path in self._stability:
            self._stability.recall(path, now)
        was_left = path in self._left
        self._welcome_back(path)
        return was_left

    def forget(self, path: str) -> None:
        """The file is claimed or gone."""
        self._stability.forget(path)
        self._waiting.pop(path, None)
        self._refused.discard(path)
        self._bound.discard(path)
        self._held.pop(path, None)

    def _sight(self, sighting: Sighting, now: float, *, is_scan: bool) -> bool:
        """Notes one file; False where there is no room for another."""
        path, stamp = sighting.path, sighting.stamp
        left = self._left.get(path)
        if left is not None and left[0] == hash(stamp):
            return True
        if path not in self._stability and len(self._stability) >= MOST_PENDING:
            return False
        self._welcome_back(path)
        if not sighting.is_regular:
            self._leave(path, stamp, Leave(reason="a link, pipe, socket or device; only regular files are opened"))
            return True
        self._settings_changed(path, now)
        is_new = path not in self._stability
        self._stability.sight(path, stamp, now, came_whole=sighting.came_whole)
        for waiting in self._judging.waiting_for(path) if is_new else ():
            self.recall(waiting, now)
        if not is_scan:
            self._stability.recall(path, now)
        return True

    def _judge(self, path: str, now: float) -> ClaimableFile | None:
        unchanged_s, stamp = self._stability.unchanged_s(path, now), self._stability.stamp(path)
        foreign = self._judging.by_name(path)
        if foreign is not None:
            self._leave(path, stamp, foreign)
            return None
        try:
            waits_for = completeness.incompleteness(
                self._inbox / path,
                unchanged_s=unchanged_s,
                settle_s=self._settle_s,
                came_whole=self._stability.came_whole(path),
            )
            if waits_for is not None:
                if self._stability.waited_s(path, now) >= NEVER_ENDS_S:
                    self._refused.add(path)
                self._stability.hold(path, waits_for.unchanged_s)
                self._waits(path, waits_for.reason, level="INFO" if waits_for.is_said else "DEBUG")
                return None
            judgement = self._judging.judge(path, stamp, unchanged_s=unchanged_s)
        except FileNotFoundError:
            self.forget(path)
            return None
        except OSError as error:
            self.postpone(path, now, f"it cannot be read: {error.strerror}")
            return None
        self._refused.discard(path)
        self._bound.discard(path)
        self._held.pop(path, None)
        match judgement:
            case ReadyToClaim(kind=kind):
                return ClaimableFile(path=path, kind=kind, settled_s=self._stability.waited_s(path, now))
            case Wait(unchanged_s=wanted_s, reason=reason):
                self._stability.hold(path, wanted_s)
                if judgement.is_for_others:
                    self._bound.add(path)
                if judgement.is_held:
                    self._held[path] = reason
                self._waits(path, reason, level="WARNING" if judgement.is_held else "INFO")
            case Leave():
                self._leave(path, stamp, judgement)
        return None

    def _leave(self, path: str, stamp: FileStamp, why: Leave) -> None:
        self.forget(path)
        reason = sys.intern(file_names.escaped(why.reason))  # it may name an extension, which need not be text
        if why.is_conflict:
            self._conflicts[path] = None
        self._left[path] = (hash(stamp), reason)
        self._reasons[reason] += 1
        logger.log("WARNING" if why.is_conflict else "DEBUG", "left alone: {}: {}", file_names.escaped(path), reason)

    def _settings_changed(self, path: str, now: float) -> None:
        """A folder's settings came, changed or went: what they held up is judged at once."""
        if path.rpartition("/")[2] == FILE_NAME:
            for held in tuple(self._held):
                self._stability.recall(held, now)

    def _welcome_back(self, path: str) -> None:
        left = self._left.pop(path, None)
        if left is not None:
            self._reasons[left[1]] -= 1
            self._conflicts.pop(path, None)

    def _waits(self, path: str, reason: str, *, level: str = "INFO") -> None:
        """Says what a file waits for, once."""
        if self._waiting.get(path) != reason:
            self._waiting[path] = reason
            logger.log(level, "waiting: {}: {}", file_names.escaped(path), reason)
