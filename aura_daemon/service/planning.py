"""Settings, options and this machine -> the plan of a service, or every problem.

A service sees neither this shell's variables nor its folder: what it needs stands in a file that its account can read.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aura_daemon.config import folder_checks, loading
from aura_daemon.config.engine import EMBEDDED, Device
from aura_daemon.config.listening import TcpAddress, UnixAddress, address_of
from aura_daemon.config.settings import PREFIX, Settings
from aura_daemon.config.workers.cluster import LOCAL
from aura_daemon.errors import Problem, UserError
from aura_daemon.service.plan import NAME, Cluster, GpuKind, Network, Scope, ServicePlan
from aura_daemon.system import accounts
from aura_daemon.system.accounts import Account
from aura_daemon.system.hardware.device_files import DEV, are_there

_SIGNS: Final = {GpuKind.NVIDIA: ("nvidiactl", "nvidia0"), GpuKind.ROCM: ("kfd", "dri"), GpuKind.WSL: ("dxg",)}
"""A file of any of these names below /dev means that there is such a GPU."""

_GROUPS: Final = ("render", "video")
"""Of the devices of AMD's and Intel's GPUs."""

ACCESS_CHILD: Final = "aura_daemon.service.access_child"
"""Run as the service's account."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceOptions:
    """What the command line says of a service; None: as this machine and the configuration suggest."""

    name: str = "aura-daemon"
    scope: Scope | None = None
    run_as: str | None = None
    network: bool | None = None
    gpu: bool | None = None
    models: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedService:
    """A plan, and what its owner should know."""

    plan: ServicePlan
    notes: tuple[str, ...]


def scope_of(options: ServiceOptions) -> Scope:
    """Whose service is meant: root's is the machine's, unless the command line says otherwise."""
    return options.scope or (Scope.SYSTEM if accounts.is_root() else Scope.USER)


def checked_name(options: ServiceOptions) -> str:
    """The service's name; raises UserError for one that is no name of folders and units."""
    if not NAME.fullmatch(options.name):
        allowed = "up to 31 of a-z, 0-9, _ and -, with a letter first"
        raise UserError([Problem(key="--name", given=options.name, message=f"must be {allowed}")])
    return options.name


def plan_service(config: Path | None, options: ServiceOptions, *, dev: Path = DEV) -> PlannedService:
    """The plan of a service for this configuration; raises UserError with every problem."""
    name, scope = checked_name(options), scope_of(options)
    file = _configuration_file(config)
    loaded = loading.load(file)
    settings = loaded.settings
    problems = list(folder_checks.misplaced(loaded))
    owner = _account(settings, options, scope, problems)
    if problems or owner is None:
        raise UserError(problems)
    gpus = _gpus(settings, options, dev)
    cluster = _cluster(settings)
    if cluster is Cluster.JOINED and options.network is False:
        message = f"its workers are on a cluster, {settings.workers.address}, which it reaches over the network"
        raise UserError([Problem(key="--no-network", message=message)])
    network = _network(settings, options, cluster)
    state = os.fspath(settings.state) if settings.state is not None else None
    plan = ServicePlan(
        name=name,
        scope=scope,
        command=(sys.executable, "-m", "aura_daemon", "run", "--config", str(file)),
        description=f"aura-daemon: {settings.inbox} to {settings.outbox}",
        inbox=os.path.realpath(settings.inbox),
        outbox=os.path.realpath(settings.outbox),
        state=state,
        read=(sys.prefix, sys.base_prefix, str(file), *_local_models(settings), *_tokens(settings)),
        written=_monitored(settings),
        models=str(options.models.absolute()) if options.models is not None else None,
        network=network,
        cluster=cluster,
        gpus=gpus,
        user=owner.name if scope is Scope.SYSTEM else "",
        group=owner.group if scope is Scope.SYSTEM else "",
        further_groups=_device_groups(gpus) if scope is Scope.SYSTEM else (),
        stop_timeout_s=settings.stop_timeout,
        home=os.fspath(owner.home),
    )
    return PlannedService(plan=plan, notes=tuple(_notes(plan, settings, options, file)))


