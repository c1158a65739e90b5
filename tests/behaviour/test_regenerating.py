"""Pictures and sidecars that are dropped to make their pictures again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from aura_daemon.cli import check
from aura_daemon.cli.run import exit_code
from aura_daemon.intake.triage import ReadyToClaim
from aura_daemon.jobs.requests import GenerateRequest, JobKind
from aura_daemon.jobs.results import Outcome, Produced
from aura_daemon.jobs.tasks import Task
from aura_daemon.watch.decisions import Wait
from tests.support.house import PNG, Door, House, is_caption, make, sha256
from tests.support.steps import admit, judge
from tests.unit.formats.picture_metadata.test_embedded_texts import exif, png_text, saved

AGAIN = b"task: regenerate\nimage: x.png\n"
FOLDER = b"task: regenerate\n"
SETTINGS = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x64"
TEXT = f"a red circle\nNegative prompt: blue\n{SETTINGS}, Version: v1.10.1"
PICTURE = png_text(parameters=TEXT)


def remember(tasks: list[Task]) -> Callable[[Task], Outcome]:
    """A worker that keeps its requests."""

    def play(task: Task) -> Outcome:
        tasks.append(task)
        return make(task)

    return play


def test_a_picture_in_a_folder_that_says_so_is_made_again_and_not_captioned(house: House) -> None:
    house.drop("again/_defaults.yaml", FOLDER)
    house.drop("again/sub/x.png", PICTURE)
    house.drop("y.png", PICTURE)
    tasks: list[Task] = []
    assert exit_code(house.drain(remember(tasks))) == 0
    assert house.results() == ["again/sub/x.json", "again/sub/x.png", "y.json", "y.txt"]
    (task,) = [task for task in tasks if not is_caption(task)]
    request = task.request
    assert isinstance(request, GenerateRequest)
    assert (request.prompt, request.negative_prompt, request.seed, request.steps) == ("a red circle", "blue", 5, 20)
    assert (request.scheduler, request.guidance_scale, request.width) == ("euler_a", 7, 64)
    assert task.image is None
    document = house.sidecar("again/sub/x.json")
    assert document["source"]["name"] == document["regenerated_from"] == "again/sub/x.png"
    assert document["source"]["sha256"] == sha256(PICTURE)
    assert document["defaults"][0]["name"] == "again/_defaults.yaml"
    assert any("made by another program" in warning for warning in document["warnings"])
    assert house.sidecar("y.json")["regenerated_from"] is None
    assert house.archived() == ["again/sub/x.png", "y.png"]
    assert house.temporary() == []


def test_a_job_file_names_the_picture_and_outvotes_it(house: House) -> None:
    house.drop("sub/job.yaml", AGAIN + b"seed: 8\npriority: 2\n")
    house.drop("sub/x.png", PICTURE)
    tasks: list[Task] = []
    assert exit_code(house.drain(remember(tasks), pair_wait=0.5)) == 0
    assert house.results() == ["sub/job.json", "sub/job.png"]
    (task,) = tasks
    assert isinstance(task.request, GenerateRequest)
    assert (task.request.prompt, task.request.seed) == ("a red circle", 8)
    document = house.sidecar("sub/job.json")
    assert (document["source"]["name"], document["regenerated_from"]) == ("sub/job.yaml", "sub/x.png")
    assert house.archived() == ["sub/job.yaml", "sub/x.png"]
    assert house.temporary() == []


@pytest.mark.parametrize("ending", ["jpg", "webp", "avif"])
def test_a_job_file_without_a_name_means_the_picture_that_is_called_like_it(house: House, ending: str) -> None:
    image_format = {"jpg": "JPEG"}.get(ending, ending.upper())
    content = saved(image_format, exif=exif(b"UNICODE\0" + TEXT.encode("utf-16-be")))
    house.drop("x.yaml", FOLDER)
    house.drop(f"x.{ending}", content)
    assert exit_code(house.drain(pair_wait=0.5)) == 0
    assert house.results() == ["x.json", "x.png"]
    assert house.sidecar("x.json")["regenerated_from"] == f"x.{ending}"
    assert house.sidecar("x.json")["seeds"] == [5]


def test_a_sidecar_of_a_picture_made_again_asks_for_the_same(house: House) -> None:
    house.drop("x.yaml", FOLDER)
    house.drop("x.png", PICTURE)
    house.drain(pair_wait=0.5)
    house.drop("more/once.json", (house.outbox / "x.json").read_bytes())
    assert exit_code(house.drain()) == 0
    first, second = house.sidecar("x.json"), house.sidecar("more/once.json")
    assert first["request"] == second["request"]
    assert first["outputs"][0]["sha256"] == second["outputs"][0]["sha256"]
    assert second["regenerated_from"] is None


def test_a_picture_without_settings_fails_and_says_what_to_do(house: House) -> None:
    house.drop("_defaults.yaml", FOLDER)
    house.drop("x.png", saved("PNG"))
    house.drain()
    assert house.failed() == ["x.png", "x.png.json"]
    report = house.sidecar("failed/x.png.json")
    assert report["kind"] == "bad_input"
    assert "the picture holds no settings to make it again from" in report["reason"]
    assert "`task: caption`" in report["reason"]


def test_a_picture_whose_sampler_is_not_known_fails_naming_it(house: House) -> None:
    house.drop("_defaults.yaml", FOLDER)
    house.drop("x.png", png_text(parameters=TEXT.replace("Euler a", "DPM++ 3M SDE")))
    house.drain()
    (problem,) = house.sidecar("failed/x.png.json")["problems"]
    assert problem.startswith("x.png: scheduler: must be one of")
    assert '(given: "DPM++ 3M SDE")' in problem


def test_of_several_documents_every_problem_is_told_and_none_runs(door: Door) -> None:
    door.house.drop("x.png", saved("PNG"))
    door.house.drop("y.png", PICTURE)
    door.house.drop("job.yaml", AGAIN + b"---\ntask: regenerate\nimage: y.png\n---\n" + AGAIN)
    source, jobs = admit(door, "job.yaml")
    assert jobs == ()
    assert [problem.file for problem in source.problems] == ["x.png", "x.png"]


def test_every_document_has_its_own_picture(door: Door) -> None:
    door.house.drop("x.png", PICTURE)
    door.house.drop("y.png", png_text(parameters=TEXT.replace("red", "green")))
    door.house.drop("job.yaml", AGAIN + b"---\ntask: regenerate\nimage: y.png\n---\nprompt: a cat\n")
    _, jobs = admit(door, "job.yaml")
    prompts = [job.request.prompt for job in jobs if isinstance(job.request, GenerateRequest)]
    assert prompts == ["a red circle", "a green circle", "a cat"]
    assert {job.kind for job in jobs} == {JobKind.GENERATE}
    assert jobs[1].text == b"task: regenerate\nimage: y.png\n"
    assert list(door.claims.inputs.iterdir()) == []


def test_a_job_waits_for_its_picture_and_says_when_it_never_came(door: Door) -> None:
    door.house.drop("job.yaml", AGAIN)
    waits = judge(door, "job.yaml")
    assert isinstance(waits, Wait)
    assert waits.reason == "it waits for x.png"
    assert isinstance(judge(door, "job.yaml", unchanged_s=600), ReadyToClaim)
    source, _ = admit(door, "job.yaml")
    assert source.failure is not None
    assert "did not arrive: x.png" in source.failure.message


def test_a_picture_that_a_job_waits_to_make_again_is_not_captioned(door: Door) -> None:
    door.house.drop("job.yaml", AGAIN)
    door.house.drop("x.png", PICTURE)
    assert isinstance(judge(door, "job.yaml"), ReadyToClaim)
    waits = judge(door, "x.png")
    assert isinstance(waits, Wait)
    assert waits.reason == "it belongs to job.yaml"


def test_a_picture_that_is_too_large_is_not_read(door: Door) -> None:
    door.house.drop("job.yaml", AGAIN)
    door.house.drop("x.png", PICTURE + b"x" * 1_000_001)
    source, jobs = admit(door, "job.yaml")
    assert jobs == ()
    assert source.failure is not None
    assert "x.png is larger than 1,000,000 bytes" in source.failure.message
    assert list(door.claims.inputs.iterdir()) == []


def test_a_picture_of_a_job_that_is_done_is_put_away_whatever_its_folder_says(house: House) -> None:
    house.drop("_defaults.yaml", FOLDER)
    house.drop("job.yaml", b"task: caption\nimage: x.png\n")
    house.drop("x.png", PNG)
    assert exit_code(house.drain(pair_wait=0.5)) == 0
    assert house.results() == ["job.json", "job.txt"]
    assert house.archived() == ["job.yaml", "x.png"]


def test_a_model_other_than_the_pictures_is_said(house: House) -> None:
    house.drop("_defaults.yaml", FOLDER)
    ours = f"a red circle\n{SETTINGS}, Model hash: 0000000000, Model: scripted, Version: aura-daemon 0.1.0"
    house.drop("same.png", png_text(parameters=ours))
    house.drop("other.png", png_text(parameters=ours.replace("scripted", "sd-1.4")))

    def play(task: Task) -> Outcome:
        found = make(task)
        assert isinstance(found, Produced)
        return replace(found, versions=(("aura_daemon", "0.1.0"),))

    house.drain(play)
    assert house.sidecar("same.json")["warnings"] == []
    (warning,) = house.sidecar("other.json")["warnings"]
    assert warning == "made again with another model than other.png (sd-1.4 then, scripted now)"


def test_check_knows_what_would_be_made_again(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    place = house.drop("job.yaml", AGAIN + b"---\nprompt: x\n---\nimage: y.png\n")
    assert check.check([place, house.drop("_defaults.yaml", FOLDER)]) == 0
    printed = capsys.readouterr().out
    assert "3 jobs: 1 to draw, 1 to caption, 1 to draw again" in printed


def test_pictures_are_read_at_the_door_without_a_decoder() -> None:
    code = "import sys, aura_daemon.intake.admission; print(*sorted({'torch', 'PIL', 'numpy'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
