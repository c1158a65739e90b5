"""`submit` hands in what the command line says; `--wait` says what came of it by paths and exit code."""

from __future__ import annotations

import io
import json
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from aura_daemon.cli.submit.wait import _bar_of, wait_for
from aura_daemon.daemon.waiting import Outlook, Stage, outlooks
from aura_daemon.health.document import CurrentJob
from aura_daemon.jobs.results import FailureKind
from tests.support.house import PNG, House, fail
from tests.unit.cli.conftest import Call


@pytest.fixture
def photo(house: House) -> Path:
    """A picture beside the inbox."""
    place = house.root / "photo.png"
    place.write_bytes(PNG)
    return place


def written(house: House, name: str) -> dict[str, Any]:
    keys: dict[str, Any] = yaml.safe_load((house.inbox / name).read_text())
    return keys


def test_every_option_is_the_key_that_it_is_called_as(call: Call, house: House) -> None:
    options = [
        *("--aspect", "16:9", "--steps", "8", "--seed", "1-3", "--negative", "blur", "--guidance", "6.5"),
        *("--scheduler", "ddim", "--priority", "2", "--set", "format=webp", "--set", "hires.scale=2"),
        *("--set", "hires.strength=0.4", "--set", "tags=[a,b]", "--set", "notes=1984", "--name", "boat"),
    ]
    code, out, err = call("submit", "a boat", *options)
    assert (code, out) == (0, "boat.yaml: 3 jobs handed in\n")
    assert err.startswith("no daemon runs: start")
    assert written(house, "boat.yaml") == {
        "prompt": "a boat",
        "aspect_ratio": "16:9",
        "steps": 8,
        "seed": "1-3",
        "negative_prompt": "blur",
        "guidance_scale": 6.5,
        "scheduler": "ddim",
        "priority": 2,
        "format": "webp",
        "hires": {"scale": 2, "strength": 0.4},
        "tags": ["a", "b"],
        "notes": "1984",
    }


def test_a_picture_alone_is_enlarged_and_what_a_prompt_draws_too(call: Call, house: House, photo: Path) -> None:
    assert call("submit", "photo.png", "--upscale", "2", "--set", "upscale.tile=128", "--set", "format=webp")[0] == 0
    enlarged = {"scale": 2, "tile": 128}
    assert written(house, "photo.yaml") == {
        "task": "upscale",
        "upscale": enlarged,
        "format": "webp",
        "image": "photo.png",
    }
    assert call("submit", "a boat", "--upscale", "aura-mini")[0] == 0
    assert written(house, "a-boat.yaml") == {"prompt": "a boat", "upscale": {"model": "aura-mini"}}
    again = ("submit", "a boat", "photo.png", "--set", "upscale={scale: 3}", "--name", "")
    assert call(*again)[0] == 0
    assert written(house, "photo-2.yaml")["task"] == "upscale"


@pytest.mark.parametrize("said", ["{model}/{stem}", '"{model}/{stem}"'])
def test_a_name_for_results_needs_no_quotes_of_yaml(call: Call, house: House, said: str) -> None:
    assert call("submit", "a boat", "--set", f"output={said}")[0] == 0
    assert written(house, "a-boat.yaml")["output"] == "{model}/{stem}"
    assert call("submit", "a boat", "--set", "output={stem}")[0] == 0
    assert written(house, "a-boat-2.yaml")["output"] == "{stem}"


def test_a_size_is_width_and_height_and_a_count_a_number(call: Call, house: House) -> None:
    call("submit", "a boat", "--size", "640x512", "--num-images", "2", "--model", "aura-mini")
    assert written(house, "a-boat.yaml") == {
        "prompt": "a boat",
        "count": 2,
        "model": "aura-mini",
        "width": 640,
        "height": 512,
    }


