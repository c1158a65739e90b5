"""Settings and a journal -> the parts of the intake, joined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aura_daemon.config.settings import Settings
from aura_daemon.intake.admission import Admission
from aura_daemon.intake.catalogue import catalogue_reader
from aura_daemon.intake.claims import Claims
from aura_daemon.intake.folder_defaults import FolderDefaultsReader
from aura_daemon.intake.image_lookup import ImageLookup
from aura_daemon.intake.input_images import InputImages
from aura_daemon.intake.judging import assemble_judging
from aura_daemon.intake.late_pictures import LatePictures
from aura_daemon.intake.pending import PendingFiles
from aura_daemon.intake.sets.expanding import SetExpander
from aura_daemon.intake.triage import Triage
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.journal.journal import Journal


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

    `now`, `keeps`, `drain`, `catalogue`, `reads_heic`: as in `judging`.
    """
    catalogue = catalogue or catalogue_reader(settings).now
    judging = assemble_judging(
        settings, journal, now=now, keeps=keeps, drain=drain, catalogue=catalogue, reads_heic=reads_heic
    )
    most_bytes = settings.limits.image_bytes
    input_images = InputImages(judging.claims, judging.image_lookup, journal, most_bytes=most_bytes)
    return IntakeParts(
        pending=PendingFiles(settings.inbox, judging.triage, settle_s=settings.settle),
        triage=judging.triage,
        claims=judging.claims,
        late_pictures=LatePictures(judging.claims, journal),
        image_lookup=judging.image_lookup,
        input_images=input_images,
        folder_defaults=judging.folder_defaults,
        admission=Admission(
            settings,
            judging.claims,
            input_images,
            judging.folder_defaults,
            journal,
            catalogue,
            judging.subjects,
            SetExpander(settings, judging.claims, input_images, judging.sets, journal),
            judging.outcomes,
        ),
    )
