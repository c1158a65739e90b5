"""What every process may read: interpreter, libraries, what describes the machine, devices. Out: paths with rights."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from aura_daemon.system.sandbox.landlock import READ, RUN, USE_DEVICE, WRITE, FileAccess
from aura_daemon.system.sandbox.plan import SandboxPlan

LIBRARIES: Final = (
    *("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin"),
    *("/nix/store", "/gnu/store", "/run/current-system", "/run/opengl-driver"),
    *("/opt/cuda", "/opt/nvidia", "/opt/rocm", "/opt/intel"),
)

SETTINGS: Final = tuple(
    f"/etc/{name}"
    for name in (
        *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld.so.preload", "localtime", "timezone", "locale.alias"),
        *("locale.conf", "os-release", "lsb-release", "debian_version", "mime.types", "apache2/mime.types"),
        *("httpd/mime.types", "OpenCL", "nsswitch.conf", "passwd", "group", "alternatives", "ssl/openssl.cnf"),
    )
)
"""Not all of /etc, where root could read `shadow`."""

NAMES_OF_MACHINES: Final = tuple(
    f"/etc/{name}"
    for name in (
        *("resolv.conf", "hosts", "host.conf", "gai.conf", "protocols", "services"),
        *("ssl/certs", "ssl/cert.pem", "pki/tls", "pki/ca-trust", "ca-certificates"),
    )
)
"""What whoever connects reads."""

CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name more of it."""

OF_THE_KERNEL: Final = (
    *(
        f"/proc/{name}"
        for name in (
            *("self", "cpuinfo", "meminfo", "stat", "vmstat", "loadavg", "uptime", "version", "filesystems", "devices"),
            *("modules", "swaps", "zoneinfo", "cgroups", "pressure", "sys", "driver/nvidia", "driver/nvidia-uvm"),
        )
    ),
    *(f"/sys/{name}" for name in ("devices", "fs/cgroup", "class", "bus", "module", "kernel/mm", "dev")),
)

RESETS_PEAK: Final = "/proc/self/clear_refs"
"""Where the process resets its own count of the most memory."""

PLAIN_DEVICES: Final = {
    "null": READ | FileAccess.WRITE_FILE,
    "zero": READ,
    "full": READ,
    "random": READ,
    "urandom": READ,
}

GPUS: Final = ("nvidia", "dri", "kfd", "dxg")
"""What the names of their devices begin with."""


def rules(plan: SandboxPlan) -> Iterator[tuple[str, FileAccess]]:
    """Everything that the process may open; a path that is not there gives nothing."""
    for place in (*_interpreter(plan.closed), *LIBRARIES, *SETTINGS, *OF_THE_KERNEL, *plan.reads):
        yield place, READ
    if plan.network:
        named = (os.environ[name] for name in CERTIFICATES if os.environ.get(name))
        for place in (*NAMES_OF_MACHINES, *named):
            yield place, READ
    yield RESETS_PEAK, FileAccess.WRITE_FILE | FileAccess.TRUNCATE
    for name, rights in PLAIN_DEVICES.items():
        yield f"/dev/{name}", rights
    with suppress(OSError):
        for device in Path("/dev").iterdir():
            if device.name.startswith(GPUS):
                yield str(device), READ | USE_DEVICE
    if plan.programs:
        yield "/proc", READ  # each of them has a folder there, whose number nobody knows yet
    for place in plan.programs:
        yield place, RUN
    for place in (plan.folder, *plan.writes):
        if place:
            yield place, WRITE


def _interpreter(closed: Sequence[str]) -> Iterator[str]:
    """Where this interpreter and the packages that it imports lie, this one too; never the current folder."""
    yield from {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    for package in (os, sys.modules[__name__.partition(".")[0]]):  # the standard library, and ours
        yield os.path.dirname(str(package.__file__))  # noqa: PTH120 - as plain as it was imported
    for place in sys.path:
        above = os.path.realpath(place) + os.sep
        holds_one = any(os.path.realpath(folder).startswith(above) for folder in closed)
        if os.path.isabs(place) and not holds_one:  # noqa: PTH117 - an entry may be anything
            yield place
    yield from (place for place in os.environ.get("LD_LIBRARY_PATH", "").split(":") if place.startswith("/"))
