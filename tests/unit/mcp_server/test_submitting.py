"""What agents hand in lies in the inbox as if a person had dropped it there, and is held to the rules of a job file."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml

from tests.support.agents import Ask, asking, config_of
from tests.support.house import PNG, House

DATA = base64.b64encode(PNG).decode()


def test_a_prompt_becomes_a_job_file(house: House, ask: Ask) -> None:
    reply = ask("submit_prompt", prompt="a red circle", steps=3, seed="1-2", settings={"format": "webp"})
    assert reply.data == {"file": "a-red-circle.yaml", "jobs": 2, "warnings": [], "is_daemon_running": False}
    written = yaml.safe_load((house.inbox / "a-red-circle.yaml").read_text())
    assert written == {"prompt": "a red circle", "steps": 3, "seed": "1-2", "format": "webp"}


def test_without_a_daemon_it_is_handed_in_and_says_what_to_start(ask: Ask) -> None:
    reply = ask("submit_prompt", prompt="a red circle")
    assert "a-red-circle.yaml: 1 job handed in" in reply.text
    assert "no daemon runs: start `aura-daemon run`" in reply.text


def test_settings_as_a_text_of_json_are_settings(house: House, ask: Ask) -> None:
    ask("submit_prompt", prompt="x", settings='{"steps": 4}')
    assert yaml.safe_load((house.inbox / "x.yaml").read_text())["steps"] == 4


@pytest.mark.parametrize("data", [DATA, f"data:image/png;base64,{DATA}", DATA[:8] + "\n" + DATA[8:]])
def test_a_picture_comes_with_the_call(house: House, ask: Ask, data: str) -> None:
    reply = ask("submit_picture", picture={"data": data}, question="a photo of")
    assert reply.data["file"] == "picture.yaml"
    assert (house.inbox / "picture.png").read_bytes() == PNG
    written = yaml.safe_load((house.inbox / "picture.yaml").read_text())
    assert written == {"task": "caption", "prompt": "a photo of", "image": "picture.png"}


def test_a_picture_is_enlarged_and_so_is_what_is_drawn(house: House, ask: Ask) -> None:
    ask("submit_picture", picture={"data": DATA}, upscale=2, settings={"format": "webp"})
    written = yaml.safe_load((house.inbox / "picture.yaml").read_text())
    assert written == {"upscale": 2, "task": "upscale", "format": "webp", "image": "picture.png"}
    ask("submit_picture", picture={"data": DATA}, settings={"upscale": {"scale": 2}}, name="second")
    assert yaml.safe_load((house.inbox / "second.yaml").read_text())["task"] == "upscale"
    ask("submit_prompt", prompt="a boat", upscale="aura-mini")
    assert yaml.safe_load((house.inbox / "a-boat.yaml").read_text()) == {"prompt": "a boat", "upscale": "aura-mini"}
    refused = ask("submit_picture", picture={"data": DATA}, upscale=2, question="a photo of")
    assert "`prompt` does not go with `task: upscale`" in refused.text


def test_a_result_is_captioned_and_a_picture_of_the_inbox_is_drawn_from(house: House, ask: Ask) -> None:
    (house.outbox / "cats").mkdir()
    (house.outbox / "cats" / "tom.png").write_bytes(PNG)
    assert ask("submit_picture", picture={"result": "cats/tom.png"}).data["file"] == "tom.yaml"
    house.drop("photo.png", PNG)
    assert not ask("submit_prompt", prompt="a boat", image={"file": "photo.png"}).is_refused
    assert (house.inbox / "a-boat.png").read_bytes() == PNG


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        ({}, "needs exactly one of data"),
        ({"data": DATA, "file": "photo.png"}, "needs exactly one of data"),
        ({"data": "%%%"}, "picture.data: must be the bytes of a picture in base64"),
        ({"data": "aGVsbG8="}, "these bytes are no picture"),
        ({"data": DATA[: len(DATA) // 2 // 4 * 4]}, "the end of the image is missing"),
        ({"file": "gone.png"}, "picture.file: cannot be read"),
        ({"file": "/etc/hostname.png"}, "must be a name below the inbox"),
        ({"result": "../inbox/photo.png"}, "must be a name below the outbox"),
        ({"result": "link.png"}, "cannot be read"),
        ({"result": "linked/photo.png"}, "a link on the way leads out of the outbox"),
        ({"result": "folder.png"}, "cannot be read"),
        ({"result": "cat.json"}, "must be the name of a picture"),
        ({"path": "photo.png"}, "unknown key"),
        ("photo.png", "must be an object with one of data, file, result"),
    ],
)
def test_no_other_picture_can_be_named(house: House, ask: Ask, picture: Any, reason: str) -> None:
    elsewhere = house.root / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "photo.png").write_bytes(PNG)
    (house.outbox / "link.png").symlink_to(elsewhere / "photo.png")
    (house.outbox / "linked").symlink_to(elsewhere)
    (house.outbox / "folder.png").mkdir()
    reply = ask("submit_picture", picture=picture)
    assert reply.is_refused
    assert reason in reply.text
    assert house.waiting() == []


def test_a_picture_is_held_to_the_limit_of_the_configuration(house: House) -> None:
    ask = asking(config_of(house, limits={"image_bytes": 1000}))
    (house.outbox / "large.png").write_bytes(PNG + bytes(2000))
    for picture in ({"data": base64.b64encode(PNG + bytes(2000)).decode()}, {"result": "large.png"}):
        assert "is larger than 1,000 bytes (limits.image_bytes)" in ask("submit_picture", picture=picture).text
    assert house.waiting() == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"prompt": ""}, "prompt: must be text of 1 to 10000 characters"),
        ({}, "prompt: is missing"),
        ({"prompt": "x", "count": 501}, "count: must be a whole number from 1 to 500"),
        ({"prompt": "x", "seed": "1-10000"}, "at most 500 are allowed"),
        (
            {"prompt": "x", "settings": {"matrix": {"seed": list(range(100)), "steps": list(range(1, 101))}}},
            "this would be 10,000 jobs; a file has at most 500",
        ),
        ({"prompt": "x", "settings": {"formt": "webp"}}, "formt: unknown key; did you mean `format`?"),
        ({"prompt": "x", "stpes": 3}, "stpes: unknown key; did you mean `steps`?"),
        ({"prompt": "x", "steps": 3, "settings": {"steps": 4}}, "settings.steps: is there twice"),
        ({"prompt": "x", "settings": {"image": "../photo.png"}}, "image: must name a file below the inbox"),
        ({"prompt": "x", "settings": {"output": "/tmp/x"}}, "output: must be a name in its folder of the outbox"),
        ({"prompt": "x", "name": "../x"}, "name: must stay in the inbox"),
        ({"prompt": "x", "name": "linked/x"}, "a link on the way leads out of the inbox"),
        ({"prompt": "x", "model": "sd-9"}, "model: "),
        ({"prompt": "x\ud800"}, "the text is no UTF-8"),
    ],
)
def test_what_a_job_file_may_not_ask_for_is_refused(
    house: House, ask: Ask, arguments: dict[str, Any], reason: str
) -> None:
    (house.root / "elsewhere").mkdir()
    (house.inbox / "linked").symlink_to(house.root / "elsewhere")
    reply = ask("submit_prompt", **arguments)
    assert reply.is_refused
    assert reason in reply.text
    assert house.waiting() == []


def test_a_configuration_that_changes_counts_from_the_next_call_on(house: House, ask: Ask) -> None:
    assert ask("submit_prompt", prompt="x", model="sd-1.4").is_refused
    ask = asking(config_of(house, generate={"models": ["sd-1.4"]}))
    assert not ask("submit_prompt", prompt="x", model="sd-1.4").is_refused
    (house.root / "agents.yaml").write_text("inbox: [")
    assert "agents.yaml" in ask("submit_prompt", prompt="x").text
