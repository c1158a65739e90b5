"""Real processes, real kill -9 around a hook: it runs once, or it is told that it may have run."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import closing
from pathlib import Path

import pytest

from aura_daemon.hooks.hooks import INTERRUPTED
from aura_daemon.journal.hook_events import HookKind
from tests.support.house import House
from tests.support.programs import Program


@pytest.mark.parametrize(
    ("moment", "runs", "outcome"),
    [
        ("journal.finish:after:1", 1, "ok"),  # between the end of the job and its hook
        ("hook_events.start:before:1", 1, "ok"),
        ("hook_events.start:after:1", 0, INTERRUPTED),
        ("hook_events.end:before:1", 1, INTERRUPTED),
        ("hook_events.end:after:1", 1, "ok"),
    ],
)
def test_killed_around_a_hook_the_daemon_never_runs_it_twice(
    house: House, tmp_path: Path, moment: str, runs: int, outcome: str
) -> None:
    told = tmp_path / "told"
    hook = json.dumps(["sh", "-c", 'echo "$AURADAEMON_ID" >> "$0"', str(told)])
    house.drop("cat.yaml")
    dying = Program(house, AURA_TEST_DIE_AT=moment, AURA_HOOKS__ON_DONE=hook)
    assert dying.call("once").returncode == -signal.SIGKILL
    restarted = Program(house, AURA_HOOKS__ON_DONE=hook).call("once")
    assert restarted.returncode == 0
    ids = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    assert len(ids) == runs
    with closing(house.journal()) as journal:
        (job,) = journal.recent(5)
        assert journal.hook_events.outcomes_of(job.id) == [(HookKind.DONE, outcome)]
    assert (INTERRUPTED in restarted.stderr) is (outcome == INTERRUPTED)


def test_a_hook_may_run_the_daemons_own_commands(house: House, tmp_path: Path) -> None:
    """Its variables are no keys of the configuration, and those of the daemon are still its own."""
    program = Program(house)
    environment = program.environment()
    command = [*("sh", "-c"), '"$0" -m aura_daemon why "$AURADAEMON_INBOX/$AURADAEMON_SOURCE" > "$1" 2>&1']
    hook = json.dumps([*command, sys.executable, str(tmp_path / "said")])
    assert "AURA_INBOX" in environment
    house.drop("cat.yaml")
    assert Program(house, AURA_HOOKS__ON_DONE=hook).call("once").returncode == 0
    assert (tmp_path / "said").read_text(encoding="utf-8").startswith("cat.yaml: done, see ")
