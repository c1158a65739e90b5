"""`doctor`: what this machine is, what is wrong with it, and where on the ladder a job would start."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Final, assert_never

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aura_daemon.config.loading import load
from aura_daemon.config.settings import Settings
from aura_daemon.doctor import report
from aura_daemon.doctor.doctor import Doctor
from aura_daemon.doctor.probe import TorchProbe
from aura_daemon.errors import Problem, UserError
from aura_daemon.file_names import escaped
from aura_daemon.formats.readable import download_text
from aura_daemon.health import heartbeat
from aura_daemon.jobs.sampling import MOST_PX, MULTIPLE_PX, round_px
from aura_daemon.system.sandbox.plan import SandboxMode

UNWELL: Final = 1
WIDTH: Final = 120
"""Columns where the output is no terminal: a file has no width of its own."""

LIBRARIES: Final = ("diffusers", "transformers", "accelerate", "safetensors", "pillow")


def doctor(
    config: Path | None,
    *,
    plan: str | None = None,
    batch: int = 1,
    model: str | None = None,
    as_json: bool = False,
    probe: TorchProbe | None = None,
) -> int:
    """0 where all is well, 1 where something should be mended. `probe`: who asks torch; by default a child process."""
    loaded = load(config)
    plan_request = requested_plan(loaded.settings, plan, batch, model)
    health = heartbeat.read(loaded.settings.state_folder())
    has_audience = sys.stderr.isatty() and not as_json
    with Console(stderr=True).status("asking torch what it finds here …") if has_audience else nullcontext():
        examination = Doctor(probe or TorchProbe()).examine(
            loaded,
            plan_request,
            daemon_pid=health.pid if health is not None and heartbeat.is_alive(health) else None,
            daemon_silent_s=heartbeat.age_s(health) if health is not None and heartbeat.is_silent(health) else None,
        )
    for text in examination.log:
        print(text, file=sys.stderr)
    document = examination.report
    if as_json:
        print(document.to_json())
    else:
        console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
        for part in _rendered(document):
            console.print(part, soft_wrap=isinstance(part, Text))
    return UNWELL if document.problems else 0


def requested_plan(settings: Settings, plan: str | None, batch: int, model: str | None) -> report.PlanRequest | None:
    """What `--plan`, `--batch` and `--model` ask for; None without them. Raises UserError with every problem."""
    allowed = (settings.generate.model, *settings.generate.models)
    problems = []
    if plan is None and (model is not None or batch != 1):
        problems.append(Problem(key="--plan", message="is needed with --model and --batch, such as 912x512"))
    if model is not None and model not in allowed:
        problems.append(Problem(key="--model", given=repr(model), message=f"must be one of {', '.join(allowed)}"))
    size = re.fullmatch(r"\s*(\d{1,5})\s*[x×X*]\s*(\d{1,5})\s*", plan or "")
    sides = [int(side) for side in size.groups()] if size is not None else []
    if plan is not None and not (sides and all(MULTIPLE_PX <= side <= MOST_PX for side in sides)):
        message = f"must be width and height in pixels, {MULTIPLE_PX} to {MOST_PX} each, such as 912x512"
        problems.append(Problem(key="--plan", given=repr(plan), message=message))
    if problems:
        raise UserError(problems)
    if plan is None:
        return None
    width, height = (round_px(side) for side in sides)
    return report.PlanRequest(model=model or allowed[0], width=width, height=height, batch=batch)


def _rendered(document: report.DoctorReport) -> Iterator[Text | Table]:
    """The facts, the ladder, what should be mended."""
    title_above = ""
    for title, fact in _facts(document):
        yield Text.assemble((f"{title if title != title_above else '':<12}", "bold"), fact)
        title_above = title
    if document.findings is not None and document.findings.plan is not None:
        yield Text()
        yield from _plan(document.findings.plan, document)
    yield Text()
    for problem in document.problems:
        yield Text.assemble(("mend  ", "bold red"), problem.message)
        yield Text.assemble("      ", (problem.mend, "yellow"))
    if not document.problems:
        yield Text("all is well", "green")


def _facts(document: report.DoctorReport) -> Iterator[tuple[str, str]]:
    machine, answer = document.machine, document.findings
    yield "configured", f"by {escaped(document.configured_by)}"
    silence_s = document.daemon_silent_s
    absence = "not running" if silence_s is None else f"no sign of life for {silence_s:.0f} s"
    yield "daemon", "runs" if document.daemon_runs else absence
    for fact in _gpus(machine):
        yield "GPU", fact
    if answer is not None:
        for fact in _torch(answer):
            yield "torch", fact
    cpu, memory, inotify, versions = machine.cpu, machine.memory, machine.inotify, machine.versions
    lacking = ", ".join(flag for flag in report.CPU_FLAGS if flag not in cpu.flags)
    flags = f"has {', '.join(cpu.flags) or 'none of them'}{'; lacks ' * bool(lacking)}{lacking}"
    yield "CPU", f"{cpu.name}, {cpu.cores} cores; {flags}"
    limit = f"the control group's limit: {_gib(most)}" if (most := memory.limit_bytes) else "no control group's limit"
    yield "memory", f"{_gib(memory.available_bytes)} of {_gib(memory.total_bytes)} available; {limit}"
    for disk in machine.disks:
        space = f"{_gib(disk.free_bytes)} of {_gib(disk.total_bytes)} free"
        kind, missing = f", {disk.file_system}" if disk.file_system else "", "" if disk.exists else "; not there yet"
        yield "disk", f"{disk.what}: {space}{kind}, {disk.path}{missing}"
    if inotify is not None:
        watches = f"{inotify.needed_watches:,} for this inbox, {inotify.used_watches:,} of other programs"
        yield "inotify", f"watches: {watches}, {inotify.max_user_watches:,} allowed"
        instances = f"{inotify.used_instances:,} of other programs, {inotify.max_user_instances:,} allowed"
        yield "inotify", f"instances: {instances}; a queue holds {inotify.max_queued_events:,} events"
    if document.sandbox is not None:
        yield from (("sandbox", fact) for fact in _sandbox(document.sandbox))
    if machine.wsl2:
        yield "system", "Linux inside Windows (WSL2); memory is what .wslconfig gives it, Windows drives the GPU"
    yield "python", f"{versions['python']}, aura-daemon {versions['aura_daemon']}, {versions['platform']}"
    yield "libraries", ", ".join(f"{name} {versions[name]}" for name in LIBRARIES)
    for model in answer.models if answer is not None else ():
        yield str(model.kind), f"{escaped(model.name)}: {_model(model)}"


def _sandbox(found: report.SandboxFound) -> Iterator[str]:
    """How far workers are shut in, and what is open to them."""
    if found.mode == SandboxMode.OFF:
        yield "off: workers may do what this user may do"
        return
    landlock = f"Landlock {found.landlock}" if found.landlock else "no Landlock"
    yield f"{found.mode}: {landlock}, {'seccomp' if found.seccomp else 'no seccomp'}"
    for lacking in found.lacks:
        yield f"lacks {lacking}" + f" ({found.why})" * bool(found.why)
    for one in found.open:
        yield f"workers may do this too: {escaped(one)}"


def _gpus(machine: report.Machine) -> Iterator[str]:
    if not machine.gpus:
        yield "the NVIDIA driver knows of none"
    for gpu in machine.gpus:
        uuid = f" ({gpu.uuid or 'of unknown UUID'})" if len(machine.gpus) > 1 else ""
        yield f"{gpu.name}{uuid}: {_gib(gpu.free_bytes)} of {_gib(gpu.total_bytes)} free; driver {gpu.driver}"
        for user in gpu.users:
            yield f"used by {user.name} ({user.pid})" + (f": {_gib(user.used_bytes)}" if user.used_bytes else "")


def _torch(answer: report.ProbeAnswer) -> Iterator[str]:
    torch = answer.torch
    yield f"{torch.version}, built for {torch.build}"
    if torch.device:
        details = ", ".join(filter(None, (torch.device_name, torch.capability, torch.uuid)))
        dtypes = f"in {torch.dtype}; at full speed it could in {', '.join(torch.dtypes)}"
        yield f"computes on {torch.device} ({details}) {dtypes}"


def _model(model: report.ModelFound) -> str:
    match model.presence:
        case report.ModelPresence.HERE:
            engine = f"; computed by {escaped(model.engine)}" if model.engine else ""
            return f"here, {download_text(model.weight_bytes)}, {escaped(model.folder)}{engine}"
        case report.ModelPresence.ABSENT:
            size = f"{download_text(model.weight_bytes)} are" if model.weight_bytes else "it is"
            return f"not on this machine, {size} fetched for its first job"
        case report.ModelPresence.WRONG:
            return "cannot be used, see below"
        case _:  # pragma: no cover
            assert_never(model.presence)


def _plan(plan: report.LadderPlan, document: report.DoctorReport) -> Iterator[Text | Table]:
    """A row a rung, and where a job would start."""
    request, model = plan.wish, escaped(plan.wish.model)
    at_once = f", {request.batch} at once" if request.batch > 1 else ""
    yield Text(f"the ladder for {request.width}x{request.height}{at_once}, {model}", "bold")
    if plan.assumed:
        yield Text(f"{model} is not on this machine: the figures assume Stable Diffusion 1.4's size", "yellow")
    if document.held_bytes:
        on_gpu = f" and {_gib(document.held_device_bytes)} of the GPU" if document.held_device_bytes else ""
        held = f"{_gib(document.held_bytes)} of memory{on_gpu}"
        yield Text(f"what the running daemon's worker holds counts as free: {held}")
    table = Table(show_edge=False, pad_edge=False)
    for name in ("", "rung", "what is done", "predicted peak", "free", "a picture", "fits now"):
        right = name in ("predicted peak", "free", "a picture")
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "what is done")
    for step in plan.ladder:
        is_start = step.rung is plan.start
        mark, memory = "->" if is_start else "", (_gib(step.needed_bytes), _gib(max(0, step.free_bytes)))
        duration = f"about {_seconds(step.picture_s)}" if step.picture_s is not None else "-"
        row = (mark, step.rung, step.caption, *memory, duration, _fits(step, plan))
        table.add_row(*row, style="bold green" if is_start else None)
    yield table
    if plan.start is not None:
        yield Text(f"a job would start on {plan.start}{f', {plan.start_batch} at once' * (request.batch > 1)}")
    if any(step.picture_s is not None for step in plan.ladder):
        basis = "without loading and decoding, scaled from what was measured here"
        yield Text(f"times: {plan.steps_a_picture} steps, {basis}")


def _fits(step: report.LadderStep, plan: report.LadderPlan) -> str:
    if step.fits:
        return "yes" if step.fits == plan.wish.batch else f"{step.fits} of {plan.wish.batch}"
    missing_bytes = step.needed_bytes - step.free_bytes
    if missing_bytes > 0:
        return f"no, {_gib(missing_bytes)} short"
    return f"no, {_gib(step.needed_host_bytes - plan.free_host_bytes)} of host memory short"


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 30):.1f} GiB"


def _seconds(duration_s: float) -> str:
    return f"{duration_s:.0f} s" if duration_s >= 10 else f"{duration_s:.1f} s"
