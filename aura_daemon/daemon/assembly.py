"""Settings -> a daemon whose rooms are joined. The one place that knows all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loguru import logger

from aura_daemon import file_names
from aura_daemon.config.folder_checks import check_folders
from aura_daemon.config.loading import LoadedConfig, load
from aura_daemon.config.settings import Settings
from aura_daemon.daemon.control_socket import ControlSocket
from aura_daemon.daemon.loop import Daemon
from aura_daemon.daemon.rooms import Rooms, Rules
from aura_daemon.dispatch.listener import Listener
from aura_daemon.errors import UserError
from aura_daemon.health.heartbeat import Heartbeat
from aura_daemon.health.holdups import Holdups
from aura_daemon.health.recorder import RECENT, Pulse
from aura_daemon.intake.assembly import assemble_intake
from aura_daemon.jobs.requests import JobKind
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.ladder.shortage import FIRST_WAIT_S, LONGEST_WAIT_S
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.outbox.previews import Previews
from aura_daemon.outbox.source_disposal import SourceDisposal
from aura_daemon.outbox.source_policy import SourcePolicy, choose
from aura_daemon.system.clock import SteadyClock
from aura_daemon.system.instance_lock import InstanceLock
from aura_daemon.system.mount_guard import MountGuard
from aura_daemon.watch.watcher import Watcher
from aura_daemon.workers.process import ProcessWorker
from aura_daemon.workers.protocol import Worker


def settings_of(config: Path | None) -> LoadedConfig:
    """The configuration, its folders checked; raises UserError with every problem."""
    loaded = load(config)
    problems = check_folders(loaded)
    if problems:
        raise UserError(problems)
    return loaded


def worker_of(settings: Settings, log_format: str, log_level: str | None = None) -> ProcessWorker:
    """The child process that will hold the models; nothing is started yet."""
    return ProcessWorker(
        settings.engine(),
        deadline_s=settings.deadline,
        log_level=log_level or settings.log_level,
        log_format=log_format,
    )


def worker_settings(settings: Settings) -> tuple[object, ...]:
    """What a worker is made from: another one is needed where any of it changes."""
    return settings.engine(), settings.deadline, settings.log_level, settings.log_format


@contextmanager
def daemon_of(settings: Settings, worker: Worker, listener: Listener, *, drain: bool) -> Iterator[Daemon]:
    """A daemon that holds the inbox's lock for as long as the context lasts; raises UserError where another has it."""
    inbox, outbox, state = settings.inbox, settings.outbox, settings.state_folder()
    choice = choose(settings.sources, inbox)
    logger.info("inbox {}, outbox {}, state {}", inbox, outbox, state)
    logger.info("sources are treated as `{}`: {}", choice.disposition, choice.reason)
    here, there = MountGuard(inbox, state), MountGuard(outbox, state)
    lock = InstanceLock(inbox, state)
    lock.acquire(inbox_is_there=not here.absence())
    journal = Journal(state / FILE_NAME)
    control = ControlSocket(state)
    try:
        clock = SteadyClock(not_before=journal.last_claim())
        watch = Watcher(inbox, scan_interval_s=settings.scan_interval, poll_interval_s=settings.poll_interval)
        keeps = choice.disposition is SourcePolicy.KEEP
        intake = assemble_intake(settings, journal, now=clock.now, keeps=keeps, drain=drain)
        box = Delivery(there, journal, overwrites=settings.existing == "overwrite", monotonic=time.monotonic)
        rooms = Rooms(
            clock=clock,
            journal=journal,
            watch=watch,
            arrivals=intake.pending,
            lock=lock,
            presence=here,
            claims=intake.claims,
            intake=intake.admission,
            inputs=intake.input_images,
            outbox=box,
            previews=Previews(box),
            disposal=SourceDisposal(choice.disposition, intake.claims, intake.input_images, box, journal),
            heartbeat=Heartbeat(
                state, box.write_page, outbox_interval_s=settings.health_interval, monotonic=time.monotonic
            ),
            holdups=Holdups(first_s=settings.retry_first, most_s=settings.retry_at_most),
            shortages=Holdups(
                first_s=min(FIRST_WAIT_S, settings.retry_first), most_s=min(LONGEST_WAIT_S, settings.retry_at_most)
            ),
            pulse=Pulse(
                inbox=file_names.escaped(str(inbox)),
                outbox=file_names.escaped(str(outbox)),
                sources=choice.disposition,
                recent_s=[job.total_s for job in reversed(journal.recent(RECENT)) if job.total_s is not None],
            ),
            control=control,
            worker=worker,
        )
        rules = Rules(
            attempts=settings.attempts,
            stop_timeout_s=settings.stop_timeout,
            unload_after_s=settings.unload_after,
            memory_wait_s=settings.memory_wait,
            batch=settings.batch,
            models={JobKind.GENERATE: settings.generate.model, JobKind.CAPTION: settings.caption.model},
        )
        yield Daemon(rooms, rules, listener, drain=drain)
    finally:
        control.close()
        journal.close()
        lock.release()
