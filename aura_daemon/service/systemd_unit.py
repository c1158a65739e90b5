"""The unit of systemd. In: a plan. Out: its text.

What each line buys, and what was tried, is told in docs/service.md. systemd knows no comments behind a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, assert_never

from aura_daemon.service.mount_units import mount_units
from aura_daemon.service.plan import WRITTEN_BY, Cluster, GpuKind, Network, Scope, ServicePlan, lies_in_homes, writable

WATCHDOG_S: Final = 180
"""Seconds without a turn of the daemon's loop, or a file, after which systemd restarts it: a slow NAS is no fault."""

ABORT_S: Final = 10
"""Seconds that a hung daemon has to say in the log where it hangs, before it is killed."""

START_S: Final = 600
"""Seconds until READY: the daemon asks for more itself, but not before a large journal is of this release."""

STOP_SLACK_S: Final = 30
"""Seconds beyond `stop_timeout` until a stopping daemon is killed."""

DEVICES: Final = {
    GpuKind.NVIDIA: (
        "/dev/nvidiactl rw",
        "char-nvidia rw",
        "char-nvidia-frontend rw",
        "char-nvidia-uvm rw",
        "char-nvidia-caps r",
        "/dev/nvidia-modeset rw",
    ),
    GpuKind.ROCM: ("/dev/kfd rw", "char-drm rw"),
    GpuKind.WSL: ("/dev/dxg rw",),
}
"""Of each kind of GPU; systemd leaves out what a machine does not have."""


LANDLOCK: Final = ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")
"""System calls that are in no group of systemd 252."""


def unit_text(plan: ServicePlan) -> str:
    """The unit, every key on a line of its own."""
    sections = {"Unit": _unit(plan), "Service": _service(plan), "Install": _install(plan)}
    text = "".join(f"\n[{name}]\n" + "".join(f"{line}\n" for line in lines) for name, lines in sections.items())
    edit = "systemctl --user edit" if plan.scope is Scope.USER else "systemctl edit"
    return f"# {WRITTEN_BY}, which overwrites it; your own changes: {edit} {plan.name}\n{text}"


def _unit(plan: ServicePlan) -> Iterator[str]:
    yield f"Description={_specified(plan.description)}"
    if plan.state is not None:
        yield f"RequiresMountsFor={_paths([plan.state])}"
    if plan.scope is Scope.SYSTEM:
        mounts = " ".join(mount_units((plan.inbox, plan.outbox)))
        yield "# What inbox and outbox are mounted from comes first; where it does not come, the daemon waits for it."
        yield f"Wants={mounts}"
        yield f"After={mounts}"
    if plan.scope is Scope.SYSTEM and plan.network is Network.FULL:
        yield "Wants=network-online.target"
        yield "After=network-online.target" + (" aura-ray.service" if plan.cluster is Cluster.JOINED else "")
    yield "# A daemon that dies again and again is left alone after the fifth time in ten minutes."
    yield "StartLimitIntervalSec=600"
    yield "StartLimitBurst=5"


def _service(plan: ServicePlan) -> Iterator[str]:
    yield "Type=notify"
    yield "NotifyAccess=main"
    yield "ExecStart=" + " ".join(_argument(word) for word in plan.command)
    yield "# The shell's own kill: a small system has no /bin/kill."
    yield "ExecReload=/bin/sh -c 'kill -HUP $$MAINPID'"
    yield f"WatchdogSec={WATCHDOG_S}s"
    yield f"TimeoutAbortSec={ABORT_S}s"
    yield f"TimeoutStartSec={START_S}s"
    yield f"TimeoutStopSec={int(plan.stop_timeout_s) + STOP_SLACK_S}s"
    yield "Restart=on-failure"
    yield "RestartSec=5s"
    yield "# 2: the configuration is wrong, and a restart does not mend it."
    yield "RestartPreventExitStatus=2"
    yield "KillMode=mixed"
    yield "# A worker that the kernel kills for memory is the daemon's to start anew."
    yield "OOMPolicy=continue"
    yield "LimitCORE=0"
    yield f"TasksMax={512 if plan.cluster is Cluster.NONE else 8192}"
    yield from _environment(plan)
    if plan.scope is Scope.SYSTEM:
        yield from _system_only(plan)
    yield from _everywhere(plan)


def _environment(plan: ServicePlan) -> Iterator[str]:
    if plan.scope is Scope.SYSTEM:
        yield f"Environment=HOME=/var/cache/{plan.name}"
    if plan.models is not None:
        yield f"Environment={_argument(f'HF_HOME={plan.models}', is_command=False)}"
    elif plan.scope is Scope.SYSTEM:
        yield f"Environment=HF_HOME=/var/cache/{plan.name}/huggingface"
    if not plan.fetches:
        yield "Environment=HF_HUB_OFFLINE=1"


