"""The whole flow in one process: the real daemon with a scripted worker."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from aura_daemon.cli.run import exit_code
from aura_daemon.daemon.loop import Daemon, Summary
from aura_daemon.dispatch.ended_job import EndedJob
from aura_daemon.errors import Problem, UserError
from aura_daemon.formats.sidecars.schema import Sidecar
from aura_daemon.health.document import Health, Status
from aura_daemon.health.listener import Event, HealthWritten, JobDelivered, JobFailed, JobStarted
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure, FailureKind, Outcome, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import FILE_NAME
from aura_daemon.outbox.source_policy import SourcePolicy
from aura_daemon.workers import protocol
from tests.conftest import Mount
from tests.support.house import PNG, PROMPT, House, fail, is_caption, make, sha256
from tests.support.scripted_worker import ScriptedWorker
from tests.support.sqlite_faults import sqlite_faults

DOWN = Failure(kind=FailureKind.MODEL_UNAVAILABLE, message="the hub is down", mend="bring it up")
CRASH = Failure(kind=FailureKind.CRASHED, message="killed by signal 9")


def job_states(house: House) -> dict[str, int]:
    journal = house.journal()
    try:
        return {state.value: count for state, count in journal.counts().items() if count}
    finally:
        journal.close()


def health_of(house: House, place: str = "state") -> Health:
    folder = house.state if place == "state" else house.outbox
    content = (folder / "health.json").read_bytes()
    jsonschema.validate(json.loads(content), Health.model_json_schema(by_alias=True))
    return Health.model_validate_json(content)


class HealthReader:
    """Passes every health document that is written to a function."""

    def __init__(self, read: Callable[[Health], None]) -> None:
        self._read = read

    def on_event(self, event: Event) -> None:
        if isinstance(event, HealthWritten):
            self._read(event.document)


class Stopper:
    """Stops the daemon at the n-th event of a kind."""

    def __init__(self, when: str, times: int = 1) -> None:
        self.daemon: Daemon | None = None
        self._when, self._times = when, times

    def on_event(self, event: Event) -> None:
        names = {JobStarted: "started", protocol.Progress: "progress", JobDelivered: "delivered", JobFailed: "failed"}
        self._times -= names.get(type(event)) == self._when
        if self._times == 0 and self.daemon is not None:
            self.daemon.stop()


def run_until(house: House, when: str, play: Any = None, *, times: int = 1, **changes: Any) -> Summary:
    """Runs the daemon until the n-th event of a kind."""
    stopper = Stopper(when, times)
    with house.daemon(play, listeners=[stopper], drain=False, **changes) as daemon:
        stopper.daemon = daemon
        return daemon.run()


# -- the happy path ----------------------------------------------------------------------------------------------------


def test_a_prompt_becomes_an_image_and_an_image_a_caption_with_sidecars(house: House) -> None:
    house.drop("sub/cat.yaml", b"prompt: a lighthouse\naspect_ratio: 16:9\n")
    house.drop("note.txt", b"a red circle")
    house.drop("beach.png", PNG)
    summary = house.drain()
    assert (summary.done, summary.failed, summary.waiting, exit_code(summary)) == (3, 0, 0, 0)
    assert house.results() == ["beach.json", "beach.txt", "note.json", "note.png", "sub/cat.json", "sub/cat.png"]
    assert (house.outbox / "beach.txt").read_text() == f"an image of {sha256(PNG)}"
    for name in ("beach.json", "note.json", "sub/cat.json"):
        jsonschema.validate(house.sidecar(name), Sidecar.model_json_schema(by_alias=True))
    assert house.archived() == ["beach.png", "note.txt", "sub/cat.yaml"]
    assert house.waiting() == []
    assert house.temporary() == []
    assert job_states(house) == {"done": 3}


def test_a_job_file_captions_the_image_it_names_however_they_arrive(house: House) -> None:
    house.drop("say.yaml", b"task: caption\nimage: beach.png\n")
    house.drop("beach.png", PNG)
    house.drain(pair_wait=0.5)
    assert house.results() == ["say.json", "say.txt"]
    assert (house.outbox / "say.txt").read_text() == f"an image of {sha256(PNG)}"
    assert house.archived() == ["beach.png", "say.yaml"]
    assert house.temporary() == []


def test_several_documents_become_several_results(house: House) -> None:
    house.drop("cat.yaml", b"prompt: one\n---\nprompt: two\n")
    house.drain()
    assert house.results() == ["cat-1.json", "cat-1.png", "cat-2.json", "cat-2.png"]
    assert b"two" in (house.outbox / "cat-2.png").read_bytes()


def test_a_warning_about_several_jobs_of_a_file_is_logged_once_and_stands_in_each_sidecar(
    house: House, log: list[str]
) -> None:
    def warned(task: Task) -> Outcome:
        made = make(task)
        assert isinstance(made, Produced)
        return replace(made, warnings=(f"of {made.payloads[0].content[8:11].decode()}", "of all", "of all"))

    house.drop("list.txt", b"one\ntwo\n")
    house.drop("other.txt", b"one")
    house.drain(warned)
    told = [line.split(" ", 2)[2] for line in log if line.startswith("WARNING")]
    assert [text for text in told if text.startswith("of ")] == ["of one", "of all", "of two", "of one", "of all"]
    assert "of all" in house.sidecar("list-1.json")["warnings"]
    assert "of all" in house.sidecar("list-2.json")["warnings"]


def test_a_failure_is_logged_with_its_mend_as_two_sentences(house: House, log: list[str]) -> None:
    house.drop("cat.yaml")
    house.drain(fail(FailureKind.BAD_INPUT))
    assert any("failed: it went wrong. Mend it" in line for line in log)


def test_a_prompt_and_an_image_of_one_name_both_get_their_results(house: House) -> None:
    house.drop("cat.yaml")
    house.drop("cat.png", PNG)
    house.drain()
    results = house.results()
    assert len(results) == 4
    assert Counter(name.rpartition(".")[2] for name in results) == {"json": 2, "png": 1, "txt": 1}
    for name in (name for name in results if name.endswith(".json")):
        assert (house.outbox / house.sidecar(name)["outputs"][0]["name"]).exists()


def test_a_sidecar_dropped_again_makes_the_same_pixels(house: House) -> None:
    house.drop("cat.yaml")
    house.drain()
    pixels = (house.outbox / "cat.png").read_bytes()
    shutil.copy(house.outbox / "cat.json", house.inbox / "again.json")
    house.drain()
    assert (house.outbox / "again.png").read_bytes() == pixels
    assert house.sidecar("again.json")["warnings"] == []


def test_in_what_a_result_made_again_differs_stands_in_log_and_sidecar(house: House, log: list[str]) -> None:
    house.drop("cat.yaml")
    house.drain()
    house.drop("again.json", (house.outbox / "cat.json").read_bytes().replace(b'"float32"', b'"bfloat16"'))
    house.drain()
    (warning,) = house.sidecar("again.json")["warnings"]
    assert "another dtype" in warning
    assert sum(line.endswith(warning) for line in log) == 1


def test_one_daemons_outbox_can_be_anothers_inbox(house: House) -> None:
    house.drop("cat.yaml")
    house.drop("bad.yaml", b"steps: 0")
    house.drain()
    second = House(house.root / "second")
    shutil.copytree(house.outbox, second.inbox, dirs_exist_ok=True)
    summary = second.drain()
    assert (summary.done, summary.failed) == (1, 0)
    assert second.results() == ["cat.json", "cat.txt"]
    assert {"cat.json", "failed/bad.yaml", "failed/bad.yaml.json", "health.json"} <= set(second.waiting())


@pytest.mark.parametrize(
    "name", ["caf\udce9.yaml", "new\nline.yaml", "-rf.yaml", "\u202elmay.yaml", "x" * 250 + ".yaml"]
)
@pytest.mark.parametrize("content", [PROMPT, b"steps: 0\n"], ids=["good", "bad"])
def test_any_name_comes_through_and_can_be_told(house: House, name: str, content: bytes) -> None:
    house.drop(name, content)
    house.drop("notes.caf\udce9", b"left alone")
    summary = house.drain()
    assert summary.done + summary.failed == 1
    assert len(house.results()) + len(house.failed()) == 2
    for place in ("state", "outbox"):
        health_of(house, place)


def test_an_inbox_and_outbox_of_any_name_are_told_in_health(tmp_path: Path) -> None:
    house = House(tmp_path / "caf\udce9")
    house.drop("cat.yaml")
    assert house.drain().done == 1
    assert "caf\\xe9" in health_of(house).inbox


# -- failures and decisions --------------------------------------------------------------------------------------------


def test_a_job_whose_worker_dies_is_tried_again_and_counts_its_attempts(house: House) -> None:
    house.drop("cat.yaml")
    outcomes = iter([CRASH, CRASH])

    def play(task: Task) -> Outcome:
        return next(outcomes, None) or make(task)

    assert house.drain(play).done == 1
    assert house.sidecar("cat.json")["attempts"] == 3


def test_a_job_that_kills_its_worker_again_and_again_is_given_up_and_the_others_go_on(house: House) -> None:
    house.drop("bad.yaml", b"prompt: bad\n")
    house.drop("good.yaml", b"prompt: good\n")

    def play(task: Task) -> Outcome:
        return CRASH if isinstance(task.request, GenerateRequest) and task.request.prompt == "bad" else make(task)

    summary = house.drain(play, attempts=3)
    assert (summary.done, summary.failed, exit_code(summary)) == (1, 1, 1)
    assert house.failed() == ["bad.yaml", "bad.yaml.json"]
    document = house.sidecar("failed/bad.yaml.json")
    assert (document["attempts"], document["kind"]) == (3, "crashed")
    assert "(3 attempts)" in document["reason"]


@pytest.mark.parametrize("sources", SourcePolicy)
def test_a_failed_file_moved_back_is_tried_again(house: House, sources: SourcePolicy) -> None:
    house.drop("cat.yaml")
    house.drain(fail(FailureKind.OUT_OF_MEMORY, "it needs 9 GB"), sources=sources)
    assert house.failed() == ["cat.yaml", "cat.yaml.json"]
    (house.outbox / "failed" / "cat.yaml").rename(house.inbox / "cat.yaml")
    assert house.drain(sources=sources).done == 1
    assert house.results() == ["cat.json", "cat.png"]
    assert house.drain(sources=sources).done == 0


def test_a_model_that_is_not_to_be_had_holds_its_jobs_and_the_other_kind_goes_on(house: House) -> None:
    house.drop("cat.yaml")
    house.drop("dog.yaml")
    house.drop("beach.png", PNG)
    worker = ScriptedWorker(lambda task: make(task) if is_caption(task) else DOWN)
    summary = house.drain(worker, retry_first=3600)
    assert (summary.done, summary.failed, summary.waiting, exit_code(summary)) == (1, 0, 2, 3)
    assert house.results() == ["beach.json", "beach.txt"]
    assert len(worker.batches) == 2  # the second prompt did not have to find out for itself
    journal = house.journal()
    assert {journal.job(job.id).attempts for job in journal.jobs_of(_source(house, "cat.yaml"))} == {0}
    journal.close()


def _source(house: House, path: str) -> str:
    journal = house.journal()
    try:
        source = journal.latest_source(path)
        assert source is not None
        return source.id
    finally:
        journal.close()


def test_a_model_that_comes_back_is_used_and_health_was_degraded_meanwhile(house: House) -> None:
    house.drop("cat.yaml")
    seen: list[Health] = []

    def play(task: Task) -> Outcome:
        seen.append(health_of(house))
        return DOWN if len(seen) < 3 else make(task)

    run_until(house, "delivered", play, retry_first=0.6)
    assert house.results() == ["cat.json", "cat.png"]
    assert house.sidecar("cat.json")["attempts"] == 1
    assert [document.status for document in seen][1:] == [Status.DEGRADED, Status.DEGRADED]
    (holdup,) = seen[1].holdups
    assert (holdup.what, holdup.reason, holdup.mend) == ("generate", "the hub is down", "bring it up")


def test_once_drains_what_a_run_left_waiting_for_its_model(house: House) -> None:
    house.drop("cat.yaml")
    assert exit_code(house.drain(lambda task: DOWN, retry_first=3600)) == 3
    assert exit_code(house.drain()) == 0
    assert house.results() == ["cat.json", "cat.png"]


def test_a_bad_image_says_nothing_against_the_model_that_was_missing(house: House) -> None:
    house.drop("a.png", PNG)
    outcomes = iter([DOWN, Failure(kind=FailureKind.BAD_INPUT, message="no image")])
    worker = ScriptedWorker(lambda task: next(outcomes))
    summary = run_until(house, "failed", worker)
    assert summary.failed == 1
    assert health_of(house).holdups == []


def test_a_job_that_fails_before_its_model_is_looked_for_says_nothing_of_the_model(house: House) -> None:
    house.drop("a.yaml")
    house.drop("b.yaml")
    with house.daemon(lambda task: DOWN, drain=False, retry_first=3600) as daemon:
        while not daemon.holdups.has_failed("generate"):
            daemon.turn()
        source = daemon.journal.latest_source("b.yaml")
        assert source is not None
        (job,) = daemon.journal.jobs_of(source.id)
        bad_image = Failure(kind=FailureKind.BAD_INPUT, message="no image")
        daemon.dispatcher.outcomes.conclude(EndedJob(job=job, source=source), bad_image)
        assert daemon.holdups.has_failed("generate")


@pytest.mark.parametrize(
    "content", [b"", b"prompt: [", b"step: 1", b"prompt: x\nsteps: 0", b"---\nprompt: x\n" * 2000], ids=len
)
def test_bad_input_fails_with_a_reason_and_stops_nobody(house: House, content: bytes) -> None:
    house.drop("bad.yaml", content)
    house.drop("good.yaml")
    summary = house.drain()
    assert (summary.done, summary.failed, exit_code(summary)) == (1, 1, 1)
    assert house.failed() == ["bad.yaml", "bad.yaml.json"]
    assert (house.outbox / "failed" / "bad.yaml").read_bytes() == content


def test_jobs_that_fail_before_they_start_do_not_keep_the_loop_from_anything_else(house: House) -> None:
    (house.outbox / "cat.png").write_bytes(b"theirs")
    house.drop("cat.png/many.yaml", b"prompt: x\ncount: 40\n")
    with house.daemon(drain=False) as daemon:
        daemon.turn()
        failed = [daemon.dispatcher.outcomes.failed]
        while failed[-1] < 40:
            daemon.turn()
            failed.append(daemon.dispatcher.outcomes.failed)
    assert len(failed) > 2
    assert max(after - before for before, after in pairwise(failed)) < 20


def test_an_image_that_a_refused_job_file_names_is_captioned_also_where_sources_are_kept(house: House) -> None:
    house.drop("sheet.yaml", b"prompt: x\nimage: photo.png\nseed: 1-101\ngrid: true\n")
    house.drop("photo.png", PNG)
    with house.daemon(drain=False, sources="keep", pair_wait=0.3) as daemon:
        while "photo.txt" not in house.results():
            daemon.turn()
            time.sleep(0.01)
    assert "sheet.yaml.json" in house.failed()


def test_a_folder_that_cannot_be_made_in_the_outbox_fails_its_jobs_alone(house: House) -> None:
    (house.outbox / "cat.png").write_bytes(b"theirs")
    house.drop("cat.png/dog.yaml")
    house.drop("good.yaml")
    summary = house.drain()
    assert (summary.done, summary.failed) == (1, 1)
    assert "a file is called" in house.sidecar("failed/cat.png/dog.yaml.json")["reason"]


def test_an_image_written_to_while_it_waits_runs_as_it_is_and_the_sidecar_says_so(
    house: House, no_leases: None
) -> None:
    house.drop("a.yaml")
    place = house.drop("b.png", PNG)
    with place.open("ab") as writer:

        def play(task: Task) -> Outcome:
            writer.write(b"more")
            writer.flush()
            return make(task)

        assert house.drain(play).done >= 2
    document = next(house.sidecar(name) for name in house.results() if name in ("b.json",))
    assert (house.outbox / "b.txt").read_text() == f"an image of {document['source']['sha256']}"


# -- the outbox refuses ------------------------------------------------------------------------------------------------


def test_a_full_outbox_keeps_the_result_says_so_and_delivers_it_when_there_is_room(house: House, mount: Mount) -> None:
    mount(house.outbox, "-t", "tmpfs", "-o", "size=64k", "tmpfs")
    filler = house.outbox / ".filler"
    house.drop("cat.yaml")
    house.drop("dog.yaml")
    statuses: list[Status] = []

    class Cleaner(Stopper):
        def on_event(self, event: Event) -> None:
            super().on_event(event)
            if isinstance(event, protocol.Progress) and Status.DEGRADED not in statuses and not filler.exists():
                with pytest.raises(OSError, match="No space left"):
                    filler.write_bytes(b"x" * 1_000_000)
            if isinstance(event, HealthWritten):
                watch(event.document)

    def watch(document: Health) -> None:
        statuses.append(document.status)
        if document.status is Status.DEGRADED:
            assert document.holdups[0].what == "outbox"
            assert house.results() == []
            filler.unlink(missing_ok=True)

    cleaner = Cleaner("delivered", times=2)
    worker = ScriptedWorker(make)
    with house.daemon(worker, listeners=[cleaner], drain=False, retry_first=0.6) as daemon:
        cleaner.daemon = daemon
        daemon.run()
    assert Status.DEGRADED in statuses
    assert house.results() == ["cat.json", "cat.png", "dog.json", "dog.png"]
    assert len(worker.batches) == 2  # the result was kept, not made again
    assert job_states(house) == {"done": 2}


def test_once_does_not_wait_for_an_outbox_that_refuses(house: House, mount: Mount) -> None:
    house.drop("cat.yaml")
    with house.daemon(make) as daemon:
        mount(house.outbox, "--bind", str(house.outbox))
        mount(house.outbox, "-o", "remount,ro,bind")
        summary = daemon.run()
    assert exit_code(summary) == 1
    assert job_states(house) == {"queued": 1}
    mount(house.outbox, "-o", "remount,rw,bind")
    assert exit_code(house.drain()) == 0
    assert house.results() == ["cat.json", "cat.png"]


def test_an_archive_that_refuses_holds_up_no_other_job_and_clears(house: House, mount: Mount) -> None:
    house.drop("cat.yaml")
    house.drop("dog.yaml")
    (house.inbox / ".aura" / "done").mkdir(parents=True)
    done = house.inbox / ".aura" / "done"
    mount(done, "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs")
    summary = house.drain(retry_first=3600)
    assert (summary.done, exit_code(summary)) == (2, 1)
    assert health_of(house).holdups[0].what == "sources"
    mount(done, "-o", "remount,rw,size=64k")
    assert exit_code(house.drain()) == 0
    assert house.archived() == ["cat.yaml", "dog.yaml"]
    assert house.results() == ["cat.json", "cat.png", "dog.json", "dog.png"]


def test_once_does_not_wait_for_files_that_cannot_be_claimed(house: House, mount: Mount) -> None:
    (house.inbox / ".aura").mkdir()
    house.drop("cat.yaml")
    with house.daemon(make, sources="archive") as daemon:
        mount(house.inbox, "--bind", str(house.inbox))
        mount(house.inbox, "-o", "remount,ro,bind")
        summary = daemon.run()
    assert exit_code(summary) == 1
    assert house.waiting() == ["cat.yaml"]


def test_an_image_that_cannot_be_taken_in_now_is_taken_in_later(house: House) -> None:
    house.drop("say.yaml", b"task: caption\nimage: beach.png\n")
    house.drop("beach.png", PNG)
    (house.state / "copying").write_text("in the way")
    summary = house.drain(retry_first=3600)
    assert exit_code(summary) == 1
    (house.state / "copying").unlink()
    assert exit_code(house.drain()) == 0
    assert (house.outbox / "say.txt").exists()
    assert house.failed() == []


# -- stopping and coming back ------------------------------------------------------------------------------------------


def test_stopped_while_a_job_runs_it_is_given_back_and_the_attempt_does_not_count(house: House) -> None:
    house.drop("cat.yaml")
    run_until(house, "started", lambda task: None)
    assert job_states(house) == {"queued": 1}
    assert health_of(house).status is Status.STOPPED
    assert health_of(house, "outbox").status is Status.STOPPED
    house.drain()
    assert house.sidecar("cat.json")["attempts"] == 1


def test_stopped_with_time_to_end_the_running_job_is_delivered(house: House) -> None:
    house.drop("cat.yaml")
    summary = run_until(house, "progress", make, stop_timeout=30)
    assert summary.done == 1
    assert house.results() == ["cat.json", "cat.png"]
    assert house.archived() == ["cat.yaml"]


def test_a_delivered_result_whose_journal_entry_a_crash_cost_is_not_run_again(house: House) -> None:
    house.drop("cat.yaml")
    with sqlite_faults() as faults, house.daemon(make) as daemon:
        faults.before = _power_cut
        with pytest.raises(KeyboardInterrupt):
            daemon.run()
    with closing(sqlite3.connect(house.state / FILE_NAME)) as journal:
        journal.execute("UPDATE jobs SET state = 'delivering'")  # the stop of the dying daemon gave it back
        journal.commit()
    before = house.sidecar("cat.json")
    worker = ScriptedWorker(fail(FailureKind.OUT_OF_MEMORY))
    assert exit_code(house.drain(worker)) == 0
    assert worker.batches == []
    assert house.sidecar("cat.json") == before
    assert house.failed() == []
    assert house.archived() == ["cat.yaml"]


def _power_cut(sql: str, values: Any) -> None:
    if sql.startswith("UPDATE jobs SET state") and JobState.DONE in values:
        raise KeyboardInterrupt


@pytest.mark.parametrize("what", ["journal", "nothing"])
def test_claimed_files_survive_also_the_journal(house: House, what: str) -> None:
    house.drop("cat.yaml")
    house.drop("sub/beach.png", PNG)
    run_until(house, "started", lambda task: None)
    assert house.waiting() == []
    if what == "journal":
        shutil.rmtree(house.state)
    summary = house.drain()
    assert (summary.done, summary.failed) == (2, 0)
    assert house.results() == ["cat.json", "cat.png", "sub/beach.json", "sub/beach.txt"]
    assert house.archived() == ["cat.yaml", "sub/beach.png"]


def test_under_keep_nothing_is_done_twice_over_restarts(house: House) -> None:
    house.drop("cat.yaml")
    house.drop("bad.yaml", b"steps: 0")
    for _ in range(3):
        house.drain(sources="keep")
    assert house.results() == ["cat.json", "cat.png"]
    assert house.failed() == ["bad.yaml", "bad.yaml.json"]
    assert house.waiting() == ["bad.yaml", "cat.yaml"]


def test_an_idle_worker_is_unloaded_and_started_again_by_the_next_job(house: House) -> None:
    house.drop("cat.yaml")
    unloaded: list[int] = []

    class Unloading(ScriptedWorker):
        def unload(self) -> None:
            super().unload()
            unloaded.append(len(self.batches))
            house.drop("dog.yaml")

    worker = Unloading(make)
    with house.daemon(worker, drain=False, unload_after=1) as daemon:
        daemon.start()
        while len(house.results()) < 4:
            daemon.turn()
            time.sleep(0.01)
        daemon.shut_down()
    assert unloaded == [1]
    assert worker.starts == 2


def test_a_folder_that_goes_away_pauses_the_daemon_and_is_not_made_anew(house: House) -> None:
    house.drop("cat.yaml")
    away = house.root / "away"
    seen: list[Status] = []
    stopper = Stopper("delivered")

    def watch(document: Health) -> None:
        seen.append(document.status)
        if document.status is Status.PAUSED:
            assert not house.outbox.exists()
            away.rename(house.outbox)

    with house.daemon(make, listeners=[stopper, HealthReader(watch)], drain=False, retry_first=0.2) as daemon:
        stopper.daemon = daemon
        house.outbox.rename(away)
        daemon.run()
    assert Status.PAUSED in seen
    assert house.results() == ["cat.json", "cat.png"]


def test_a_folder_that_is_back_and_cannot_be_locked_yet_leaves_the_daemon_paused(
    house: House, monkeypatch: pytest.MonkeyPatch, log: list[str]
) -> None:
    away = house.root / "away"
    with house.daemon(drain=False) as daemon:
        daemon.start()
        daemon.turn()
        house.inbox.rename(away)
        daemon.turn()
        away.rename(house.inbox)
        renew = daemon.lock.renew
        refusals = [UserError([Problem(message="another aura-daemon works there")]), OSError(errno.EIO, "I/O error")]

        def refuse() -> None:
            if refusals:
                raise refusals.pop()
            renew()

        monkeypatch.setattr(daemon.lock, "renew", refuse)
        for wanted in (Status.PAUSED, Status.PAUSED, Status.OK):
            daemon.turn()
            assert daemon.health.document().status is wanted
        daemon.shut_down()
    for reason in ("I/O error", "another aura-daemon works there"):
        assert f"ERROR paused: {house.inbox} cannot be locked: {reason}" in log


# -- health ------------------------------------------------------------------------------------------------------------


def test_health_tells_what_there_is_to_tell(house: House) -> None:
    house.drop("cat.yaml")
    house.drop("bad.yaml", b"steps: 0")
    house.drop("notes.md", b"x")
    os.mkfifo(house.inbox / "fifo.yaml")
    house.drain()
    for place in ("state", "outbox"):
        document = health_of(house, place)
        assert document.status is Status.STOPPED
        assert document.jobs["done"] == 1
        assert sum(document.left_alone.values()) == 2
        assert document.queue_depth == 0
        assert "bad.yaml" in (document.last_error or "")
        assert document.archive_bytes == len(PROMPT)
        assert document.sources == "archive"
        assert document.pid == os.getpid()
        assert document.job_p50_s is not None


def test_health_begins_with_starting_and_tells_the_running_job(house: House) -> None:
    house.drop("cat.yaml")
    pages: list[Health] = []

    def watch(document: Health) -> None:
        pages.append(document)
        if document.current is not None and document.current.step:
            daemon.stop()

    with house.daemon(lambda task: None, listeners=[HealthReader(watch)], drain=False) as daemon:
        daemon.run()
    assert pages[0].status is Status.STARTING
    current = next(page.current for page in pages if page.current is not None and page.current.step)
    assert (current.source, current.kind, current.step, current.steps) == ("cat.yaml", "generate", 2, 2)
    assert any(page.status is Status.OK for page in pages)


def test_the_outbox_copy_is_not_churned(house: House) -> None:
    for number in range(8):
        house.drop(f"{number}.yaml")
    written: list[Status] = []
    last: list[bytes] = []

    def look(document: Health) -> None:
        content = (house.outbox / "health.json").read_bytes()
        if [content] != last[-1:]:
            last.append(content)
            written.append(Health.model_validate_json(content).status)

    with house.daemon(make, listeners=[HealthReader(look)]) as daemon:
        daemon.run()
    assert len(written) == len(set(written))  # once a status, however much happens
    assert (written[0], written[-1]) == (Status.STARTING, Status.STOPPED)


def test_forty_files_each_get_one_result(house: House) -> None:
    for number in range(40):
        house.drop(f"{number % 7}/{number}.yaml", f"prompt: number {number}\n".encode())
    summary = house.drain()
    assert summary.done == 40
    assert len(house.results()) == 80
    assert len(house.archived()) == 40
    assert job_states(house) == {JobState.DONE.value: 40}


class OutboxReader:
    """Looks into the outbox at every step of a job."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.seen: list[list[str]] = []

    def on_event(self, event: Event) -> None:
        if isinstance(event, protocol.Progress):
            self.seen.append([name for name in self.house.results() if name.startswith("previews/")])


