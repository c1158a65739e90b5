"""Hooks of the real daemon: each event once, from the journal, a few at a time, and no job is harmed."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from aura_daemon.config.housekeeping import HooksConfig
from aura_daemon.config.loading import load
from aura_daemon.daemon.explain import explain
from aura_daemon.daemon.loop import Daemon
from aura_daemon.formats.sidecars.schema import FailureReport, Sidecar
from aura_daemon.hooks.hooks import AT_ONCE, INTERRUPTED, Hooks
from aura_daemon.hooks.message import VALUE_BYTES, HookMessage, environment, fit
from aura_daemon.hooks.programs import missing_programs
from aura_daemon.jobs.results import FailureKind, Outcome
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.journal import FILE_NAME
from tests.support.house import PNG, House, fail, is_caption, make, sha256
from tests.support.unguarded import extensions_in

TELL = """
import json, os, sys
told = {name[11:]: value for name, value in os.environ.items() if name.startswith("AURADAEMON_")}
with open(sys.argv[1], "a") as file:
    file.write(json.dumps([told, sys.stdin.read()]) + "\\n")
"""


class Teller:
    """A hook that writes down what it is told."""

    def __init__(self, folder: Path) -> None:
        (folder / "tell.py").write_text(TELL, encoding="utf-8")
        self._file = folder / "told.jsonl"
        self.command = (sys.executable, "-S", str(folder / "tell.py"), str(self._file))

    def told(self) -> list[tuple[dict[str, str], str]]:
        """Variables and standard input of each run."""
        if not self._file.exists():
            return []
        return [tuple(json.loads(line)) for line in self._file.read_text(encoding="utf-8").splitlines()]

    def events(self) -> list[str]:
        return sorted(variables["EVENT_ID"].rpartition("-")[2] for variables, _ in self.told())


@pytest.fixture
def teller(tmp_path: Path) -> Teller:
    folder = tmp_path / "hook"
    folder.mkdir()
    return Teller(folder)


def hooks_of(daemon: Daemon) -> Hooks:
    (hooks,) = (extension for extension in extensions_in(daemon) if isinstance(extension, Hooks))
    return hooks


def outcomes(house: House) -> dict[str, list[str]]:
    """What the journal says of hooks: kind -> outcomes, in order."""
    with closing(sqlite3.connect(house.state / FILE_NAME)) as database:
        found: dict[str, list[str]] = {}
        for kind, state, outcome in database.execute("SELECT kind, state, outcome FROM hook_events ORDER BY id"):
            found.setdefault(kind, []).append(outcome if state == "ended" else state)
        return found


def test_a_job_that_is_done_is_told_with_its_outputs_and_its_sidecar(house: House, teller: Teller) -> None:
    house.drop("sub/cat.yaml", b"prompt: a $HOME cat\n")
    house.drain(hooks={"on_done": teller.command})
    ((told, content),) = teller.told()
    assert told["EVENT"] == "done"
    assert told["ID"] == json.loads(content)["job_id"]
    assert (told["KIND"], told["SOURCE"], told["OUTCOME"]) == ("generate", "sub/cat.yaml", "done")
    assert told["PROMPT"] == "a $HOME cat"
    assert told["OUTPUTS"] == str(house.outbox / "sub" / "cat.png")
    assert told["SIDECAR"] == str(house.outbox / "sub" / "cat.json")
    assert Sidecar.model_validate_json(content).to_json() == (house.outbox / "sub" / "cat.json").read_bytes()
    assert outcomes(house) == {"done": ["ok"]}


def test_a_prompt_is_told_with_the_caption_that_was_drawn(house: House, teller: Teller) -> None:
    house.drop("photo.png", PNG)
    house.drop("art.yaml", b"prompt: oil painting of {caption}\nimage: photo.png\n")
    house.drain(hooks={"on_done": teller.command})
    ((told, _),) = teller.told()
    assert told["PROMPT"] == f"oil painting of an image of {sha256(PNG)}"


def test_what_failed_is_told_with_reason_mend_and_report_and_so_is_a_refused_file(house: House, teller: Teller) -> None:
    house.drop("bad.yaml", b"promt: x\n")
    house.drop("cat.yaml")
    house.drain(fail(FailureKind.BAD_INPUT), hooks={"on_failed": teller.command})
    bad, cat = sorted(teller.told(), key=lambda run: run[0]["SOURCE"])
    assert (bad[0]["KIND"], bad[0]["OUTCOME"]) == ("file", "bad_input")
    assert "did you mean `prompt`" in bad[0]["REASON"]
    assert bad[0]["OUTPUTS"] == str(house.outbox / "failed" / "bad.yaml")
    assert cat[0]["KIND"] == "generate"
    assert (cat[0]["REASON"], cat[0]["MEND"]) == ("it went wrong", "mend it")
    for variables, content in (bad, cat):
        report = FailureReport.model_validate_json(content)
        assert (report.job_id, report.reason) == (variables["ID"], variables["REASON"])


def test_a_drain_is_idle_once_after_all_other_hooks(house: House, teller: Teller) -> None:
    for number in range(5):
        house.drop(f"{number}.yaml")
    house.drop("bad.yaml", b"promt: x\n")
    every = dict.fromkeys(("on_done", "on_failed", "on_idle"), teller.command)
    house.drain(hooks=every)
    assert teller.events() == ["done"] * 5 + ["failed", "idle"]
    assert (teller.told()[-1][0]["DONE"], teller.told()[-1][0]["FAILED"]) == ("5", "1")
    house.drain(hooks=every)
    assert len(teller.told()) == 7


def test_a_job_that_waits_for_a_model_is_not_idle(house: House, teller: Teller) -> None:
    house.drop("cat.yaml")
    house.drop("photo.png", PNG)

    def play(task: Task) -> Outcome:
        return fail(FailureKind.MODEL_UNAVAILABLE)(task) if is_caption(task) else make(task)

    assert house.drain(play, hooks={"on_idle": teller.command}).waiting == 1
    assert teller.told() == []
    house.drain(hooks={"on_idle": teller.command})
    ((told, content),) = teller.told()
    assert (told["EVENT"], told["DONE"], told["FAILED"], content) == ("idle", "2", "0", "")


def test_hooks_wait_while_the_outbox_is_away(house: House, teller: Teller) -> None:
    house.drop("cat.yaml")
    house.drain(hooks={"on_done": teller.command})
    kill_at(house, "due")
    with house.daemon(drain=False, hooks={"on_done": teller.command}) as daemon:
        house.outbox.rename(house.root / "away")
        hooks = hooks_of(daemon)
        hooks.work()
        assert hooks.waitables() == []
        (house.root / "away").rename(house.outbox)
    assert outcomes(house) == {"done": ["due"]}


def test_hooks_wait_while_no_program_can_be_started(house: House, teller: Teller, log: list[str]) -> None:
    house.drop("cat.yaml")
    house.drain(hooks={"on_done": teller.command})
    kill_at(house, "due")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with house.daemon(drain=False, hooks={"on_done": teller.command}) as daemon:
        hooks, taken = hooks_of(daemon), []
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
            with suppress(OSError):
                while True:
                    taken.append(os.open(os.devnull, os.O_RDONLY))
            for _ in range(2):  # enough to read the sidecar
                os.close(taken.pop())
            hooks.work()
        finally:
            for descriptor in taken:
                os.close(descriptor)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert outcomes(house) == {"done": ["due"]}
        assert any("hooks wait 10 s: Too many open files" in line for line in log)
    house.drain(hooks={"on_done": teller.command})
    assert outcomes(house) == {"done": ["ok"]}


def test_a_cancelled_job_is_no_failure_to_be_told_of(house: House, teller: Teller) -> None:
    house.drop("cat.yaml")
    house.drain(fail(FailureKind.CANCELLED), hooks={"on_failed": teller.command})
    assert teller.told() == []


def test_hooks_that_fail_harm_no_job_and_are_told(house: House, log: list[str]) -> None:
    house.drop("cat.yaml")
    house.drop("bad.yaml", b"promt: x\n")
    hooks = {
        "on_done": ["sh", "-c", "echo first; echo second >&2; exit 3"],
        "on_failed": ["/nowhere/at/all"],
        "on_idle": ["sleep", "60"],
        "time_limit": 1,
    }
    summary = house.drain(hooks=hooks)
    assert (summary.done, summary.failed, summary.stuck) == (1, 1, False)
    assert house.results() == ["cat.json", "cat.png"]
    assert outcomes(house) == {
        "done": ["it ended with exit code 3 (it said: first | second)"],
        "failed": ["it could not be started: /nowhere/at/all: No such file or directory"],
        "idle": ["it ran for longer than 1 s and was ended"],
    }
    answer = explain(house.inbox / "cat.yaml", house.settings(), None).text
    assert answer.partition(" [")[0].endswith("hook on_done: it ended with exit code 3 (it said: first | second)")
    assert "; its hook on_failed: it could not" in explain(house.inbox / "bad.yaml", house.settings(), None).text
    assert sum("hook on_" in line and line.startswith("WARNING") for line in log) == 3


def test_many_jobs_start_a_few_programs_at_a_time(house: House, tmp_path: Path) -> None:
    house.drop("many.yaml", b"---\n".join(b"prompt: a cat\n" for _ in range(24)))
    script = f'mkdir {tmp_path}/$$ && ls {tmp_path} | grep -c "^[0-9]*$" >> {tmp_path}/seen; rmdir {tmp_path}/$$'
    house.drain(hooks={"on_done": ["sh", "-c", script]})
    seen = [int(line) for line in (tmp_path / "seen").read_text().split()]
    assert len(seen) == 24
    assert max(seen) <= AT_ONCE


def kill_at(house: House, state: str, *, kind: str = "done") -> None:
    """Makes the journal look as after kill -9 in the middle of a hook."""
    with closing(sqlite3.connect(house.state / FILE_NAME)) as database:
        changed = database.execute("UPDATE hook_events SET state = ?, outcome = '' WHERE kind = ?", (state, kind))
        assert changed.rowcount == 1
        database.commit()


def test_an_event_from_before_a_crash_is_told_after_the_restart(house: House, teller: Teller) -> None:
    house.drop("cat.yaml")
    house.drain(hooks={"on_done": teller.command})
    kill_at(house, "due")
    house.drain(hooks={"on_done": teller.command})
    assert teller.events() == ["done", "done"]
    assert outcomes(house) == {"done": ["ok"]}


def test_a_hook_that_a_crash_interrupted_is_told_as_such_and_does_not_run_twice(
    house: House, teller: Teller, log: list[str]
) -> None:
    house.drop("cat.yaml")
    house.drain(hooks={"on_done": teller.command})
    kill_at(house, "started")
    house.drain(hooks={"on_done": teller.command})
    assert teller.events() == ["done"]
    assert outcomes(house) == {"done": [INTERRUPTED]}
    assert any(line.endswith(f"hook on_done: {INTERRUPTED}") for line in log)


def test_a_hook_that_is_not_configured_any_more_is_told_as_such(house: House, teller: Teller) -> None:
    house.drop("cat.yaml")
    house.drain(hooks={"on_done": teller.command, "on_idle": teller.command})
    kill_at(house, "due")
    kill_at(house, "gathering", kind="idle")
    house.drain()
    assert outcomes(house) == {"done": ["it did not run: no hook is configured for it any more"]}


def test_without_hooks_nothing_is_written_for_them(house: House) -> None:
    house.drop("cat.yaml")
    house.drain()
    assert outcomes(house) == {}


def test_a_sidecar_that_somebody_took_is_no_obstacle(house: House, teller: Teller) -> None:
    house.drop("cat.yaml")
    house.drain(hooks={"on_done": teller.command})
    kill_at(house, "due")
    (house.outbox / "cat.json").unlink()
    house.drain(hooks={"on_done": teller.command})
    told, content = teller.told()[-1]
    assert (told["OUTPUTS"], told["SIDECAR"], content) == ("", "", "")


def test_an_event_of_a_job_that_the_journal_lost_is_told_as_such(house: House, teller: Teller) -> None:
    house.drop("cat.yaml")
    house.drain(hooks={"on_done": teller.command})
    kill_at(house, "due")
    with closing(sqlite3.connect(house.state / FILE_NAME)) as database:
        database.execute("UPDATE hook_events SET subject = 'gone'")
        database.commit()
    house.drain(hooks={"on_done": teller.command})
    assert outcomes(house)["done"][0].startswith("it could not run: the journal knows no source gone")


def test_what_runs_when_the_daemon_stops_is_ended_and_what_is_due_waits(house: House) -> None:
    house.drop("many.yaml", b"---\n".join(b"prompt: a cat\n" for _ in range(4)))
    with house.daemon(drain=False, hooks={"on_done": ["sh", "-c", "echo $$; exec sleep 60"]}) as daemon:
        hooks = hooks_of(daemon)
        hooks.close_s = 0.0
        daemon.start()
        while daemon.dispatcher.outcomes.done < 4 or len(hooks.waitables()) < 2 * AT_ONCE:
            daemon.turn()
        daemon.stop()
        daemon.shut_down()
    found = outcomes(house)["done"]
    assert sorted(text.partition(" (")[0] for text in found) == ["due"] * 2 + ["it was ended with the daemon"] * 2


def test_it_inherits_the_environment_but_for_what_is_the_daemons_alone() -> None:
    inherited = {b"HOME": b"/root", b"AURA_INBOX": b"/in", b"NOTIFY_SOCKET": b"@x", b"AURADAEMON_CAPTION": b"stale"}
    given = environment(HookMessage(variables={"EVENT": "idle"}), inherited)
    assert given == {b"HOME": b"/root", b"AURA_INBOX": b"/in", b"AURADAEMON_EVENT": b"idle"}


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("a\0b", b"ab"),
        ("caf\udce9", b"caf\xe9"),
        ("\ud83d!", b"?!"),
        ("é" * VALUE_BYTES, "é".encode() * (VALUE_BYTES // 2)),
    ],
)
def test_any_text_becomes_a_value_that_a_program_can_be_started_with(value: str, content: bytes) -> None:
    assert fit(value) == content


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["/nowhere/notify"], "/nowhere/notify is not there, or may not be run"),
        (["notify me | mail"], "hooks run without a shell"),
        (["no-such-program-at-all"], "is no program in $PATH"),
    ],
)
def test_a_program_that_is_missing_is_refused_at_the_start(command: list[str], message: str) -> None:
    (problem,) = missing_programs(HooksConfig(on_failed=tuple(command)))
    assert problem.key == "hooks.on_failed"
    assert message in problem.message
    assert missing_programs(HooksConfig(on_idle=("sh", "-c", "true"))) == ()


def test_a_program_with_a_slash_counts_from_the_folder_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aura.yaml").write_text("hooks: {on_done: [./tell, x], on_idle: [tell]}\n", encoding="utf-8")
    hooks = load(tmp_path / "aura.yaml").settings.hooks
    assert hooks.on_done == (str(tmp_path / "tell"), "x")
    assert hooks.on_idle == ("tell",)
    monkeypatch.setenv("AURA_HOOKS__ON_DONE", '["sub/tell"]')
    assert load(tmp_path / "aura.yaml").settings.hooks.on_done == (os.path.join(Path.cwd(), "sub/tell"),)  # noqa: PTH118


def test_of_a_caption_beside_its_picture_the_text_is_told(house: House, teller: Teller) -> None:
    house.drop("sub/cat.png", PNG)
    house.drain(hooks={"on_done": teller.command}, caption={"place": "beside"})
    ((told, _),) = teller.told()
    assert told["OUTPUTS"] == str(house.inbox / "sub" / "cat.txt")
    assert told["SIDECAR"] == str(house.outbox / "sub" / "cat.json")
