"""The models that are loaded: as many as there is memory for, the one that was used longest ago given up first.

In: a model that is wanted, and what it will take. Out: room for it. Its name is what jobs call it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import torch
from loguru import logger

from aura_daemon.core.job import JobKind
from aura_daemon.engines.caption import Captioner
from aura_daemon.engines.generate import Generator
from aura_daemon.engines.models import ModelFiles
from aura_daemon.engines.placement import Placement, release

Engine: TypeAlias = Generator | Captioner
Key: TypeAlias = tuple[JobKind, str]

ROOM: Final = 1.25
"""What a model takes while it runs, as a share of its weights: SD 1.x decodes 512x512 in 1.1 GiB beside them."""

SPARE_BYTES: Final = 512 << 20
"""Left free for everybody else."""


class Shelf:
    """The loaded models of one process."""

    def __init__(self, placement: Placement, free_bytes: Callable[[], int]) -> None:
        """`free_bytes`: of the memory that models go into, now."""
        self._placement = placement
        self._free_bytes = free_bytes
        self._engines: OrderedDict[Key, Engine] = OrderedDict()

    @property
    def names(self) -> tuple[str, ...]:
        """Of all that is loaded, as jobs call them."""
        return tuple(engine.files.name for engine in self._engines.values())

    def take(self, key: Key) -> Engine | None:
        """A model that is loaded; it was used last now."""
        if key in self._engines:
            self._engines.move_to_end(key)
        return self._engines.get(key)

    def put(self, key: Key, engine: Engine) -> None:
        """One more that is loaded."""
        self._engines[key] = engine

    def make_room(self, files: ModelFiles) -> None:
        """Gives models up until another one fits, as far as can be told before it is loaded."""
        needed = int(weight_bytes(files, self._placement.torch_dtype) * ROOM) + SPARE_BYTES
        while self._engines and self._free_bytes() < needed:
            (_, name), engine = self._engines.popitem(last=False)
            del engine
            release(self._placement)
            logger.info("model {} is given up: {} needs {:,} MiB", name, files.name, needed >> 20)


def weight_bytes(files: ModelFiles, dtype: torch.dtype) -> int:
    """What the weights take once they are loaded: files in another number format are converted."""
    root = files.checkpoint.parent if files.checkpoint is not None else files.folder
    size = sum((root / name).stat().st_size for name in files.weights.names)
    return size * dtype.itemsize // _bytes_a_number(root / files.weights.names[0])


def _bytes_a_number(file: Path) -> int:
    """2 or 4, as the first tensor of a safetensors file is written; 4 where that cannot be told."""
    with file.open("rb") as opened:
        head = opened.read(4096)
    return 2 if b'"dtype":"F16"' in head or b'"dtype":"BF16"' in head else 4
