"""`status`, `why`, `results`: what the daemon does and did. In: arguments. Out: answers; nothing is changed."""

from __future__ import annotations

import os
from pathlib import Path

from aura_daemon.daemon.explain import explain
from aura_daemon.daemon.history import Ending, HistoryEntry, HistoryFilter, history
from aura_daemon.daemon.status import read_status, running_health
from aura_daemon.daemon.waiting import START_IT
from aura_daemon.errors import Problem, UserError, with_mend
from aura_daemon.file_names import escaped
from aura_daemon.health.worker_table import device_text, doing, is_fleet
from aura_daemon.intake.catalogue import upscalers_named
from aura_daemon.journal.database import FILE_NAME
from aura_daemon.mcp_server.answers import Answer, DaemonAnswer, Ended, HeldUp, Reason, ResultList, WorkerAnswer
from aura_daemon.mcp_server.calls import Call
from aura_daemon.mcp_server.names import name_below, result_name
from aura_daemon.mcp_server.questions import ResultsQuestion, StatusQuestion, WhyQuestion


def status(call: Call, wanted: StatusQuestion) -> Answer:
    """How the daemon is."""
    settings = call.settings
    found = read_status(settings.state_folder())
    health = found.health if found.is_running else None
    current = health.current if health is not None else None
    workers = health.workers if health is not None else ()
    generate = settings.generate
    data = DaemonAnswer(
        is_daemon_running=found.is_running,
        status=health.status if health is not None else None,
        inbox=escaped(os.fspath(settings.inbox)),
        outbox=escaped(os.fspath(settings.outbox)),
        models=list(dict.fromkeys((generate.model, *generate.models))),
        upscalers=[*map(escaped, upscalers_named(settings.upscale))],
        jobs=found.job_counts or {},
        running=f"{current.source} ({current.kind}): {current.progress}" if current is not None else "",
        workers=[
            WorkerAnswer(
                name=worker.name,
                node=worker.node,
                device=device_text(worker),
                rung=worker.rung or "",
                models=worker.models,
                doing=doing(worker),
                trouble=worker.trouble,
            )
            for worker in workers
        ],
        held_up=[
            HeldUp(what=holdup.what, reason=holdup.reason, mend=holdup.mend)
            for holdup in (health.holdups if health is not None else ())
        ],
        recent_failures=list(found.recent_failures),
        problem=found.journal_error or ("" if found.is_running else START_IT),
    )
    counts = ", ".join(f"{count} {state}" for state, count in data.jobs.items() if count)
    nothing = "not known" if found.journal_error else "none"
    lines = [f"daemon: {data.status or found.absence}; jobs: {counts or nothing}"]
    if health is not None and is_fleet(health):
        lines += [_worker_line(worker) for worker in data.workers]
    elif data.running:
        lines.append(f"running: {data.running}")
    lines += [f"held up: {one.what}: {with_mend(one.reason, one.mend)}" for one in data.held_up]
    lines += [f"failed: {failure}" for failure in data.recent_failures]
    lines += [f"to do: {data.problem}"] if data.problem else []
    names = f"models: {', '.join(data.models)}; upscalers: {', '.join(data.upscalers)}"
    lines.append(f"{names}; inbox: {data.inbox}; outbox: {data.outbox}")
    return Answer(data=data, text="\n".join(lines))


def _worker_line(worker: WorkerAnswer) -> str:
    """A worker in words: `worker 2 on gpu-b (H200), sd-1.4: step 12 of 25: cat.yaml`."""
    node = f" on {worker.node}" if worker.node else ""
    device = f" ({worker.device})" if worker.device else ""
    models = f", {', '.join(worker.models)}" if worker.models else ""
    trouble = f": {worker.trouble}" if worker.trouble else ""
    return f"worker {worker.name}{node}{device}{models}: {worker.doing}{trouble}"


def why(call: Call, wanted: WhyQuestion) -> Answer:
    """Why a file is where it is; raises UserError for a name that leads out of the inbox."""
    settings = call.settings
    file = name_below("file", wanted.file, settings.inbox, root="inbox")
    if isinstance(file, Problem):
        raise UserError([file])
    found = explain(settings.inbox / file, settings, running_health(settings.state_folder()))
    return Answer(data=Reason(file=escaped(file), text=found.text, is_known=found.is_known), text=found.text)


def results(call: Call, wanted: ResultsQuestion) -> Answer:
    """What ended, the latest first; nothing where nothing has run yet."""
    settings = call.settings
    found: tuple[HistoryEntry, ...] = ()
    if (settings.state_folder() / FILE_NAME).exists():
        chosen = HistoryFilter(
            ending=wanted.outcome, kind=wanted.kind, text=wanted.text, since=wanted.since, until=wanted.until
        )
        found = history(settings, chosen, most=wanted.limit)
    ended = [_ended(entry, settings.outbox) for entry in found]
    lines = [f"{one.result or one.file}: {one.outcome}: {' '.join((one.reason or one.text).split())}" for one in ended]
    return Answer(data=ResultList(results=ended), text="\n".join(lines) or "nothing that ended matches")


def _ended(entry: HistoryEntry, outbox: Path) -> Ended:
    failure, output = entry.failure, entry.output
    return Ended(
        id=entry.id,
        file=entry.source,
        kind=entry.kind,
        outcome=entry.ending,
        ended_at=entry.ended_at.isoformat(timespec="seconds"),
        total_s=entry.total_s,
        text=entry.text,
        result=result_name(output, entry.sidecar, outbox) if output is not None else None,
        is_there=entry.is_there and entry.ending is Ending.DONE,
        reason=with_mend(failure.message, failure.mend) if failure is not None else "",
    )
