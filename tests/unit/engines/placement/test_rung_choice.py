"""Which measurements decide the rung of a job."""

from __future__ import annotations

from dataclasses import replace

from aura_daemon.config.engine import Dtype
from aura_daemon.engines.placement.device_memory import FreeMemory
from aura_daemon.engines.placement.devices import Devices, Placement
from aura_daemon.engines.placement.loaded_models import LoadedModels
from aura_daemon.engines.placement.rung_choice import MemoryDemand, RungChooser
from aura_daemon.jobs.requests import JobKind
from aura_daemon.ladder.attempts import TOP
from aura_daemon.ladder.prediction import Extent, Measured
from aura_daemon.ladder.rungs import Backend, Rung, ladder
from tests.support.sd14 import GIB, on_cpu

CPU = Placement(device="cpu", device_name="this processor", dtype=Dtype.FLOAT32, rung=Rung.CPU)


def test_what_another_device_measured_says_nothing() -> None:
    """A cluster's journal has measurements of every model of device; each worker is told all of them."""
    refused = Measured(
        device="this processor", dtype="float32", rung=Rung.CPU, width=512, height=512, batch=1, refused_bytes=64 * GIB
    )
    demand = MemoryDemand(
        key=(JobKind.GENERATE, "a model"),
        extent=Extent(width=512, height=512),
        rungs=ladder(Backend.CPU, JobKind.GENERATE),
        footprint=lambda _placement: on_cpu(4),
    )
    chooser = RungChooser(
        Devices(backend=Backend.CPU, accelerator=None, cpu=CPU),
        LoadedModels(),
        base_bytes=GIB,
        climb_after=50,
        free=lambda _devices: FreeMemory(device_bytes=0, host_bytes=32 * GIB),
    )
    assert chooser.choose(demand, TOP, [refused]).rung is Rung.CPU_TILED_DECODE
    assert chooser.choose(demand, TOP, [replace(refused, device="another processor")]).rung is Rung.CPU
