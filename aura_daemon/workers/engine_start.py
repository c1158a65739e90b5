"""Starts the engines in this process: the variables that the libraries read, then the libraries themselves.

In: settings. Out: a runner. A child process and an actor of a cluster begin here.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aura_daemon.config.engine import Device, EngineSettings, allocator_options
from aura_daemon.config.workers.services import Services
from aura_daemon.workers.runner import Runner

ENVIRONMENT: Final = {
    "DISABLE_SAFETENSORS_CONVERSION": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "PASSIVE",
    "THP_MEM_ALLOC_ENABLE": "1",
}
"""Must be set before the libraries are imported; variables that the user has set stay.

Without PASSIVE, waiting threads keep the processor busy: beside one other busy program a tiny model took 200 times as
long (measured: 2 cores, 9.9 s against 0.05 s). THP_MEM_ALLOC_ENABLE: torch asks Linux for huge pages, see "Levers" in
BENCHMARKS.
"""


def set_environment() -> None:
    """Sets the variables that the user has not set."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def engine_runner(settings: EngineSettings, services: Services | None = None) -> Runner:
    """Imports torch, which takes seconds. The options of CUDA's allocator, and the threads, must be set before.

    `services`: who does what this process may not; None: it does all itself.
    """
    from aura_daemon.system.hardware.nvidia import first_visible, gpus

    cards = gpus() if settings.device in (Device.AUTO, Device.CUDA) else ()
    first = first_visible(cards, os.environ)
    # Where it is unknown which card will be used, options for small cards apply only where all cards are small.
    total_bytes = first.total_bytes if first is not None else max((card.total_bytes for card in cards), default=None)
    options = allocator_options(settings.max_split_size_mb, total_bytes)
    os.environ.setdefault("PYTORCH_ALLOC_CONF", options)
    if settings.threads is not None:
        os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(settings.threads)
    from aura_daemon.engines.library_imports import lean_imports

    with importing(), lean_imports():
        from aura_daemon.workers.engine_runner import EngineRunner

    return EngineRunner(settings, services)


@contextmanager
def importing() -> Iterator[None]:
    """Excludes all objects that large imports create from garbage collection, as they live until the process ends.

    Measured: saves a sixth of the import time, and 0.25 s of each later full collection.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