def test_a_preview_is_seen_while_its_job_runs_and_none_unasked(house: House) -> None:
    for name, keys in (("cat.yaml", "preview: 1\n"), ("dog.yaml", "")):
        house.drop(name, f"prompt: x\n{keys}".encode())
        watcher = OutboxReader(house)
        with house.daemon(listeners=[watcher]) as daemon:
            daemon.run()
        previews = watcher.seen[-1]
        assert len(previews) == (name == "cat.yaml")
        assert all(preview.startswith("previews/cat.") for preview in previews)
    assert house.results() == ["cat.json", "cat.png", "dog.json", "dog.png"]


PLOT = b"prompt: a {red|blue} circle\nseed: 5\ngrid: true\nmatrix:\n  steps: [4, 8]\n"


def test_a_sheet_is_laid_out_of_the_pictures_in_the_outbox_when_all_are_made(house: House) -> None:
    house.drop("plot.yaml", PLOT + b"---\nprompt: another\n")
    summary = house.drain()
    assert (summary.done, summary.failed) == (6, 0)
    request = house.sidecar("plot-grid.json")["request"]
    assert request["column_labels"] == ["… red …", "… blue …"]
    assert request["row_labels"] == ["steps 4", "steps 8"]
    cells = [house.sidecar(f"plot-{number}.json") for number in range(1, 5)]
    assert request["cells"] == [cell["job_id"] for cell in cells]
    told = "|".join(cell["outputs"][0]["sha256"] for cell in cells)
    assert told.encode() in (house.outbox / "plot-grid.png").read_bytes()
    assert house.archived() == ["plot.yaml"]


