"""How far workers are shut in, as the health document says it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.config.settings import Settings
from aura_daemon.health.document import SandboxRecord, SandboxState
from aura_daemon.health.sandbox_record import sandbox_record
from aura_daemon.system.sandbox.plan import SandboxSupport
from aura_daemon.workers.local import worker_sandbox
from aura_daemon.workers.local.worker_sandbox import NOT_KNOWN_YET, what_is_open
from aura_daemon.workers.pool import Slot
from tests.support.scripted_worker import SCRIPT_READY, ScriptedWorker

WHOLE = SandboxSupport(landlock=7, seccomp=True)


def record(folder: Path, *slots: Slot, **keys: Any) -> SandboxRecord:
    settings = Settings.model_validate({"state": folder, "caption": {"engine": "eager"}, **keys})
    return sandbox_record(settings, what_is_open(settings), slots)


@pytest.fixture
def slot() -> Slot:
    worker = ScriptedWorker(lambda _: None)
    found = Slot(worker)
    worker.close()
    return found


@pytest.mark.parametrize(
    ("there", "keys", "state", "lacking"),
    [
        (WHOLE, {}, SandboxState.WHOLE, 0),
        (SandboxSupport(seccomp=True), {}, SandboxState.PARTIAL, 1),
        (SandboxSupport(), {"sandbox": "strict"}, SandboxState.PARTIAL, 2),
        (WHOLE, {"sandbox": "off"}, SandboxState.OFF, 0),
        (WHOLE, {"workers": {"kind": "ray"}}, SandboxState.PARTIAL, 1),
    ],
)
def test_what_the_system_lacks_stands_there(
    there: SandboxSupport,
    keys: dict[str, Any],
    state: SandboxState,
    lacking: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_sandbox, "support", lambda: there)
    found = record(tmp_path, **keys)
    assert (found.state, len(found.lacks)) == (state, lacking)
    assert found.mode == keys.get("sandbox", "auto")
    if "workers" in keys:
        assert found.lacks == [NOT_KNOWN_YET]
    assert found.open == []  # nothing is, with the embedded model


def test_what_is_open_for_a_reason_stands_there(tmp_path: Path) -> None:
    (found,) = record(tmp_path, generate={"engine": "compiled"}).open
    assert found.startswith("starting compilers")
    assert record(tmp_path, generate={"engine": "compiled"}, sandbox="off").open == []


def test_a_worker_that_runs_knows_best(slot: Slot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_sandbox, "support", lambda: WHOLE)
    assert record(tmp_path, slot).state is SandboxState.WHOLE
    slot.device = replace(SCRIPT_READY, sandbox_lacks=("seccomp: not permitted",))
    found = record(tmp_path, slot)
    assert (found.state, found.lacks) == (SandboxState.PARTIAL, ["seccomp: not permitted"])


def test_nodes_of_a_cluster_say_themselves_what_they_lack(slot: Slot, tmp_path: Path) -> None:
    keys = {"workers": {"kind": "ray"}, "sandbox": "strict"}
    slot.device = SCRIPT_READY
    assert record(tmp_path, slot, **keys).state is SandboxState.WHOLE
    slot.device = replace(SCRIPT_READY, sandbox_lacks=("Landlock: files",))
    slot.worker.node = "gpu-1"  # type: ignore[misc]
    found = record(tmp_path, slot, **keys)
    assert (found.state, found.lacks) == (SandboxState.PARTIAL, ["gpu-1: Landlock: files"])
