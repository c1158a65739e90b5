"""Has models converted while jobs go on. In: a model that was just used. Out: a child process, one at a time.

The child has the lowest priority, ends with this process, and starts only where there is memory for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loguru import logger

from aura_daemon.config.engine import Dtype
from aura_daemon.config.workers.services import ConvertedPart
from aura_daemon.engines.failures import FaultyVariant
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.faulty import settle_fault
from aura_daemon.engines.openvino.store import ConversionStore, ConvertedModel, Kind, is_installed
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.footprints import all_numbers, unet_numbers
from aura_daemon.system.hardware.host_memory import host_memory

if TYPE_CHECKING:
    from pydantic import TypeAdapter

CHILD: Final = (sys.executable, "-P", "-m", "aura_daemon.engines.openvino.conversion_child")

BUSY: Final = 3
"""Exit code: another process converts."""

NEEDED_BYTES: Final = {Dtype.FLOAT32: 9}
"""Of memory for each number of the UNet, or of a captioner, where two engines are measured side by side."""

CONVERTING_BYTES: Final = 6
"""The same while the model is converted: float32 and the file it is read from; measured."""

BASE_BYTES: Final = 700 << 20
"""Of the child's libraries; measured."""

MOST_DEATHS: Final = 2
"""Children that ended without a word (killed: memory ran out, say) before no more are started."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConversionOrder:
    """What a child is to do; what is done already is left."""

    store: Path
    files: ModelFiles
    kinds: tuple[Kind, ...]
    device_name: str
    dtype: str
    part: ConvertedPart = ConvertedPart.UNET
    machine: str
    """As `choice.machine_of` names it."""


@cache
def order_format() -> TypeAdapter[ConversionOrder]:
    """How an order passes to the child as JSON; pydantic is not imported before, as few workers convert models."""
    from pydantic import TypeAdapter

    return TypeAdapter(ConversionOrder)


def what_is_left(
    store: ConversionStore,
    files: ModelFiles,
    placement: Placement,
    *,
    machine: str,
    wants_int8: bool,
    part: ConvertedPart,
    say: Callable[[str], None],
) -> ConversionOrder | None:
    """What is to be converted and measured of a model; None where nothing is, or cannot be now, which is said."""
    converted = store.of(files)
    kinds = [Kind.OPENVINO, *([Kind.INT8] if wants_int8 and is_installed(Kind.INT8, part) else [])]
    possible = [kind for kind in kinds if not converted.failure(kind)]
    for kind in kinds:
        if kind not in possible:
            say(f"model {files.name} was not converted ({kind}): {converted.failure(kind)}")
    measured = converted.measured(machine)
    if Kind.OPENVINO not in possible or all(converted.graph(kind) and kind in measured for kind in possible):
        return None
    numbers = unet_numbers(files) if part is ConvertedPart.UNET else all_numbers(files)
    needed = numbers * NEEDED_BYTES.get(placement.dtype, CONVERTING_BYTES) + BASE_BYTES
    if needed > host_memory().available_bytes:
        say(f"model {files.name} is not converted for OpenVINO now: that takes {needed / 1e9:.1f} GB of memory")
        return None
    return ConversionOrder(
        store=store.folder,
        files=files,
        kinds=tuple(possible),
        device_name=placement.device_name,
        dtype=placement.dtype,
        part=part,
        machine=machine,
    )


class BackgroundConversion:
    """The children of this process that convert."""

    def __init__(self, store: ConversionStore) -> None:
        self._store = store
        self._process: subprocess.Popen[bytes] | None = None
        self._name = ""
        self._deaths = 0
        self._told: set[str] = set()

    def consider(
        self,
        files: ModelFiles,
        placement: Placement,
        *,
        machine: str,
        wants_int8: bool,
        part: ConvertedPart = ConvertedPart.UNET,
    ) -> None:
        """Starts a child where something is left to do and nothing speaks against it; never raises, never waits."""
        if self._is_running() or self._deaths >= MOST_DEATHS:
            return
        order = what_is_left(
            self._store, files, placement, machine=machine, wants_int8=wants_int8, part=part, say=self._say_once
        )
        if order is not None:
            self._start(order)

    def note_used(self, converted: ConvertedModel) -> None:
        """A job uses a conversion."""
        converted.touch()

    def settle(self, converted: ConvertedModel, kind: Kind, fault: FaultyVariant) -> str:
        """What becomes of a conversion that could not be computed, in words."""
        return settle_fault(converted, kind, str(fault), lasts=fault.lasts)

    def wait(self) -> int:
        """Waits for the child, if one runs; its exit code."""
        return self._process.wait() if self._process is not None else 0

    def _start(self, order: ConversionOrder) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        command = [*CHILD, str(os.getpid())]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
            )
        except OSError as error:
            self._say_once(f"no process could be started to convert model {order.files.name}: {error}")
            return
        self._name = order.files.name
        logger.info("model {} is being converted for OpenVINO meanwhile", self._name)
        assert self._process.stdin is not None
        with suppress(OSError), self._process.stdin as opened:
            opened.write(order_format().dump_json(order))

    def _is_running(self) -> bool:
        """Whether a child runs; says once how the last one ended."""
        if self._process is None:
            return False
        code = self._process.poll()
        if code is None:
            return True
        self._process = None
        if code not in (0, BUSY):
            self._deaths += 1
            logger.warning("the conversion of model {} ended with code {}", self._name, code)
        return False

    def _say_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            logger.warning("{}", text)
