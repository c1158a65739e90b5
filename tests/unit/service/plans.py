"""Plans of services for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from aura_daemon.service.plan import Scope, ServicePlan

SYSTEM: Final = ServicePlan(
    name="aura-daemon",
    scope=Scope.SYSTEM,
    command=("/opt/aura-daemon/bin/python", "-m", "aura_daemon", "run", "--config", "/etc/aura-daemon/aura.yaml"),
    description="aura-daemon: /srv/aura/inbox to /srv/aura/outbox",
    inbox="/srv/aura/inbox",
    outbox="/srv/aura/outbox",
    state="/var/lib/aura-daemon",
    read=("/opt/aura-daemon", "/etc/aura-daemon/aura.yaml"),
    user="aura",
    group="aura",
)

USER: Final = replace(
    SYSTEM,
    scope=Scope.USER,
    inbox="/home/me/aura/inbox",
    outbox="/home/me/aura/outbox",
    state=None,
    user="",
    group="",
    home="/home/me",
)


def lines_of(text: str) -> dict[str, list[str]]:
    """The keys of a unit, each with its values."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and line[0] not in "#[":
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def changed(plan: ServicePlan = SYSTEM, **fields: Any) -> ServicePlan:
    """A plan with other fields."""
    return replace(plan, **fields)
