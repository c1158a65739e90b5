"""`doctor`: what this machine is, what is wrong with it, and where on the ladder a job would start."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aura_daemon.config.folder_checks import folders_of, misplaced
from aura_daemon.config.loading import LoadedConfig, load
from aura_daemon.config.settings import Settings
from aura_daemon.doctor import machine as inspecting
from aura_daemon.doctor.diagnosis import complaints
from aura_daemon.doctor.probe import ProbeFailed, ask
from aura_daemon.doctor.report import (
    CPU_FLAGS,
    SURVEY_SCHEMA,
    DiskFound,
    DoctorReport,
    Finding,
    GpuFound,
    LadderPlan,
    LadderStep,
    ModelFound,
    ModelPresence,
    PlanRequest,
    ProbeRequest,
    TorchFound,
)
from aura_daemon.errors import JournalRefused, Problem, UserError
from aura_daemon.file_names import escaped
from aura_daemon.health import heartbeat
from aura_daemon.jobs.sampling import MOST_PX, MULTIPLE_PX, round_px
from aura_daemon.journal.journal import FILE_NAME, Journal
from aura_daemon.ladder.prediction import Measured
from aura_daemon.ladder.rungs import RUNGS

UNWELL: Final = 1
WIDTH: Final = 120
"""Columns, where nobody looks: a log has no width of its own."""

MODELS: Final = "models"
"""What lies in the hub's cache."""

GIB: Final = 1 << 30

LIBRARIES: Final = ("diffusers", "transformers", "accelerate", "safetensors", "pillow")


def doctor(config: Path | None, *, plan: str | None, batch: int, model: str | None, as_json: bool) -> int:
    """0 where all is well, 1 where something should be mended."""
    loaded = load(config)
    wish = wish_of(loaded.settings, plan, batch, model)
    looks = sys.stderr.isatty() and not as_json
    with Console(stderr=True).status("asking torch what it finds here …") if looks else nullcontext():
        survey = surveyed(loaded, wish)
    if as_json:
        print(survey.to_json())
    else:
        _ReportPrinter(Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)).show(survey)
    return UNWELL if survey.problems else 0


def wish_of(settings: Settings, plan: str | None, batch: int, model: str | None) -> PlanRequest | None:
    """What the ladder is to be shown for; raises UserError."""
    allowed = (settings.generate.model, *settings.generate.models)
    problems = []
    if plan is None and (model is not None or batch != 1):
        problems.append(Problem(key="--plan", message="is needed with --model and --batch, as 912x512"))
    if model is not None and model not in allowed:
        problems.append(Problem(key="--model", given=repr(model), message=f"must be one of {', '.join(allowed)}"))
    size = re.fullmatch(r"\s*(\d{1,5})\s*[x×X*]\s*(\d{1,5})\s*", plan or "")
    sides = [int(side) for side in size.groups()] if size is not None else []
    if plan is not None and not (sides and all(MULTIPLE_PX <= side <= MOST_PX for side in sides)):
        said = f"must be width and height in pixels, {MULTIPLE_PX} to {MOST_PX} each, as 912x512"
        problems.append(Problem(key="--plan", given=repr(plan), message=said))
    if problems:
        raise UserError(problems)
    if plan is None:
        return None
    width, height = (round_px(side) for side in sides)
    return PlanRequest(model=model or allowed[0], width=width, height=height, batch=batch)


def surveyed(loaded: LoadedConfig, wish: PlanRequest | None) -> DoctorReport:
    """All that is to be known, with what should be mended."""
    settings = loaded.settings
    folders = folders_of(settings)
    document = heartbeat.read(folders["state"])
    daemon_pid = document.pid if document is not None and heartbeat.is_alive(document) else None
    machine = inspecting.machine(settings.inbox, folders, daemon_pid=daemon_pid)
    worker = inspecting.worker_of(daemon_pid) if daemon_pid is not None else None
    held_device_bytes = inspecting.device_bytes(machine.gpus, worker.pid) if worker is not None else 0
    question = ProbeRequest(
        settings=settings.engine(),
        wish=wish,
        measured=tuple(_measured(folders["state"], wish)),
        held_bytes=worker.own_bytes if worker is not None else 0,
        held_device_bytes=held_device_bytes,
    )
    answer = ask(question)
    misplacements = [Finding(message=str(problem), mend="mend the configuration") for problem in misplaced(loaded)]
    silence = []
    if isinstance(answer, ProbeFailed):
        print(answer.log, file=sys.stderr)
        silence = [answer.complaint]
    else:
        cache = inspecting.disk(MODELS, Path(answer.hub_cache))
        machine = machine.model_copy(update={"disks": (*machine.disks, *((cache,) if cache is not None else ()))})
    survey = DoctorReport(
        schema=SURVEY_SCHEMA,
        configured_by=loaded.origin,
        device=settings.device,
        daemon_runs=daemon_pid is not None,
        held_bytes=question.held_bytes,
        held_device_bytes=held_device_bytes,
        machine=machine,
        findings=None if isinstance(answer, ProbeFailed) else answer,
    )
    return survey.model_copy(update={"problems": (*misplacements, *silence, *complaints(survey))})


