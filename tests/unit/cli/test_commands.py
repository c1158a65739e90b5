"""The commands as a shell sees them: what is printed, and the exit code."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from aura_daemon.cli import check
from aura_daemon.journal.journal import Journal
from tests.support.house import PNG, PROMPT, House
from tests.support.programs import REAL, ROOT, Program

HEAVY = ("torch", "diffusers", "transformers", "numpy", "PIL", "accelerate")

SPY = """
import sys
from aura_daemon.cli.app import main
try:
    main()
finally:
    print("IMPORTED", *sorted(set(sys.modules) & set({heavy!r})), file=sys.stderr)
"""


@pytest.fixture
def program(house: House) -> Program:
    return Program(house, REAL)


@pytest.fixture
def loaded(house: House, program: Program) -> Iterator[Program]:
    """A house in which something has run."""
    house.drop("cat.yaml")
    house.drop("bad.yaml", b"steps: 0\n")
    house.drain()
    yield program


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["run", "--help"], ["status"], ["schema", "job"], ["check", "x.yaml"]]
)
def test_no_light_command_imports_anything_heavy(program: Program, arguments: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SPY.format(heavy=HEAVY), *arguments],
        cwd=program.house.root,
        env=program.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr.splitlines()[-1] == "IMPORTED", ran.stderr
    assert "Traceback" not in ran.stderr


NEEDLESS = ("asyncio", "loguru", "psutil", "rich", "ssl", "yaml", "aura_daemon.intake", "aura_daemon.jobfile")
"""What no answer about the daemon takes; it would make the answer late, or keep memory for months."""


@pytest.mark.parametrize(
    ("arguments", "needless"),
    [
        (["status"], (*NEEDLESS, "aura_daemon.journal.records", "aura_daemon.ladder")),
        (["status", "--json"], (*NEEDLESS, "aura_daemon.journal.records", "aura_daemon.ladder")),
        (["why", "cat.yaml"], (*NEEDLESS, "aura_daemon.health.recorder")),
        (["why", "waiting.yaml"], ("psutil", "rich", "aura_daemon.intake.admission")),
    ],
)
def test_a_question_imports_no_more_than_its_answer_takes(
    loaded: Program, arguments: list[str], needless: tuple[str, ...]
) -> None:
    loaded.house.drop("waiting.yaml", b"task: caption\nimage: never.png\n")
    ran = subprocess.run(
        [sys.executable, "-c", SPY.format(heavy=(*HEAVY, *needless)), *arguments],
        cwd=loaded.house.root,
        env=loaded.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "IMPORTED\n"), ran.stdout


def test_the_daemon_keeps_nothing_of_the_terminal_in_memory(program: Program) -> None:
    asked = "import sys; from aura_daemon.cli import run; print({'psutil', 'rich', 'torch'} & set(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", asked], env=program.environment(), capture_output=True, text=True, check=True
    )
    assert ran.stdout == "set()\n"


def test_help_names_every_command(program: Program) -> None:
    ran = program.call("--help")
    assert ran.returncode == 0
    for command in ("run", "once", "demo", "check", "status", "doctor", "schema"):
        assert f"  {command} " in ran.stdout


def test_options_before_the_command_count_for_it(program: Program) -> None:
    for name in ("one", "other"):
        (program.house.root / name).mkdir()
        text = f"inbox: {program.house.root / name}\nstate: {program.house.state}\n"
        (program.house.root / f"{name}.yaml").write_text(text)
    environment = {name: value for name, value in program.environment().items() if not name.startswith("AURA_")}

    def asked(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "aura_daemon", *arguments],
            cwd=program.house.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    one, other = (f"not in the inbox, {program.house.root / name}" for name in ("one", "other"))
    assert one in asked("--config", "one.yaml", "why", "/elsewhere/x").stdout
    assert one in asked("-c", "one.yaml", "why", "/elsewhere/x").stdout
    assert other in asked("--config", "one.yaml", "why", "--config", "other.yaml", "/elsewhere/x").stdout
    ran = asked("--log-format", "json", "--config", "one.yaml", "once")
    assert ran.returncode == 0
    assert {json.loads(line)["level"] for line in ran.stderr.splitlines()} == {"INFO"}
    ran = asked("--config", "none.yaml", "once")
    assert (ran.returncode, "none.yaml" in ran.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--log-format", "json", "status"), "`status` takes no --log-format"),
        (("--config", "x.yaml", "schema", "job"), "`schema` takes no --config"),
        (("--log-format", "xml", "once"), "'xml' is not one of"),
    ],
)
def test_options_before_a_command_that_takes_none_are_refused(
    program: Program, arguments: tuple[str, ...], told: str
) -> None:
    ran = program.call(*arguments)
    assert ran.returncode == 2
    assert told in ran.stderr


@pytest.mark.parametrize("name", ["job", "config", "sidecar", "health"])
def test_every_published_schema_is_a_schema(program: Program, name: str) -> None:
    ran = program.call("schema", name)
    schema = json.loads(ran.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    documents: dict[str, Any] = {
        "job": {"prompt": "a red circle", "aspect_ratio": "16:9"},
        "config": yaml.safe_load((ROOT / "config" / "aura.yaml").read_text()),
    }
    if name in documents:
        jsonschema.validate(documents[name], schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"prompts": "a red circle"}, schema)


def test_the_documents_it_writes_keep_the_schemas_it_prints(loaded: Program) -> None:
    house = loaded.house
    sidecar, health = (json.loads(loaded.call("schema", name).stdout) for name in ("sidecar", "health"))
    jsonschema.validate(house.sidecar("cat.json"), sidecar)
    for folder in (house.state, house.outbox):
        jsonschema.validate(json.loads((folder / "health.json").read_bytes()), health)


def test_status_before_anything_has_run_says_so(program: Program) -> None:
    ran = program.call("status")
    assert (ran.returncode, ran.stdout.startswith("nothing has run here yet")) == (1, True)
    ran = program.call("status", "--json")
    assert json.loads(ran.stdout) == {"running": False, "jobs": None, "recent_failures": [], "health": None}


def test_status_answers_from_the_journal_when_the_daemon_is_gone(loaded: Program) -> None:
    ran = loaded.call("status")
    assert ran.returncode == 0
    assert "1 done" in ran.stdout
    (loaded.house.state / "health.json").unlink()
    ran = loaded.call("status")
    assert "1 done" in ran.stdout
    answer = json.loads(loaded.call("status", "--json").stdout)
    assert (answer["running"], answer["jobs"]["done"], answer["health"]) == (False, 1, None)


def test_status_counts_what_is_left_alone_by_its_reason(program: Program) -> None:
    for name in ("a.mov", "b.mov"):
        program.house.drop(name, b"x")
    program.call("once")
    ran = program.call("status")
    assert "left alone 2: not a kind of file it knows (.mov)\n" in ran.stdout


def test_status_of_an_empty_journal_says_none(program: Program) -> None:
    Journal(program.house.state / "journal.sqlite3").close()
    ran = program.call("status")
    assert (ran.returncode, ran.stdout) == (0, "jobs       none\n")


def test_why_prints_one_line_and_says_by_its_exit_code_whether_the_file_is_known(loaded: Program) -> None:
    known, unknown = (loaded.call("why", str(loaded.house.inbox / name)) for name in ("cat.yaml", "never.yaml"))
    assert (known.returncode, unknown.returncode) == (0, 1)
    assert known.stdout.startswith(f"cat.yaml: done, see {loaded.house.outbox}/cat.json [")
    assert unknown.stdout == "never.yaml: never seen, and not in the inbox now\n"


def test_check_says_what_files_ask_for_and_what_is_wrong_with_them(program: Program) -> None:
    root = program.house.root
    (root / "good.yaml").write_bytes(b"prompt: x\n---\ntask: caption\nimage: a.png\n")
    (root / "note.txt").write_bytes(b"a red circle")
    (root / "beach.png").write_bytes(PNG)
    ran = program.call("check", "good.yaml", "note.txt", "beach.png")
    assert ran.returncode == 0
    assert ran.stdout.splitlines() == [
        "good.yaml: 2 jobs: 1 to draw, 1 to caption",
        "note.txt: 1 job: 1 to draw",
        "beach.png: an image: 1 caption job",
    ]
    assert program.house.results() == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.yaml", b"", "empty"),
        ("a.yaml", b"prompt: [", "no valid YAML"),
        ("a.yaml", b"prompt: x\nstep: 1\n", "a.yaml:2: step: unknown key; did you mean `steps`?"),
        ("a.yaml", b"prompt: x\nsteps: 0\nwidth: 100000\n", "a.yaml:3: width: must be"),
        ("a.png", b"text", "holds text"),
        ("a.jpg", b"\xff\xd8\xff" + b"x" * 99, "the end of the image is missing"),
        ("a.md", b"x", "would be left alone"),
        ("a.json", b'{"schema": "aura-daemon/sidecar/1"}', "no complete sidecar"),
    ],
)
def test_check_names_every_problem(
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes,
    words: str,
) -> None:
    monkeypatch.chdir(house.root)
    Path(name).write_bytes(content)
    assert check.check([Path(name), Path("missing.yaml")]) == 1
    printed = capsys.readouterr().out
    assert words in printed
    assert "missing.yaml: cannot be read" in printed


@pytest.mark.parametrize(("name", "is_left_alone"), [("cat.txt", True), ("Cat.PNG.txt", True), ("cat.yaml", False)])
def test_check_says_that_a_text_beside_its_picture_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, is_left_alone: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / name).write_text("prompt: a cat" if name.endswith(".yaml") else "a cat")
    assert check.check([Path(name)]) == 0
    told = f"warning: {name}: it lies beside cat.png, so the daemon leaves it alone"
    assert (told in capsys.readouterr().out) == is_left_alone


def test_check_prints_names_that_are_no_text(program: Program) -> None:
    name = "caf\udce9.x\udcff"
    for found in (name, "caf\udce9.yaml"):
        (program.house.root / found).write_bytes(PROMPT)
    ran = program.call("check", name, "caf\udce9.yaml")
    assert "caf\\xe9.yaml: 1 job" in ran.stdout
    assert "would be left alone" in ran.stdout
    assert ran.stderr == ""


def test_everything_wrong_with_the_configuration_is_told_at_once(program: Program) -> None:
    config = program.house.root / "aura.yaml"
    config.write_text("generate:\n  modell: x\nattempts: 0\nsources: burn\n")
    ran = program.call("run", "--config", str(config))
    assert ran.returncode == 2
    for words in ("modell", "attempts", "sources", "did you mean `model`?", f"{config}:2"):
        assert words in ran.stderr
    assert "Traceback" not in ran.stderr
    assert list(program.house.state.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "once"])
def test_missing_and_overlapping_folders_are_refused_with_every_problem(house: House, command: str) -> None:
    variables = {"AURA_INBOX": str(house.root / "nas"), "AURA_OUTBOX": str(house.state / "out"), "AURA_COLOUR": "red"}
    problems = []
    for changed in (variables, {name: value for name, value in variables.items() if name != "AURA_COLOUR"}):
        ran = Program(house, REAL, **changed).call(command)
        assert ran.returncode == 2
        assert "Traceback" not in ran.stderr
        problems.append(ran.stderr)
    assert "$AURA_COLOUR" in problems[0]
    assert f"{house.root / 'nas'} does not exist" in problems[1]
    assert f"lies inside state ({house.state})" in problems[1]
    assert not (house.root / "nas").exists()


@pytest.mark.parametrize("outbox", ["inbox", "inbox/out", "."])
def test_an_outbox_that_overlaps_the_inbox_is_refused(house: House, outbox: str) -> None:
    (house.inbox / "out").mkdir()
    ran = Program(house, REAL, AURA_OUTBOX=str(house.root / outbox)).call("once")
    assert ran.returncode == 2
    assert "inbox" in ran.stderr


def test_an_unreadable_configuration_is_refused(program: Program) -> None:
    for place in (program.house.root / "nowhere.yaml", program.house.root):
        ran = program.call("once", "--config", str(place))
        assert ran.returncode == 2
        assert "cannot be read" in ran.stderr


def test_a_journal_of_a_newer_version_is_refused_without_a_traceback(program: Program) -> None:
    place = program.house.state / "journal.sqlite3"
    Journal(place).close()
    with closing(sqlite3.connect(place)) as connection:
        connection.execute("PRAGMA user_version = 99")
    for command in ("once", "status"):
        ran = program.call(command)
        assert ran.returncode == 2
        assert "update it" in ran.stderr
        assert "Traceback" not in ran.stderr


def test_the_log_says_which_configuration_counts_and_json_is_json(program: Program) -> None:
    ran = program.call("once", "--log-format", "json")
    assert ran.returncode == 0, ran.stderr
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert any("built-in defaults" in line["message"] or "/aura.yaml" in line["message"] for line in lines)
    assert ran.stdout == ""


def test_the_paths_of_a_fresh_folder_are_made(house: House, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    environment = {name: value for name, value in Program(house).environment().items() if not name.startswith("AURA_")}
    ran = subprocess.run(
        [sys.executable, "-m", REAL, "once"],
        cwd=fresh,
        env={**environment, "XDG_STATE_HOME": os.fspath(tmp_path / "xdg")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert {path.name for path in fresh.iterdir()} == {"inbox", "outbox"}


def test_named_folders_are_made_where_that_is_asked_for(house: House) -> None:
    program = Program(house, REAL, AURA_OUTBOX=str(house.root / "new" / "out"))
    ran = program.call("once")
    assert (ran.returncode, "--make-folders` makes it" in ran.stderr) == (2, True)
    assert program.call("once", "--make-folders").returncode == 0
    assert (house.root / "new" / "out" / "health.json").is_file()
    assert program.call("once").returncode == 0
