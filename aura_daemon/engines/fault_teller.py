"""What the engines of a process say of an exception, by what they were doing. In: an exception. Out: a Failure."""

from __future__ import annotations

import os

from aura_daemon.engines.attempt import EngineAttempt
from aura_daemon.engines.failures import UnfitModel, broken, failure_of, first_line, is_broken, is_out_of_memory
from aura_daemon.engines.machine_faults import machine_fault
from aura_daemon.engines.placement.device_memory import memory_figures
from aura_daemon.engines.placement.devices import Devices
from aura_daemon.jobs.results import Failure, FailureKind
from aura_daemon.ladder.attempts import RunConditions


class FaultTeller:
    """Knows which model is being loaded, and whether the GPU still answers."""

    def __init__(self, devices: Devices | Failure) -> None:
        self._devices = devices
        self.loading = ""
        """The model that is being looked for or loaded; empty otherwise."""
        self.is_broken = False
        """After an error that the GPU does not recover from in this process."""

    def told(self, error: Exception, attempt: EngineAttempt) -> Failure:
        """A failure of the machine or of loading lets the model's jobs wait; any other is the job's, or the GPU's."""
        if not is_out_of_memory(error) and (fault := machine_fault(error)) is not None:
            return fault
        if isinstance(error, UnfitModel):
            return error.failure
        if is_broken(error):
            self.is_broken = True
            return broken(error)
        if self.loading and not is_out_of_memory(error):
            return Failure(
                kind=FailureKind.MODEL_UNAVAILABLE,
                message=f"model {self.loading}: it cannot be loaded ({type(error).__name__}: {first_line(str(error))})",
                mend="the traceback is in the log; the model's files do not fit together, or these libraries",
            )
        memory = memory_figures(attempt.placed_on)
        neighbours = self.neighbours(attempt.tried) if attempt.tried is not None else ""
        return failure_of(error, memory, rung=attempt.tried.rung if attempt.tried else None, neighbours=neighbours)

    def neighbours(self, tried: RunConditions) -> str:
        """Other programs that take memory of the GPU, where that can be found out."""
        if not tried.device.startswith("cuda"):
            return ""
        from aura_daemon.system.hardware.nvidia import others

        card = self._devices.accelerator if isinstance(self._devices, Devices) else None
        return others(os.getpid(), card.uuid if card is not None else "")
