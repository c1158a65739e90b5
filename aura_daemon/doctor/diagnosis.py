"""What should be mended on a machine. In: a survey. Out: complaints, each with its mend."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aura_daemon.config.engine import Device
from aura_daemon.doctor.report import (
    DiskFound,
    DoctorReport,
    Finding,
    InotifyFound,
    LadderPlan,
    ModelFound,
    ModelPresence,
    ProbeAnswer,
)
from aura_daemon.ladder.rungs import RUNGS

LOW_DISK_BYTES: Final = 1 << 30
"""A disk with less is nearly full."""

SPARE_DISK_BYTES: Final = 1 << 30
"""What a model's download must leave."""

GIB: Final = 1 << 30


def complaints(survey: DoctorReport) -> tuple[Finding, ...]:
    """Everything, what keeps jobs from running first."""
    return tuple(_all(survey))


def _all(survey: DoctorReport) -> Iterator[Finding]:
    found = survey.findings
    if found is not None:
        if found.refusal is not None:
            yield found.refusal
        yield from _of_torch(survey, found)
        for model in found.models:
            yield from _of_model(model, found, survey)
        if found.plan is not None:
            yield from _of_plan(found.plan)
    for disk in survey.machine.disks:
        yield from _of_disk(disk)
    if survey.machine.inotify is not None:
        yield from _of_inotify(survey.machine.inotify)


def _of_torch(survey: DoctorReport, found: ProbeAnswer) -> Iterator[Finding]:
    """A card that nobody uses. Where a device is asked for by name, the refusal says it."""
    cards = survey.machine.gpus
    if cards and found.torch.device == "cpu" and survey.device == Device.AUTO:
        yield Finding(
            message=f"the driver knows {cards[0].name}, but torch {found.torch.version} ({found.torch.build} build) "
            "finds no CUDA device: the CPU computes",
            mend="install a CUDA build of torch that this driver can run; or say device: cpu, if that is meant",
        )


def _of_model(model: ModelFound, found: ProbeAnswer, survey: DoctorReport) -> Iterator[Finding]:
    if model.presence is ModelPresence.WRONG:
        yield Finding(message=model.message, mend=model.mend)
    if model.presence is not ModelPresence.ABSENT:
        return
    if found.hub_is_forbidden:
        yield Finding(
            message=f"model {model.name} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it",
            mend="unset HF_HUB_OFFLINE once, or bring its cache here",
        )
        return
    disk = next((disk for disk in survey.machine.disks if disk.what == "models"), None)
    if disk is not None and disk.free_bytes < model.weight_bytes + SPARE_DISK_BYTES:
        yield Finding(
            message=f"model {model.name} is to be fetched ({model.weight_bytes / 1e9:.1f} GB), but there are only "
            f"{disk.free_bytes / 1e9:.1f} GB free at {disk.path}",
            mend="free space there, or set HF_HOME to another disk",
        )


def _of_plan(plan: LadderPlan) -> Iterator[Finding]:
    if plan.start is not None:
        return
    last = plan.ladder[-1]
    memory = "memory" if RUNGS[last.rung].on_cpu else "GPU memory"
    wish = plan.wish
    yield Finding(
        message=f"{wish.width}x{wish.height} fits on no rung: the lowest, {last.rung}, takes "
        f"{last.needed_bytes / GIB:.1f} GiB of {memory}, {max(0, last.free_bytes) / GIB:.1f} GiB are free",
        mend="end other programs, raise the control group's limit, ask for a smaller picture or use a smaller model",
    )


def _of_disk(disk: DiskFound) -> Iterator[Finding]:
    if disk.free_bytes < LOW_DISK_BYTES:
        yield Finding(
            message=f"the disk is nearly full at {disk.path} ({disk.what}): "
            f"{disk.free_bytes / (1 << 20):,.0f} MiB are free",
            mend="free space there",
        )


def _of_inotify(limits: InotifyFound) -> Iterator[Finding]:
    watches = limits.needed_watches + limits.used_watches
    if watches > limits.max_user_watches:
        yield Finding(
            message=f"the inbox needs {limits.needed_watches:,} watches and other programs have "
            f"{limits.used_watches:,}, but fs.inotify.max_user_watches is {limits.max_user_watches:,}: "
            "the inbox is looked at every few seconds instead",
            mend=f"sysctl fs.inotify.max_user_watches={_rounded_up(2 * watches)}, and the same line in /etc/sysctl.d",
        )
    if limits.used_instances >= limits.max_user_instances:
        yield Finding(
            message=f"other programs have {limits.used_instances:,} inotify instances, "
            f"fs.inotify.max_user_instances is {limits.max_user_instances:,}: "
            "the inbox is looked at every few seconds instead",
            mend=f"sysctl fs.inotify.max_user_instances={_rounded_up(2 * limits.used_instances)}, "
            "and the same line in /etc/sysctl.d",
        )


def _rounded_up(number: int) -> int:
    """To a power of two, as such limits are."""
    return int(1 << max(0, number - 1).bit_length())