def test_a_question_goes_with_its_picture(call: Call, house: House, photo: Path) -> None:
    assert call("submit", "photo.png", "--question", "a photo of")[0] == 0
    assert written(house, "photo.yaml") == {"task": "caption", "prompt": "a photo of", "image": "photo.png"}
    assert photo.exists()


def test_a_picture_alone_a_job_file_and_a_prompt_are_handed_in_together(call: Call, house: House, photo: Path) -> None:
    (house.root / "jobs.yaml").write_text("prompt: a cat\n---\nprompt: a dog\n")
    code, out, _ = call("submit", "photo.png", "jobs.yaml", "a red circle", "--json")
    assert (code, [json.loads(line)["file"] for line in out.splitlines()]) == (
        0,
        ["photo.png", "jobs.yaml", "a-red-circle.yaml"],
    )
    assert json.loads(out.splitlines()[1]) == {"file": "jobs.yaml", "jobs": 2, "warnings": []}


def test_an_image_that_its_job_file_takes_along_is_no_job_of_its_own(call: Call, house: House, photo: Path) -> None:
    (house.root / "say.yaml").write_text("image: photo.png\n")
    code, out, _ = call("submit", "say.yaml", "photo.png")
    assert (code, out) == (0, "say/say.yaml: 1 job handed in\n")


def test_a_picture_to_start_from_and_a_mask_are_copied(call: Call, house: House, photo: Path) -> None:
    assert call("submit", "a boat", "--image", "photo.png", "--mask", str(photo), "--strength", "0.5")[0] == 0
    assert house.waiting() == ["a-boat-mask.png", "a-boat.png", "a-boat.yaml"]
    assert written(house, "a-boat.yaml")["strength"] == 0.5


def test_with_one_mistake_nothing_is_handed_in(call: Call, house: House, photo: Path) -> None:
    code, _, err = call("submit", "photo.png", "none.yaml", "a cat")
    assert (code, house.waiting()) == (2, [])
    assert err == "error: none.yaml: cannot be read: No such file or directory\n"


@pytest.mark.parametrize(
    ("content", "options", "names"),
    [
        (b"a cat\na dog\n", [], ["standard-input.txt"]),
        (b"a cat\n", ["--steps", "3"], ["a-cat.yaml"]),
        (b"prompt: a cat\n", ["--yaml", "--name", "mia"], ["mia.yaml"]),
    ],
)
def test_standard_input_is_prompts_or_a_job_file(
    call: Call, house: House, monkeypatch: pytest.MonkeyPatch, content: bytes, options: list[str], names: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(BytesIO(content)))
    assert call("submit", "-", *options)[0] == 0
    assert house.waiting() == names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "standard input: is empty"),
        (["--yaml"], "standard input: is empty"),
        (["--steps", "3"], "prompt: must be text of 1 to"),
    ],
)
def test_standard_input_that_holds_nothing_is_told(
    call: Call, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(BytesIO(b" \n")))
    code, _, err = call("submit", "-", *options)
    assert code == 2
    assert err.startswith(f"error: {message}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["jobs.yaml", "--steps", "3"], "jobs.yaml: has its own keys: options go with prompts and pictures"),
        (["photo.png", "--image", "photo.png"], "image: is there twice: name one picture (given: photo.png)"),
        (["photo.png", "--upscale", "20"], "upscale.scale: must be a number from 1 to 8"),
        (["photo.png", "--upscale", "aura-min"], "upscale: is none of the upscalers that the configuration allows"),
        (["photo.png", "--upscale", "2", "--question", "a"], "`upscale` does not go with `task: caption`"),
        (["a cat", "--steps", "3", "--set", "steps.x=2"], "`steps` has a value already, and no keys below it"),
        (["photo.png", "--steps", "3"], "steps: `steps` does not go with `task: caption`"),
    ],
)
def test_options_go_with_what_they_can_change(
    call: Call, house: House, photo: Path, arguments: list[str], message: str
) -> None:
    (house.root / "jobs.yaml").write_text("prompt: a cat\n")
    code, _, err = call("submit", *arguments)
    assert (code, house.waiting()) == (2, [])
    assert message in err


