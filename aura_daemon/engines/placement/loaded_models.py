"""The loaded models: as many as there is memory for; the one that was used longest ago is given up first.

In: the model that is needed, and the rung it is to run on. Out: the engine, or room to load it. Models are named as
jobs name them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from loguru import logger

from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.placement.device_memory import release
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.speed import Speed, loaded_as
from aura_daemon.ladder.prediction import Extent, Footprint, predicted_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """What a loaded model serves."""

    kind: JobKind
    model: str
    """Its name, as jobs name it."""
    speed: Speed | None = None
    """TURBO for other weights than those of the model's files."""
    noun: str = ""
    """What it is loaded as (`ModelFormat.noun`), where a kind of job has models of several formats."""

    def __str__(self) -> str:
        return loaded_as(self.model, self.speed)


NOTHING_DRAWN: Final = Extent(width=0, height=0, batch=0)


class Engine(Protocol):
    """A loaded model of any family; its family runs it (`interface.Family`)."""

    @property
    def files(self) -> ModelFiles:
        """Where it was loaded from."""

    @property
    def placement(self) -> Placement:
        """Where it computes, and on which rung."""

    def move_to(self, placement: Placement) -> None:
        """Moves to a rung that takes the same weights in the same place (`Measures.loading`)."""


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
        """Of all loaded models."""
        return tuple(map(str, self._loaded))

    @property
    def kinds(self) -> tuple[JobKind, ...]:
        """The kind of job that each of them serves."""
        return tuple(key.kind for key in self._loaded)

    def files(self, key: Key) -> ModelFiles | None:
        """The files of a model that is loaded, on whatever rung."""
        return self._loaded[key].engine.files if key in self._loaded else None

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

    def is_placed(self, key: Key, placement: Placement) -> bool:
        """Whether the model is loaded with the weights that this rung takes, where it takes them."""
        loaded = self._loaded.get(key)
        if loaded is None:
            return False
        present = loaded.engine.placement
        return _loading(present) == _loading(placement)

    def take(self, key: Key, placement: Placement) -> Engine | None:
        """A loaded model, moved to this rung; None where it has to be loaded, or loaded afresh, for it."""
        if not self.is_placed(key, placement):
            return None
        self._loaded.move_to_end(key)
        engine = self._loaded[key].engine
        if engine.placement.rung is not placement.rung:
            engine.move_to(placement)
        return engine

    def put(self, key: Key, engine: Engine, footprint: Footprint) -> None:
        """Adds a model that was loaded."""
        self._loaded[key] = _Loaded(engine=engine, footprint=footprint)

    def drop(self, key: Key) -> None:
        """Gives up one model, if it is loaded."""
        loaded = self._loaded.pop(key, None)
        if loaded is not None:
            placement = loaded.engine.placement
            del loaded
            release(placement)

    def make_room(self, key: Key, is_enough: Callable[[], bool], *, wanted_by: str) -> None:
        """Gives up other models until there is enough room or none is left."""
        for other in [other for other in self._loaded if other != key]:
            if is_enough():
                return
            self.drop(other)
            logger.info("model {} is given up: {} needs its room", other, wanted_by)

    def clear(self) -> None:
        """Gives up all models."""
        for key in list(self._loaded):
            self.drop(key)

    @staticmethod
    def _resident(loaded: _Loaded) -> int:
        """Bytes of the weights while nothing is computed, of the memory that the model computes in."""
        return predicted_bytes(loaded.footprint, loaded.engine.placement.rung, NOTHING_DRAWN)


def _loading(placement: Placement) -> tuple[object, ...]:
    """All of a placement that a loaded model cannot change."""
    return placement.device, placement.variant, placement.measures.loading


def _on_gpu(loaded: _Loaded) -> bool:
    return not loaded.engine.placement.on_cpu
