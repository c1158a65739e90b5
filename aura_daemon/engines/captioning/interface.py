"""What every model of this family offers, whether it writes captions, answers or compares.

tests/unit/engines/test_families.py holds the rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aura_daemon.engines.captioning.blip import PreparedPicture
from aura_daemon.engines.images.decode import ReadPicture
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.loaded_models import Engine
from aura_daemon.jobs.requests import CaptionRequest, Describe, MatchRequest
from aura_daemon.jobs.results import Produced


class CaptioningEngine(Engine, Protocol):
    """A loaded model that finds something out about pictures."""

    writes: frozenset[Describe]
    """What it can say of a picture; requests for anything else are not given to it."""

    def prepare(self, read: ReadPicture, *, with_thumbnail: bool) -> PreparedPicture:
        """A picture at the model's size; called in a thread while the model works."""

    def describe(
        self, pictures: Sequence[PreparedPicture], requests: Sequence[CaptionRequest | MatchRequest], peak: PeakMemory
    ) -> list[Produced]:
        """A text about each picture, or scores of texts, as each would have alone; the requests have one batch key."""
