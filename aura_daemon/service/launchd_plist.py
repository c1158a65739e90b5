"""The property list of launchd, macOS' service manager. In: a plan. Out: its text. Experimental: never run on a Mac."""

from __future__ import annotations

import plistlib
from typing import Any, Final

from aura_daemon.service.plan import WRITTEN_BY, Scope, ServicePlan

PREFIX: Final = "org.aura-daemon."
"""Of the label, which is unique on a machine."""

UMASK: Final = 0o077

THROTTLE_S: Final = 60
"""Least seconds between two starts: launchd knows no exit code after which it should not try again."""

STOP_SLACK_S: Final = 30


def label(plan_name: str) -> str:
    """The name of the service for launchctl."""
    return PREFIX + plan_name


def plist_text(plan: ServicePlan) -> str:
    """The property list, in XML."""
    keys: dict[str, Any] = {
        "Label": label(plan.name),
        "ProgramArguments": list(plan.command),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": THROTTLE_S,
        "ExitTimeOut": int(plan.stop_timeout_s) + STOP_SLACK_S,
        "ProcessType": "Standard",
        "Umask": UMASK,
        "StandardOutPath": log_file(plan),
        "StandardErrorPath": log_file(plan),
    }
    variables = {"HF_HOME": plan.models} if plan.models is not None else {}
    if not plan.fetches:
        variables["HF_HUB_OFFLINE"] = "1"
    if variables:
        keys["EnvironmentVariables"] = variables
    if plan.scope is Scope.SYSTEM:
        keys["UserName"] = plan.user
        keys["GroupName"] = plan.group
    text = plistlib.dumps(keys, sort_keys=False).decode()
    head, doctype, rest = text.split("\n", 2)
    return "\n".join((head, doctype, f"<!-- {WRITTEN_BY}, which overwrites it -->", rest))


def log_file(plan: ServicePlan) -> str:
    """Where the log goes: launchd has no journal."""
    if plan.scope is Scope.SYSTEM or plan.home is None:
        return f"/Library/Logs/{plan.name}.log"
    return f"{plan.home}/Library/Logs/{plan.name}.log"
