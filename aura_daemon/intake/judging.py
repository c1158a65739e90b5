"""Settings and a journal -> what says of files whether they are to be claimed, joined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aura_daemon.config.settings import Settings
from aura_daemon.intake.catalogue import catalogue_reader
from aura_daemon.intake.claims import Claims
from aura_daemon.intake.folder_defaults import FolderDefaultsReader
from aura_daemon.intake.folder_listings import FolderListings
from aura_daemon.intake.image_lookup import ImageLookup
from aura_daemon.intake.owners.naming_rights import NamingRights
from aura_daemon.intake.owners.pairing import Pairing
from aura_daemon.intake.recipes.subjects import Subjects
from aura_daemon.intake.sets.arriving import ArrivingSets
from aura_daemon.intake.sets.finding import SetFinder
from aura_daemon.intake.sets.outcomes import NamedOutcomes
from aura_daemon.intake.triage import Triage
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.journal.journal import Journal
from aura_daemon.system.library_versions import is_installed
from aura_daemon.watch.completeness import CompletenessTracker


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
