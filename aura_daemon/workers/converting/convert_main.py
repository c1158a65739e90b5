"""Does what a worker wishes: `python -P -m aura_daemon.workers.converting.convert_main PARENT_PID`.

In: a `WishOrder`, JSON on stdin. Out: files in the store. The daemon starts it; what the wish means, the settings say.
It shuts itself in before it opens a model: it reads models, writes the store, and reaches nobody.
"""

from __future__ import annotations

import os
import sys
from typing import Final

import psutil
from loguru import logger

from aura_daemon.config.workers.services import ConvertedPart, FaultyConversion, WantedConversion, configured, is_place
from aura_daemon.engines.captioning.model_format import CAPTIONS
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.model_files.companions import find_all_here
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.choice import machine_named
from aura_daemon.engines.openvino.faulty import settle_fault
from aura_daemon.engines.openvino.store import ConversionStore, ConvertedModel
from aura_daemon.engines.openvino.wishes.orders import LOWEST, WishOrder, wish_format
from aura_daemon.engines.openvino.wishes.places import cache_folder
from aura_daemon.engines.reporter import KeptOutcomes
from aura_daemon.engines.stable_diffusion.model_format import STABLE_DIFFUSION
from aura_daemon.system.processes.child_processes import become_a_child
from aura_daemon.system.sandbox.confining import confine
from aura_daemon.system.sandbox.plan import SandboxMode

NOT_SHUT_IN: Final = 4
"""Exit code: `sandbox: strict` cannot be kept here, and nothing was read."""

FORMATS: Final = {ConvertedPart.UNET: STABLE_DIFFUSION, ConvertedPart.LOOKING: CAPTIONS}


def main(parent: int) -> int:
    """0: all that could be done is done; `background.BUSY`: another process is at it; `NOT_SHUT_IN`."""
    become_a_child(parent)
    psutil.Process().nice(LOWEST)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    order = wish_format().validate_json(sys.stdin.buffer.read())
    lacks = confine(order.sandbox, keeps=()) if order.sandbox is not None else ()
    if lacks and order.sandbox is not None and order.sandbox.mode is SandboxMode.STRICT:
        return NOT_SHUT_IN
    folder = cache_folder(os.environ)
    if folder is None:
        return 0
    store = ConversionStore(folder)
    if isinstance(order.wish, FaultyConversion):
        return _settle(store, order.wish)
    return _convert(store, order, order.wish)


def _settle(store: ConversionStore, fault: FaultyConversion) -> int:
    converted = ConvertedModel(folder=store.folder / fault.place)
    if is_place(fault.place) and converted.folder.is_dir():
        settle_fault(converted, fault.kind, fault.reason, lasts=fault.lasts)
    return 0


def _convert(store: ConversionStore, order: WishOrder, wish: WantedConversion) -> int:
    model = configured(order.settings, wish.wanted)
    if model is None:
        return 0
    quiet_libraries()
    files = find_all_here(model, FORMATS[wish.part], wish.wanted.half, KeptOutcomes())
    if not isinstance(files, ModelFiles):
        logger.warning("model {} is not here to be converted", wish.wanted.model)
        return 0
    from aura_daemon.engines.openvino.conversion_child import carried_out, order_of

    return carried_out(order_of(store, files, wish, machine_named(wish.device_name, wish.dtype)))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
