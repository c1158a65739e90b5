"""Builds a daemon from settings and workers; the only module that imports all parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from loguru import logger

from aura_daemon.config.folder_checks import check_folders
from aura_daemon.config.loading import LoadedConfig, load
from aura_daemon.config.monitoring_checks import check_monitoring
from aura_daemon.config.settings import Settings
from aura_daemon.config.workers.checks import check_workers
from aura_daemon.daemon.commands import CommandHandler
from aura_daemon.daemon.control_socket import ControlSocket
from aura_daemon.daemon.extensions import extensions_of
from aura_daemon.daemon.loop import Daemon
from aura_daemon.daemon.receiver import Receiver
from aura_daemon.dispatch.dispatcher import Dispatcher
from aura_daemon.dispatch.ended_parts import EndedParts
from aura_daemon.dispatch.job_choice import JobChoice
from aura_daemon.dispatch.outcomes import OutcomeHandler
from aura_daemon.dispatch.task_builder import TaskBuilder
from aura_daemon.dispatch.worker_faults import WorkerFaults
from aura_daemon.errors import UserError
from aura_daemon.health.health_writer import HealthWriter
from aura_daemon.health.holdups import Holdups
from aura_daemon.health.listener import Listener
from aura_daemon.health.recorder import HealthRecorder
from aura_daemon.hooks.programs import missing_programs
from aura_daemon.intake.assembly import assemble_intake
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.outbox.kept_parts import KeptParts
from aura_daemon.outbox.previews import Previews
from aura_daemon.outbox.source_disposal import SourceDisposal
from aura_daemon.outbox.source_policy import UNDECIDED, SourcePolicy, choose
from aura_daemon.system import private_state
from aura_daemon.system.clock import SteadyClock
from aura_daemon.system.instance_lock import InstanceLock
from aura_daemon.system.logs import LogFile
from aura_daemon.system.mount_guard import MountGuard
from aura_daemon.system.wakeup import WakeupPipe
from aura_daemon.system.windows import is_wsl2
from aura_daemon.watch.watcher import Watcher
from aura_daemon.workers.pool import WorkerPool
from aura_daemon.workers.prestart import Prestart, Prestarter


def settings_of(config: Path | None, *, makes_folders: bool = False, waits: bool = False) -> LoadedConfig:
    """The configuration, its folders and files checked; raises UserError with every problem.

    `makes_folders`: an inbox and an outbox that are missing are made, even where the configuration names them.
    `waits`: those that a daemon has worked on may be away; they are waited for.
    """
    loaded = load(config)
    settings = loaded.settings
    problems = (
        *check_folders(loaded, makes_named=makes_folders, waits=waits),
        *check_monitoring(settings),
        *check_workers(settings),
    )
    if problems := (*problems, *missing_programs(settings.hooks)):
        raise UserError(problems)
    return loaded


def log_file_of(settings: Settings) -> LogFile | None:
    """The log file; None where the log goes to stderr alone."""
    kept = settings.log_file
    if kept.path is None:
        return None
    return LogFile(path=Path(kept.path), size_bytes=kept.size, age_s=kept.age, keep=kept.keep)


def worker_settings(settings: Settings) -> tuple[object, ...]:
    """The settings that workers are built from: a change of any of them needs new workers."""
    logged = settings.log_level, settings.log_format, settings.log_file
    shut_in = settings.sandbox, settings.inbox, settings.state
    return settings.workers, settings.engine(), settings.deadline, *shut_in, *logged


@contextmanager
def assemble_daemon(
    settings: Settings, pool: WorkerPool, *, listeners: Sequence[Listener] = (), drain: bool
) -> Iterator[Daemon]:
    """A daemon that holds the inbox's lock within the context; raises UserError where another process holds it."""
    inbox, outbox, state = settings.inbox, settings.outbox, settings.state_folder()
    private_state.make(state)
    private_state.tighten(state, is_managed=settings.state_is_managed)
    inbox_guard, outbox_guard = MountGuard(inbox, state), MountGuard(outbox, state)
    inbox_is_there = not inbox_guard.absence()
    logger.info("inbox {}, outbox {}, state {}", inbox, outbox, state)
    with ExitStack() as stack:
        lock = InstanceLock(inbox, state)
        lock.acquire(inbox_is_there=inbox_is_there)
        stack.callback(lock.release)
        choice = choose(settings.sources, inbox) if inbox_is_there else UNDECIDED
        if inbox_is_there:
            logger.info("sources are treated as `{}`: {}", choice.disposition, choice.reason)
        journal = stack.enter_context(closing(Journal(state / FILE_NAME)))
        control_socket = stack.enter_context(closing(ControlSocket(state)))
        wakeup = stack.enter_context(closing(WakeupPipe()))
        clock = SteadyClock(not_before=journal.last_claim())
        watcher = Watcher(inbox, scan_interval_s=settings.scan_interval, poll_interval_s=settings.poll_interval)
        keeps = choice.disposition is SourcePolicy.KEEP
        intake = assemble_intake(settings, journal, now=clock.now, keeps=keeps, drain=drain)
        delivery = Delivery(outbox_guard, journal, inbox=inbox, overwrites=settings.existing == "overwrite")
        kept_parts = KeptParts(intake.claims.inputs, intake.claims.temp)
        private_state.shut(intake.claims.renamed_claims, delivery.temp_folder)
        disposal = SourceDisposal(choice.disposition, intake.claims, intake.input_images, kept_parts, delivery, journal)
        holdups = Holdups(first_s=settings.retry_first, most_s=settings.retry_at_most)
        extensions = extensions_of(
            settings,
            journal=journal,
            delivery=delivery,
            holdups=holdups,
            pending=intake.pending,
            disposal=disposal,
            guards=(inbox_guard, outbox_guard),
            log_file=log_file_of(settings),
            drain=drain,
        )
        for extension in reversed(extensions):
            stack.callback(extension.close)
        health = HealthRecorder(
            settings=settings,
            writer=HealthWriter(state, delivery.write_page, outbox_interval_s=settings.health_interval),
            policy=choice.disposition,
            journal=journal,
            watcher=watcher,
            pending=intake.pending,
            disposal=disposal,
            holdups=holdups,
            pool=pool,
            clock=clock,
        )
        listeners = (health, *extensions, *listeners)
        prestarter = Prestarter(Prestart(str(settings.prestart).lower()), pool)
        prestarter.begin()
        receiver = Receiver(
            clock=clock,
            journal=journal,
            watcher=watcher,
            inbox_guard=inbox_guard,
            pending=intake.pending,
            claims=intake.claims,
            late_pictures=intake.late_pictures,
            admission=intake.admission,
            disposal=disposal,
            holdups=holdups,
            health=health,
            listeners=listeners,
            expect_work=prestarter.expect_work,
        )
        faults = WorkerFaults(pool, holdups, patience_s=settings.deadline)
        outcomes = OutcomeHandler(
            settings=settings,
            journal=journal,
            delivery=delivery,
            holdups=holdups,
            health=health,
            listeners=listeners,
            since_claim_s=receiver.since_claim_s,
            source_ended=receiver.job_ended,
            input_images=intake.input_images,
            ended_parts=EndedParts(journal=journal, kept_parts=kept_parts),
            device_names=faults.device_names,
            gpu_may_spill=is_wsl2(),
        )
        dispatcher = Dispatcher(
            settings=settings,
            journal=journal,
            pool=pool,
            task_builder=TaskBuilder(journal, intake.input_images, delivery, kept_parts),
            outcomes=outcomes,
            delivery=delivery,
            previews=Previews(delivery),
            holdups=holdups,
            health=health,
            listeners=listeners,
            faults=faults,
            choice=JobChoice(settings=settings, journal=journal, holdups=holdups, pool=pool, faults=faults),
        )
        command_handler = CommandHandler(journal, intake.claims, disposal, dispatcher, receiver, health)
        yield Daemon(
            settings=settings,
            journal=journal,
            watcher=watcher,
            pending=intake.pending,
            lock=lock,
            guards=(inbox_guard, outbox_guard),
            receiver=receiver,
            dispatcher=dispatcher,
            command_handler=command_handler,
            control_socket=control_socket,
            pool=pool,
            holdups=holdups,
            health=health,
            wakeup=wakeup,
            listeners=listeners,
            extensions=extensions,
            drain=drain,
            is_provisional=not inbox_is_there,
        )
