"""`service`: the daemon as a service of systemd or launchd, installed, removed, shown."""

from __future__ import annotations

import sys
from pathlib import Path

from aura_daemon.errors import UserError
from aura_daemon.service.managers import ServiceManager, manager_of
from aura_daemon.service.plan import Scope
from aura_daemon.service.planning import ServiceOptions, checked_name, not_usable, plan_service, scope_of
from aura_daemon.system import accounts


def service(action: str, config: Path | None, options: ServiceOptions) -> int:
    """Does it; `print` writes the unit to stdout, and what to know about it to stderr."""
    manager = manager_of(checked_name(options), scope_of(options))
    match action:
        case "print":
            planned = plan_service(config, options)
            print(manager.text(planned.plan), end="")
            _tell(f"# {manager.file()}", *(f"# {note}" for note in planned.notes))
            return 0
        case "install":
            return _install(manager, config, options)
        case "uninstall":
            print("\n".join(manager.uninstall()))
            return 0
        case _:
            lines, code = manager.status(_wanted(manager, config, options))
            print("\n".join(lines))
            return code


def _install(manager: ServiceManager, config: Path | None, options: ServiceOptions) -> int:
    manager.check()
    planned = plan_service(config, options)
    if planned.plan.scope is Scope.SYSTEM and accounts.is_root():
        account = accounts.account(planned.plan.user)
        if account is not None and (problems := not_usable(planned.plan, account)):
            raise UserError(problems)
    lines, code = manager.install(planned.plan)
    print("\n".join([*planned.notes, *lines]))
    return code


def _wanted(manager: ServiceManager, config: Path | None, options: ServiceOptions) -> str | None:
    """What `install` would write now; None where it could not, which is no matter for `status`."""
    try:
        return manager.text(plan_service(config, options).plan)
    except UserError:
        return None


def _tell(*lines: str) -> None:
    print("\n".join(lines), file=sys.stderr)