def test_a_picture_that_failed_leaves_its_place_on_the_sheet_empty(house: House) -> None:
    house.drop("plot.yaml", PLOT)

    def play(task: Task) -> Outcome:
        asked = task.request
        wrong = isinstance(asked, GenerateRequest) and "blue" in asked.prompt and asked.steps == 8
        return Failure(kind=FailureKind.OUT_OF_MEMORY, message="it needs 9 GB") if wrong else make(task)

    summary = house.drain(play)
    assert (summary.done, summary.failed) == (4, 1)
    assert (house.outbox / "plot-grid.png").read_bytes().count(b"failed") == 1
    assert house.failed() == ["plot-4.yaml", "plot-4.yaml.json"]
    (house.outbox / "failed" / "plot-4.yaml").rename(house.inbox / "plot-4.yaml")
    assert house.drain().done == 1  # its own text asks for no sheet


def test_a_sheet_goes_on_after_a_stop_between_its_pictures(house: House) -> None:
    house.drop("plot.yaml", PLOT)
    stopper = Stopper("delivered", times=3)
    with house.daemon(listeners=[stopper]) as daemon:
        stopper.daemon = daemon
        daemon.run()
    assert "plot-grid.png" not in house.results()
    house.drain()
    assert (house.outbox / "plot-grid.png").read_bytes().count(b"|") == 3


