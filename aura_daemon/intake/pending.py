"""What lies in the inbox and is not claimed: seen -> complete -> judged. In: what a look saw. Out: files to claim.

`PendingFiles` remembers why files are left alone, so that each is judged once, logged once and counted in health until
the file changes.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, assert_never

from loguru import logger

from aura_daemon import file_names
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS, extension_of
from aura_daemon.intake.claims import ClaimableFile
from aura_daemon.intake.triage import COPY_IT, ReadyToClaim, Triage
from aura_daemon.jobfile.folder_defaults import is_settings
from aura_daemon.system.permissions import why_denied
from aura_daemon.watch import completeness
from aura_daemon.watch.decisions import Leave, Wait
from aura_daemon.watch.file_stamp import FileStamp
from aura_daemon.watch.settling import Settling, WaitsFor
from aura_daemon.watch.watcher import Observation, Sighting

UNREADABLE_S: Final = 30.0
"""How long a file that cannot be opened is left unchanged before the next try."""

AT_ONCE: Final = 64
"""Files judged between two looks at everything else, so that health is written in time with ten thousand files."""

NEVER_ENDS_S: Final = 60.0
"""Where the inbox is only drained, a file that somebody has been writing for so long, or its picture, is left."""

MOST_CONFLICTS: Final = 20
"""Conflict copies named in health; all are counted."""

MOST_PENDING: Final = 5_000
"""Files remembered before they are claimed; the rest of a hundred thousand is found by another scan."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftAloneFile:
    """A file that is no job. It is small, as there may be a hundred thousand: equal reasons are one object."""

    stamp_hash: int
    reason: str
    is_conflict: bool


