"""What the daemon tells the process that converts models. In: settings, a worker's wish. Out: JSON.

Importing this module imports nothing of the engines; pydantic only where an order is made or read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import FaultyConversion, WantedConversion
from aura_daemon.system.sandbox.plan import SandboxPlan

if TYPE_CHECKING:
    from pydantic import TypeAdapter

LOWEST: Final = 19
"""Priority: it gets what nobody else wants of the processor."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WishOrder:
    """One wish, and what the configuration says of the model."""

    settings: EngineSettings
    wish: WantedConversion | FaultyConversion
    sandbox: SandboxPlan | None = None
    """What the process shuts itself in with; None: it does not."""


@cache
def wish_format() -> TypeAdapter[WishOrder]:
    """How an order passes to the process."""
    from pydantic import TypeAdapter

    return TypeAdapter(WishOrder)