def test_more_pictures_than_a_sheet_holds_are_refused(house: House) -> None:
    house.drop("plot.yaml", b"prompt: x\ncount: 101\ngrid: true\n")
    house.drain()
    assert "a sheet of 101 pictures is more than 100" in house.sidecar("failed/plot.yaml.json")["reason"]


def test_the_sidecar_of_a_sheet_is_no_job(house: House) -> None:
    house.drop("plot.yaml", PLOT)
    house.drain()
    house.drop("again.json", (house.outbox / "plot-grid.json").read_bytes())
    house.drain()
    assert "give the job file that asked for it" in house.sidecar("failed/again.json.json")["reason"]


OTHERS = {"generate": {"models": ["owner/one", "owner/two"]}}


def drawing_with(house: House, models: list[str], **job: object) -> None:
    """Drops one prompt for each model, in this order."""
    for number, model in enumerate(models):
        house.drop(f"{number:03d}.yaml", json.dumps({"prompt": str(number), "model": model, **job}).encode())


def test_a_model_that_is_not_to_be_had_holds_only_the_jobs_that_name_it(house: House) -> None:
    drawing_with(house, ["owner/one", "owner/two", "owner/one"])
    house.drop("plain.yaml")

    def play(task: Task) -> Outcome:
        return DOWN if getattr(task.request, "model", None) == "owner/one" else make(task)

    worker = ScriptedWorker(play)
    summary = house.drain(worker, retry_first=3600, **OTHERS)
    assert (summary.done, summary.failed, summary.waiting) == (2, 0, 2)
    assert len(worker.batches) == 3
    (holdup,) = health_of(house).holdups
    assert holdup.what == "generate owner/one"


