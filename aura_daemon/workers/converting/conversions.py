"""Models, converted while jobs go on, for all workers of one daemon. In: wishes. Out: one process at a time.

The process has the lowest priority and ends with the daemon. It finds the model itself, as the settings name it; a wish
says no more than which one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import FaultyConversion, WantedConversion
from aura_daemon.engines.openvino.wishes import places
from aura_daemon.engines.openvino.wishes.orders import WishOrder, wish_format
from aura_daemon.system.processes.child_processes import environment_with
from aura_daemon.workers.local.worker_sandbox import WorkerSandbox

COMMAND: Final = (sys.executable, "-P", "-m", "aura_daemon.workers.converting.convert_main")

BUSY: Final = 3
"""Exit code: another process converts (`engines.openvino.background`)."""

MOST_DEATHS: Final = 2
"""Processes that ended without a word (killed: memory ran out, say) before no more are started."""

MOST_OF_ONE: Final = 4
"""How often one wish is fulfilled: it comes again after a damaged conversion was deleted."""

MOST_FAULTS: Final = 8
"""Faults that wait for their process."""


class ModelConversions:
    """The conversions of all workers."""

    def __init__(
        self,
        settings: EngineSettings,
        *,
        environment: Mapping[str, str | None] | None = None,
        sandbox: WorkerSandbox | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """`environment`: added to that of this process. `sandbox`: None: the process is not shut in."""
        self._settings = settings
        self._environment = dict(environment or {})
        self._sandbox = sandbox
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._name = ""
        self._deaths = 0
        self._fulfilled: Counter[WantedConversion] = Counter()
        self._faults: list[FaultyConversion] = []

    def go_on(self) -> bool:
        """Begins with the next fault where no process runs; whether one runs now."""
        if self._has_ended() and self._faults:
            self._start(self._faults.pop(0), "a converted model")
        return self._process is not None

    def convert(self, wish: WantedConversion) -> None:
        """Starts a process where none runs and the wish was not fulfilled often; never raises, never waits."""
        if self.go_on() or self._deaths >= MOST_DEATHS or self._fulfilled[wish] >= MOST_OF_ONE:
            return
        self._fulfilled[wish] += 1
        self._start(wish, wish.wanted.model)

    def settle(self, fault: FaultyConversion) -> None:
        """Has a process look at a conversion that failed, as soon as none runs."""
        if len(self._faults) < MOST_FAULTS and fault not in self._faults:
            self._faults.append(fault)
        self.go_on()

    def note_used(self, place: str) -> None:
        """A job uses a conversion: its folder is called so."""
        folder = places.cache_folder(environment_with(self._environment))
        if folder is not None:
            places.note_used(folder, place)

    def wait(self) -> int:
        """Waits for the process, if one runs; its exit code."""
        return self._process.wait() if self._process is not None else 0

    def stop(self) -> None:
        """Ends the process; the next daemon begins anew where it was not done."""
        self._faults.clear()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._over()

    def _start(self, wish: WantedConversion | FaultyConversion, name: str) -> None:
        from loguru import logger

        environment = environment_with({**self._environment, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})
        command = [*self._command, str(os.getpid())]
        try:
            plan = self._sandbox.begin(environment) if self._sandbox is not None else None
            environment |= self._sandbox.variables if self._sandbox is not None else {}
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
            )
        except OSError as error:
            self._over()
            self._deaths += 1
            logger.warning("no process could be started to convert model {}: {}", name, error)
            return
        self._name = name
        if isinstance(wish, WantedConversion):
            logger.info("model {} is being converted for OpenVINO meanwhile", name)
        order = WishOrder(settings=self._settings, wish=wish, sandbox=plan)
        assert self._process.stdin is not None
        with suppress(OSError), self._process.stdin as opened:
            opened.write(wish_format().dump_json(order))

    def _over(self) -> None:
        """No process runs; its folder goes."""
        self._process = None
        if self._sandbox is not None:
            self._sandbox.end()

    def _has_ended(self) -> bool:
        """Whether no process runs; says once how the last one ended."""
        if self._process is None:
            return True
        code = self._process.poll()
        if code is None:
            return False
        self._over()
        if code not in (0, BUSY):
            from loguru import logger

            self._deaths += 1
            logger.warning("the conversion of model {} ended with code {}", self._name, code)
        return True
