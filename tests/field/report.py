"""What one public report became: files for the inbox, and all that should come of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One row of README.md. What is not named here must not happen: no further picture, caption, failure or rest."""

    name: str
    """The folder in the inbox."""

    files: Mapping[str, bytes]
    """Path below the folder -> content."""

    drawn: tuple[Mapping[str, object], ...] = ()
    """For each picture, what its sidecar says of the request; keys that are not named do not matter."""

    captions: Mapping[str, str] = field(default_factory=dict)
    """Image -> its caption."""

    failed: Mapping[str, str] = field(default_factory=dict)
    """File -> words of its failure report."""

    left: Mapping[str, str] = field(default_factory=dict)
    """File that stays in the inbox -> words of what `why` says."""

    warned: str = ""
    """Words of a warning in a sidecar; empty where the sidecars hold no warning of ours."""
