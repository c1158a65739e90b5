"""The converted models of one family in this process: found, made meanwhile, and not chosen again where they fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aura_daemon.config.workers.services import ConvertedPart, Services
from aura_daemon.engines.failures import FaultyVariant
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.background import BackgroundConversion
from aura_daemon.engines.openvino.choice import Chosen, machine_of
from aura_daemon.engines.openvino.faulty import FaultyConversions
from aura_daemon.engines.openvino.store import ConversionStore, ConvertedModel, Kind
from aura_daemon.engines.openvino.wishes.asking import AskedConversion
from aura_daemon.engines.openvino.wishes.places import cache_folder
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.results import EAGER


class ConvertedModels:
    """Everything of a family that is about OpenVINO, but for what it computes."""

    def __init__(self, part: ConvertedPart, services: Services | None = None) -> None:
        """`part`: what of its models is converted. `services`: who has them converted; None: this process."""
        self._part = part
        folder = cache_folder(os.environ)
        self._store = ConversionStore(folder) if folder is not None else None
        self.conversions: BackgroundConversion | AskedConversion | None = None
        if self._store is not None and services is not None:
            self.conversions = AskedConversion(self._store, services)
        elif self._store is not None:
            self.conversions = BackgroundConversion(self._store)
        self._faulty = FaultyConversions()

    def of(self, files: ModelFiles) -> ConvertedModel | None:
        """The place of a model's conversions; None without a home folder."""
        return self._store.of(files) if self._store is not None else None

    def sound(self, files: ModelFiles, found: Chosen) -> Chosen:
        """What was chosen, unless it has failed in this process."""
        converted = self.of(files)
        if converted is not None and (reason := self._faulty.reason(converted, found.variant)):
            return Chosen(variant=EAGER, why=f"{found.variant} failed: {reason}")
        return found

    def graph(self, files: ModelFiles, placement: Placement) -> Path:
        """The file that a placement computes with; raises FaultyVariant."""
        converted = self.of(files)
        graph = converted.graph(Kind(placement.variant)) if converted is not None else None
        if graph is None:
            raise FaultyVariant(f"the conversion {placement.variant} is gone since the job began", lasts=False)
        return graph

    @contextmanager
    def used(self, files: ModelFiles, placement: Placement) -> Iterator[None]:
        """Notes that a job uses a conversion, and has a graph that OpenVINO cannot compute not chosen again."""
        converted = self.of(files) if placement.variant in list(Kind) else None
        conversions = self.conversions if converted is not None else None
        if converted is not None and conversions is not None:
            conversions.note_used(converted)
        try:
            yield
        except FaultyVariant as fault:
            if converted is not None and conversions is not None:
                self._faulty.add(files.name, converted, Kind(placement.variant), fault, conversions.settle)
            raise

    def convert_meanwhile(self, files: ModelFiles, placement: Placement, *, wants_int8: bool) -> None:
        """Has the model converted and measured while the next jobs run; never raises, never waits."""
        if self.conversions is not None:
            machine = machine_of(placement)
            self.conversions.consider(files, placement, machine=machine, wants_int8=wants_int8, part=self._part)
