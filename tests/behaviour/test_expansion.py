"""Files that ask for several pictures, through the real daemon with a scripted worker."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aura_daemon.cli import check
from aura_daemon.cli.run import exit_code
from aura_daemon.config.settings import GenerateConfig
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.results import Failure, FailureKind, Outcome
from aura_daemon.jobs.tasks import Task
from tests.support.house import PNG, House, make
from tests.support.programs import Program

BAD = Failure(kind=FailureKind.BAD_INPUT, message="no blue today", mend="take red")


class Picky:
    """Fails jobs whose prompt is blue, and remembers the requests."""

    def __init__(self) -> None:
        self.requests: list[GenerateRequest] = []

    def __call__(self, task: Task) -> Outcome:
        assert isinstance(task.request, GenerateRequest)
        self.requests.append(task.request)
        return BAD if "blue" in task.request.prompt else make(task)


def words(house: House, **lists: str) -> GenerateConfig:
    folder = house.root / "words"
    folder.mkdir()
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text(lines)
    return GenerateConfig(wildcards=folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cat.yaml", b"# colours\nprompt: a {red|blue|green} \\{circle\\} and a __animals__\ntags: [a]\n"),
        ("cat.txt", b"a {red|blue|green} \\{circle\\} and a __animals__\n"),
    ],
)
def test_one_file_becomes_several_results_and_a_failed_one_moved_back_asks_for_the_same(
    house: House, name: str, content: bytes
) -> None:
    generate = words(house, animals="cat\n")
    play = Picky()
    house.drop(name, content)
    summary = house.drain(play, generate=generate)
    assert (summary.done, summary.failed, exit_code(summary)) == (2, 1, 1)
    assert house.results() == ["cat-1.json", "cat-1.png", "cat-3.json", "cat-3.png"]
    assert [one.prompt for one in play.requests] == [f"a {c} {{circle}} and a cat" for c in ("red", "blue", "green")]
    (seed,) = {one.seed for one in play.requests}
    failed = "cat-2.yaml"
    assert house.failed() == [failed, f"{failed}.json"]
    (house.root / "words" / "animals.txt").write_text("dog\n")
    shutil.move(house.outbox / "failed" / failed, house.inbox / failed)
    again = Picky()
    house.drain(again, generate=generate)
    assert again.requests == [play.requests[1]]
    assert again.requests[0].seed == seed


def test_a_matrix_becomes_numbered_results_in_their_order(house: House) -> None:
    house.drop("cat.yaml", b"prompt: x\nmatrix: {steps: [10, 20]}\nseed: [7, 8]\n---\nprompt: y\n")
    house.drain()
    made = [house.sidecar(f"cat-{number}.json")["request"] for number in range(1, 6)]
    assert [(one["steps"], one["seed"]) for one in made[:4]] == [(10, 7), (10, 8), (20, 7), (20, 8)]
    assert made[4]["prompt"] == "y"


def test_a_sidecar_s_prompt_is_taken_as_it_was_drawn(house: House) -> None:
    house.drop("cat.yaml", b"prompt: a \\{red|blue\\} __animals\\__ circle\n")
    house.drain()
    pixels = (house.outbox / "cat.png").read_bytes()
    assert b"a {red|blue} __animals__ circle" in pixels
    shutil.copy(house.outbox / "cat.json", house.inbox / "again.json")
    house.drain()
    assert (house.outbox / "again.png").read_bytes() == pixels


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"prompt: x\nmodel: aura-min\n", "`aura-mini`"),
        (b"prompt: x\nloras: [ink]\n", "it allows none"),
        (b"prompt: __animals__\n", "is no word list"),
        (b"prompt: x\ncount: 400\n---\nprompt: y\ncount: 101\n", "501 jobs"),
    ],
)
def test_names_and_numbers_that_are_not_allowed_are_refused(house: House, content: bytes, words: str) -> None:
    house.drop("cat.yaml", content)
    assert exit_code(house.drain()) == 1
    (problem,) = house.sidecar("failed/cat.yaml.json")["problems"]
    assert words in problem


def test_check_shows_every_job(house: House) -> None:
    program = Program(house)
    config = house.root / "aura.yaml"
    words(house, animals="cat\ndog\n")
    config.write_text(f"generate:\n  wildcards: {house.root / 'words'}\n")
    (house.root / "cat.yaml").write_text(
        "prompt: a [red] {circle|ring}\nseed: 7\nmatrix: {steps: [10, 20], loras: [[], null]}\n"
        "---\ntask: caption\nimage: a.png\n---\nprompt: x\nverify: 0.8\nbest_of: 2\n"
        "---\nprompt: __animals__\nseed: 3-4\nhires: {}\n"
    )
    ran = program.call("check", "--expand", "--config", str(config), "cat.yaml")
    lines = ran.stdout.splitlines()
    assert lines[0] == "cat.yaml: 12 jobs: 11 to draw, 1 to caption"
    assert lines[1] == "    1  seed 7  steps=10  hires=default  a [red] circle"
    assert lines[8] == "    8  seed 7  steps=20  hires=default  a [red] ring"
    assert lines[9:11] == [
        "    9  caption of a.png",
        "   10  seed drawn  steps=default  hires=default  verify=0.8  best_of=2  x",
    ]
    assert [line.rpartition("  ")[0] for line in lines[11:]] == [
        f"   {number}  seed {number - 8}  steps=default  hires=2.0:0.5" for number in (11, 12)
    ]
    assert len(program.call("check", "--config", str(config), "cat.yaml").stdout.splitlines()) == 1


def test_check_holds_names_to_the_configuration(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(house.root)
    Path("a.yaml").write_text("prompt: x\nmodel: sd-1.4\n")
    assert check.check([Path("a.yaml")], expand=True) == 1
    assert "a.yaml:2: model: is none of the models that the configuration allows: aura-mini" in capsys.readouterr().out
    Path("b.yaml").write_text("prompt: x\ncount: 2\nloras: ~\n")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    assert check.check([Path("b.yaml")], expand=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(len(line) == 20 and line.endswith("…") for line in lines[1:])


def test_check_shows_the_regions_of_a_job(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(house.root)
    region = "- {box: [0, 0, 0.5, 1], prompt: a star}\n- {mask: m.png, prompt: a ring}"
    Path("a.yaml").write_text(f"prompt: x\nseed: 1\nregions:\n{region}\n")
    assert check.check([Path("a.yaml")], expand=True) == 0
    assert "regions=['a star' in 0, 0, 0.5, 1, 'a ring' in m.png]" in capsys.readouterr().out


def test_check_counts_a_folder_s_settings_as_the_daemon_does(house: House) -> None:
    program = Program(house)
    house.drop("sub/_defaults.yaml", b"count: 2\nseed: 7\nsteps: 9\n")
    house.drop("again/_defaults.yaml", b"task: regenerate\n")
    picture = house.drop("again/x.png", PNG)
    inside, outside = house.drop("sub/cat.yaml", b"prompt: a {red|blue} cat\n"), house.root / "cat.yaml"
    outside.write_bytes(b"prompt: a cat\n")
    ran = program.call("check", "--expand", str(inside), str(outside), str(picture))
    lines = ran.stdout.splitlines()
    assert lines[0] == f"{inside}: 2 jobs: 2 to draw"
    assert [line.rpartition("  ")[0] for line in lines[1:3]] == ["    1  seed 7", "    2  seed 8"]
    assert lines[3:5] == [f"{outside}: 1 job: 1 to draw", "    1  seed drawn  a cat"]
    assert lines[5] == f"{picture}: an image: 1 job, draws it again"
    house.drop("sub/_defaults.yaml", b"grid: true\ncount: 2\n")
    lines = program.call("check", "--expand", str(inside)).stdout.splitlines()
    assert lines[3] == "       and a sheet of the 2 pictures, 2 in a row"
    house.drop("sub/_defaults.yaml", b"stepz: 9\n")
    ran = program.call("check", str(inside), str(inside.parent / "_defaults.yaml"))
    assert ran.returncode == 1
    assert (
        f"error: {inside}: its folder's settings cannot be used: sub/_defaults.yaml:1: stepz: unknown key" in ran.stdout
    )
    assert "_defaults.yaml:1: stepz: unknown key; did you mean `steps`?" in ran.stdout.splitlines()[-1]