class PendingFiles:
    """Everything in the inbox that has no journal entry yet: each path is either settling or left alone."""

    def __init__(self, inbox: Path, triage: Triage, *, settle_s: float, most_pending: int = MOST_PENDING) -> None:
        self._inbox = inbox
        self._triage = triage
        self._settle_s = settle_s
        self._most_pending = most_pending
        self._settling = Settling()
        self._left_alone: dict[str, LeftAloneFile] = {}
        self._reasons: Counter[str] = Counter()
        """How many files are left alone for which reason."""
        self._untold: dict[str, str] = {}
        """Reasons that the log has not told yet, with what to do."""
        self._told: set[str] = set()
        self.has_news = False
        """Whether `ready` has judged for the first time a file that may become a job."""
        self._has_seen_all = False
        """The last look found no more files than are remembered at once."""

    def __len__(self) -> int:
        """How many files are not claimed, and not left alone either."""
        return len(self._settling)

    @property
    def has_room_again(self) -> bool:
        """Whether so many files were claimed that another scan for the rest pays."""
        return len(self) < self._most_pending // 2

    @property
    def is_settling(self) -> bool:
        """Whether some pending file waits for nothing but time."""
        return any(file.waits_for is WaitsFor.TIME for file in self._settling.files())

    @property
    def refused(self) -> int:
        """How many pending files wait for somebody to mend something."""
        repairs = (WaitsFor.REPAIR, WaitsFor.FOLDER_DEFAULTS)
        return sum(file.waits_for in repairs for file in self._settling.files())

    def left_alone(self) -> dict[str, int]:
        """Files that are no jobs, counted by reason."""
        return {reason: count for reason, count in self._reasons.items() if count}

    def conflicts(self) -> list[str]:
        """Copies that sync tools made of files that two sides changed, the first few: somebody must decide."""
        conflicts = (path for path, file in self._left_alone.items() if file.is_conflict)
        return [file_names.escaped(path) for path in islice(conflicts, MOST_CONFLICTS)]

    def held(self) -> dict[str, int]:
        """Why files are held up by the settings of their folders, and how many."""
        held = (file.reason for file in self._settling.files() if file.waits_for is WaitsFor.FOLDER_DEFAULTS)
        return dict(Counter(held))

    def oldest(self, now: float) -> tuple[str, float] | None:
        """The pending file that has been known for longest, and for how many seconds."""
        path = self._settling.oldest()
        return (file_names.escaped(path), self._settling[path].known_s(now)) if path is not None else None

    def next_s(self) -> float | None:
        """When the next file is to be judged."""
        return self._settling.next_s()

    def due(self, now: float) -> list[str]:
        """The files that `ready` is going to judge: the watcher looks at them once more before."""
        return self._settling.due(now, AT_ONCE)

    def take(self, observation: Observation, now: float) -> bool:
        """Notes what the watcher saw; False where it saw more files than are remembered at once."""
        missing = {*self._left_alone, *self._settling} if observation.complete else set()
        has_room = True
        for sighting in observation.seen:
            missing.discard(sighting.path)
            has_room &= self._sight(sighting, now, is_scan=observation.complete)
        for path in (*observation.gone, *missing):
            self._recall_held_by(path, now)
            self._triage.gone(path)
            self._leave_no_longer(path)
            self.forget(path)
        self._has_seen_all = has_room
        return has_room

    def ready(self, now: float) -> list[ClaimableFile]:
        """Judges the files that are due and returns those that are to be claimed."""
        self._triage.look()
        self.has_news = False
        due = self.due(now)  # job files come before the images that they name
        claimable = [file for path in due if (file := self._judge(path, now)) is not None]
        if self._has_seen_all and len(due) < AT_ONCE:  # else more of the same kind may follow
            self._tell()
        return claimable

    def _tell(self) -> None:
        """Logs what is left alone: each reason once, not each of ten thousand files."""
        for reason, mend in self._untold.items():
            if count := self._reasons[reason]:
                files = "1 file" if count == 1 else f"{count:,} files"
                logger.info("left alone: {}: {}; {}", files, reason, mend)
                self._told.add(reason)
        self._untold.clear()

    def postpone(self, path: str, now: float, reason: str) -> None:
        """The file system refused to let the file be read or claimed: the file is tried again later."""
        unchanged_s = self._settling[path].unchanged_s(now) + UNREADABLE_S
        self._hold(path, unchanged_s, reason, WaitsFor.REPAIR, level="WARNING")

    def recall(self, path: str, now: float) -> bool:
        """What a file waited for may have come: judges the file at once; True where a scan must find it first."""
        if path in self._settling:
            self._settling.recall(path, now)
        return self._leave_no_longer(path)

    def released(self, path: str) -> set[str]:
        """The images that were held for a job file that has ended, whether it was refused or not."""
        return self._triage.released(path)

    def forget(self, path: str) -> None:
        """The file is claimed or gone."""
        self._settling.forget(path)

    def _sight(self, sighting: Sighting, now: float, *, is_scan: bool) -> bool:
        """Notes one file; False where there is no room for another."""
        path, stamp = sighting.path, sighting.stamp
        left = self._left_alone.get(path)
        if left is not None and left.stamp_hash == hash(stamp):
            return True
        is_new = path not in self._settling
        # A job file may name all of the images that leave no room: a tenth is kept for others.
        kept_free = self._most_pending // 10 if extension_of(path) in IMAGE_EXTENSIONS else 0
        room = self._most_pending - kept_free
        if is_new and len(self) >= room:
            return False
        self._leave_no_longer(path)
        if not sighting.is_regular:
            reason = "a link, pipe, socket or device; only regular files are opened"
            self._leave(path, stamp, Leave(reason=reason, mend=COPY_IT))
            return True
        self._recall_held_by(path, now)
        self._settling.sight(path, stamp, now, came_whole=sighting.came_whole)
        for waiting in self._triage.waiting_for(path) if is_new else ():
            self.recall(waiting, now)
        if not is_scan:
            self._settling.recall(path, now)
        return True

    def _judge(self, path: str, now: float) -> ClaimableFile | None:
        file = self._settling[path]
        by_name = self._triage.by_name(path)
        if by_name is not None:
            self._leave(path, file.stamp, by_name)
            return None
        self.has_news |= not file.reason
        unchanged_s, never_ends = file.unchanged_s(now), file.known_s(now) >= NEVER_ENDS_S
        try:
            incomplete = completeness.incompleteness(
                self._inbox / path, unchanged_s=unchanged_s, settle_s=self._settle_s, came_whole=file.came_whole
            )
            if incomplete is not None:
                waits_for = WaitsFor.REPAIR if never_ends else WaitsFor.TIME
                level = "INFO" if incomplete.may_last else "DEBUG"
                self._hold(path, incomplete.unchanged_s, incomplete.reason, waits_for, level=level)
                return None
            decision = self._triage.judge(path, file.stamp, unchanged_s=unchanged_s)
        except FileNotFoundError:
            self.forget(path)
            return None
        except OSError as error:
            self.postpone(path, now, f"it cannot be read: {why_denied(error, self._inbox / path)}")
            return None
        match decision:
            case ReadyToClaim(kind=kind, stays=stays):
                file.waits_for = WaitsFor.TIME
                return ClaimableFile(path=path, kind=kind, settled_s=file.known_s(now), stays=stays)
            case Wait(waits_for=waits_for):
                waits_for = WaitsFor.REPAIR if decision.may_never_end and never_ends else waits_for
                level = "WARNING" if waits_for is WaitsFor.FOLDER_DEFAULTS else "INFO"
                level = "DEBUG" if decision.is_one_of_many else level
                self._hold(path, decision.unchanged_s, decision.reason, waits_for, level=level)
            case Leave():
                self._leave(path, file.stamp, decision)
            case _:
                assert_never(decision)
        return None

    def _hold(self, path: str, unchanged_s: float, reason: str, waits_for: WaitsFor, *, level: str = "INFO") -> None:
        """Lets a file wait until it has been unchanged for `unchanged_s`; logs each reason once."""
        self._settling.hold(path, unchanged_s)
        file = self._settling[path]
        file.waits_for = waits_for
        if file.reason != reason:
            file.reason = reason
            logger.log(level, "waiting: {}: {}", file_names.escaped(path), reason)

    def _leave(self, path: str, stamp: FileStamp, decision: Leave) -> None:
        self.forget(path)
        reason = sys.intern(file_names.escaped(decision.reason))  # may name an extension, which need not be text
        self._left_alone[path] = LeftAloneFile(stamp_hash=hash(stamp), reason=reason, is_conflict=decision.is_conflict)
        self._reasons[reason] += 1
        if decision.mend and not decision.is_usual and not decision.is_conflict and reason not in self._told:
            self._untold[reason] = decision.mend
        level = "WARNING" if decision.is_conflict else "DEBUG"
        logger.log(level, "left alone: {}: {}", file_names.escaped(path), reason)

    def _leave_no_longer(self, path: str) -> bool:
        """Forgets why a file was left alone; False where it was not."""
        left = self._left_alone.pop(path, None)
        if left is not None:
            self._reasons[left.reason] -= 1
        return left is not None

    def _recall_held_by(self, path: str, now: float) -> None:
        """Where the settings of a folder came, changed or went, the files that wait for them are due at once."""
        if is_settings(path.rpartition("/")[2]):
            for held in self._settling:
                if self._settling[held].waits_for is WaitsFor.FOLDER_DEFAULTS:
                    self._settling.recall(held, now)
