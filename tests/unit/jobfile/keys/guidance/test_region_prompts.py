"""The prompts of regions: what is left out of them, filled in, and refused."""

from __future__ import annotations

import pytest

from aura_daemon.jobfile.keys.guidance.guidance_keys import region_prompts, with_region_prompts
from aura_daemon.jobfile.parser import ParsedFile
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobfile.recipes.filling import filled_in
from aura_daemon.jobfile.recipes.subject import Subject
from aura_daemon.jobfile.remarks import remarks_on_request
from aura_daemon.jobs.guidance.regions import Region
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.sources import SourceKind
from tests.unit.jobfile.test_expansion import complaints, jobs, requests

REGION = "regions: {{box: [0, 0, 0.5, 1], prompt: {}}}"


def region(prompt: str) -> str:
    return REGION.format(prompt)


def drawn(prompt: str, more: str = "") -> list[Region]:
    return [one for request in requests(f"prompt: x\n{more}{region(prompt)}") for one in request.regions]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a cat", "a cat"),
        (r"'a \{red|blue\} cat'", "a {red|blue} cat"),
        ("'a cat # black'", "a cat"),
        (r"a \__animals__", "a __animals__"),
        ("'(a cat:1.2) BREAK a [dog:fox:0.5]'", "(a cat:1.2) BREAK a [dog:fox:0.5]"),
        ("'a {word}'", "a {word}"),
        ("yes", "yes"),
    ],
)
def test_comments_and_escapes_are_read_as_in_the_prompt(written: str, meant: str) -> None:
    assert [one.prompt for one in drawn(written)] == [meant]


@pytest.mark.parametrize("written", ["a {red|blue} cat", "a __animals__", "{2$$a|b}"])
def test_choices_belong_into_the_prompt(written: str) -> None:
    (said,) = complaints(f"prompt: x\nregions:\n- {{box: [0, 0, 1, 1], prompt: '{written}'}}")
    assert "cat.yaml:2: regions: the prompt of a region holds a choice or a word list" in said


def test_a_choice_that_is_none_is_told_as_anywhere() -> None:
    (said,) = complaints("prompt: x\nregions: {box: [0, 0, 1, 1], prompt: 'a {red|blue'}")
    assert "never closed" in said


def test_a_comment_alone_is_no_prompt() -> None:
    assert any("regions" in said for said in complaints("prompt: x\n" + region("'# nothing'")))


def test_a_matrix_may_list_regions() -> None:
    listed = "{box: [0, 0, 1, 1], prompt: 'a cat # one'}, {box: [0, 0, 1, 1], prompt: a dog}"
    asked = requests(f"prompt: x\nmatrix: {{regions: [{listed}]}}")
    assert [[one.prompt for one in request.regions] for request in asked] == [["a cat"], ["a dog"]]
    (said,) = complaints("prompt: x\nmatrix: {regions: [{box: [0, 0, 1, 1], prompt: 'a {cat|dog}'}]}")
    assert "matrix.regions" in said


def test_the_choices_of_the_prompt_leave_regions_as_they_are() -> None:
    parsed = jobs("prompt: a {red|blue} sky\n" + region(r"'a \{b|c\} cat'"))
    assert len(parsed) == 2
    assert {one.spec.request.regions[0].prompt for one in parsed} == {"a {b|c} cat"}  # type: ignore[union-attr]
    again = parse(SourceKind.JOB_FILE, parsed[0].text, file="cat.yaml")
    assert isinstance(again, ParsedFile)
    assert again.jobs[0].spec.request.regions == parsed[0].spec.request.regions  # type: ignore[union-attr]


@pytest.mark.parametrize("tag", ["<lora:ink:0.8>", "<lora::9>"])
def test_a_lora_is_named_in_the_prompt_of_the_job(tag: str) -> None:
    (said,) = complaints("prompt: x\n" + region(f"a cat {tag}"))
    assert "regions.0.prompt: names a LoRA, which belongs into the job's `prompt` or `loras`" in said


def test_other_tags_in_them_are_told() -> None:
    asked = GenerateRequest(prompt="x", regions=(Region(prompt="a cat", mask="m"), Region(prompt="a <hypernet:x:1>")))
    assert [line.partition(": ")[0] for line in remarks_on_request(asked)] == ["regions.1.prompt"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ([{"prompt": "a"}, 7, {"prompt": 3}, {"prompt": "b"}], [("regions.0.prompt", "a"), ("regions.2.prompt", "b")]),
        ({"prompt": "a", "box": 1}, [("regions.0.prompt", "a")]),
        ("x", []),
    ],
)
def test_they_are_found_in_keys_that_were_not_checked(value: object, found: list[tuple[str, str]]) -> None:
    assert list(region_prompts({"regions": value}))[-1:] == found[-1:]
    changed = with_region_prompts({"regions": value}, str.upper)["regions"]
    assert [text for _, text in region_prompts({"regions": changed})] == [text.upper() for _, text in found]
    assert with_region_prompts({"prompt": "x"}, str.upper) == {}


def test_placeholders_in_them_are_filled_with_text() -> None:
    subject = Subject(path="in/a (b).jpg", date="2026-11-28", is_picture=True)
    keys = {"prompt": "x", "regions": [{"prompt": "{stem} in {folder}", "box": [0, 0, 1, 1]}]}
    found = filled_in(keys, "generate", subject).keys["regions"]
    assert found == [{"prompt": r"a \(b\) in in", "box": [0, 0, 1, 1]}]
    assert filled_in(keys, "generate", subject, prompts=False).keys["regions"] == keys["regions"]


def test_a_caption_has_no_place_in_them() -> None:
    (said,) = complaints("prompt: x\nimage: a.png\n" + region("'{caption}'"))
    assert "`{caption}` is known only when the picture is drawn" in said
