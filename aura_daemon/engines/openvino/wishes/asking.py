"""Has models converted by the daemon, from a process that may only read converted models. In: a model. Out: wishes.

The daemon starts the same child that `background` would, with an order of its own settings.
"""

from __future__ import annotations

import time
from typing import Final

from loguru import logger

from aura_daemon.config.engine import Dtype
from aura_daemon.config.workers.services import (
    ConvertedPart,
    FaultyConversion,
    ModelRole,
    Services,
    WantedConversion,
    WantedModel,
)
from aura_daemon.engines.failures import FaultyVariant
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.model_files.weights import HALF
from aura_daemon.engines.openvino.background import what_is_left
from aura_daemon.engines.openvino.store import ConversionStore, ConvertedModel, Kind
from aura_daemon.engines.placement.devices import Placement

NOTED_EVERY_S: Final = 3600.0
"""How often it is noted that jobs use a conversion, which is kept for weeks without one."""

ROLES: Final = {ConvertedPart.UNET: ModelRole.GENERATOR, ConvertedPart.LOOKING: ModelRole.CAPTIONER}


class AskedConversion:
    """The wishes of this process."""

    def __init__(self, store: ConversionStore, services: Services) -> None:
        self._store = store
        self._services = services
        self._told: set[str] = set()
        self._noted_s: dict[str, float] = {}

    def consider(
        self,
        files: ModelFiles,
        placement: Placement,
        *,
        machine: str,
        wants_int8: bool,
        part: ConvertedPart = ConvertedPart.UNET,
    ) -> None:
        """Asks where something is left to do and nothing speaks against it; never waits."""
        order = what_is_left(
            self._store, files, placement, machine=machine, wants_int8=wants_int8, part=part, say=self._say_once
        )
        if order is None:
            return
        is_half = files.weights.variant == HALF
        wanted = WantedModel(role=ROLES[part], model=files.name, at_turbo=files.at_turbo, half=is_half)
        self._services.convert(
            WantedConversion(
                wanted=wanted,
                part=part,
                wants_int8=wants_int8,
                device_name=placement.device_name,
                dtype=Dtype(placement.dtype),
            )
        )

    def note_used(self, converted: ConvertedModel) -> None:
        """A job uses a conversion."""
        place, now_s = converted.folder.name, time.monotonic()
        if now_s - self._noted_s.get(place, -NOTED_EVERY_S) >= NOTED_EVERY_S:
            self._noted_s[place] = now_s
            self._services.note_used(place)

    def settle(self, converted: ConvertedModel, kind: Kind, fault: FaultyVariant) -> str:
        """What becomes of a conversion that could not be computed, in words."""
        self._services.report_faulty(
            FaultyConversion(place=converted.folder.name, kind=kind, reason=str(fault), lasts=fault.lasts)
        )
        return "this process does not try it again, and another looks whether it is damaged"

    def _say_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            logger.warning("{}", text)
