"""Settings and a journal -> the parts of the intake, joined. For the daemon, and for `why`, which needs no daemon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aura_daemon.config.settings import Settings
from aura_daemon.intake.admission import Admission
from aura_daemon.intake.catalogue import CatalogueReader
from aura_daemon.intake.claims import Claims
from aura_daemon.intake.folder_defaults import FolderDefaultsReader
from aura_daemon.intake.folder_listings import FolderListings
from aura_daemon.intake.image_lookup import ImageLookup
from aura_daemon.intake.input_images import InputImages
from aura_daemon.intake.late_pictures import LatePictures
from aura_daemon.intake.pairing import Pairing
from aura_daemon.intake.pending import PendingFiles
from aura_daemon.intake.triage import Triage
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.journal.journal import Journal
from aura_daemon.system.library_versions import is_installed
from aura_daemon.watch.completeness import CompletenessTracker


@dataclass(frozen=True, kw_only=True, slots=True)
class IntakeParts:
    """Everything that a file passes between the inbox and the journal."""

    pending: PendingFiles
    triage: Triage
    claims: Claims
    late_pictures: LatePictures
    image_lookup: ImageLookup
    input_images: InputImages
    folder_defaults: FolderDefaultsReader
    admission: Admission


def assemble_intake(
    settings: Settings,
    journal: Journal,
    *,
    now: Callable[[], float],
    keeps: bool,
    drain: bool = False,
    catalogue: Callable[[], Catalogue] | None = None,
    reads_heic: bool | None = None,
) -> IntakeParts:
    """The parts, joined.

    `now`: seconds since the epoch. `keeps`: sources stay where they are. `drain`: the daemon ends when the inbox is
    empty. `catalogue`: what job files may name at the moment; by default what the configured folders hold.
    `reads_heic`: by default whether the decoder is installed.
    """
    claims = Claims(settings.inbox, settings.state_folder(), journal, keeps=keeps, now=now)
    listings = FolderListings(settings.inbox, now=now)
    image_lookup = ImageLookup(claims, journal, listings, companions=settings.companions)
    wait_s = settings.reference_wait
    if drain:  # a script does not wait for as long as a daemon that goes on
        wait_s = min(wait_s, settings.incomplete_after)
    tracker = CompletenessTracker(settings.settle, now=now)
    pairing = Pairing(
        settings.inbox,
        image_lookup,
        journal,
        tracker,
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
    input_images = InputImages(claims, image_lookup, journal)
    catalogue = catalogue or CatalogueReader(settings.generate).now
    return IntakeParts(
        pending=PendingFiles(settings.inbox, triage, settle_s=settings.settle),
        triage=triage,
        claims=claims,
        late_pictures=LatePictures(claims, journal),
        image_lookup=image_lookup,
        input_images=input_images,
        folder_defaults=defaults,
        admission=Admission(settings, claims, input_images, defaults, journal, catalogue),
    )
