"""The engines of one process: models are loaded at first use, and run batches on the rung that fits.

In: tasks. Out: reports.

Every exception ends here: it is put into words inside the `except` block, and memory is given back after the block,
when the frames of the exception no longer keep tensors alive.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from loguru import logger

from aura_daemon.config.engine import EngineSettings, ModelSettings
from aura_daemon.config.workers.services import Services
from aura_daemon.engines.attempt import EngineAttempt
from aura_daemon.engines.benchmark.benchmark import Benchmark
from aura_daemon.engines.failures import FaultyVariant, no_room
from aura_daemon.engines.families import FAMILIES, Families
from aura_daemon.engines.fault_teller import FaultTeller
from aura_daemon.engines.images.captioned_copy import with_copy
from aura_daemon.engines.images.contact_sheet import laid_out
from aura_daemon.engines.images.dataset import put_together
from aura_daemon.engines.interface import DecodedTask, Family
from aura_daemon.engines.model_files.beside.further_models import FurtherModels, beside
from aura_daemon.engines.model_files.fetched import files_of
from aura_daemon.engines.model_files.find import ModelFiles
from aura_daemon.engines.model_files.model_format import ModelFormat
from aura_daemon.engines.placement.device_memory import (
    FreeMemory,
    MemoryFigures,
    PeakMemory,
    free_memory,
    memory_figures,
    release,
)
from aura_daemon.engines.placement.devices import Devices, Placement, find_devices, processor
from aura_daemon.engines.placement.loaded_models import Engine, Key, LoadedModels
from aura_daemon.engines.placement.rung_choice import MemoryDemand, RungChooser
from aura_daemon.engines.placement.threads import is_small_work, one_thread
from aura_daemon.engines.read_ahead import PictureReader
from aura_daemon.engines.reporter import Reporter
from aura_daemon.jobs.requests import BenchmarkRequest, DatasetRequest, GridRequest, JobKind, kind_of
from aura_daemon.jobs.results import CANCELLED, Failure, FailureKind, Outcome
from aura_daemon.jobs.speed import Speed
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import TOP, Start
from aura_daemon.ladder.fitting import NoRoom
from aura_daemon.ladder.prediction import Measured
from aura_daemon.system.processes import process_memory

AnyFamily: TypeAlias = Family[Any, Any]


class Session:
    """The engines of one process; several models may be loaded at once."""

    def __init__(
        self,
        settings: EngineSettings,
        *,
        families: Families = FAMILIES,
        devices: Devices | None = None,
        free: Callable[[Devices], FreeMemory] = free_memory,
        services: Services | None = None,
    ) -> None:
        """`devices`: None for those that the settings ask for. `services`: None: this process may do all itself."""
        self._services = services
        self._settings = settings
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        self._families = {kind: made(settings) for kind, made in families.items()}
        self._models = LoadedModels()
        self._further = FurtherModels(services)
        self._free = free
        self.devices = devices or find_devices(settings)
        self._faults = FaultTeller(self.devices)
        self._pictures = PictureReader(self._faults, self._models.clear)
        self.memory()  # the first question makes a GPU's context, which is part of the process
        self.base_bytes = self.memory().resident_bytes
        """Of this process without any model."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the loaded models."""
        return self._models.names

    @property
    def model_kinds(self) -> tuple[JobKind, ...]:
        """The kind of job that each loaded model serves."""
        return self._models.kinds

    def memory(self) -> MemoryFigures:
        """Memory as it is now, of the first device; of the host where the device does not answer any more."""
        if self._faults.is_broken or isinstance(self.devices, Failure):
            return memory_figures(None)
        return memory_figures(self.devices.first)

    def run(
        self,
        tasks: Sequence[Task],
        reporter: Reporter,
        *,
        start: Start = TOP,
        measured: Sequence[Measured] = (),
        together: int | None = None,
    ) -> None:
        """Finishes every task; those that may run together do so as far as there is memory, at most `together`.

        Never raises for what a request, a model or the memory can cause. `start` and `measured`: for the choice of a
        rung.
        """
        left: list[Task] = []
        for task in tasks:
            if reporter.is_cancelled(task.job_id):
                reporter.finish(task.job_id, CANCELLED)
            else:
                left.append(task)
        if isinstance(self.devices, Failure):
            for task in left:
                reporter.finish(task.job_id, self.devices)
            return
        if left and isinstance(left[0].request, BenchmarkRequest):
            Benchmark(left[0], reporter, self, self._settings, start=start, measured=measured).run()
            return
        chooser = RungChooser(
            self.devices,
            self._models,
            base_bytes=self.base_bytes,
            climb_after=self._settings.climb_after,
            free=self._free,
        )
        while left:
            alike = self._alike(left)
            most = together or len(alike)
            attempt = EngineAttempt(
                tasks=alike[:most],
                following=alike[most : 2 * most],
                reporter=reporter,
                start=start,
                measured=measured,
                chooser=chooser,
            )
            self._run(attempt, self.devices)
            left = [task for task in left if not attempt.has_ended(task)]
        self._pictures.stop()
        process_memory.trim()

    def forget(self) -> None:
        """Gives up all models."""
        self._models.clear()

    def _alike(self, tasks: Sequence[Task]) -> list[Task]:
        """The first task and all that may run together with it."""
        first = tasks[0].request
        family = self._families.get(kind_of(first))
        key = family.batch_key(first) if family is not None else None
        if family is None or key is None:
            return [tasks[0]]
        images = tasks[0].further_images  # of one name, they may come from several folders
        return [task for task in tasks if family.batch_key(task.request) == key and task.further_images == images]

    def _run(self, attempt: EngineAttempt, devices: Devices) -> None:
        """Runs as many tasks as fit at once; an exception ends each of them that has no outcome yet.

        After a fault of the variant they are left, to run with another.
        """
        self._faults.loading = ""
        failure = None
        try:
            self._run_tasks(attempt, devices)
        except FaultyVariant:
            logger.debug("{}", traceback.format_exc())
        except Exception as error:  # noqa: BLE001 - the one place: see the module's docstring
            failure = self._faults.told(error, attempt)
            level = "DEBUG" if failure.kind is FailureKind.OUT_OF_MEMORY else "ERROR"
            logger.log(level, "{}", traceback.format_exc())
        if failure is None:
            return
        if failure.kind is FailureKind.OUT_OF_MEMORY:
            self._models.clear()  # the next attempt begins alone
        if not self._faults.is_broken:  # a broken device would only fail again, and its first message would be lost
            release(devices.first)
        attempt.fail(failure)

    def _run_tasks(self, attempt: EngineAttempt, devices: Devices) -> None:
        first = attempt.tasks[0]
        if isinstance(first.request, GridRequest):
            attempt.end(first, laid_out(first.request, first.cells, self._settings, PeakMemory(devices.cpu)))
            return
        if isinstance(first.request, DatasetRequest):
            peak = PeakMemory(devices.cpu)
            attempt.end(first, put_together(first, attempt.reporter, self._settings, peak, self._services))
            return
        kind = kind_of(first.request)
        family = self._families[kind]
        model = family.model(first.request)
        if isinstance(model, Failure):
            attempt.fail(model)
            return
        decoded = self._pictures.decoded(attempt, family)
        if not decoded:
            return
        model_format = family.model_format(first.request)
        speed = Speed.TURBO if model.at_turbo else None
        key = Key(kind=kind, model=model.model, speed=speed, noun=model_format.noun)
        files = self._found(key, model, model_format, attempt.reporter)
        if isinstance(files, Failure):
            attempt.fail(files)
            return
        further = self._further_of(family, first, attempt.reporter)
        if isinstance(further, Failure):
            attempt.fail(further)
            return
        decoded = [replace(one, further=further) for one in decoded]
        demand = MemoryDemand(
            key=key,
            extent=family.extent(decoded, files),
            rungs=family.rungs(devices.backend),
            footprint=lambda placement: family.footprint(files, placement, decoded),
            variant=lambda placement: family.variant(decoded, files, placement),
            beside=beside(further),
        )
        batch = self._place(attempt, demand, [one.task for one in decoded], files.name)
        if batch is None:
            return
        footprint = attempt.chooser.footprint(demand, attempt.placement.rung)
        is_small = is_small_work(attempt.placement, footprint, replace(demand.extent, batch=batch))
        with one_thread(is_small and self._settings.threads is None):
            self._run_placed(attempt, demand, family, files, decoded, batch)

    def _run_placed(
        self,
        attempt: EngineAttempt,
        demand: MemoryDemand,
        family: AnyFamily,
        files: ModelFiles,
        decoded: Sequence[DecodedTask[Any]],
        batch: int,
    ) -> None:
        """Loads the model where it is not, and runs the first `batch` tasks."""
        began_s = time.monotonic()
        engine = self._loaded(attempt, demand, family, files)
        loaded_s = time.monotonic() - began_s
        prepared = self._pictures.prepared(attempt, family, engine, decoded[:batch])
        if not prepared:
            return
        if batch == len(decoded):  # otherwise memory is short
            self._pictures.begin(attempt.following, family, engine)
        with attempt.peak.watched():
            for result in family.run(engine, prepared, attempt.reporter, attempt.peak):
                outcome = with_copy(_completed(result.outcome, loaded_s, attempt.placement), result.task)
                attempt.end(result.task, outcome, step_s=result.step_s)

    @property
    def _prefers_half(self) -> bool:
        """Whether files of half precision will do."""
        return isinstance(self.devices, Devices) and self.devices.first.dtype == "float16"

    def _found(
        self, key: Key, model: ModelSettings, model_format: ModelFormat, reporter: Reporter
    ) -> ModelFiles | Failure:
        """A model's files, looked for afresh where the model is not loaded."""
        loaded = self._models.files(key)
        if loaded is not None:
            return loaded
        self._faults.loading = model.model
        files = files_of(model, model_format, self._prefers_half, reporter, self._services)
        self._faults.loading = ""
        return files

    def _further_of(self, family: AnyFamily, first: Task, reporter: Reporter) -> tuple[ModelFiles, ...] | Failure:
        """The files of the models that a request takes beside the one that serves it."""
        wanted = family.further_models(first.request)
        if isinstance(wanted, Failure):
            return wanted
        if not wanted:
            return ()
        self._faults.loading = ", ".join(one.told_as for one in wanted)
        found = self._further.of(wanted, half=self._prefers_half, reporter=reporter)
        self._faults.loading = ""
        return found

    def _place(self, attempt: EngineAttempt, demand: MemoryDemand, tasks: Sequence[Task], wanted_by: str) -> int | None:
        """Chooses a rung and makes room for it. How many tasks go at once; None where no rung has room: they failed."""
        chooser = attempt.chooser
        choice = chooser.choose(demand, attempt.start, attempt.measured)
        if isinstance(choice, NoRoom):
            tried = chooser.conditions(demand, choice)
            attempt.place(tasks, tried, chooser.placement(demand, choice.rung))
            attempt.fail(no_room(tried, neighbours=self._faults.neighbours(tried)))
            return None
        is_alone = attempt.start.alone
        if choice.alone or is_alone:
            self._models.make_room(
                demand.key, lambda: not is_alone and chooser.is_enough(demand, choice), wanted_by=wanted_by
            )
        tried = chooser.conditions(demand, choice)
        attempt.place(tasks[: choice.batch], tried, chooser.placement(demand, choice.rung))
        return choice.batch

    def _loaded(self, attempt: EngineAttempt, demand: MemoryDemand, family: AnyFamily, files: ModelFiles) -> Engine:
        """A loaded model moved to the chosen rung, or one that is loaded for it, which is reported."""
        placement = attempt.placement
        loaded = self._models.take(demand.key, placement)
        if loaded is not None:
            return loaded
        self._models.drop(demand.key)
        self._faults.loading = files.name
        attempt.reporter.loading(files.name)
        engine: Engine = family.load(files, placement)
        process_memory.trim()
        attempt.peak.restart()
        self._models.put(demand.key, engine, attempt.chooser.footprint(demand, placement.rung))
        message = "{} model {} is loaded on {} in {}, rung {}"
        logger.info(message, demand.key.kind, demand.key, placement.device, placement.dtype, placement.rung)
        self._faults.loading = ""
        return engine


def _completed(outcome: Outcome, loaded_s: float, placement: Placement) -> Outcome:
    """Adds the time that loading the model took, 0 where it was loaded before, and on a CPU which and how."""
    if isinstance(outcome, Failure):
        return outcome
    timing = replace(outcome.timing, loaded_s=loaded_s)
    return replace(outcome, timing=timing, processor=processor() if placement.on_cpu else None)
