"""A call of a tool, as the tools see it: the configuration as it is now, and a way to say how far it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from aura_daemon.config.loading import LoadedConfig
from aura_daemon.config.settings import Settings

Report: TypeAlias = Callable[[float, float, str], Awaitable[None]]
"""Told how much is done, of how much, and that in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A call of a tool."""

    loaded: LoadedConfig
    report: Report

    @property
    def settings(self) -> Settings:
        """The configuration, read anew for every call."""
        return self.loaded.settings
