"""Which rung a job may run on now. In: what a model takes on each rung, what is free. Out: a rung, or no room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from aura_daemon.engines.placement.device_memory import FreeMemory, free_memory, memory_figures, within_fraction
from aura_daemon.engines.placement.devices import Devices, Placement
from aura_daemon.engines.placement.loaded_models import Key, LoadedModels
from aura_daemon.jobs.results import EAGER
from aura_daemon.ladder.attempts import RunConditions, Start
from aura_daemon.ladder.fitting import MemoryNeed, MemoryRoom, NoRoom, RungChoice, choose, fits
from aura_daemon.ladder.prediction import Extent, Footprint, Measured, expected_bytes, host_bytes
from aura_daemon.ladder.rungs import Rung, at_or_below


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryDemand:
    """A model and how much it computes at once, as memory counts them; the model need not be on this machine."""

    key: Key
    extent: Extent
    rungs: tuple[Rung, ...]
    """The whole ladder of the model on this machine."""
    footprint: Callable[[Placement], Footprint]
    """Without this process itself."""
    variant: Callable[[Placement], str] = lambda _placement: EAGER
    """How the model computes on a placement."""
    beside: str = ""
    """What is loaded beside the model: what was measured without it tells nothing of what it takes with it."""

    def measured_as(self, placement: Placement) -> str:
        """How measurements name the way in which it computes."""
        return f"{placement.variant}{self.beside}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReservedMemory:
    """Bytes that a job may use although another process has them: the daemon's worker, where `doctor` asks."""

    device_bytes: int = 0
    host_bytes: int = 0


class RungChooser:
    """Chooses rungs on the devices of this process."""

    def __init__(
        self,
        devices: Devices,
        models: LoadedModels,
        *,
        base_bytes: int,
        climb_after: int,
        held: ReservedMemory | None = None,
        free: Callable[[Devices], FreeMemory] = free_memory,
    ) -> None:
        """`base_bytes`: of this process without any model. `free`: asked at every choice."""
        self._devices = devices
        self._models = models
        self._base_bytes = base_bytes
        self._climb_after = climb_after
        self._held = held or ReservedMemory()
        self._free = free

    def choose(self, demand: MemoryDemand, start: Start, measured: Sequence[Measured]) -> RungChoice | NoRoom:
        """The first rung, at or below the start, that fits in what is free now."""
        rungs = at_or_below(start.rung, demand.rungs)
        most = demand.extent.batch if start.most is None else min(demand.extent.batch, start.most)
        return choose(
            rungs, lambda rung, batch: self.need(demand, rung, batch, measured), self.room(demand.key), batch=most
        )

    def need(self, demand: MemoryDemand, rung: Rung, batch: int, measured: Sequence[Measured]) -> MemoryNeed:
        """What a batch of this size takes on a rung."""
        placement, footprint = self.placement(demand, rung), self.footprint(demand, rung)
        extent = replace(demand.extent, batch=batch)
        on_device = self.measured_on(demand, rung, measured)
        expected = expected_bytes(footprint, rung, extent, on_device, climb_after=self._climb_after)
        is_loaded = self._models.is_placed(demand.key, placement)  # its weights have passed through the host already
        return MemoryNeed(bytes=expected, host_bytes=0 if is_loaded else host_bytes(footprint, rung))

    def measured_on(self, demand: MemoryDemand, rung: Rung, measured: Sequence[Measured]) -> list[Measured]:
        """What was measured on the device that a rung computes on, in its number format and computed the same way."""
        placement = self.placement(demand, rung)
        same = placement.device_name, placement.dtype, demand.measured_as(placement)
        return [one for one in measured if (one.device, one.dtype, one.variant) == same]

    def conditions(self, demand: MemoryDemand, choice: RungChoice | NoRoom) -> RunConditions:
        """How a job is about to run; where there is no room, how it would have run."""
        placement = self.placement(demand, choice.rung)
        alone = isinstance(choice, NoRoom) or not self._models.others(demand.key)  # no room, not even if they were gone
        room = self.room(demand.key).for_rung(choice.rung, alone=alone)
        if isinstance(choice, NoRoom):
            room = min(room, choice.need.bytes - 1)  # as it was when the rung was chosen, though it may be more by now
        return RunConditions(
            device=placement.device,
            device_name=placement.device_name,
            dtype=placement.dtype,
            rung=choice.rung,
            width=demand.extent.width,
            height=demand.extent.height,
            batch=choice.batch if isinstance(choice, RungChoice) else 1,
            alone=alone,
            guided=demand.extent.guided,
            variant=demand.measured_as(placement),
            expected_bytes=choice.need.bytes,
            room_bytes=room,
            total_bytes=memory_figures(placement).total_bytes,
        )

    def placement(self, demand: MemoryDemand, rung: Rung) -> Placement:
        """The device of a rung, with the rung and the variant."""
        base = self._devices.on(rung)
        return replace(base, variant=demand.variant(base))

    def footprint(self, demand: MemoryDemand, rung: Rung) -> Footprint:
        """What the model takes on a rung, with this process."""
        return replace(demand.footprint(self.placement(demand, rung)), base_bytes=self._base_bytes)

    def room(self, key: Key) -> MemoryRoom:
        """What this process may take in all now."""
        card, free = self._devices.accelerator, self._free(self._devices)
        device_bytes = free.device_bytes + self._held.device_bytes
        if card is not None and self._held.device_bytes:
            device_bytes = within_fraction(card, device_bytes)
        return MemoryRoom(
            device_bytes=device_bytes if card is not None else 0,
            host_bytes=free.host_bytes + self._held.host_bytes,
            device_others_bytes=self._models.device_bytes(key),
            host_others_bytes=self._models.host_bytes(key),
        )

    def is_enough(self, demand: MemoryDemand, choice: RungChoice) -> bool:
        """Whether a choice fits beside the models that are still loaded."""
        return fits(choice.rung, choice.need, self.room(demand.key), alone=False)
