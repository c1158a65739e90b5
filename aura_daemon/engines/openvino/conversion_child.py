"""Converts one model and measures: `python -P -m aura_daemon.engines.openvino.conversion_child PARENT_PID`.

In: a `ConversionOrder`, JSON on stdin. Out: files in the store; the reason there where a conversion failed.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback

import psutil

from aura_daemon.config.workers.services import ConvertedPart, WantedConversion
from aura_daemon.engines.failures import FaultyVariant
from aura_daemon.engines.library_logging import quiet_libraries
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.openvino.background import BUSY, ConversionOrder, order_format
from aura_daemon.engines.openvino.store import ConversionStore, ConvertedModel, Kind, is_installed
from aura_daemon.engines.openvino.wishes.orders import LOWEST
from aura_daemon.system.processes.child_processes import become_a_child


def main(parent: int) -> int:
    """0: all that could be done is done; `BUSY`: another process is at it."""
    become_a_child(parent)
    psutil.Process().nice(LOWEST)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return carried_out(order_format().validate_json(sys.stdin.buffer.read()))


def carried_out(order: ConversionOrder) -> int:
    """Does what is ordered; the exit code."""
    quiet_libraries()
    store = ConversionStore(order.store)
    with store.locked() as is_ours:
        if not is_ours:
            return BUSY
        converted = store.of(order.files)
        converted.sweep()
        store.describe(order.files)
        store.sweep()
        for kind in order.kinds:
            if converted.graph(kind) is None and not converted.failure(kind):
                _convert(kind, order, converted)
                gc.collect()
        _measure(order, converted)
    return 0


def order_of(store: ConversionStore, files: ModelFiles, wish: WantedConversion, machine: str) -> ConversionOrder:
    """The order that a worker's wish comes to."""
    kinds = [Kind.OPENVINO, *([Kind.INT8] if wish.wants_int8 and is_installed(Kind.INT8, wish.part) else [])]
    converted = store.of(files)
    return ConversionOrder(
        store=store.folder,
        files=files,
        kinds=tuple(kind for kind in kinds if not converted.failure(kind)),
        device_name=wish.device_name,
        dtype=wish.dtype,
        part=wish.part,
        machine=machine,
    )


def _convert(kind: Kind, order: ConversionOrder, converted: ConvertedModel) -> None:
    try:
        with converted.writing(kind) as folder:
            source = converted.graph(Kind.OPENVINO)
            if order.part is ConvertedPart.LOOKING:
                from aura_daemon.engines.openvino.captioners import conversion as captioner_conversion

                if kind is Kind.OPENVINO:
                    captioner_conversion.convert(order.files, folder)
                elif source is not None:
                    captioner_conversion.quantize(source, folder)
            elif kind is Kind.OPENVINO:
                from aura_daemon.engines.openvino import conversion

                conversion.save(conversion.converted(conversion.read_unet(order.files)), folder)
            else:
                from aura_daemon.engines.openvino.quantization import quantize

                if source is not None:
                    quantize(order.files, source, folder)
    except MemoryError:
        raise
    except OSError:  # a full disk, say: it may go better another time
        raise
    except Exception as error:  # noqa: BLE001 - libraries raise anything at a model that they do not know
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        converted.record_failure(kind, reason, traceback.format_exc())


def _measure(order: ConversionOrder, converted: ConvertedModel) -> None:
    present = {kind: graph for kind in Kind if (graph := converted.graph(kind)) is not None}
    known = converted.measured(order.machine)
    if Kind.OPENVINO not in present or all(kind in known for kind in present):
        return
    if order.part is ConvertedPart.LOOKING:
        from aura_daemon.engines.openvino.captioners.conversion import picture_s as measured_s

        unit = "seconds of one core to look at one picture"
    else:
        from aura_daemon.engines.openvino.measuring import step_s as measured_s

        unit = "seconds of one core for one guided step at the model's native size"

    def failed(kind: Kind, fault: FaultyVariant) -> None:
        if not fault.lasts:
            raise fault
        converted.record_failure(kind, str(fault))

    converted.record(
        order.machine,
        measured_s(order.files, present, order.dtype, failed),
        processor=order.device_name,
        dtype=order.dtype,
        unit=unit,
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
