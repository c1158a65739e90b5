"""Which devices of this machine get a worker each. In: configuration, the cards, the environment. Out: a plan for each.

A worker sees one card alone (CUDA_VISIBLE_DEVICES), so that nothing in it can take memory of another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final, Literal

from aura_daemon.config.engine import Device
from aura_daemon.system.hardware.nvidia import Gpu

VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
ORDER: Final = "CUDA_DEVICE_ORDER"
BY_BUS: Final = "PCI_BUS_ID"
"""The order in which nvidia-smi counts; CUDA's own is the fastest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DevicePlan:
    """A worker's device."""

    name: str
    """For people: `gpu 1`, `cpu`; empty for the only worker."""
    device: Device | None = None
    """Instead of the configured one."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the worker's."""


ONLY: Final = DevicePlan(name="")


def device_plans(
    devices: Literal["auto"] | Sequence[int | Literal["cpu"]],
    *,
    configured: Device,
    cards: Sequence[Gpu],
    environment: Mapping[str, str],
) -> tuple[DevicePlan, ...]:
    """A plan for each worker; one worker on the configured device where nothing says more.

    `configured`: the key `device`. Of the cards only those count that the environment lets CUDA see.
    """
    if devices != "auto":
        return tuple(_plan(one) for one in dict.fromkeys(devices)) or (ONLY,)
    if configured not in (Device.AUTO, Device.CUDA):
        return (ONLY,)
    visible = _visible(cards, environment)
    return tuple(_plan(one) for one in visible) if len(visible) > 1 else (ONLY,)


def _plan(device: int | str) -> DevicePlan:
    if device == "cpu":
        return DevicePlan(name="cpu", device=Device.CPU)
    return DevicePlan(name=f"gpu {device}", device=Device.CUDA, environment={VISIBLE: str(device), ORDER: BY_BUS})


def _visible(cards: Sequence[Gpu], environment: Mapping[str, str]) -> list[int]:
    """Places on the bus of the cards that CUDA may see."""
    named = environment.get(VISIBLE)
    if named is None:
        return list(range(len(cards)))
    names = [name.strip() for name in named.split(",")]
    if all(name.isdecimal() for name in names):
        # Numbers are places on the bus where CUDA is told so, or where all cards are alike.
        is_ordered = environment.get(ORDER) == BY_BUS or len({card.name for card in cards}) == 1
        seen = takewhile(lambda number: number < len(cards), map(int, names))  # CUDA sees none after a wrong one
        return list(seen) if is_ordered else []
    uuids = [name for name in names if name]  # set to nothing, it hides every card
    return [number for name in uuids for number, card in enumerate(cards) if card.uuid.startswith(name)]
