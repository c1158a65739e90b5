"""`cancel` and `retry`: through the journal, whether a daemon runs or not."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from aura_daemon.daemon.control_socket import Command, CommandVerb
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import FailureKind, Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import Journal
from tests.support.house import PNG, House, fail, make
from tests.support.programs import Program
from tests.support.sqlite_faults import sqlite_faults

CANCELLED = "it was cancelled"


def asked(house: House, verb: CommandVerb, name: str, *, path: str = "", **changes: object) -> tuple[bool, str]:
    """The answer to a command where no daemon runs."""
    with house.daemon(**changes) as daemon:
        answer = daemon.carry_out(Command(verb=verb, name=name, path=path))
    return answer.done, "\n".join(answer.lines)


def ids(house: House) -> list[str]:
    journal = house.journal()
    try:
        return [job.id for source in journal.unfinished_sources() for job in journal.jobs_of(source.id)]
    finally:
        journal.close()


def bad_prompts(task: Task) -> Outcome:
    """A script in which `bad` fails and every other prompt succeeds."""
    if isinstance(task.request, GenerateRequest) and "bad" in task.request.prompt:
        return fail(FailureKind.UNEXPECTED)(task)  # type: ignore[return-value]
    return make(task)


def test_a_waiting_job_is_cancelled_by_its_id_and_its_file_is_in_failed(house: House) -> None:
    house.drop("cat.yaml")
    house.drop("dog.yaml")
    house.drain(fail(FailureKind.MODEL_UNAVAILABLE), retry_first=3600)
    first, second = ids(house)
    assert asked(house, CommandVerb.CANCEL, first) == (True, f"{first}: cancelled")
    assert ids(house) == [second]
    assert house.failed() in (["cat.yaml", "cat.yaml.json"], ["dog.yaml", "dog.yaml.json"])
    (report,) = [name for name in house.failed() if name.endswith(".json")]
    assert house.sidecar(f"failed/{report}")["reason"] == CANCELLED
    assert house.sidecar(f"failed/{report}")["kind"] == "cancelled"
    house.drain()
    assert len(house.results()) == 2


def test_one_document_is_cancelled_and_the_others_run(house: House) -> None:
    house.drop("two.yaml", b"prompt: one\n---\nprompt: two\n")
    house.drain(fail(FailureKind.MODEL_UNAVAILABLE), retry_first=3600)
    first, _ = ids(house)
    assert asked(house, CommandVerb.CANCEL, first)[0]
    house.drain()
    assert house.results() == ["two-2.json", "two-2.png"]
    assert house.failed() == ["two-1.yaml", "two-1.yaml.json"]


def test_all_documents_are_cancelled_by_the_name_of_their_file(house: House) -> None:
    house.drop("sub/two.yaml", b"prompt: one\n---\nprompt: two\n")
    house.drain(fail(FailureKind.MODEL_UNAVAILABLE), retry_first=3600)
    first, second = ids(house)
    answer = asked(house, CommandVerb.CANCEL, "two.yaml", path="sub/two.yaml")
    assert answer == (True, f"{first} to {second}: cancelled")
    assert ids(house) == []
    assert house.failed() == ["sub/two.yaml", "sub/two.yaml.json"]
    assert house.sidecar("failed/sub/two.yaml.json")["reason"] == CANCELLED


FIFTY = b"prompt: a red circle\nseed: 1-50\n"


def test_a_file_of_fifty_jobs_that_is_cancelled_is_one_file_and_one_report_and_one_retry(house: House) -> None:
    house.drop("fifty.yaml", FIFTY)
    house.drain(fail(FailureKind.MODEL_UNAVAILABLE), retry_first=3600)
    assert asked(house, CommandVerb.CANCEL, "fifty.yaml", path="fifty.yaml")[0]
    assert house.failed() == ["fifty.yaml", "fifty.yaml.json"]
    assert (house.outbox / "failed" / "fifty.yaml").read_bytes() == FIFTY
    done, said = asked(house, CommandVerb.RETRY, "fifty.yaml", path="fifty.yaml")
    assert (done, said.count("queued again")) == (True, 1)
    assert house.failed() == []
    house.drain()
    assert len(house.results()) == 100


def test_what_is_left_of_a_file_when_it_is_cancelled_is_one_file_and_one_report(house: House) -> None:
    house.drop("some.yaml", b"prompt: one\n---\nprompt: bad two\n---\nprompt: three\nseed: [3, 4]\n")
    wait = fail(FailureKind.MODEL_UNAVAILABLE)
    first_two = lambda task: bad_prompts(task) if task.request.prompt in ("one", "bad two") else wait(task)  # noqa: E731
    house.drain(first_two, retry_first=3600, batch=1)
    assert asked(house, CommandVerb.CANCEL, "some.yaml", path="some.yaml")[0]
    names = ["some-2.yaml", "some-2.yaml.json", "some-cancelled.yaml", "some-cancelled.yaml.json"]
    assert house.failed() == names
    report = house.sidecar("failed/some-cancelled.yaml.json")
    assert report["kind"] == "cancelled"
    assert report["reason"] == "2 of its 4 jobs were cancelled; they are the documents of this file"
    done, said = asked(house, CommandVerb.RETRY, "some.yaml", path="some.yaml")
    assert (done, said.count("queued again")) == (True, 2)
    house.drain()
    assert [name for name in house.results() if name.endswith(".png")] == [
        "some-1.png",
        "some-2.png",
        "some-cancelled-1.png",
        "some-cancelled-2.png",
    ]
    assert house.failed() == []
    seeds = [house.sidecar(f"some-cancelled-{number}.json")["seeds"] for number in (1, 2)]
    assert seeds == [[3], [4]]


def test_one_of_several_jobs_that_were_cancelled_together_is_not_retried_alone(house: House) -> None:
    house.drop("two.yaml", b"prompt: one\n---\nprompt: two\n")
    house.drain(fail(FailureKind.MODEL_UNAVAILABLE), retry_first=3600)
    first, _ = ids(house)
    asked(house, CommandVerb.CANCEL, "two.yaml", path="two.yaml")
    assert asked(house, CommandVerb.RETRY, first) == (
        False,
        f"{first}: it was cancelled together with others: `aura-daemon retry two.yaml` runs them all",
    )
    assert house.failed() == ["two.yaml", "two.yaml.json"]


def test_a_sheet_that_is_cancelled_with_its_pictures_is_handed_back_once(house: House) -> None:
    grid = b"prompt: a red circle\nseed: 1-3\ngrid: true\n"
    house.drop("sheet.yaml", b"prompt: one\n---\n" + grid)
    wait = fail(FailureKind.MODEL_UNAVAILABLE)
    house.drain(lambda task: make(task) if task.request.prompt == "one" else wait(task), retry_first=3600, batch=1)
    assert asked(house, CommandVerb.CANCEL, "sheet.yaml", path="sheet.yaml")[0]
    assert (house.outbox / "failed" / "sheet-cancelled.yaml").read_bytes() == grid


@pytest.mark.parametrize("verb", list(CommandVerb))
def test_what_nobody_knows_or_what_is_done_is_told(house: House, verb: CommandVerb) -> None:
    assert asked(house, verb, "nothing.yaml", path="nothing.yaml") == (
        False,
        "nothing.yaml: no job and no file of this name was ever claimed here",
    )
    house.drop("cat.yaml")
    house.drain()
    done, said = asked(house, verb, "cat.yaml", path="cat.yaml")
    assert not done
    assert said in ("cat.yaml: nothing of it is left to cancel", "cat.yaml: nothing of it has failed")


def test_a_name_of_bytes_that_are_no_text_is_cancelled_through_a_running_daemon(house: House) -> None:
    name = os.fsdecode(b"\xff.yaml")
    house.drop(name)
    house.drain(fail(FailureKind.MODEL_UNAVAILABLE), retry_first=3600)
    assert asked(house, CommandVerb.CANCEL, name, path=name)[0]


@pytest.mark.parametrize("disposition", ["archive", "delete", "keep"])
def test_a_failed_file_is_retried_and_nothing_is_left_in_failed(house: House, disposition: str) -> None:
    house.drop("sub/cat.png", PNG)
    assert house.drain(fail(FailureKind.UNEXPECTED), sources=disposition).failed == 1
    assert house.failed() == ["sub/cat.png", "sub/cat.png.json"]
    done, said = asked(house, CommandVerb.RETRY, "sub/cat.png", path="sub/cat.png", sources=disposition)
    assert done
    assert said.startswith("sub/cat.png: queued again as 2")
    assert house.failed() == []
    assert house.drain(sources=disposition).failed == 0
    assert house.results() == ["sub/cat.json", "sub/cat.txt"]
    assert house.archived() == (["sub/cat.png"] if disposition == "archive" else [])
    assert house.temporary() == []


def test_a_failed_file_whose_name_windows_cannot_hold_is_explained_and_retried_under_its_own(house: House) -> None:
    house.drop("trips./what?.yaml")
    house.drain(fail(FailureKind.UNEXPECTED))
    assert house.failed() == ["trips/what-.yaml", "trips/what-.yaml.json"]
    assert house.sidecar("failed/trips/what-.yaml.json")["source"]["name"] == "trips./what?.yaml"
    done, _ = asked(house, CommandVerb.RETRY, "what?.yaml", path="trips./what?.yaml")
    assert done
    assert house.failed() == []
    house.drain()
    assert house.results() == ["trips/what-.json", "trips/what-.png"]
    assert house.archived() == ["trips./what?.yaml"]


def test_failed_documents_are_retried_alone(house: House) -> None:
    house.drop("three.yaml", b"prompt: bad one\n---\nprompt: two\n---\nprompt: bad three\n")
    house.drain(bad_prompts)
    assert house.results() == ["three-2.json", "three-2.png"]
    done, said = asked(house, CommandVerb.RETRY, "three.yaml", path="three.yaml")
    assert done
    assert said.count("queued again") == 2
    house.drain()
    assert house.results() == [f"three-{number}.{end}" for number in (1, 2, 3) for end in ("json", "png")]
    assert house.failed() == []


def test_a_file_that_was_refused_is_retried_once_its_fault_may_be_gone(house: House) -> None:
    house.drop("say.yaml", b"task: caption\nimage: cat.png\n")
    house.drain()
    assert house.failed() == ["say.yaml", "say.yaml.json"]
    house.drop("cat.png", PNG)
    assert asked(house, CommandVerb.RETRY, "say.yaml", path="say.yaml")[0]
    house.drain()
    assert "say.txt" in house.results()
    assert house.failed() == []


def test_a_file_that_is_refused_again_is_not_called_queued(house: House) -> None:
    house.drop("cat.yaml", b"prompt: a cat\nstepz: 3\n")
    house.drain()
    done, said = asked(house, CommandVerb.RETRY, "cat.yaml", path="cat.yaml")
    assert (done, said) == (False, "cat.yaml: refused again: line 2: stepz: unknown key; did you mean `steps`?")
    house.drain()
    assert house.failed() == ["cat.yaml", "cat.yaml.json"]


def test_what_was_taken_out_of_failed_can_only_be_put_in_again(house: House) -> None:
    house.drop("cat.yaml", b"prompt: [\n")
    house.drain()
    (house.outbox / "failed" / "cat.yaml").unlink()
    assert asked(house, CommandVerb.RETRY, "cat.yaml", path="cat.yaml") == (
        False,
        "cat.yaml: it is not in `failed/` any more; put the file into the inbox again",
    )


def test_of_several_failures_of_one_name_the_one_that_is_meant_is_retried(house: House) -> None:
    for prompt in (b"prompt: bad one\n", b"prompt: bad two\n"):
        house.drop("cat.yaml", prompt)
        house.drain(bad_prompts)
    assert house.failed() == ["cat.r2.yaml", "cat.r2.yaml.json", "cat.yaml", "cat.yaml.json"]
    assert asked(house, CommandVerb.RETRY, "cat.yaml", path="cat.yaml")[0]  # the latest of this name
    assert house.failed() == ["cat.yaml", "cat.yaml.json"]
    house.drain()
    assert house.sidecar("cat.json")["request"]["prompt"] == "bad two"


def test_a_retry_that_the_journal_refuses_leaves_the_file_in_failed(house: House) -> None:
    house.drop("cat.yaml", b"prompt: [\n")
    house.drain()
    with sqlite_faults() as faults, house.daemon() as daemon:
        assert daemon.can_journal()
        daemon.carry_out(Command(verb=CommandVerb.CANCEL, name="x"))
        faults.refuse_writes()
        answer = daemon.carry_out(Command(verb=CommandVerb.RETRY, name="cat.yaml", path="cat.yaml"))
    assert not answer.done
    assert "not now: the journal cannot be written" in answer.lines[0]
    assert house.failed() == ["cat.yaml", "cat.yaml.json"]
    assert house.temporary() == []


def test_higher_priority_runs_first_else_the_oldest(house: House) -> None:
    for number, priority in enumerate((0, 10, -5, 10), start=1):
        house.drop(f"{number}.yaml", f"prompt: number {number}\npriority: {priority}\n".encode())
    house.drop("0.png", PNG)
    house.drain(fail(FailureKind.MODEL_UNAVAILABLE), retry_first=3600)
    ran: list[str] = []

    def note(task: Task) -> Outcome:
        ran.append(task.request.prompt)
        return make(task)

    house.drain(note)
    assert [prompt for prompt in ran if prompt] == ["number 2", "number 4", "number 1", "number 3"]


# -- the commands, as processes ----------------------------------------------------------------------------------------


def test_the_running_daemon_cancels_what_runs_and_retries_it(house: House) -> None:
    program = Program(house)
    program.start("run")
    try:
        house.drop("slow.yaml", f"prompt: wait {house.root / 'go'}\n".encode())
        house.drop("next.yaml", b"prompt: next\n")
        program.until(lambda: program.health().get("jobs", {}).get("running") == 1)
        program.until(program.is_running_a_job)
        asked = program.call("why", str(house.inbox / "slow.yaml"))
        assert "slow.yaml: running on rung cpu: step 1 of 2 (attempt 1) [" in asked.stdout
        ended = program.call("cancel", str(house.inbox / "slow.yaml"))
        assert ended.returncode == 0, ended.stderr
        program.until(lambda: house.failed() == ["slow.yaml", "slow.yaml.json"])
        program.until(lambda: "next.json" in house.results())
        (house.root / "go").touch()
        ended = program.call("retry", "inbox/slow.yaml", "unheard-of")
        assert ended.returncode == 1
        assert "slow.yaml: queued again as " in ended.stdout
        assert "unheard-of: no job and no file of this name" in ended.stdout
        program.until(lambda: "slow.json" in house.results())
    finally:
        program.close()
    assert house.failed() == []


def test_where_no_daemon_runs_the_command_does_it_itself(house: House) -> None:
    program = Program(house)
    house.drop("cat.yaml", b"prompt: missing\n")
    assert program.call("once").returncode == 3
    ended = program.call("cancel", "inbox/cat.yaml")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith(": cancelled\n")
    assert house.failed() == ["cat.yaml", "cat.yaml.json"]


def test_the_socket_is_its_owners_alone_and_lies_in_any_state_folder(house: House) -> None:
    deep = house.state / ("very-long-name-" * 8) / "état"
    deep.mkdir(parents=True)
    program = Program(house, AURA_STATE=str(deep))
    program.start("run")
    try:
        program.until(lambda: (deep / "control.sock").exists())
        assert (deep / "control.sock").stat().st_mode & 0o777 == 0o600
        ended = program.call("cancel", "nothing")
        assert ended.returncode == 1
        assert "was ever claimed here" in ended.stdout
        program.end()
    finally:
        program.close()
    assert list(deep.glob("*.sock")) == []


def test_a_journal_of_the_first_release_is_brought_up_to_date(tmp_path: Path) -> None:
    import sqlite3

    from aura_daemon.errors import JournalRefused
    from aura_daemon.journal.migrations import MIGRATIONS, VERSION

    path = tmp_path / "journal.sqlite3"
    old = sqlite3.connect(path)
    old.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
    old.execute(
        "INSERT INTO sources (id, path, kind, state, size_bytes, modified_ns, inode, settled_s, claimed_at)"
        " VALUES ('s', x'61', 'job_file', 'admitted', 1, 1, 1, 0, 1)"
    )
    old.execute(
        "INSERT INTO jobs (id, source_id, state, kind, request, text, folder, stem, stem_key) VALUES"
        """ ('s', 's', 'queued', 'generate', '{"task": "generate", "prompt": "x"}', x'', x'', x'61', 'a')"""
    )
    old.execute(
        "INSERT INTO sources (id, path, kind, state, size_bytes, modified_ns, inode, settled_s, claimed_at)"
        " VALUES ('i', ?, 'image', 'closed', 1, 1, 1, 0, 1)",
        (b"sub/\xe9.png",),
    )
    old.commit()
    old.close()
    with pytest.raises(JournalRefused, match="earlier release"):
        Journal(path, read_only=True)
    journal = Journal(path)
    (job,) = journal.heads()
    assert (job.id, job.priority) == ("s", 0)
    assert journal.images_like("\udce9") == ["sub/\udce9.png"]
    journal.close()
    with closing(sqlite3.connect(path)) as migrated:
        assert migrated.execute("PRAGMA user_version").fetchone() == (VERSION,)