def _system_only(plan: ServicePlan) -> Iterator[str]:
    """What only the machine's manager can do."""
    yield f"User={plan.user}"
    yield f"Group={plan.group}"
    if plan.further_groups:
        yield f"SupplementaryGroups={' '.join(plan.further_groups)}"
    yield "UMask=0027"
    folder = plan.name if plan.state is None else _below(plan.state, "/var/lib")
    if folder:
        yield f"StateDirectory={_specified(folder)}"
        yield "StateDirectoryMode=0700"
    yield f"CacheDirectory={plan.name}"
    if made := [_specified(below) for place in plan.written if (below := _below(place, "/run"))]:
        yield f"RuntimeDirectory={' '.join(made)}"
        yield "RuntimeDirectoryMode=0750"
    yield "# Files of other users are taken as soon as their writers have closed them."
    yield "CapabilityBoundingSet=CAP_LEASE"
    yield "AmbientCapabilities=CAP_LEASE"
    yield "ProtectSystem=strict"
    yield "# One mount above inbox and outbox: a file cannot be renamed from one mount to another."
    yield f"ReadWritePaths={_paths(_written(plan), prefix='-')}"
    yield f"ProtectHome={'read-only' if lies_in_homes(plan) else 'yes'}"
    if plan.cluster is Cluster.JOINED:
        yield "# Without PrivateTmp and ProtectProc: the cluster's node is found by its process, and speaks in /tmp."
    else:
        yield "PrivateTmp=yes"
        yield "ProtectProc=invisible"
    for key in ("PrivateMounts", "ProtectControlGroups", "ProtectKernelTunables"):
        yield f"{key}=yes"
    for key in ("ProtectKernelModules", "ProtectKernelLogs", "ProtectClock", "ProtectHostname", "RemoveIPC"):
        yield f"{key}=yes"
    if plan.gpus:
        yield "DevicePolicy=closed"
        for device in dict.fromkeys(device for gpu in plan.gpus for device in DEVICES[gpu]):
            yield f"DeviceAllow={device}"
    else:
        yield "PrivateDevices=yes"
    match plan.network:
        case Network.NONE:
            yield "PrivateNetwork=yes"
            yield "IPAddressDeny=any"
        case Network.LOOPBACK:
            yield "IPAddressDeny=any"
            yield "IPAddressAllow=localhost"
        case Network.FULL:
            pass
        case _:
            assert_never(plan.network)


def _everywhere(plan: ServicePlan) -> Iterator[str]:
    """What a person's manager can do too."""
    yield "# Without MemoryDenyWriteExecute and ProcSubset: torch compiles code for the CPU, and reads /proc/cpuinfo."
    for key in ("NoNewPrivileges", "RestrictSUIDSGID", "RestrictNamespaces", "RestrictRealtime", "LockPersonality"):
        yield f"{key}=yes"
    yield "SystemCallArchitectures=native"
    yield "SystemCallFilter=@system-service"
    yield "# The worker shuts itself in."
    yield f"SystemCallFilter={' '.join(LANDLOCK)}"
    # Drivers of GPUs bind memory and processors.
    yield "SystemCallFilter=~@privileged" + ("" if plan.gpus else " @resources")
    yield "SystemCallErrorNumber=EPERM"
    families = "AF_UNIX" if plan.network is Network.NONE else "AF_UNIX AF_INET AF_INET6"
    if plan.cluster is not Cluster.NONE:
        families += " AF_NETLINK"  # Ray asks for the machine's addresses
    yield f"RestrictAddressFamilies={families}"


def _install(plan: ServicePlan) -> Iterator[str]:
    yield f"WantedBy={'default.target' if plan.scope is Scope.USER else 'multi-user.target'}"


def _written(plan: ServicePlan) -> list[str]:
    """Folders that the manager does not make itself."""
    places = [*writable(plan.inbox, plan.outbox)]
    if plan.state is not None and not _below(plan.state, "/var/lib"):
        places.append(plan.state)
    if plan.models is not None and plan.fetches:
        places.append(plan.models)
    if plan.cluster is Cluster.JOINED:
        places.append("/tmp")
    return [*places, *(place for place in plan.written if not _below(place, "/run"))]


def _below(place: str, folder: str) -> str:
    """The path below a folder; empty for other places."""
    return place.removeprefix(f"{folder}/") if place.startswith(f"{folder}/") else ""


def _paths(places: list[str], *, prefix: str = "") -> str:
    return " ".join(_argument(f"{prefix}{place}", is_command=False) for place in places)


_PLAIN: Final = re.compile(r"[\w@%+=:,./-]+")


def _argument(word: str, *, is_command: bool = True) -> str:
    """A word as systemd reads it back: quoted where it must be, without specifiers or variables."""
    written = _specified(word)
    if is_command:
        written = written.replace("$", "$$")
    if _PLAIN.fullmatch(written):
        return written
    escaped = written.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _specified(text: str) -> str:
    return text.replace("%", "%%")
