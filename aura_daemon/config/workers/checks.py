"""Can the workers be had that the configuration names? In: settings. Out: a problem for each that cannot."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from aura_daemon.config.settings import Settings
from aura_daemon.config.workers.cluster import LOCAL
from aura_daemon.errors import Problem
from aura_daemon.system.permissions import why_denied


def check_workers(
    settings: Settings, *, has_ray: Callable[[], bool] = lambda: find_spec("ray") is not None
) -> tuple[Problem, ...]:
    """Problems of `workers`; whether a cluster answers is found out later, and again and again."""
    chosen = settings.workers
    problems: list[Problem] = []
    if chosen.kind == "ray" and not has_ray():
        message = 'Ray is not installed: `pip install "aura-daemon[ray]"`, the version of Ray that the cluster has'
        problems.append(Problem(key="workers.kind", given=chosen.kind, message=message))
    if chosen.kind == "ray" and chosen.address != LOCAL and chosen.token_file is None:
        message = (
            "names no file: without a token, whoever reaches the port of a cluster runs any code there; start its head "
            "with RAY_AUTH_MODE=token, and name a file that holds the token"
        )
        problems.append(Problem(key="workers.token_file", message=message))
    if chosen.token_file is not None and (obstacle := _obstacle(chosen.token_file)):
        problems.append(Problem(key="workers.token_file", message=obstacle))
    return tuple(problems)


def _obstacle(token: Path) -> str:
    try:
        return "" if token.read_text(encoding="utf-8").strip() else f"{token} is empty"
    except OSError as error:
        return f"{token} cannot be read: {why_denied(error, token)}"
    except UnicodeDecodeError:
        return f"{token} is no text"
