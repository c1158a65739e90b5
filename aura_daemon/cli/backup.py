"""`backup` and `restore`: the journal in a file, and back."""

from __future__ import annotations

from pathlib import Path

from aura_daemon.config.loading import load
from aura_daemon.daemon.assembly import settings_of
from aura_daemon.housekeeping import backup as backups


def backup(file: Path, config: Path | None) -> int:
    """Writes the journal to a file; the daemon may run."""
    target = file.absolute()
    files, jobs = backups.back_up(load(config).settings, target)
    print(f"{target}: {_told(files, jobs)}, {target.stat().st_size / 1e6:,.1f} MB, checked")
    return 0


def restore(file: Path, config: Path | None) -> int:
    """Puts a backup in the journal's place; no daemon may run."""
    settings = settings_of(config).settings
    restored = backups.restore(settings, file.absolute())
    print(f"{settings.state_folder()}: {_told(restored.files, restored.jobs)}, from {file}")
    if restored.resumed:
        print(f"files under way when the backup was made, and run again: {restored.resumed:,}")
    if restored.ended:
        print(f"files under way then, and not run again, as they have ended since: {restored.ended:,}")
    if restored.kept_as is not None:
        print(f"the journal until now is kept as {restored.kept_as}")
    return 0


def _told(files: int, jobs: int) -> str:
    return f"{files:,} {'file' if files == 1 else 'files'} and {jobs:,} {'job' if jobs == 1 else 'jobs'}"