def test_jobs_of_one_model_run_together_and_no_other_waits_for_ever(house: House) -> None:
    models = ["owner/one", "owner/two"] * 30
    drawing_with(house, models)
    worker = ScriptedWorker(make)
    house.drain(worker, **OTHERS)
    ran = [getattr(batch.tasks[0].request, "model", None) for batch in worker.batches]
    changes = sum(before != after for before, after in pairwise(ran))
    assert sorted(ran) == sorted(models)  # type: ignore[type-var]
    assert changes <= 4  # 59 in the order they came
    assert "owner/two" in ran[:25]


def test_jobs_whose_worker_died_are_run_one_by_one_so_that_the_one_at_fault_takes_no_other_with_it(
    house: House,
) -> None:
    for number in range(4):
        house.drop(f"{number}.png", PNG + bytes([number]))
    tries: Counter[str] = Counter()

    def play(task: Task) -> Outcome:
        tries[task.job_id] += 1
        is_bad = task.image == PNG + b"\x02"
        crashed = Failure(kind=FailureKind.CRASHED, message="it died")
        return crashed if is_bad or tries[task.job_id] == 1 else make(task)

    worker = ScriptedWorker(play)
    summary = house.drain(worker, attempts=3)
    assert (summary.done, summary.failed) == (3, 1)
    assert [len(batch.tasks) for batch in worker.batches] == [4, 1, 1, 1, 1, 1]


def test_a_model_that_is_not_allowed_is_refused_at_the_door(house: House) -> None:
    drawing_with(house, ["owner/ones"])
    house.drain(**OTHERS)
    (problem,) = house.sidecar("failed/000.yaml.json")["problems"]
    assert "is none of the models that the configuration allows" in problem
    assert "did you mean `owner/one`?" in problem