def test_warnings_are_told(call: Call) -> None:
    code, _, err = call("submit", "a (cat")
    assert code == 0
    assert err.splitlines()[0].startswith("warning: a-cat.yaml: ") or "no daemon" in err


def test_a_default_inbox_is_made(call: Call, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AURA_INBOX")
    monkeypatch.delenv("AURA_OUTBOX")
    house.inbox.rmdir()
    assert call("submit", "a cat")[0] == 0
    assert (house.root / "inbox" / "a-cat.yaml").exists()


CURRENT = CurrentJob(id="1", kind="generate", source="a", step=5, steps=10, eta_s=2.0, loading=None)


@pytest.mark.parametrize(
    ("seen", "bar"),
    [
        ([Outlook(stage=Stage.ARRIVING, text="it is taken now")], (None, 0.0, "it is taken now")),
        ([Outlook(stage=Stage.QUEUED, text="queued", jobs=4)], (None, 0.0, "0 of 4 done, queued")),
        (
            [Outlook(stage=Stage.RUNNING, text="step 5 of 10", jobs=4, ended=1, current=CURRENT)],
            (4, 1.5, "1 of 4 done, step 5 of 10"),
        ),
        ([Outlook(stage=Stage.FAILED, text="it broke")], (1, 1.0, "it broke")),
        ([Outlook(stage=Stage.DONE, text="done", jobs=2, ended=2)], (2, 2.0, "2 of 2 done")),
        (
            [
                Outlook(stage=Stage.DONE, text="done", jobs=2, ended=2),
                Outlook(stage=Stage.QUEUED, text="queued", jobs=1),
            ],
            (3, 2.0, "2 of 3 done, queued"),
        ),
    ],
)
def test_a_bar_counts_ended_jobs_and_the_steps_of_the_running_one(
    seen: list[Outlook], bar: tuple[int | None, float, str]
) -> None:
    found = _bar_of(seen)
    assert (found["total"], found["completed"], found["text"]) == bar


def waited(house: House, paths: list[str], *, as_json: bool) -> int:
    return wait_for(paths, outlooks(paths, house.settings()), as_json=as_json)


def test_in_the_end_paths_go_to_standard_output_and_reasons_to_standard_error(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.drop("cat.yaml", b"prompt: x\ncount: 2\n")
    house.drain()
    house.drop("dog.yaml")
    house.drain(fail(FailureKind.UNEXPECTED, "it broke", "mend it"))
    capsys.readouterr()
    assert waited(house, ["cat.yaml"], as_json=False) == 0
    assert capsys.readouterr() == (f"{house.outbox / 'cat-1.png'}\n{house.outbox / 'cat-2.png'}\n", "")
    assert waited(house, ["dog.yaml"], as_json=False) == 1
    assert capsys.readouterr() == ("", "failed: dog.yaml: it broke. Mend it\n")
    assert waited(house, ["cat.yaml", "dog.yaml"], as_json=True) == 1
    cat, dog = map(json.loads, capsys.readouterr().out.splitlines())
    assert (cat["outcome"], len(cat["outputs"]), dog["outcome"]) == ("done", 2, "failed")
    assert dog["failures"][0]["mend"] == "mend it"
    assert dog["failures"][0]["report"].endswith("failed/dog.yaml.json")


def test_a_wait_that_is_stuck_ends_with_3_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    stuck = Outlook(stage=Stage.HELD_UP, text="no model here. Fetch it", is_stuck=True)
    looks = iter([{"cat.yaml": Outlook(stage=Stage.QUEUED, text="queued")}, {"cat.yaml": stuck}])
    assert wait_for(["cat.yaml"], looks, as_json=False) == 3
    assert capsys.readouterr() == ("", "waits: cat.yaml: no model here. Fetch it (it stays in the queue)\n")
