"""`status` and the health document count what failed, whether it ran or was refused, across restarts too."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import Any

import pytest

from aura_daemon.cli.status import status
from aura_daemon.daemon.status import DaemonStatus, models_text, read_status
from aura_daemon.health.document import CurrentJob, Holdup, Status, WorkerState
from aura_daemon.jobs.results import FailureKind
from tests.support.health_documents import worker
from tests.support.house import House, fail
from tests.unit.health.test_heartbeat import document

MISSPELT = b"promt: a small red circle on a blue background\n"
REASON = "line 1: promt: unknown key; did you mean `prompt`?"


def told(house: House) -> DaemonStatus:
    return read_status(house.state)


def health(house: House) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((house.outbox / "health.json").read_bytes())
    return document


def failed(found: DaemonStatus) -> int:
    assert found.job_counts is not None
    return found.job_counts["failed"]


def test_a_refused_file_is_one_that_failed_everywhere(house: House, log: list[str]) -> None:
    house.drop("bad.yaml", MISSPELT)
    assert house.drain().failed == 1
    found = told(house)
    assert failed(found) == 1
    assert [text.partition(": ")[2] for text in found.recent_failures] == [f"bad.yaml: {REASON}"]
    assert health(house)["jobs"]["failed"] == 1
    assert health(house)["last_error"].endswith(f"bad.yaml: {REASON}")
    assert house.sidecar("failed/bad.yaml.json")["reason"] == REASON
    assert any(f"failed: {REASON} (see " in line for line in log)


def test_a_refused_file_of_several_documents_is_one_failure_that_names_the_first_of_its_problems(house: House) -> None:
    house.drop("bad.yaml", b"prompt: x\n---\nprompt: y\nstepz: 1\n---\nsteps: 0\nprompt: z\n")
    house.drain()
    assert failed(told(house)) == 1
    reason = house.sidecar("failed/bad.yaml.json")["reason"]
    assert reason == "2 problems; the first: line 4: stepz: unknown key; did you mean `steps`?"


def test_after_a_restart_what_was_refused_is_still_told(house: House) -> None:
    house.drop("bad.yaml", MISSPELT)
    house.drain()
    house.drop("good.yaml")
    house.drain()
    found = told(house)
    assert failed(found) == 1
    assert len(found.recent_failures) == 1
    assert REASON in health(house)["last_error"]


def test_jobs_of_a_file_that_failed_alike_are_told_once(house: House) -> None:
    house.drop("first.yaml")
    house.drain(fail(FailureKind.UNEXPECTED, "it broke"))
    house.drop("thirty.yaml", b"prompt: a cat\nseed: 1-30\n")
    house.drain(fail(FailureKind.UNEXPECTED, "it broke"))
    thirty, first = told(house).recent_failures
    assert thirty.endswith(": thirty.yaml: it broke (30 jobs)")
    assert first.endswith(": first.yaml: it broke")


def test_failed_jobs_and_refused_files_are_told_together_the_latest_first(house: House) -> None:
    house.drop("first.yaml", MISSPELT)
    house.drain()
    house.drop("second.yaml")
    house.drain(fail(FailureKind.OUT_OF_MEMORY, "it needs 9 GB"))
    house.drop("third.yaml", MISSPELT)
    house.drain()
    found = told(house)
    assert failed(found) == 3
    assert [text.split(": ")[1] for text in found.recent_failures] == ["third.yaml", "second.yaml", "first.yaml"]


def test_a_file_that_is_mended_stays_counted_as_a_failed_job_does(house: House) -> None:
    house.drop("bad.yaml", MISSPELT)
    house.drain()
    house.drop("bad.yaml")
    house.drain()
    found = told(house)
    assert found.job_counts is not None
    assert (found.job_counts["failed"], found.job_counts["done"]) == (1, 1)


def test_a_refusal_is_as_loud_in_the_log_as_a_job_that_fails(house: House, log: list[str]) -> None:
    house.drop("bad.yaml", MISSPELT)
    house.drain()
    assert any(line.startswith("ERROR ") and "refused: bad.yaml: line 1" in line for line in log)


def test_the_log_says_at_the_start_what_becomes_of_sources_and_why(house: House, log: list[str]) -> None:
    house.drain()
    (house.inbox / ".stfolder").mkdir()
    house.drain()
    said = [line for line in log if "sources are treated as" in line]
    assert "`archive`: the inbox is writable" in said[0]
    assert "`keep`: " in said[1]
    assert "Syncthing" in said[1]


def test_status_prints_how_the_inbox_is_watched_and_what_is_held_up(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    with house.daemon(drain=False) as daemon:
        document = daemon.health.document()
    held = Holdup(
        what="folder settings", reason="2 waiting, held up by _defaults.yaml", mend="Mend it.", retry_in_s=0.0
    )
    document = document.model_copy(update={"polls_because": "nfs4", "holdups": [held]})
    (house.state / "health.json").write_bytes(document.to_json())
    config = house.root / "aura.yaml"
    config.write_text(f"inbox: {house.inbox}\noutbox: {house.outbox}\nstate: {house.state}\n")
    assert status(config, as_json=False) == 0
    printed = capsys.readouterr().out
    assert "watching   by looking again and again: nfs4\n" in printed
    assert "held up    folder settings: 2 waiting, held up by _defaults.yaml. Mend it.\n" in printed


def test_of_a_daemon_that_says_nothing_more_status_tells_since_when_and_what_may_be(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = document(pid=os.getpid(), heartbeat="2026-01-01T00:00:00+00:00")
    house.drain()
    (house.state / "health.json").write_bytes(silent.to_json())
    config = house.root / "aura.yaml"
    config.write_text(f"inbox: {house.inbox}\noutbox: {house.outbox}\nstate: {house.state}\n")
    assert status(config, as_json=False) == 0
    printed = capsys.readouterr().out
    assert f" s from process {os.getpid()}: it waits for a share whose server is away, hangs" in printed


def test_of_a_daemon_that_is_paused_status_tells_which_folder_is_away(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.drain()
    now = datetime.now(UTC).isoformat()
    paused = document(Status.PAUSED, pid=os.getpid(), heartbeat=now)
    paused = paused.model_copy(update={"last_error": "/nas/inbox is away"})
    (house.state / "health.json").write_bytes(paused.to_json())
    config = house.root / "aura.yaml"
    config.write_text(f"inbox: {house.inbox}\noutbox: {house.outbox}\nstate: {house.state}\n")
    assert status(config, as_json=False) == 0
    assert "paused     /nas/inbox is away\n" in capsys.readouterr().out


def test_status_prints_several_workers_as_a_table_and_one_as_before(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    config = house.root / "aura.yaml"
    config.write_text(f"inbox: {house.inbox}\noutbox: {house.outbox}\nstate: {house.state}\n")
    current = CurrentJob(id="1", kind="generate", source="a.yaml", step=3, steps=8, eta_s=None, loading=None)
    fleet = [worker("1", current), worker("2", node="", state=WorkerState.WAITING, trouble="no node has a GPU")]
    with house.daemon(drain=False) as daemon:
        idle = daemon.health.document().model_copy(update={"device": "cpu", "device_name": "x", "dtype": "float32"})
    printed = []
    for workers in (fleet, idle.workers):
        page = idle.model_copy(update={"current": current, "workers": workers})
        (house.state / "health.json").write_bytes(page.to_json())
        assert status(config, as_json=False) == 0
        printed.append(capsys.readouterr().out)
    several, one = printed
    assert "workers    2: 1 running, 1 waiting\n  worker  node   device  rung      model   job\n" in several
    assert "  1       box-1  H200    resident  sd-1.4  3/8 a.yaml\n" in several
    assert "no place   2: no node has a GPU\n" in several
    assert "running    a.yaml (generate): step 3 of 8\ndevice     cpu (x), float32, rung None\nmodels     none" in one
    assert "workers" not in one


def test_the_last_error_names_the_file_before_and_after_a_restart(house: House) -> None:
    house.drop("big.yaml")
    with house.daemon(fail(FailureKind.BAD_INPUT, "no good")) as daemon:
        daemon.run()
        told_now = daemon.health.document().last_error
    assert told_now is not None
    assert told_now.endswith(": big.yaml: no good")
    with house.daemon() as daemon:
        assert daemon.health.document().last_error == told_now


@pytest.mark.parametrize(
    ("kinds", "names", "text"),
    [
        (["generate", "caption"], ["aura-mini", "aura-mini"], "generate: aura-mini, caption: aura-mini"),
        ([], ["aura-mini"], "aura-mini"),  # told by a daemon that knows no kinds
        ([], [], "none loaded"),
    ],
)
def test_loaded_models_of_one_name_are_told_apart(kinds: list[str], names: list[str], text: str) -> None:
    assert models_text(document().model_copy(update={"models": names, "model_kinds": kinds})) == text


@pytest.mark.parametrize(
    ("steps", "loading", "text"), [(0, None, "starting"), (0, "sd-1.4", "loading sd-1.4"), (8, None, "step 0 of 8")]
)
def test_progress_is_told_from_the_start(steps: int, loading: str | None, text: str) -> None:
    current = CurrentJob(id="1", kind="generate", source="a", step=0, steps=steps, eta_s=None, loading=loading)
    assert current.progress == text