def not_usable(plan: ServicePlan, account: Account) -> list[Problem]:
    """Problems of the program, its configuration and its folders for the account of a service; root asks as it."""
    wanted = [f"r{place}" for place in plan.read[2:]]
    wanted += [f"w{place}" for place in (plan.inbox, plan.outbox, plan.models) if place is not None]
    wanted += [f"w{place}" for place in plan.written if not place.startswith("/run/")]  # systemd makes those
    try:
        looked = subprocess.run(
            [plan.command[0], "-P", "-m", ACCESS_CHILD, *wanted],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=account.uid,
            group=account.gid,
            extra_groups=accounts.groups_of(account),
        )
    except OSError as error:
        looked = subprocess.CompletedProcess([], 1, "", f"{plan.command[0]}: {error.strerror}")
    if looked.returncode != 0:
        reason = looked.stderr.strip().splitlines()[-1] if looked.stderr.strip() else "it cannot be run"
        message = f"{account.name} cannot run aura-daemon ({reason}): install it where every account may read it, for "
        return [Problem(key="--run-as", message=f"{message}example `python3 -m venv /opt/aura-daemon`")]
    problems = []
    for line in looked.stdout.splitlines():
        verb, place = ("write to" if line[0] == "w" else "read"), line[1:]
        owns = f"chown -R {account.name}:{account.group} {place}"
        may_read = f"chgrp {account.group} {place} && chmod g+rX {place}"
        mend = owns if line[0] == "w" else may_read
        message = f"{account.name} may not {verb} {place}: `{mend}`, and let it enter the folders above"
        problems.append(Problem(key="--run-as", message=message))
    return problems


def _configuration_file(config: Path | None) -> Path:
    """The file that the service reads."""
    problems = [
        Problem(
            key=f"${name}", message="is set in this shell, and a service does not see it: put the key into its file"
        )
        for name, value in sorted(os.environ.items())
        if name.startswith(PREFIX) and value and name != loading.CONFIG_VARIABLE
        if not name.startswith(loading.RESERVED_PREFIX)
    ]
    place, _ = loading.find(config)
    if place is None:
        message = (
            f"a service needs a configuration file: write {loading.SYSTEM_CONFIG} (or for a person's service "
            "~/.config/aura-daemon/aura.yaml) with at least `inbox`, `outbox` and `state`, or name one with --config"
        )
        problems.append(Problem(key="--config", message=message))
    if place is None or problems:
        raise UserError(problems)
    return place


def _account(settings: Settings, options: ServiceOptions, scope: Scope, problems: list[Problem]) -> Account | None:
    """The account that the service runs as; adds to the problems where there is none."""
    if scope is Scope.USER:
        if options.run_as is not None:
            problems.append(
                Problem(key="--run-as", message="goes with --system: a person's service runs as that person")
            )
        own = accounts.own_account()
        if own is None:
            problems.append(Problem(key="--user", message="this user has no account of a name"))
        return own
    if options.run_as is not None:
        found = accounts.account(options.run_as)
        if found is None:
            make = f"useradd --system --home-dir /var/lib/{options.name} --shell /usr/sbin/nologin {options.run_as}"
            message = f"there is no account of that name: `{make}`"
            problems.append(Problem(key="--run-as", given=options.run_as, message=message))
        return found
    owner = accounts.owner_of(settings.outbox)
    if owner is None or owner.uid == 0:
        whose = "root" if owner is not None else "no account of this machine"
        message = (
            f"the outbox, {settings.outbox}, belongs to {whose}: give the folders to the account that the service is "
            "to run as (`useradd --system …`, `chown -R`), or name the account with --run-as"
        )
        problems.append(Problem(key="--run-as", message=message))
        return None
    return owner


def _cluster(settings: Settings) -> Cluster:
    if settings.workers.kind != "ray":
        return Cluster.NONE
    return Cluster.OWN if settings.workers.address == LOCAL else Cluster.JOINED


