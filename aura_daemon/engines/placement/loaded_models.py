"""The models that are loaded: as many as there is memory for, the one that was used longest ago given up first.

In: a model that is wanted, and the rung it is to stand on. Out: room for it. Its name is what jobs call it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from loguru import logger

from aura_daemon.engines.captioning.blip import Captioner
from aura_daemon.engines.placement.device_memory import release
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.stable_diffusion.generator import Generator
from aura_daemon.jobs.requests import JobKind
from aura_daemon.ladder.prediction import Extent, Footprint, predicted_bytes

Engine: TypeAlias = Generator | Captioner
Key: TypeAlias = tuple[JobKind, str]

NOTHING_DRAWN = Extent(width=0, height=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Loaded:
    engine: Engine
    footprint: Footprint


class LoadedModels:
    """The loaded models of one process."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[Key, _Loaded] = OrderedDict()

    @property
    def names(self) -> tuple[str, ...]:
        """Of all that is loaded, as jobs call them."""
        return tuple(loaded.engine.files.name for loaded in self._loaded.values())

    def has(self, key: Key) -> bool:
        """Whether it is loaded, on whatever rung."""
        return key in self._loaded

    def others(self, key: Key) -> bool:
        """Whether any other model is loaded."""
        return any(other != key for other in self._loaded)

    def device_bytes(self, key: Key) -> int:
        """What the other models take of the GPU."""
        return sum(self._resident(loaded) for other, loaded in self._loaded.items() if other != key and _on_gpu(loaded))

    def host_bytes(self, key: Key) -> int:
        """What the other models take of the host's memory."""
        return sum(
            self._resident(loaded) - loaded.footprint.base_bytes
            if not _on_gpu(loaded)
            else loaded.footprint.beside_bytes + loaded.footprint.text_bytes
            for other, loaded in self._loaded.items()
            if other != key
        )

    def stands(self, key: Key, placement: Placement) -> bool:
        """Whether it is loaded as this rung wants it."""
        loaded = self._loaded.get(key)
        if loaded is None:
            return False
        known = loaded.engine.placement
        return (known.device, known.measures.loading) == (placement.device, placement.measures.loading)

    def take(self, key: Key, placement: Placement) -> Engine | None:
        """A model that is loaded, brought to this rung; None where it must be loaded, or loaded afresh, for it."""
        if not self.stands(key, placement):
            return None
        self._loaded.move_to_end(key)
        engine = self._loaded[key].engine
        if engine.placement.rung is not placement.rung:
            engine.stand_on(placement)
        return engine

    def put(self, key: Key, engine: Engine, footprint: Footprint) -> None:
        """One more that is loaded."""
        self._loaded[key] = _Loaded(engine=engine, footprint=footprint)

    def drop(self, key: Key) -> None:
        """Gives up one model, where it is there."""
        loaded = self._loaded.pop(key, None)
        if loaded is not None:
            placement = loaded.engine.placement
            del loaded
            release(placement)

    def make_room(self, key: Key, is_enough: Callable[[], bool], *, wanted_by: str) -> None:
        """Gives other models up, until it is enough or none is left."""
        for other in [other for other in self._loaded if other != key]:
            if is_enough():
                return
            self.drop(other)
            logger.info("model {} is given up: {} needs its room", other[1], wanted_by)

    def clear(self) -> None:
        """Gives all up."""
        for key in list(self._loaded):
            self.drop(key)

    @staticmethod
    def _resident(loaded: _Loaded) -> int:
        """Bytes of its weights while nothing is drawn, of the memory it computes in."""
        return predicted_bytes(loaded.footprint, loaded.engine.placement.rung, NOTHING_DRAWN)


def _on_gpu(loaded: _Loaded) -> bool:
    return not loaded.engine.placement.on_cpu
