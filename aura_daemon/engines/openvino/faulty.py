"""Converted models that OpenVINO could not compute. In: a fault. Out: what is not to be chosen, and a log that says so.

A damaged conversion is deleted, and made anew like any other. A sound one that fails would fail again: its reason is
kept with it, and it is not used before a library changes. What may pass (no thread could be started, say) keeps this
process from it.
"""

from __future__ import annotations

from collections.abc import Callable

from loguru import logger

from aura_daemon.engines.failures import FaultyVariant
from aura_daemon.engines.openvino.store import ConvertedModel, Kind


class FaultyConversions:
    """Those that failed in this process."""

    def __init__(self) -> None:
        self._reasons: dict[tuple[str, int, int], str] = {}
        """By folder, its inode and age: one that is made anew counts as another."""

    def reason(self, converted: ConvertedModel, variant: str) -> str:
        """Why this one failed; empty where it did not."""
        return self._reasons.get(_identity(converted, variant), "")

    def add(
        self,
        model: str,
        converted: ConvertedModel,
        kind: Kind,
        fault: FaultyVariant,
        settle: Callable[[ConvertedModel, Kind, FaultyVariant], str],
    ) -> None:
        """Never raises: the job goes on without OpenVINO. `settle`: decides what becomes of it, and says so."""
        self._reasons[_identity(converted, kind)] = str(fault)
        after = settle(converted, kind, fault)
        logger.warning("model {} goes on eagerly, {} failed: {}; {}", model, kind, fault, after)


def settle_fault(converted: ConvertedModel, kind: Kind, reason: str, *, lasts: bool) -> str:
    """Deletes a damaged conversion, or keeps a sound one from being used; in words. Never raises."""
    try:
        if not converted.is_intact(kind):
            converted.discard(kind)
            return "its converted files are damaged, and will be made anew"
        if lasts:
            converted.record_failure(kind, reason)
            return "it is not tried again before a library changes"
    except OSError as error:
        return f"that could not be kept: {error}"
    return "this process does not try it again"


def _identity(converted: ConvertedModel, variant: str) -> tuple[str, int, int]:
    folder = converted.folder / variant
    try:
        found = folder.stat()
    except OSError:
        return str(folder), 0, 0
    return str(folder), found.st_ino, found.st_mtime_ns
