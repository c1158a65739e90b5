"""Decides about a file in the inbox: claim the file, wait, or leave it alone. In: a path, a stamp. Out: a decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, TypeAlias

from aura_daemon import file_names
from aura_daemon.config.settings import Settings
from aura_daemon.formats.image_ends import ends_properly
from aura_daemon.formats.image_signatures import ImageSignature, format_of
from aura_daemon.formats.plain_text import MOST_BYTES
from aura_daemon.intake.catalogue import catalogue_reader
from aura_daemon.intake.claims import Claims
from aura_daemon.intake.companions import Companions
from aura_daemon.intake.folder_defaults import FolderDefaultsReader, InvalidFolderDefaults
from aura_daemon.intake.folder_listings import FolderListings
from aura_daemon.intake.image_lookup import ImageLookup, status_of
from aura_daemon.intake.owners.naming_rights import NamingRights
from aura_daemon.intake.pairing import Pairing
from aura_daemon.intake.recipes.subjects import Subjects
from aura_daemon.intake.sets.arriving import ArrivingSets
from aura_daemon.intake.sets.finding import SetFinder
from aura_daemon.intake.sets.outcomes import NamedOutcomes
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.folder_defaults import FILE_NAME, SPELLINGS, FolderDefaults, caption_file_of, is_settings
from aura_daemon.jobfile.recipes.merging import task_of_pictures
from aura_daemon.jobs.caption_files import CaptionFile, CaptionPlace
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.sources import Accept, SourceKind
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import in_64_bits
from aura_daemon.system.files import regular_files
from aura_daemon.system.library_versions import is_installed
from aura_daemon.system.permissions import is_others_link
from aura_daemon.watch import file_kinds, ignored_names
from aura_daemon.watch.caption_texts import is_skipped
from aura_daemon.watch.completeness import CompletenessTracker
from aura_daemon.watch.decisions import Leave, Wait
from aura_daemon.watch.file_kinds import HEAD_BYTES
from aura_daemon.watch.file_stamp import FileStamp
from aura_daemon.watch.settling import WaitsFor

HELD_S: Final = 5.0
"""How often invalid settings of a folder are read again, should no event name them."""

COPY_IT: Final = "copy the file itself into the inbox"
"""What to do about a link."""

OWNER_S: Final = 10.0
"""How often an image is judged again that belongs to a job file, should nothing announce the end of its jobs."""

UNFINISHED_MARK: Final = ".aria2"
"""The end of the name of the file in which aria2 notes what it still lacks of the file beside it, whose space is
allocated beforehand: its size and the time it changed tell nothing."""

UNREAD_HEIC: Final = "a HEIC picture, and pi-heif, which reads it, is not installed"
MEND_HEIC: Final = "`pip install pi-heif` and start the daemon anew, or save the picture as JPEG"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadyToClaim:
    """The file is complete and a job: claim it."""

    kind: SourceKind
    stays: bool = False
    """Whether it stays where it is, and a copy is claimed: a picture whose caption is written beside it."""


DONE_ALREADY: Final = Leave(
    reason="done already, and kept where it is", mend="change it to run it again", is_usual=True
)

HAS_ITS_TEXT: Final = Leave(
    reason="its text lies beside it (`existing: skip`)", mend="touch it once that is gone", is_usual=True
)


TriageDecision: TypeAlias = ReadyToClaim | Wait | Leave


class Triage:
    """Decides for the files of one inbox."""

    def __init__(
        self,
        settings: Settings,
        image_lookup: ImageLookup,
        pairing: Pairing,
        folder_defaults: FolderDefaultsReader,
        journal: Journal,
        listings: FolderListings,
        *,
        keeps: bool,
        reference_wait_s: float,
        reads_heic: bool,
        now: Callable[[], float],
    ) -> None:
        """`keeps`: sources stay where they are, remembered by path and content. `now`: seconds since the epoch."""
        self._reads_heic = reads_heic
        self._settings = settings
        self._image_lookup = image_lookup
        self._pairing = pairing
        self._folder_defaults = folder_defaults
        self._journal = journal
        self._keeps = keeps
        self._reference_wait_s = reference_wait_s
        self._listings = listings
        self._companions = Companions(
            settings.inbox,
            journal,
            listings,
            wait_s=settings.pair_wait,
            coming_s=settings.incomplete_after,
            now=now,
        )

    def look(self) -> None:
        """To be called before the files of one look are judged."""
        self._listings.look()

    def by_name(self, path: str) -> Leave | None:
        """Why the name alone makes a file no job; None where the file must be opened to decide."""
        ignored = ignored_names.verdict(path, ignore=self._settings.ignore, take=self._settings.take)
        if ignored is not None:
            return ignored
        if is_settings(name := PurePosixPath(path).name):
            if name in SPELLINGS:
                return Leave(reason="the settings of its folder, for the jobs below", is_usual=True)
            return Leave(reason="not read as the settings of its folder", mend=f"call it {FILE_NAME}")
        route = file_kinds.route_by_name(PurePosixPath(path).name, self._settings.accept)
        return route if isinstance(route, Leave) else None

    def waiting_for(self, path: str) -> set[str]:
        """The job files that wait for an image like this one."""
        return self._pairing.waiting_for(path)

    def released(self, path: str) -> set[str]:
        """The images that were held for a job file that has ended."""
        return self._pairing.released(path)

    def gone(self, path: str) -> None:
        """Notes that a file is not there any more."""
        self._companions.gone(path)
        self._pairing.gone(path)

    def judge(self, path: str, stamp: FileStamp, *, unchanged_s: float) -> TriageDecision:
        """Decides about a file that has been unchanged for `unchanged_s`; raises OSError where it cannot be read."""
        by_name = self.by_name(path)
        if by_name is not None:
            return by_name
        if status_of(self._settings.inbox / (path + UNFINISHED_MARK)) is not None:
            reason = f"a download goes on, or was broken off: {UNFINISHED_MARK} lies beside it"
            return Wait(unchanged_s=unchanged_s + OWNER_S, reason=reason, waits_for=WaitsFor.REPAIR)
        file = self._settings.inbox / path
        try:
            head, status = regular_files.head(file, most_bytes=HEAD_BYTES, below=self._settings.inbox)
        except regular_files.NotARegularFile:
            reason = "a link, pipe, socket, device or folder; only regular files are opened"
            return Leave(reason=reason, mend=COPY_IT)
        if is_others_link(status, self._settings.inbox):
            reason = "a hard link to a file of somebody else, which its owner may not mean to be read here"
            return Leave(reason=reason, mend=COPY_IT)
        route = file_kinds.route(PurePosixPath(path).name, head, self._settings.accept)
        if isinstance(route, Leave):
            return route
        if not self._reads_heic and format_of(head) is ImageSignature.HEIC:
            return Leave(reason=UNREAD_HEIC, mend=MEND_HEIC)
        if self._keeps and self._is_remembered(path, stamp):
            return DONE_ALREADY
        is_overdue = unchanged_s >= self._settings.incomplete_after
        if (status.st_size == 0 or isinstance(route, file_kinds.Unfinished)) and not is_overdue:
            return Wait(unchanged_s=self._settings.incomplete_after, reason="it is empty so far")
        if not isinstance(route, SourceKind):
            return ReadyToClaim(kind=file_kinds.named_kind(path))  # admission says what is wrong with it
        match route:
            case SourceKind.IMAGE:
                if not is_overdue and self._is_cut(path):
                    return Wait(unchanged_s=self._settings.incomplete_after, reason="the end of the image is missing")
                if not self._keeps and self._journal.has_stayed(path) and self._is_remembered(path, stamp):
                    return DONE_ALREADY
                decision = self._kept_back(path, stamp, unchanged_s=unchanged_s)
                if decision is not None:
                    return decision
            case SourceKind.PROMPT_TEXT | SourceKind.PROMPT_TABLE | SourceKind.SIDECAR:
                decision = self._companion(path, stamp, route, unchanged_s=unchanged_s)
                if decision is not None:
                    return decision
            case SourceKind.JOB_FILE:
                pass
        folders: tuple[FolderDefaults, ...] = ()
        if route is not SourceKind.SIDECAR:  # a sidecar takes no settings of folders
            try:
                folders = self._folder_defaults.above(path)
            except InvalidFolderDefaults as error:
                reason = f"held up by {error.strerror}"
                return Wait(unchanged_s=unchanged_s + HELD_S, reason=reason, waits_for=WaitsFor.FOLDER_DEFAULTS)
        if route in (SourceKind.JOB_FILE, SourceKind.PROMPT_TABLE):
            content = head
            if status.st_size > len(head):
                content = regular_files.read(file, most_bytes=MOST_BYTES + 1, below=self._settings.inbox).content
            pictures = self._pairing.missing_pictures(path, content, folders)
            if pictures is not None and (pictures.is_arriving or unchanged_s < self._reference_wait_s):
                again_s = unchanged_s + (1.0 if pictures.is_arriving else max(1.0, unchanged_s / 10))
                return Wait(unchanged_s=again_s, reason=f"it waits for {pictures.reason}")
            missing = self._pairing.missing_image(path, content, folders, unchanged_s=unchanged_s)
            if missing and unchanged_s < self._reference_wait_s:
                # The search for an image may take a walk through the whole inbox: it comes less and less often.
                again_s = unchanged_s + max(1.0, unchanged_s / 10)
                reason = f"it waits for {missing}"
                return Wait(unchanged_s=min(again_s, self._reference_wait_s), reason=reason)
        if route is SourceKind.IMAGE and task_of_pictures(folders) == JobKind.CAPTION:
            return self._to_caption(path, stamp, caption_file_of(folders, self._settings.caption.file()))
        return ReadyToClaim(kind=route)

    def _to_caption(self, path: str, stamp: FileStamp, file: CaptionFile) -> ReadyToClaim | Leave:
        """How a picture is claimed that is a job of its own, or waits to be put away with the file that names it."""
        if is_skipped(self._settings.inbox, path, file):
            return HAS_ITS_TEXT
        stays = file.place is CaptionPlace.BESIDE
        if stays and not self._keeps and self._is_remembered(path, stamp):
            return DONE_ALREADY
        return ReadyToClaim(kind=SourceKind.IMAGE, stays=stays)

    def _companion(self, path: str, stamp: FileStamp, kind: SourceKind, *, unchanged_s: float) -> Wait | Leave | None:
        """Why a complete text or sidecar belongs to a picture, or may belong to one; None where it is a job."""
        may_be_of_set = kind is not SourceKind.SIDECAR and not ignored_names.is_to_be_taken(path, self._settings.take)
        return self._companions.judge(
            path, stamp.size_bytes, stamp.modified_ns, unchanged_s=unchanged_s, may_be_of_set=may_be_of_set
        )

    def _kept_back(self, path: str, stamp: FileStamp, *, unchanged_s: float) -> Wait | Leave | None:
        """Why a complete image is no job of its own now; None where it is a job, or is claimed to be put away."""
        if self._image_lookup.is_companion_image(path):
            mend = "move it out of that folder if it should be captioned"
            return Leave(reason="it lies in a companion folder, for job files to name", mend=mend)
        owner = self._pairing.owner(path, stamp.size_bytes, stamp.modified_ns)
        if owner is None:
            wait_s = self._settings.pair_wait if Accept.PROMPT in self._settings.accept else 0.0
            if unchanged_s >= wait_s:
                return None
            return Wait(unchanged_s=wait_s, reason="a job file may follow that names it")
        reason = f"it belongs to {file_names.escaped(owner.path)}"
        if (
            owner.is_of_set and owner.source_id
        ):  # thousands are not looked at again and again: the end of its jobs recalls them
            return Leave(reason=reason, is_usual=True)
        if owner.is_open:
            return Wait(
                unchanged_s=unchanged_s + OWNER_S,
                reason=reason,
                waits_for=WaitsFor.OTHER_JOBS,
                is_one_of_many=owner.is_of_set,
            )
        if owner.has_failed:
            mend = f"`aura-daemon retry {file_names.escaped(owner.path)}` tries that again"
            return Leave(reason=f"{reason}, which failed", mend=mend, is_usual=True)
        stays = self._keeps or self._pairing.outcomes.stays(owner.source_id, path)
        return Leave(reason=f"{reason}, which is done", is_usual=True) if stays else None

    def _is_cut(self, path: str) -> bool:
        """Whether the end of an image is missing; raises OSError where it cannot be read."""
        with regular_files.opened(self._settings.inbox / path, below=self._settings.inbox) as file:
            return ends_properly(file) is False

    def _is_remembered(self, path: str, stamp: FileStamp) -> bool:
        """Of a file that stays where it is, whether this path with this content has been claimed before."""
        seen = [source for source in self._journal.sources_at(path) if source.size_bytes == stamp.size_bytes]
        modified_ns, inode = in_64_bits(stamp.modified_ns), in_64_bits(stamp.inode)
        if any((source.modified_ns, source.inode) == (modified_ns, inode) for source in seen):
            return True
        if not seen or self._settings.redelivery != "skip":
            return False
        sha256 = regular_files.sha256_of(self._settings.inbox / path)
        # The same time under another inode means a new mount. Another time means that somebody touched the file, which
        # retries a failed one.
        return any(
            source.sha256 == sha256 and (source.modified_ns == modified_ns or self._journal.all_done(source.id))
            for source in seen
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgingParts:
    """What says of a file whether it is to be claimed."""

    triage: Triage
    claims: Claims
    image_lookup: ImageLookup
    folder_defaults: FolderDefaultsReader
    sets: SetFinder
    outcomes: NamedOutcomes
    subjects: Subjects


def assemble_judging(
    settings: Settings,
    journal: Journal,
    *,
    now: Callable[[], float],
    keeps: bool,
    drain: bool = False,
    catalogue: Callable[[], Catalogue] | None = None,
    reads_heic: bool | None = None,
) -> JudgingParts:
    """The parts, joined.

    `now`: seconds since the epoch. `keeps`: sources stay where they are. `drain`: the daemon ends when the inbox is
    empty. `catalogue`: what job files may name at the moment; by default what the configured folders hold.
    `reads_heic`: by default whether the decoder is installed.
    """
    claims = Claims(settings.inbox, settings.state_folder(), journal, keeps=keeps, now=now)
    listings = FolderListings(settings.inbox, now=now)
    rights = NamingRights(claims, journal)
    image_lookup = ImageLookup(claims, journal, listings, rights, companions=settings.companions)
    wait_s = settings.reference_wait
    if drain:  # a script does not wait for as long as a daemon that goes on
        wait_s = min(wait_s, settings.incomplete_after)
    tracker = CompletenessTracker(settings.settle, now=now)
    finder = SetFinder(
        settings.inbox,
        journal,
        ignore=settings.ignore,
        take=settings.take,
        companions=settings.companions,
        now=now,
        rights=rights,
    )
    pairing = Pairing(
        settings.inbox,
        image_lookup,
        journal,
        tracker,
        ArrivingSets(
            settings.inbox,
            finder,
            tracker,
            quiet_s=settings.pair_wait,
            incomplete_after_s=settings.incomplete_after,
            now=now,
        ),
        catalogue or catalogue_reader(settings).now,
        pair_wait_s=settings.pair_wait,
        incomplete_after_s=settings.incomplete_after,
    )
    defaults = FolderDefaultsReader(settings.inbox, tracker)
    triage = Triage(
        settings,
        image_lookup,
        pairing,
        defaults,
        journal,
        listings,
        keeps=keeps,
        reference_wait_s=wait_s,
        reads_heic=is_installed("pi_heif") if reads_heic is None else reads_heic,
        now=now,
    )
    subjects = Subjects(settings.inbox, image_lookup, listings, most_image_bytes=settings.limits.image_bytes)
    return JudgingParts(
        triage=triage,
        claims=claims,
        image_lookup=image_lookup,
        folder_defaults=defaults,
        sets=finder,
        outcomes=pairing.outcomes,
        subjects=subjects,
    )
