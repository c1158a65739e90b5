"""Which rung a job may stand on now. In: a model's files, how much is drawn, what is free. Out: a Tried, or no room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.device_memory import device_room, host_room, memory_figures, within_fraction
from aura_daemon.engines.placement.devices import Devices, Placement
from aura_daemon.engines.placement.footprints import footprint_of
from aura_daemon.engines.placement.loaded_models import Key, LoadedModels
from aura_daemon.ladder.attempts import RunConditions, Start
from aura_daemon.ladder.fitting import MemoryNeed, MemoryRoom, NoRoom, RungChoice, choose, fits
from aura_daemon.ladder.prediction import Extent, Footprint, Measured, expected_bytes, host_bytes
from aura_daemon.ladder.rungs import Rung, at_or_below, ladder


@dataclass(frozen=True, kw_only=True, slots=True)
class PlacementRequest:
    """A model, and how much is drawn with it at once."""

    key: Key
    files: ModelFiles
    extent: Extent
    with_checker: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryDemand:
    """The same as memory sees it; the model need not be on this machine."""

    key: Key
    extent: Extent
    footprint: Callable[[Rung], Footprint]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReservedMemory:
    """Bytes that a job may use although another process has them: the daemon's worker, where `doctor` asks."""

    device_bytes: int = 0
    host_bytes: int = 0


class RungChooser:
    """What is known of this process's devices."""

    def __init__(
        self,
        devices: Devices,
        shelf: LoadedModels,
        *,
        base_bytes: int,
        climb_after: int,
        held: ReservedMemory | None = None,
    ) -> None:
        """`base_bytes`: of this process without any model."""
        self._devices = devices
        self._shelf = shelf
        self._base_bytes = base_bytes
        self._climb_after = climb_after
        self._held = held or ReservedMemory()

    def choose(self, wanted: PlacementRequest, start: Start, measured: Sequence[Measured]) -> RungChoice | NoRoom:
        """The first rung, at or below the start, that fits in what is free now."""
        return self.first(self.demand(wanted), start, measured)

    def first(self, demand: MemoryDemand, start: Start, measured: Sequence[Measured]) -> RungChoice | NoRoom:
        """The same of a demand."""
        rungs = at_or_below(start.rung, self.ladder(demand))
        most = demand.extent.batch if start.most is None else min(demand.extent.batch, start.most)
        return choose(
            rungs, lambda rung, batch: self.need(demand, rung, batch, measured), self.room(demand.key), batch=most
        )

    def ladder(self, demand: MemoryDemand) -> tuple[Rung, ...]:
        """All of it."""
        return ladder(self._devices.backend, demand.key[0])

    def need(self, demand: MemoryDemand, rung: Rung, batch: int, measured: Sequence[Measured]) -> MemoryNeed:
        """What so many pictures take on a rung."""
        placement, footprint = self._devices.on(rung), demand.footprint(rung)
        extent = replace(demand.extent, batch=batch)
        here = self.measured_on(rung, measured)
        expected = expected_bytes(footprint, rung, extent, here, climb_after=self._climb_after)
        is_there = self._shelf.stands(demand.key, placement)  # what came through the host is on the GPU
        return MemoryNeed(bytes=expected, host_bytes=0 if is_there else host_bytes(footprint, rung))

    def measured_on(self, rung: Rung, measured: Sequence[Measured]) -> list[Measured]:
        """What was measured on the device that a rung computes on, in its number format."""
        placement = self._devices.on(rung)
        return [one for one in measured if (one.device, one.dtype) == (placement.device_name, placement.dtype)]

    def demand(self, wanted: PlacementRequest) -> MemoryDemand:
        """Of a model that lies here."""
        return MemoryDemand(key=wanted.key, extent=wanted.extent, footprint=lambda rung: self.footprint(wanted, rung))

    def tried(self, wanted: PlacementRequest, choice: RungChoice | NoRoom) -> RunConditions:
        """How it is about to run; where there is no room, how it would have been."""
        placement = self._devices.on(choice.rung)
        alone = isinstance(choice, NoRoom) or not self._shelf.others(wanted.key)  # no room, nor if they were gone
        room = self.room(wanted.key).for_rung(choice.rung, alone=alone)
        if isinstance(choice, NoRoom):
            room = min(room, choice.need.bytes - 1)  # as it was found, though it may be more by now
        return RunConditions(
            device=placement.device,
            device_name=placement.device_name,
            dtype=placement.dtype,
            rung=choice.rung,
            width=wanted.extent.width,
            height=wanted.extent.height,
            batch=choice.batch if isinstance(choice, RungChoice) else 1,
            alone=alone,
            guided=wanted.extent.guided,
            expected_bytes=choice.need.bytes,
            room_bytes=room,
            total_bytes=memory_figures(placement).total_bytes,
        )

    def placement(self, rung: Rung) -> Placement:
        """Where a rung is."""
        return self._devices.on(rung)

    def footprint(self, wanted: PlacementRequest, rung: Rung) -> Footprint:
        """Of the model in the number format of a rung."""
        return footprint_of(
            wanted.files,
            wanted.key[0],
            self._devices.on(rung),
            base_bytes=self._base_bytes,
            with_checker=wanted.with_checker,
        )

    def room(self, key: Key) -> MemoryRoom:
        """What this process may take in all now."""
        card = self._devices.accelerator
        return MemoryRoom(
            device_bytes=self._card_bytes(card) if card is not None else 0,
            host_bytes=host_room() + self._held.host_bytes,
            device_others_bytes=self._shelf.device_bytes(key),
            host_others_bytes=self._shelf.host_bytes(key),
        )

    def _card_bytes(self, card: Placement) -> int:
        room = device_room(card)
        return within_fraction(card, room + self._held.device_bytes) if self._held.device_bytes else room

    def is_enough(self, wanted: PlacementRequest, choice: RungChoice) -> bool:
        """Whether a choice fits beside the models that are still there."""
        return fits(choice.rung, choice.need, self.room(wanted.key), alone=False)
