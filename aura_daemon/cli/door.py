"""Settings -> the rooms that a file in the inbox passes before it is ours. For the daemon, and for `why`."""

from __future__ import annotations

from dataclasses import dataclass

from aura_daemon.config.settings import Settings
from aura_daemon.intake.claims import Claims
from aura_daemon.intake.folder_defaults import FolderSettings
from aura_daemon.intake.image_lookup import References
from aura_daemon.intake.pairing import Pairing
from aura_daemon.intake.triage import Judging, JudgingSettings
from aura_daemon.journal.journal import Journal
from aura_daemon.system.clock import SteadyClock
from aura_daemon.watch.completeness import Steadiness
from aura_daemon.watch.ignored_names import NameRules


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """The rooms that a file in the inbox passes before it is ours."""

    claims: Claims
    references: References
    folders: FolderSettings
    judging: Judging


def judging_of(settings: Settings, journal: Journal, clock: SteadyClock, *, keeps: bool, drain: bool = False) -> Door:
    """What says of a file what is to become of it, and what that stands on."""
    claims = Claims(settings.inbox, settings.state_folder(), journal, keeps=keeps, now=clock.now)
    references = References(claims, journal, companions=settings.companions)
    reference_wait_s = settings.reference_wait
    if drain:  # a script that drains the inbox is not kept for as long as a daemon would wait
        reference_wait_s = min(reference_wait_s, settings.incomplete_after)
    chosen = JudgingSettings(
        inbox=settings.inbox,
        accept=frozenset(settings.accept),
        keeps=keeps,
        skips_redeliveries=settings.redelivery == "skip",
        incomplete_after_s=settings.incomplete_after,
        reference_wait_s=reference_wait_s,
        pair_wait_s=settings.pair_wait,
        names=NameRules(ignore=settings.ignore, take=settings.take),
    )
    steadiness = Steadiness(settings.settle, now=clock.now)
    pairing = Pairing(settings.inbox, references, journal, steadiness, incomplete_after_s=settings.incomplete_after)
    folders = FolderSettings(settings.inbox, steadiness)
    judging = Judging(chosen, references, pairing, folders, journal, now=clock.now)
    return Door(claims=claims, references=references, folders=folders, judging=judging)
