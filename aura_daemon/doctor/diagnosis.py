"""What should be mended on a machine. In: a report. Out: findings, each with its mend."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aura_daemon.config.engine import Device
from aura_daemon.doctor import report
from aura_daemon.doctor.report import Finding
from aura_daemon.ladder.rungs import RUNGS
from aura_daemon.system.sandbox.plan import SandboxMode

LOW_DISK_BYTES: Final = 1 << 30
"""A disk with fewer free bytes is nearly full."""

SPARE_DISK_BYTES: Final = 1 << 30
"""The bytes that the download of a model must leave free."""

GIB: Final = 1 << 30

WINDOWS_DRIVES: Final = frozenset({"9p", "virtiofs", "drvfs"})
"""File systems through which WSL2 shows the drives of Windows below /mnt."""

WHY_NOT_WINDOWS: Final = {
    "inbox": "nobody tells what is written there, so that it is looked at every few seconds, and no file is taken "
    "before it has been left alone for `settle`",
    "state": "locks and modes mean little there, and others may read every prompt",
}
"""Purpose of a folder -> what is bad about such a drive. An outbox there is slow, and works."""


def complaints(document: report.DoctorReport) -> Iterator[Finding]:
    """All findings; those that keep jobs from running come first."""
    answer = document.findings
    if document.daemon_silent_s is not None:
        yield Finding(
            message=f"the daemon gave no sign of life for {document.daemon_silent_s:.0f} s: "
            "it waits for a share whose server is away, hangs, or was killed",
            mend="bring back the server of inbox and outbox; if it is there, read the log and start the daemon again",
        )
    if answer is not None:
        if answer.refusal is not None:
            yield answer.refusal
        yield from _about_torch(answer, document)
        for model in answer.models:
            yield from _about_model(model, answer, document)
        if answer.plan is not None:
            yield from _about_plan(answer.plan)
    sandbox = document.sandbox
    if sandbox is not None and sandbox.mode == SandboxMode.STRICT and sandbox.lacks and sandbox.why:
        yield Finding(
            message=f"no job runs: `sandbox: strict` cannot be kept ({'; '.join(sandbox.lacks)}), as {sandbox.why}",
            mend="use a kernel that has it, or say `sandbox: auto`; docs/security.md says what each part holds off",
        )
    for disk in document.machine.disks:
        yield from _about_disk(disk)
        if document.machine.wsl2 and disk.what in WHY_NOT_WINDOWS and disk.file_system in WINDOWS_DRIVES:
            yield Finding(
                message=f"{disk.path} ({disk.what}) lies on a drive of Windows: {WHY_NOT_WINDOWS[disk.what]}",
                mend="name a folder on WSL2's own disk, such as ~/aura; docs/windows.md says how Windows reaches it",
            )
    if document.machine.inotify is not None:
        yield from _about_inotify(document.machine.inotify)


def _about_torch(answer: report.ProbeAnswer, document: report.DoctorReport) -> Iterator[Finding]:
    """A GPU that torch does not use. Where the configuration names a device, `refusal` covers this case."""
    gpus, torch = document.machine.gpus, answer.torch
    if gpus and torch.device == "cpu" and document.device == Device.AUTO:
        yield Finding(
            message=f"the driver knows {gpus[0].name}, but torch {torch.version} ({torch.build} build) "
            "finds no CUDA device: the CPU computes",
            mend="install a CUDA build of torch that this driver can run; or say device: cpu, if that is meant",
        )


def _about_model(
    model: report.ModelFound, answer: report.ProbeAnswer, document: report.DoctorReport
) -> Iterator[Finding]:
    if model.presence is report.ModelPresence.WRONG:
        yield Finding(message=model.message, mend=model.mend)
    if model.presence is not report.ModelPresence.ABSENT:
        return
    if answer.hub_is_forbidden:
        yield Finding(
            message=f"model {model.name} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it",
            mend="unset HF_HUB_OFFLINE once, or bring its cache here",
        )
        return
    disk = next((disk for disk in document.machine.disks if disk.what == "models"), None)
    if disk is not None and disk.free_bytes < model.weight_bytes + SPARE_DISK_BYTES:
        yield Finding(
            message=f"model {model.name} is to be fetched ({model.weight_bytes / 1e9:.1f} GB), but there are only "
            f"{disk.free_bytes / 1e9:.1f} GB free at {disk.path}",
            mend="free space there, or set HF_HOME to another disk",
        )


def _about_plan(plan: report.LadderPlan) -> Iterator[Finding]:
    if plan.start is not None:
        return
    last = plan.ladder[-1]
    memory = "memory" if RUNGS[last.rung].on_cpu else "GPU memory"
    yield Finding(
        message=f"{plan.wish.width}x{plan.wish.height} fits on no rung: the lowest, {last.rung}, takes "
        f"{last.needed_bytes / GIB:.1f} GiB of {memory}, {max(0, last.free_bytes) / GIB:.1f} GiB are free",
        mend="end other programs, raise the control group's limit, ask for a smaller picture or use a smaller model",
    )


def _about_disk(disk: report.DiskFound) -> Iterator[Finding]:
    if disk.free_bytes < LOW_DISK_BYTES:
        yield Finding(
            message=f"the disk is nearly full at {disk.path} ({disk.what}): "
            f"{disk.free_bytes / (1 << 20):,.0f} MiB are free",
            mend="free space there",
        )


def _about_inotify(limits: report.InotifyFound) -> Iterator[Finding]:
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
    """To a power of two, like the usual limits."""
    return int(1 << max(0, number - 1).bit_length())
