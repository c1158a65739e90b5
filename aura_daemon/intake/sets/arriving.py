"""Job files in the inbox whose sets of pictures are still arriving. In: a job file's patterns. Out: what it waits for.

A set is whole when each pattern matches something, no picture has come or changed for a while, and none lacks its end
or is open for writing. Meanwhile its pictures are no jobs of their own, in whatever order they and the job file come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aura_daemon import file_names
from aura_daemon.formats.image_ends import ends_properly
from aura_daemon.intake.sets.finding import FoundSet, SetFinder
from aura_daemon.jobfile.keys.image_patterns import MOST_PICTURES, PatternsBelow, begins_with_a_name
from aura_daemon.system.files import regular_files
from aura_daemon.watch.completeness import CompletenessTracker
from aura_daemon.watch.file_stamp import FileStamp

LONGEST_S: Final = 3600.0
"""For so long a job file waits at most for a set into which pictures keep coming."""


@dataclass(kw_only=True, slots=True)
class _Arriving:
    """One set, as it looked last."""

    since_s: float
    below: tuple[PatternsBelow, ...] = ()
    """The patterns, from the folder of the job file, and from the top of the inbox."""
    stamps: dict[str, FileStamp] = field(default_factory=dict)
    whole: dict[str, FileStamp] = field(default_factory=dict)
    """The pictures that were found to be complete."""
    changed_s: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class MissingPictures:
    """What a job file with a set waits for."""

    reason: str
    is_arriving: bool
    """Whether pictures are coming, so that it is worth while to wait for longer."""


class ArrivingSets:
    """The sets of one inbox whose job files are not claimed yet."""

    def __init__(
        self,
        inbox: Path,
        finder: SetFinder,
        tracker: CompletenessTracker,
        *,
        quiet_s: float,
        incomplete_after_s: float,
        now: Callable[[], float],
    ) -> None:
        """`quiet_s`: for so long no picture must have come; `incomplete_after_s`: so long one may lack its end.

        `now`: seconds on a clock that does not jump.
        """
        self._inbox = inbox
        self._finder = finder
        self._tracker = tracker
        self._quiet_s = quiet_s
        self._incomplete_after_s = incomplete_after_s
        self._now = now
        self._sets: dict[str, dict[tuple[str, ...], _Arriving]] = {}
        """Job file -> its patterns -> what is known of that set."""

    def missing(self, job: str, sets: Sequence[tuple[str, ...]]) -> MissingPictures | None:
        """What the sets of a job file wait for; None where they are whole, or too large. Raises OSError."""
        if not sets:
            self._sets.pop(job, None)
            return None
        known = self._sets.setdefault(job, {})
        for images in [images for images in known if images not in sets]:
            del known[images]
        found = []
        for images in sets:
            arriving = known.setdefault(images, _Arriving(since_s=self._now(), below=_below(job, images)))
            found.append((arriving, self._finder.found(job, images)))
        if any(len(one.pictures) > MOST_PICTURES for _, one in found):
            return None
        missing = (self._of_one(job, arriving, one) for arriving, one in found)
        return next((reason for reason in missing if reason is not None), None)

    def job_of(self, picture: str) -> str | None:
        """The job file that waits in the inbox and whose set holds a picture."""
        for job, sets in self._sets.items():
            for arriving in sets.values():
                is_held = picture in arriving.stamps or any(any(one.matched_by(picture)) for one in arriving.below)
                if is_held and self._finder.may_name(job, picture):
                    return job
        return None

    def forget(self, job: str) -> None:
        """A job file waits no longer."""
        self._sets.pop(job, None)

    def _of_one(self, job: str, arriving: _Arriving, found: FoundSet) -> MissingPictures | None:
        now = self._now()
        stamps = {}
        for path in found.pictures:
            try:
                stamps[path] = FileStamp.of((self._inbox / path).lstat())
            except FileNotFoundError:
                continue
        if stamps != arriving.stamps or not arriving.changed_s:
            arriving.stamps, arriving.changed_s = stamps, now
        if now - arriving.since_s >= LONGEST_S:
            return None
        if (unfinished := self._unfinished(found.coming)) is not None:
            return MissingPictures(reason=f"{unfinished}, which is still being copied", is_arriving=True)
        if unmatched := self._finder.unmatched(job, found):
            shown = file_names.escaped(unmatched[0])
            return MissingPictures(reason=f"pictures that match {shown}", is_arriving=False)
        if now - arriving.changed_s < self._quiet_s:
            return MissingPictures(reason=f"its pictures, of which {len(stamps):,} are there", is_arriving=True)
        for path, stamp in stamps.items():
            if arriving.whole.get(path) == stamp:
                continue
            if (reason := self._incompleteness(path)) is not None:
                return MissingPictures(reason=f"{file_names.escaped(path)}: {reason}", is_arriving=True)
            arriving.whole[path] = stamp
        return None

    def _unfinished(self, coming: Sequence[str]) -> str | None:
        """A file that is becoming a picture, and was written to not long ago."""
        for path in coming:
            if self._tracker.unchanged_s(self._inbox / path) < self._incomplete_after_s:
                return file_names.escaped(path)
        return None

    def _incompleteness(self, path: str) -> str | None:
        """Why a picture is not complete yet; None where it is, has not changed for long, or cannot be read."""
        file = self._inbox / path
        try:
            unchanged_s = self._tracker.unchanged_s(file)
            with regular_files.opened(file, below=self._inbox) as opened:
                is_cut = ends_properly(opened) is False
            if is_cut and unchanged_s < self._incomplete_after_s:
                return "its end is missing"
            incomplete = self._tracker.incompleteness(file)
        except (FileNotFoundError, PermissionError, regular_files.NotARegularFile):
            return None  # its job says what is wrong with it
        return incomplete.reason if incomplete is not None else None


def _below(job: str, images: tuple[str, ...]) -> tuple[PatternsBelow, ...]:
    """The patterns from the job file's folder; from the top of the inbox those that can count from there."""
    folder, named = job.rpartition("/")[0], tuple(one for one in images if begins_with_a_name(one))
    near = PatternsBelow(folder=folder, patterns=images)
    return (near, PatternsBelow(folder="", patterns=named)) if folder and named else (near,)
