"""`_defaults.yaml`: found above a file, held up where it is wrong, told in the sidecar."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aura_daemon.cli.run import exit_code
from aura_daemon.health.document import Health
from aura_daemon.health.health_writer import CHANGE_INTERVAL_S
from aura_daemon.intake.triage import ReadyToClaim
from aura_daemon.jobfile.folder_defaults import FILE_NAME
from aura_daemon.watch.decisions import Leave, Wait
from aura_daemon.watch.settling import WaitsFor
from tests.support.house import PNG, PROMPT, Door, House, sha256
from tests.support.programs import Program
from tests.support.steps import SIDECAR, admit, judge

STEPS = b"steps: 12\n"
WRONG = b"steps: 0\n"


def test_jobs_take_the_settings_of_their_folders_and_the_sidecar_names_them(house: House) -> None:
    house.drop(FILE_NAME, b"negative_prompt: blurry\nsteps: 30\n")
    house.drop(f"a/{FILE_NAME}", STEPS)
    house.drop("a/b/cat.yaml")
    house.drop("dog.txt", b"a dog")
    house.drop("a/own.yaml", b"prompt: x\nsteps: 1\n")
    house.drop("a/beach.png", PNG)
    assert exit_code(house.drain()) == 0
    cat, dog, own, beach = (house.sidecar(f"{name}.json") for name in ("a/b/cat", "dog", "a/own", "a/beach"))
    assert (cat["request"]["steps"], cat["request"]["negative_prompt"]) == (12, "blurry")
    assert (dog["request"]["steps"], own["request"]["steps"]) == (30, 1)
    near = {"name": f"a/{FILE_NAME}", "sha256": sha256(STEPS)}
    far = {"name": FILE_NAME, "sha256": sha256(b"negative_prompt: blurry\nsteps: 30\n")}
    assert cat["defaults"] == own["defaults"] == beach["defaults"] == [near, far]
    assert dog["defaults"] == [far]
    assert house.waiting() == [FILE_NAME, f"a/{FILE_NAME}"]


def test_the_file_itself_is_no_job_and_a_sidecar_says_everything_itself(door: Door) -> None:
    door.house.drop(FILE_NAME, STEPS)
    assert judge(door, FILE_NAME) == Leave(reason="the settings of its folder, for the jobs below")
    door.house.drop("again.json", SIDECAR)
    _, (job,) = admit(door, "again.json")
    assert job.defaults == ()


def test_invalid_settings_hold_the_jobs_below_and_no_others(house: House, log: list[str]) -> None:
    house.drop(f"a/{FILE_NAME}", WRONG)
    house.drop("a/b/cat.yaml")
    house.drop("a/beach.png", PNG)
    house.drop("dog.yaml")
    summary = house.drain()
    assert (summary.done, exit_code(summary)) == (1, 1)
    assert house.results() == ["dog.json", "dog.png"]
    assert house.waiting() == [f"a/{FILE_NAME}", "a/b/cat.yaml", "a/beach.png"]
    health = Health.model_validate_json((house.state / "health.json").read_bytes())
    (holdup,) = health.holdups
    reason = f"a/{FILE_NAME}:1: steps: must be a whole number from 1 to 150 (given: 0)"
    assert (holdup.what, holdup.reason) == ("folder settings", f"2 waiting, held up by {reason}")
    assert f"WARNING waiting: a/b/cat.yaml: held up by {reason}" in log
    house.drop(f"a/{FILE_NAME}", STEPS)
    assert exit_code(house.drain()) == 0
    assert house.sidecar("a/b/cat.json")["request"]["steps"] == 12


def test_the_health_document_is_written_anew_where_settings_hold_something_up(house: House) -> None:
    with house.daemon(drain=False) as daemon:
        daemon.turn()
        assert daemon.health.due_in_s() > CHANGE_INTERVAL_S
        house.drop(f"a/{FILE_NAME}", WRONG)
        house.drop("a/cat.yaml")
        while not daemon.pending.held():
            daemon.watcher.scan_soon()
            daemon.turn()
        assert daemon.health.due_in_s() <= CHANGE_INTERVAL_S


@pytest.mark.parametrize("mend", ["written anew", "taken away"])
def test_mended_settings_let_the_jobs_go_at_once(house: House, mend: str) -> None:
    program = Program(house, AURA_SCAN_INTERVAL="3600", AURA_PAIR_WAIT="0")
    program.start("run")
    try:
        program.until(lambda: program.health().get("status") == "ok")
        house.drop(f"a/{FILE_NAME}", WRONG)
        house.drop("a/cat.yaml")
        program.until(lambda: program.health().get("status") == "degraded")
        ended = program.call("why", str(house.inbox / "a/cat.yaml"))
        assert "a/cat.yaml: not taken yet: held up by a/_defaults.yaml:1: steps: must be" in ended.stdout
        if mend == "written anew":
            house.drop(f"a/{FILE_NAME}", STEPS)
        else:
            (house.inbox / "a" / FILE_NAME).unlink()
        program.until(lambda: house.results() == ["a/cat.json", "a/cat.png"])
        program.until(lambda: program.health().get("status") == "ok")
    finally:
        program.close()


def test_settings_that_are_still_written_are_waited_for(door: Door) -> None:
    door.house.drop("cat.yaml")
    with (door.house.inbox / FILE_NAME).open("wb") as writer:
        writer.write(STEPS)
        writer.flush()
        held = judge(door, "cat.yaml")
        assert held == Wait(
            unchanged_s=7.0, reason=f"held up by {FILE_NAME}: a writer has it open", waits_for=WaitsFor.FOLDER_DEFAULTS
        )
    assert isinstance(judge(door, "cat.yaml"), ReadyToClaim)


def test_settings_that_are_a_link_are_not_followed(door: Door, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_bytes(STEPS)
    (door.house.inbox / FILE_NAME).symlink_to(tmp_path / "secret.yaml")
    door.house.drop("cat.yaml")
    held = judge(door, "cat.yaml")
    assert isinstance(held, Wait)
    assert held.reason == f"held up by {FILE_NAME}: is no regular file; only those are opened"


def test_settings_that_become_invalid_after_the_claim_hold_what_was_claimed(house: House) -> None:
    work = house.inbox / ".aura" / "work" / "20260101T000000.000-000001"
    work.mkdir(parents=True)
    (work / "cat.yaml").write_bytes(PROMPT)
    house.drop(FILE_NAME, WRONG)
    assert exit_code(house.drain(retry_first=3600)) == 1
    assert house.results() == []
    (house.inbox / FILE_NAME).unlink()
    assert exit_code(house.drain()) == 0
    assert house.results() == ["cat.json", "cat.png"]


def test_check_and_schema_know_folder_settings(house: House) -> None:
    program = Program(house)
    good, bad = house.drop(f"a/{FILE_NAME}", STEPS), house.drop(f"b/{FILE_NAME}", b"promt: x\n")
    ended = program.call("check", str(good), str(bad))
    assert ended.returncode == 1
    assert f"{good}: the settings of its folder" in ended.stdout
    assert f"{bad}:1: promt: unknown key; did you mean `prompt`?" in ended.stdout
    assert json.loads(program.call("schema", "defaults").stdout)["properties"].keys() >= {"steps", "priority"}


# -- spellings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["_defaults.yml", "_Defaults.yaml", "_DEFAULTS.YML"])
def test_settings_in_another_spelling_count(house: House, name: str) -> None:
    house.drop(f"a/{name}", STEPS)
    house.drop("a/b/cat.yaml")
    assert exit_code(house.drain()) == 0
    sidecar = house.sidecar("a/b/cat.json")
    assert sidecar["request"]["steps"] == 12
    assert sidecar["defaults"] == [{"name": f"a/{name}", "sha256": sha256(STEPS)}]
    assert house.waiting() == [f"a/{name}"]


def test_two_files_with_the_settings_of_one_folder_are_both_named(door: Door) -> None:
    door.house.drop("a/_defaults.yml", STEPS)
    place = door.house.drop(f"a/{FILE_NAME}", STEPS)
    door.house.drop("a/cat.yaml")
    waiting = judge(door, "a/cat.yaml")
    assert isinstance(waiting, Wait)
    reason = f"held up by a/{FILE_NAME} and a/_defaults.yml are both settings of one folder: keep one of them"
    assert (waiting.reason, waiting.waits_for) == (reason, WaitsFor.FOLDER_DEFAULTS)
    place.unlink()
    assert isinstance(judge(door, "a/cat.yaml"), ReadyToClaim)


def test_one_file_under_two_names_is_no_conflict(door: Door) -> None:
    place = door.house.drop(f"a/{FILE_NAME}", STEPS)
    (door.house.inbox / "a" / "_Defaults.yaml").hardlink_to(place)
    door.house.drop("a/cat.yaml")
    assert isinstance(judge(door, "a/cat.yaml"), ReadyToClaim)


def test_a_spelling_that_is_not_read_is_said(door: Door) -> None:
    door.house.drop("_deFaults.yaml", STEPS)
    decision = judge(door, "_deFaults.yaml")
    assert str(decision) == f"not read as the settings of its folder; call it {FILE_NAME}"