def _network(settings: Settings, options: ServiceOptions, cluster: Cluster) -> Network:
    """A cluster is reached, hubs where a configured model must come from one, clients where the HTTP server listens."""
    if cluster is Cluster.JOINED:
        return Network.FULL
    if options.network if options.network is not None else bool(_hub_models(settings)):
        return Network.FULL
    address = address_of(settings.http.listen) if settings.http.listen is not None else None
    if not isinstance(address, TcpAddress):
        return Network.LOOPBACK if cluster is Cluster.OWN else Network.NONE
    return Network.LOOPBACK if address.is_loopback or options.network is False else Network.FULL


def _tokens(settings: Settings) -> Sequence[str]:
    return [os.fspath(file) for file in (settings.http.token_file, settings.workers.token_file) if file is not None]


def _monitored(settings: Settings) -> tuple[str, ...]:
    """The folders of the metrics' textfile and of the HTTP server's socket."""
    places = [os.fspath(settings.metrics.textfile.parent)] if settings.metrics.textfile is not None else []
    address = address_of(settings.http.listen) if settings.http.listen is not None else None
    if isinstance(address, UnixAddress):
        places.append(os.path.dirname(address.path))  # noqa: PTH120 - a path of the service's system
    return tuple(places)


def _models(settings: Settings) -> tuple[str, ...]:
    captions = settings.caption
    further = [name for name in (captions.question_model, captions.matching_model) if name is not None]
    return (settings.generate.model, *settings.generate.models, captions.model, *further)


def _local_models(settings: Settings) -> Sequence[str]:
    generate = settings.generate
    folders = [generate.loras, generate.embeddings, generate.controlnets, generate.adapters, generate.wildcards]
    named = [model for model in _models(settings) if Path(model).is_absolute()]
    return tuple(dict.fromkeys([*named, *(os.fspath(folder) for folder in folders if folder is not None)]))


def _hub_models(settings: Settings) -> Sequence[str]:
    names = (model for model in _models(settings) if model != EMBEDDED and not Path(model).is_absolute())
    return tuple(dict.fromkeys(names))


def _gpus(settings: Settings, options: ServiceOptions, dev: Path) -> tuple[GpuKind, ...]:
    if options.gpu is False or (options.gpu is None and settings.device is Device.CPU):
        return ()
    found = tuple(gpu for gpu, names in _SIGNS.items() if are_there(*names, dev=dev))
    if options.gpu and not found:
        return (GpuKind.NVIDIA,)
    return found


def _device_groups(gpus: Sequence[GpuKind]) -> tuple[str, ...]:
    """Groups of this machine that own the devices: a unit with a group that is missing does not start."""
    if GpuKind.ROCM not in gpus:
        return ()
    known = accounts.group_names()
    return tuple(group for group in _GROUPS if group in known)


def _notes(plan: ServicePlan, settings: Settings, options: ServiceOptions, file: Path) -> Sequence[str]:
    notes = []
    names = ", ".join(_hub_models(settings))
    if plan.cluster is Cluster.JOINED:
        notes.append(
            f"It may use the network, because its workers are on a cluster, {settings.workers.address}; a node of that "
            "must run on this machine as the same account."
        )
    elif plan.fetches and not names and options.network is None:
        notes.append("It may use the network, because `http.listen` answers other machines.")
    elif plan.fetches and options.network is None:
        notes.append(
            f"It may use the network, because these models are fetched: {names}. Once they are there: --no-network."
        )
    elif not plan.fetches and names:
        notes.append(f"Without the network {names} must be in the folder of models already.")
    notes.append(
        f"It may use the GPU ({', '.join(plan.gpus)})." if plan.gpus else "It runs on the CPU; with a GPU say --gpu."
    )
    if plan.scope is Scope.SYSTEM and plan.state is None:
        notes.append(f"`state: /var/lib/{plan.name}` in {file} lets other commands find the journal from any shell.")
    return notes
