"""`why`: what the daemon thinks of a file, in one line."""

from __future__ import annotations

from pathlib import Path

from aura_daemon.config.loading import load
from aura_daemon.daemon.explain import explain
from aura_daemon.daemon.status import running_health

UNKNOWN = 1


def why(path: Path, config: Path | None) -> int:
    """Prints one line; 1 where nothing is known of the file."""
    settings = load(config).settings
    explanation = explain(path, settings, running_health(settings.state_folder()))
    print(explanation.text)
    return 0 if explanation.is_known else UNKNOWN