def _measured(state: Path, wish: PlanRequest | None) -> list[Measured]:
    """What the journal knows of the wish's model; nothing where nothing has run."""
    place = state / FILE_NAME
    if wish is None or not place.exists():
        return []
    try:
        journal = Journal(place, read_only=True)
    except JournalRefused as error:
        print(f"what was measured cannot be read: {error.strerror}", file=sys.stderr)
        return []
    try:
        return journal.measured(wish.model)
    finally:
        journal.close()


class _ReportPrinter:
    """A survey, for people."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, survey: DoctorReport) -> None:
        """Facts, the ladder, what is to be mended."""
        shown = ""
        for title, fact in _facts(survey):
            head = f"{title if title != shown else '':<12}"
            self._console.print(Text.assemble((head, "bold"), fact), soft_wrap=True)
            shown = title
        plan = survey.findings.plan if survey.findings is not None else None
        if plan is not None:
            self._console.print()
            self._show_plan(plan, survey)
        self._console.print()
        for problem in survey.problems:
            self._console.print(Text.assemble(("mend  ", "bold red"), problem.message), soft_wrap=True)
            self._console.print(Text.assemble("      ", (problem.mend, "yellow")), soft_wrap=True)
        if not survey.problems:
            self._console.print(Text("all is well", "green"))

    def _show_plan(self, plan: LadderPlan, survey: DoctorReport) -> None:
        """A row a rung, and where a job would start."""
        wish = plan.wish
        pictures = f", {wish.batch} at once" if wish.batch > 1 else ""
        title = f"{wish.width}x{wish.height}{pictures}, {escaped(wish.model)}"
        self._console.print(Text(f"the ladder for {title}", "bold"))
        if plan.assumed:
            said = f"{escaped(wish.model)} is not on this machine: the figures assume Stable Diffusion 1.4's size"
            self._console.print(Text(said, "yellow"))
        if survey.held_bytes:
            held = f"{_gib(survey.held_bytes)} of memory"
            held += f" and {_gib(survey.held_device_bytes)} of the GPU" if survey.held_device_bytes else ""
            self._console.print(f"what the running daemon's worker holds counts as free: {held}")
        table = Table(show_edge=False, pad_edge=False)
        for name in ("", "rung", "what is done", "predicted peak", "free", "a picture", "fits now"):
            right = name in ("predicted peak", "free", "a picture")
            table.add_column(name, justify="right" if right else "left", no_wrap=name != "what is done")
        for step in plan.ladder:
            starts = step.rung is plan.start
            table.add_row(
                "->" if starts else "",
                step.rung,
                step.caption,
                _gib(step.needed_bytes),
                _gib(max(0, step.free_bytes)),
                f"about {_seconds(step.picture_s)}" if step.picture_s is not None else "-",
                _fits(step, plan),
                style="bold green" if starts else None,
            )
        self._console.print(table)
        if plan.start is not None:
            at_once = f", {plan.start_batch} at once" if wish.batch > 1 else ""
            self._console.print(f"a job would start on {plan.start}{at_once}")
        if any(step.picture_s is not None for step in plan.ladder):
            self._console.print(
                f"times: {plan.steps_a_picture} steps, without loading and decoding, scaled from what was measured here"
            )


def _facts(survey: DoctorReport) -> Iterator[tuple[str, str]]:
    """Title and fact, line by line."""
    machine, found = survey.machine, survey.findings
    yield "configured", f"by {escaped(survey.configured_by)}"
    yield "daemon", "runs" if survey.daemon_runs else "not running"
    for card in machine.gpus:
        yield from (("GPU", fact) for fact in _card(card, is_one_of_many=len(machine.gpus) > 1))
    if not machine.gpus:
        yield "GPU", "the NVIDIA driver knows of none"
    if found is not None:
        yield from (("torch", fact) for fact in _torch(found.torch))
    cpu, memory = machine.cpu, machine.memory
    lacking = [flag for flag in CPU_FLAGS if flag not in cpu.flags]
    flags = f"has {', '.join(cpu.flags) or 'none of them'}"
    yield "CPU", f"{cpu.name}, {cpu.cores} cores; {flags}{'; lacks ' + ', '.join(lacking) if lacking else ''}"
    limit = (
        f"the control group's limit: {_gib(memory.limit_bytes)}" if memory.limit_bytes else "no control group's limit"
    )
    yield "memory", f"{_gib(memory.available_bytes)} of {_gib(memory.total_bytes)} available; {limit}"
    yield from (("disk", _disk(disk)) for disk in machine.disks)
    limits = machine.inotify
    if limits is not None:
        yield (
            "inotify",
            f"watches: {limits.needed_watches:,} for this inbox, {limits.used_watches:,} of other programs, "
            f"{limits.max_user_watches:,} allowed",
        )
        yield (
            "inotify",
            f"instances: {limits.used_instances:,} of other programs, {limits.max_user_instances:,} allowed; "
            f"a queue holds {limits.max_queued_events:,} events",
        )
    versions = machine.versions
    yield "python", f"{versions['python']}, aura-daemon {versions['aura_daemon']}, {versions['platform']}"
    yield "libraries", ", ".join(f"{name} {versions[name]}" for name in LIBRARIES)
    if found is not None:
        yield from ((f"{model.kind}", _model(model)) for model in found.models)


def _card(card: GpuFound, *, is_one_of_many: bool) -> Iterator[str]:
    uuid = f" ({card.uuid or 'of unknown UUID'})" if is_one_of_many else ""
    yield f"{card.name}{uuid}: {_gib(card.free_bytes)} of {_gib(card.total_bytes)} free; driver {card.driver}"
    for user in card.users:
        yield f"used by {user.name} ({user.pid})" + (f": {_gib(user.used_bytes)}" if user.used_bytes else "")


def _torch(torch: TorchFound) -> Iterator[str]:
    yield f"{torch.version}, built for {torch.build}"
    if torch.device:
        name = f"{torch.device} ({torch.device_name}{', ' + torch.capability if torch.capability else ''}"
        name += f", {torch.uuid})" if torch.uuid else ")"
        yield f"computes on {name} in {torch.dtype}; at full speed it could in {', '.join(torch.dtypes)}"


def _disk(disk: DiskFound) -> str:
    kind = f", {disk.file_system}" if disk.file_system else ""
    missing = "" if disk.exists else "; not there yet"
    return f"{disk.what}: {_gib(disk.free_bytes)} of {_gib(disk.total_bytes)} free{kind}, {disk.path}{missing}"


def _model(model: ModelFound) -> str:
    name = escaped(model.name)
    match model.presence:
        case ModelPresence.HERE:
            return f"{name}: here, {_size(model.weight_bytes)}, {escaped(model.folder)}"
        case ModelPresence.ABSENT:
            size = f"{_size(model.weight_bytes)} are" if model.weight_bytes else "it is"
            return f"{name}: not on this machine, {size} fetched for its first job"
        case ModelPresence.WRONG:
            return f"{name}: cannot be used, see below"


def _fits(step: LadderStep, plan: LadderPlan) -> str:
    wish = plan.wish
    if step.fits == wish.batch:
        return "yes"
    if step.fits:
        return f"{step.fits} of {wish.batch}"
    short = step.needed_bytes - step.free_bytes
    if short > 0:
        return f"no, {_gib(short)} short"
    memory = step.needed_host_bytes - plan.free_host_bytes
    assert not RUNGS[step.rung].on_cpu
    return f"no, {_gib(memory)} of host memory short"


def _gib(amount: int) -> str:
    return f"{amount / GIB:.1f} GiB"


def _size(amount: int) -> str:
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{amount / 1e6:.1f} MB"


def _seconds(amount: float) -> str:
    return f"{amount:.0f} s" if amount >= 10 else f"{amount:.1f} s"
