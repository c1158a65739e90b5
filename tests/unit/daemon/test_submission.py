"""What is handed in lies in the inbox as a file that the daemon takes; what is wrong is told before."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from aura_daemon.daemon.submission import Draft, Picture, Submission, picture_at
from aura_daemon.errors import Problem, UserError
from tests.support.house import PNG, House

CAT = Picture(name="cat.png", content=PNG)


def submission(house: House, **settings: Any) -> Submission:
    return Submission(house.settings(**settings))


def handed_in(house: House, keys: Mapping[str, object], *, name: str = "", **pictures: Picture) -> str:
    desk = submission(house)
    draft = desk.of_keys(keys, pictures, name=name)
    assert isinstance(draft, Draft), draft
    return desk.deliver(draft).path


def problems(found: Draft | tuple[Problem, ...]) -> list[str]:
    assert isinstance(found, tuple)
    return [str(problem) for problem in found]


def hidden(house: House) -> list[str]:
    return [entry.name for entry in house.inbox.iterdir() if entry.name.startswith(".")]


def test_a_prompt_becomes_a_job_file_that_is_called_as_it(house: House) -> None:
    path = handed_in(house, {"prompt": "A small red circle on a blue background.", "steps": 3})
    assert path == "a-small-red-circle-on-a-blue-background.yaml"
    written = yaml.safe_load((house.inbox / path).read_text())
    assert written == {"prompt": "A small red circle on a blue background.", "steps": 3}
    assert house.waiting() == [path]
    assert hidden(house) == []


def test_what_is_handed_in_runs(house: House) -> None:
    handed_in(house, {"prompt": "a red circle", "count": 2})
    handed_in(house, {"task": "caption", "prompt": "a photo of"}, image=CAT)
    assert house.drain().done == 3
    assert house.results() == [
        *("a-red-circle-1.json", "a-red-circle-1.png", "a-red-circle-2.json", "a-red-circle-2.png"),
        *("cat.json", "cat.txt"),
    ]


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("ein Käfer im Grünen", "ein-käfer-im-grünen"),
        ("(masterpiece:1.2), {red|blue} cat, __animals__", "masterpiece-1-2-red-blue-cat"),
        ("赤い丸", "赤い丸"),
        ("?!", "job"),
        ("con", "con_"),
        ("x" * 300, "x" * 48),
        ("../../etc/passwd", "etc-passwd"),
    ],
)
def test_names_tell_and_are_fit_for_every_system(house: House, prompt: str, name: str) -> None:
    draft = submission(house).of_keys({"prompt": prompt.replace("__animals__", "")})
    assert isinstance(draft, Draft)
    assert draft.stem == name


def test_a_name_that_something_has_gets_a_number(house: House) -> None:
    names = []
    names.append(handed_in(house, {"prompt": "cat"}))  # the first
    names.append(handed_in(house, {"prompt": "cat"}))  # the inbox has the first
    house.drain()
    names.append(handed_in(house, {"prompt": "cat"}))  # outbox and journal know both
    house.drop("dog.jpg", PNG)
    names.append(handed_in(house, {"prompt": "Dog"}))  # which would be taken for a job about that picture
    assert names == ["cat.yaml", "cat-2.yaml", "cat-3.yaml", "dog-2.yaml"]


def test_a_wanted_name_may_lie_in_a_folder_whose_settings_count(house: House) -> None:
    house.drop("sub/_defaults.yaml", b"steps: 2\n")
    house.drop("broken/_defaults.yaml", b"steps: 0\n")
    assert handed_in(house, {"prompt": "a cat"}, name="sub/deeper/mia.yaml") == "sub/deeper/mia.yaml"
    told = problems(submission(house).of_keys({"prompt": "a cat"}, name="broken/mia"))
    assert told[0].startswith("its folder's settings cannot be used: broken/_defaults.yaml:1: steps:")


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../../x", ".hidden", "a/.b/c", "failed/x", "a\\b", "a:b", "nul", "x\ny", "lost+found/x"]
)
def test_a_name_that_leads_out_of_the_inbox_or_would_be_left_alone_is_refused(house: House, name: str) -> None:
    told = problems(submission(house).of_keys({"prompt": "a cat"}, name=name))
    assert told[0].startswith("name: ")
    assert house.waiting() == []


def test_a_link_that_leads_out_of_the_inbox_is_not_followed(house: House) -> None:
    (house.inbox / "away").symlink_to(house.root)
    assert "a link" in problems(submission(house).of_keys({"prompt": "a cat"}, name="away/x"))[0]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"prompt": "x", "steps": 500}, "steps: must be a whole number from 1 to 150 (given: 500)"),
        ({"promt": "x"}, "promt: unknown key; did you mean `prompt`?"),
        ({"prompt": "x", "model": "other"}, "model: "),
        ({"prompt": "x\x07"}, "prompt: holds the control character U+0007"),
        ({"prompt": "x\udcff"}, "the text is no UTF-8"),
        ({"prompt": "x", "seed": "1-900"}, "seed: "),
    ],
)
def test_the_problems_are_those_of_a_job_file_and_nothing_is_written(
    house: House, keys: dict[str, object], problem: str
) -> None:
    told = problems(submission(house).of_keys(keys))
    assert told[0].startswith(problem)
    assert house.waiting() == []


@pytest.mark.parametrize(
    ("picture", "problem"),
    [
        (Picture(name="cat.png", content=PNG[:-20]), "cat.png: the end of the image is missing"),
        (Picture(name="cat.png", content=b"hello"), "cat.png: "),
        (Picture(name="cat.txt", content=b"hello"), "image: must name an image"),
        (Picture(name="cat.png", content=PNG + b"\0" * 5000), "cat.png: the image is larger than 4,000 bytes"),
    ],
)
def test_a_picture_that_the_daemon_would_not_take_is_refused(house: House, picture: Picture, problem: str) -> None:
    desk = submission(house, limits={"image_bytes": 4000})
    assert problems(desk.of_keys({"task": "caption"}, {"image": picture}))[0].startswith(problem)


def test_a_picture_without_settings_cannot_be_drawn_again(house: House) -> None:
    told = problems(submission(house).of_keys({"task": "regenerate"}, {"image": CAT}))
    assert told[0].startswith("cat.png: ")


def test_a_picture_to_start_from_and_its_mask_go_with_their_job(house: House) -> None:
    mask = Picture(name="where.png", content=PNG)
    assert handed_in(house, {"prompt": "a cat"}, image=CAT, mask=mask) == "a-cat.yaml"
    assert house.waiting() == ["a-cat-mask.png", "a-cat.png", "a-cat.yaml"]
    assert yaml.safe_load((house.inbox / "a-cat.yaml").read_text()) == {
        "prompt": "a cat",
        "image": "a-cat.png",
        "mask": "a-cat-mask.png",
    }
    assert house.drain().done == 1


def test_a_file_is_copied_and_stays_where_it_is(house: House) -> None:
    place = house.root / "holiday.png"
    place.write_bytes(PNG)
    desk = submission(house)
    draft = desk.of_file(place)
    assert isinstance(draft, Draft)
    assert desk.deliver(draft).path == "holiday.png"
    assert place.read_bytes() == (house.inbox / "holiday.png").read_bytes() == PNG
    assert house.drain().done == 1


def test_a_job_file_takes_the_images_along_that_lie_beside_it(house: House) -> None:
    elsewhere = house.root / "jobs"
    (elsewhere / "in").mkdir(parents=True)
    (elsewhere / "in" / "cat.png").write_bytes(PNG)
    (elsewhere / "mine.yaml").write_text("image: in/cat.png\n---\nprompt: a dog\nimage: in/cat.png\n")
    desk = submission(house)
    draft = desk.of_file(elsewhere / "mine.yaml")
    assert isinstance(draft, Draft)
    assert draft.pictures == (elsewhere / "in" / "cat.png",)
    assert desk.deliver(draft).path == "mine/mine.yaml"
    assert house.waiting() == ["mine/in/cat.png", "mine/mine.yaml"]
    assert house.drain().done == 2
    assert house.results() == ["mine/mine-1.json", "mine/mine-1.txt", "mine/mine-2.json", "mine/mine-2.png"]


def test_a_text_keeps_its_kind(house: House) -> None:
    desk = submission(house)
    draft = desk.of_content("list.txt", b"a cat\na dog\n", shown="standard input")
    assert isinstance(draft, Draft)
    assert (draft.jobs, desk.deliver(draft).path) == (2, "list.txt")


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("missing.yaml", "cannot be read: No such file"),
        ("", "is a folder: name its files"),
        ("bad.yaml", "1: steps: must be"),
        ("cat.pdf", "would be left alone: "),
        ("inbox/there.yaml", "lies in the inbox already: `aura-daemon why there.yaml`"),
    ],
)
def test_what_cannot_be_handed_in_is_told_with_its_file(house: House, file: str, problem: str) -> None:
    (house.root / "bad.yaml").write_text("steps: 0\nprompt: x\n")
    (house.root / "cat.pdf").write_text("%PDF")
    house.drop("there.yaml")
    told = problems(submission(house).of_file(house.root / file))
    assert told[0].startswith(f"{house.root / file}:")
    assert problem in told[0]


def test_an_inbox_that_takes_no_prompts_gets_none(house: House) -> None:
    told = problems(submission(house, accept=["image"]).of_keys({"prompt": "a cat"}))
    assert "accept" in told[0]


def test_a_missing_inbox_is_told(house: House) -> None:
    house.inbox.rmdir()
    with pytest.raises(UserError, match="is away"):
        submission(house)


def test_a_disk_that_refuses_leaves_nothing_behind(house: House) -> None:
    desk = submission(house)
    draft = desk.of_keys({"prompt": "a cat"}, {"image": CAT})
    assert isinstance(draft, Draft)
    house.inbox.rmdir()
    house.inbox.write_text("a file where the inbox was")
    with pytest.raises(UserError, match="nothing was submitted"):
        desk.deliver(draft)


def test_a_picture_that_cannot_be_read_is_a_problem(house: House) -> None:
    found = picture_at(house.root / "none.png")
    assert isinstance(found, Problem)
    os.mkfifo(house.root / "fifo.png")
    assert isinstance(picture_at(house.root / "fifo.png"), Problem)
