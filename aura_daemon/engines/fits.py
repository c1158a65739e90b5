"""Which rung a job may stand on now. In: a model's files, how much is drawn, what is free. Out: a Tried, or no room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aura_daemon.core.attempts import Start, Tried
from aura_daemon.core.budget import Extent, Footprint, Measured, expected_bytes, host_bytes
from aura_daemon.core.fitting import Choice, Need, NoRoom, Room, choose, fits
from aura_daemon.core.ladder import Rung, at_or_below, ladder
from aura_daemon.engines.footprints import footprint_of
from aura_daemon.engines.memory import device_room, host_room
from aura_daemon.engines.models import ModelFiles
from aura_daemon.engines.placement import Devices, Placement
from aura_daemon.engines.shelf import Key, Shelf


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A model, and how much is drawn with it at once."""

    key: Key
    files: ModelFiles
    extent: Extent
    with_checker: bool = False


class Fits:
    """What is known of this process's devices."""

    def __init__(self, devices: Devices, shelf: Shelf, *, base_bytes: int, climb_after: int) -> None:
        """`base_bytes`: of this process without any model."""
        self._devices = devices
        self._shelf = shelf
        self._base_bytes = base_bytes
        self._climb_after = climb_after

    def choose(self, wanted: Wanted, start: Start, measured: Sequence[Measured]) -> Choice | NoRoom:
        """The first rung, at or below the start, that fits in what is free now."""
        rungs = at_or_below(start.rung, ladder(self._devices.backend, wanted.key[0]))

        def need(rung: Rung, batch: int) -> Need:
            placement, footprint = self._devices.on(rung), self.footprint(wanted, rung)
            extent = Extent(
                width=wanted.extent.width, height=wanted.extent.height, batch=batch, guided=wanted.extent.guided
            )
            here = [
                one for one in measured
                if (one.device, one.dtype) == (placement.device_name, placement.dtype)
            ]  # fmt: skip
            expected = expected_bytes(footprint, rung, extent, here, climb_after=self._climb_after)
            is_there = self._shelf.stands(wanted.key, placement)  # what came through the host is on the GPU
            return Need(bytes=expected, host_bytes=0 if is_there else host_bytes(footprint, rung))

        most = wanted.extent.batch if start.most is None else min(wanted.extent.batch, start.most)
        return choose(rungs, need, self.room(wanted.key), batch=most)

    def tried(self, wanted: Wanted, choice: Choice | NoRoom) -> Tried:
        """How it is about to run; where there is no room, how it would have been."""
        placement = self._devices.on(choice.rung)
        alone = isinstance(choice, NoRoom) or not self._shelf.others(wanted.key)  # no room, nor if they were gone
        return Tried(
            device=placement.device,
            device_name=placement.device_name,
            dtype=placement.dtype,
            rung=choice.rung,
            width=wanted.extent.width,
            height=wanted.extent.height,
            batch=choice.batch if isinstance(choice, Choice) else 1,
            alone=alone,
            expected_bytes=choice.need.bytes,
            room_bytes=self.room(wanted.key).for_rung(choice.rung, alone=alone),
        )

    def placement(self, rung: Rung) -> Placement:
        """Where a rung is."""
        return self._devices.on(rung)

    def footprint(self, wanted: Wanted, rung: Rung) -> Footprint:
        """Of the model in the number format of a rung."""
        return footprint_of(
            wanted.files,
            wanted.key[0],
            self._devices.on(rung),
            base_bytes=self._base_bytes,
            with_checker=wanted.with_checker,
        )

    def room(self, key: Key) -> Room:
        """What this process may take in all now."""
        return Room(
            device_bytes=device_room(self._devices.accelerator) if self._devices.accelerator is not None else 0,
            host_bytes=host_room(),
            device_others_bytes=self._shelf.device_bytes(key),
            host_others_bytes=self._shelf.host_bytes(key),
        )

    def is_enough(self, wanted: Wanted, choice: Choice) -> bool:
        """Whether a choice fits beside the models that are still there."""
        return fits(choice.rung, choice.need, self.room(wanted.key), alone=False)
