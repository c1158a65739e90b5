"""What recipes make of files that are dropped, through the daemon, with a scripted worker."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from aura_daemon.cli import check
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest
from aura_daemon.jobs.results import Failure, FailureKind, Outcome
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.jobs.tasks import Task
from aura_daemon.watch.decisions import Wait
from tests.support.house import PNG, Door, House, make
from tests.support.steps import admit, claim, judge
from tests.unit.formats.picture_metadata.test_exif_tags import picture

OIL = b'task: generate\nimage: "{file}"\nprompt: "oil, {text}, {exif:Model}"\nstrength: 0.5\n'


def remember(tasks: list[Task], fails: str = "") -> Callable[[Task], Outcome]:
    """A worker that keeps its tasks, and fails those whose prompt holds a word."""

    def play(task: Task) -> Outcome:
        tasks.append(task)
        if fails and isinstance(task.request, GenerateRequest) and fails in task.request.prompt:
            return Failure(kind=FailureKind.BAD_INPUT, message="no", mend="")
        return make(task)

    return play


def test_a_picture_that_is_dropped_is_drawn_from_with_what_it_and_its_text_say(house: House) -> None:
    house.drop("oil/_defaults.yaml", OIL)
    house.drop("oil/Sea.jpg", photo := picture("JPEG"))
    house.drop("oil/sea.txt", b"waves {a|b}\n")
    tasks: list[Task] = []
    house.drain(remember(tasks))
    (task,) = tasks
    assert isinstance(task.request, GenerateRequest)
    assert (task.request.prompt, task.request.image) == (r"oil, waves \{a\|b}, X100V é", "Sea.jpg")
    assert (task.image, task.request.strength) == (photo, 0.5)
    assert house.results() == ["oil/Sea.json", "oil/Sea.png"]
    assert house.sidecar("oil/Sea.json")["defaults"][0]["name"] == "oil/_defaults.yaml"
    assert house.archived() == ["oil/Sea.jpg"]
    assert house.waiting() == ["oil/_defaults.yaml", "oil/sea.txt"]
    assert house.temporary() == []


def test_of_two_pictures_of_one_name_each_is_drawn_from_its_own_bytes(door: Door) -> None:
    door.house.drop("a/_defaults.yaml", b'task: generate\nimage: "{file}"\nprompt: x\n')
    door.house.drop("a/p.png", PNG)
    source = claim(door, "a/p.png", SourceKind.IMAGE)
    door.house.drop("a/p.png", PNG + b"another")
    (job,) = door.intake.admit(source)
    image = door.inputs.of(job, source).image
    assert image is not None
    assert image.content == PNG


def test_a_picture_described_first_is_one_job_and_one_sidecar(house: House) -> None:
    house.drop("c/_defaults.yaml", b'task: generate\nprompt: "{caption} at night"\nnegative_prompt: "no {caption}"\n')
    house.drop("c/p.png", PNG)
    tasks: list[Task] = []
    house.drain(remember(tasks))
    first, second = tasks
    assert isinstance(first.request, CaptionRequest)
    assert isinstance(second.request, GenerateRequest)
    assert (first.image, second.image) == (PNG, None)
    assert second.request.prompt.startswith("an image of ")
    assert house.results() == ["c/p.json", "c/p.png"]
    document = house.sidecar("c/p.json")
    assert document["request"]["prompt"] == second.request.prompt
    assert [part["task"] for part in document["parts"]] == ["caption", "generate"]


def test_of_several_pictures_of_one_dropped_those_that_failed_come_back_as_job_files(house: House) -> None:
    house.drop("v/_defaults.yaml", b'task: generate\nimage: "{file}"\nmatrix: {prompt: [good, bad]}\nseed: 1\n')
    house.drop("v/p.png", PNG)
    house.drain(remember([], fails="bad"))
    assert house.results() == ["v/p-1.json", "v/p-1.png"]
    assert house.failed() == ["v/p-2.yaml", "v/p-2.yaml.json"]
    back = (house.outbox / "failed" / "v" / "p-2.yaml").read_bytes()
    house.drop("v/p-2.yaml", back)
    tasks: list[Task] = []
    house.drain(remember(tasks))
    (task,) = tasks
    assert isinstance(task.request, GenerateRequest)
    assert (task.request.prompt, task.request.image, task.image) == ("bad", "p.png", PNG)


def test_a_picture_stays_where_sources_are_kept_and_a_mask_comes_from_a_companion_folder(house: House) -> None:
    house.drop("m/_defaults.yaml", b'task: generate\nimage: "{file}"\nmask: "{stem}-mask.png"\nprompt: x\n')
    house.drop("m/assets/p-mask.png", PNG + b"mask")
    house.drop("m/p.png", PNG)
    tasks: list[Task] = []
    house.drain(remember(tasks), sources="keep")
    house.drain(remember(tasks), sources="keep")
    (task,) = tasks
    assert (task.image, task.mask) == (PNG, PNG + b"mask")
    assert house.waiting() == ["m/_defaults.yaml", "m/assets/p-mask.png", "m/p.png"]


def test_a_reflection_of_a_picture_that_was_dropped_comes_back_as_a_job_file(house: House) -> None:
    house.drop("r/_defaults.yaml", b"task: reflect\nrounds: 2\nseed: 1\n")
    house.drop("r/p.png", PNG)

    def play(task: Task) -> Outcome:
        is_second = isinstance(task.request, GenerateRequest) and task.request.seed == 2
        return Failure(kind=FailureKind.BAD_INPUT, message="no", mend="") if is_second else make(task)

    house.drain(play)
    assert house.results() == ["r/p-1.json", "r/p-1.png", "r/p-grid.json", "r/p-grid.png"]
    assert house.failed() == ["r/p-2.yaml", "r/p-2.yaml.json"]
    assert (house.outbox / "failed" / "r" / "p-2.yaml").read_bytes() == b"task: reflect\nimage: p.png\n"


def test_rows_of_a_table_name_pictures_and_hold_placeholders(house: House) -> None:
    house.drop("t/list.csv", b'prompt,image\n"{stem}, {caption}",a.png\n"only text {stem}",\n')
    house.drop("t/a.png", PNG)
    tasks: list[Task] = []
    house.drain(remember(tasks))
    prompts = [task.request.prompt for task in tasks if isinstance(task.request, GenerateRequest)]
    assert sorted(prompts) == [f"a, {make(tasks[0]).text}", "only text {stem}"]  # type: ignore[union-attr]


def test_a_job_file_waits_for_the_pictures_that_its_pattern_means_and_owns_them(house: House) -> None:
    house.drop("set/job.yaml", b'prompt: "{stem}"\nimage: "in/*.png"\n')
    with closing(Door(house)) as door:
        waits = judge(door, "set/job.yaml")
        assert isinstance(waits, Wait)
        assert "in/*.png" in waits.reason
        for name in ("b", "a"):
            house.drop(f"set/in/{name}.png", PNG)
        door.judging.look()
        assert not isinstance(judge(door, "set/job.yaml", 100.0), Wait)
        assert "it belongs to set/job.yaml" in str(judge(door, "set/in/a.png", 100.0))
        _, jobs = admit(door, "set/job.yaml")
    requests = [job.request for job in jobs]
    assert [(one.prompt, one.image) for one in requests if isinstance(one, GenerateRequest)] == [
        ("a", "set/in/a.png"),
        ("b", "set/in/b.png"),
    ]


def test_a_pattern_that_fits_nothing_is_refused_with_one_line(house: House) -> None:
    house.drop("job.yaml", b'prompt: x\nimage: "in/*.png"\n')
    house.drain()
    (problem,) = house.sidecar("failed/job.yaml.json")["problems"]
    words = "stands for no picture: none fits, beside the file or below the inbox: put pictures there, or correct it"
    assert problem == f'job.yaml:2: image: {words} (given: "in/*.png")'


def test_a_text_that_is_none_says_nothing(house: House) -> None:
    house.drop("oil/_defaults.yaml", OIL)
    house.drop("oil/p.png", PNG)
    house.drop("oil/p.txt", b"\xff\xfe\x00")
    with closing(Door(house)) as door:
        source = claim(door, "oil/p.png", SourceKind.IMAGE)
        (job,) = door.intake.admit(source)
    assert isinstance(job.request, GenerateRequest)
    assert job.request.prompt == "oil, ,"
    assert job.warnings == ("the picture's EXIF has no Model: nothing stands for `{exif:Model}`",)


def test_check_shows_what_a_recipe_makes_of_a_file(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("AURA_INBOX", str(house.inbox))
    monkeypatch.chdir(tmp_path)
    settings = house.drop("w/_defaults.yaml", OIL + b'seed: 4\nnegative_prompt: "{caption}"\n')
    photo = house.drop("w/p.jpg", picture("JPEG"))
    house.drop("w/p.txt", b"the sea")
    named = house.drop("w/job.yaml", b"image: p.jpg\nhires: {scale: 3}\nverify: true\n")
    house.drop("w/in/a.png", PNG)
    several = house.drop("w/all.yaml", b'image: "in/*"\nprompt: x\n')
    assert check.check([settings, photo, named, several]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = [
        "  as its folder's recipe makes it:",
        "    task: generate",
        "    prompt: oil, the sea, X100V é",
        "    negative_prompt: '{caption}'",
        "    seed: 4",
    ]
    assert lines[0] == f"{settings}: the recipe of its folder: pictures that are dropped there are drawn from"
    assert lines[1:7] == [f"{photo}: 1 job: 1 to draw", *shown]
    assert lines[7:10] == ["    image: p.jpg", "    strength: 0.5", "  `{caption}` is written first, by the captioner"]
    assert [*shown, "    image: p.jpg", "    strength: 0.5", "    hires:", "      scale: 3.0"] == lines[11:20]
    assert "    verify: true" in lines
    assert "    image: in/a.png" in lines
    settings.write_bytes(b"task: caption\nimages: in/*\n")
    elsewhere, none = tmp_path / "set.yaml", tmp_path / "none.yaml"
    elsewhere.write_bytes(b"task: caption\nimages: [w, in]\n")
    none.write_bytes(b"task: caption\nimages: nowhere\n")
    assert check.check([house.drop("w/set.yaml", b"max_words: 3\n"), elsewhere, none]) == 0
    out = capsys.readouterr().out
    assert "    task: caption\n    images:\n    - in/*\n    max_words: 3\n" in out
    assert "set.yaml: 1 job: one for each picture that matches in/* (1 now)\n" in out
    assert f"{elsewhere}: 1 job: one for each picture that matches w/**, in/** (2 now)\n" in out
    assert f"{none}: 1 job: one for each picture that matches nowhere/** (none matches now)\n" in out
    settings.write_bytes(b"task: reflect\n")
    drawn = house.drop("v/_defaults.yaml", b'prompt: "{caption} {a|b}"\ncount: 2\n')
    two = house.drop("v/two.yaml", b"matrix: {image: [a.png, b.png]}\n")
    assert check.check([settings, two], expand=False) == 0
    out = capsys.readouterr().out
    assert (
        f"{settings}: the recipe of its folder: pictures that are dropped there are described and drawn, round" in out
    )
    assert "the first job (--expand lists all):" in out
    assert "seed" not in out
    assert check.check([drawn, two], expand=True) == 0
    out = capsys.readouterr().out
    assert "image=b.png" in out
    assert "described" not in out
    settings.write_bytes(b"task: regenerate\nsteps: 3\n")
    again = house.drop("w/again.yaml", b"task: regenerate\nimage: p.jpg\n")
    house.drop("w/cap/_defaults.yaml", b"task: caption\ncaption: {trigger_word: sks}\n")
    tell = house.drop("w/cap/p.png", PNG)
    assert check.check([again, tell]) == 0
    out = capsys.readouterr().out
    assert "1 to draw again\n  as its folder's recipe makes it:\n    task: regenerate\n    steps: 3\n" in out
    assert (
        "1 to caption\n  as its folder's recipe makes it:\n    task: caption\n    caption:\n      trigger_word: sks\n"
        in out
    )


@pytest.mark.parametrize("text", ["task: generate\nprompt: x\nstrength: 0.5\n", "task: generate\nprompt: x\n"])
def test_a_picture_whose_name_is_no_text_is_drawn_from_as_any_other(house: House, text: str) -> None:
    name = os.fsdecode(b"caf\xe9")
    house.drop("r/_defaults.yaml", text.encode())
    house.drop(f"r/{name}.png", PNG)
    assert house.drain().done == 1
    assert house.results() == [f"r/{name}.json", f"r/{name}.png"]
    assert house.drain().done == 0


@pytest.mark.parametrize("pick", ["each", "all"])
def test_a_pattern_that_fits_a_picture_whose_name_is_no_text_says_so(house: House, pick: str) -> None:
    house.drop("photos/caf\udce9.png", PNG)
    house.drop("a.yaml", f"prompt: x\nimage: photos/*.png\npick: {pick}\ncount: 2\n".encode())
    house.drop("b.yaml")
    assert house.drain().failed == 1
    assert "bytes that are no text" in (house.outbox / "failed/a.yaml.json").read_text()
