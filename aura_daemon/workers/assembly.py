"""Builds the workers of a daemon as configured. In: settings. Out: a pool, of which no worker has started yet."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial

from aura_daemon.config.engine import Device
from aura_daemon.config.loading import PROFILE_VARIABLE
from aura_daemon.config.settings import Settings
from aura_daemon.system.hardware.nvidia import gpus
from aura_daemon.system.sandbox.plan import SandboxMode
from aura_daemon.workers.converting.conversions import ModelConversions
from aura_daemon.workers.fetching.fetch_sandbox import fetch_plan
from aura_daemon.workers.fetching.fetches import ModelFetches
from aura_daemon.workers.local.devices import device_plans
from aura_daemon.workers.local.process import ProcessWorker
from aura_daemon.workers.local.reach import reach_of_conversions
from aura_daemon.workers.local.worker_sandbox import WorkerSandbox
from aura_daemon.workers.pool import WorkerPool
from aura_daemon.workers.protocol import Worker


def assemble_workers(settings: Settings, log_format: str, log_level: str | None = None) -> WorkerPool:
    """A pool with a child process for each device of this machine, or an actor for each slot of a cluster.

    The variable AURA_PROFILE=1 has the processes write down where the time of each job goes.
    """
    level = log_level or settings.log_level
    engine = settings.engine()
    if os.environ.get(PROFILE_VARIABLE) == "1":
        engine = replace(engine, profiles=str(settings.state_folder() / "profiles"))
    chosen, shut_in = settings.workers, settings.shut_in()
    workers: dict[str, Worker] = {}
    if chosen.kind == "ray":
        from aura_daemon.workers.cluster.driver import Driver
        from aura_daemon.workers.cluster.ray_worker import RayWorker

        driver = Driver(chosen.cluster(), engine, shut_in, log_level=level, log_format=log_format)
        for slot in range(chosen.count):
            workers[str(slot + 1)] = RayWorker(driver, slot, deadline_s=settings.deadline)
        return WorkerPool(workers, stop_shared=driver.stop)
    relays_log = settings.log_file.path is not None
    relay = ("--relay-log",) if relays_log else ()
    fetches = ModelFetches(
        engine,
        options=("--log-level", level, "--log-format", log_format, *relay),
        sandbox=partial(fetch_plan, engine, shut_in, os.environ),
    )
    is_shut_in = shut_in.mode is not SandboxMode.OFF
    apart = WorkerSandbox(engine, shut_in, name="conversions", reaches=reach_of_conversions)
    conversions = ModelConversions(engine, sandbox=apart if is_shut_in else None)
    cards = gpus() if chosen.devices == "auto" and settings.device in (Device.AUTO, Device.CUDA) else ()
    for plan in device_plans(chosen.devices, configured=settings.device, cards=cards, environment=os.environ):
        sandbox = WorkerSandbox(engine, shut_in, name=plan.name)
        workers[plan.name] = ProcessWorker(
            replace(engine, device=plan.device) if plan.device is not None else engine,
            deadline_s=settings.deadline,
            log_level=level,
            log_format=log_format,
            relays_log=relays_log,
            environment=plan.environment,
            sandbox=sandbox if is_shut_in else None,
            fetches=fetches,
            conversions=conversions,
        )
    return WorkerPool(workers, stop_shared=lambda _: conversions.stop())
