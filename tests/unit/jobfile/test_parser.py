"""What a job file holds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.formats.plain_text import MOST_BYTES
from aura_daemon.jobfile.keys.types import MOST_PROMPT_CHARACTERS
from aura_daemon.jobfile.parser import ParsedFile, RejectedFile
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobs.requests import GenerateRequest, Lora, Request
from aura_daemon.jobs.sources import SourceKind


def requests(text: str) -> list[Request]:
    found = parse(SourceKind.JOB_FILE, text.encode(), file="cat.yaml")
    assert isinstance(found, ParsedFile), found
    return [job.spec.request for job in found.jobs]


def complaints(text: str) -> list[str]:
    found = parse(SourceKind.JOB_FILE, text.encode(), file="cat.yaml")
    assert isinstance(found, RejectedFile), found
    return [str(problem) for problem in found.problems]


def test_every_problem_of_every_document_is_listed_in_the_order_of_the_file() -> None:
    found = complaints("steps: 0\nprompt: x\nwidth: 1\n---\nprompt: fine\n---\nfoo: 1\nseed: -2\n")
    assert [line.split(": ")[0] for line in found] == [
        "cat.yaml:1",
        "cat.yaml:3",
        "cat.yaml:7",
        "cat.yaml:7",
        "cat.yaml:8",
    ]


def test_no_more_problems_are_listed_than_anyone_reads() -> None:
    found = complaints("prompt: x\n" + "".join(f"key{number}: 1\n" for number in range(500)))
    assert len(found) == 101
    assert found[-1] == "cat.yaml: … and 400 more problems"
    found = complaints("---\nsteps: 0\nprompt: x\n" * 120)
    assert len(found) == 101
    assert found[-1] == "cat.yaml: … and many more problems"  # the others were not looked at
    found = complaints("a: 1\n" * 300)
    assert found[-1] == "cat.yaml: … and 199 more problems"


def test_a_sheet_of_more_pictures_than_fit_is_refused_with_the_line() -> None:
    (found,) = complaints("prompt: x\ncount: 101\ngrid: true\n")
    assert found == "cat.yaml:3: grid: a sheet of 101 pictures is more than 100: leave `grid` out, or ask for fewer"
    assert len(requests("prompt: x\ncount: 100\ngrid: true\n")) == 100


def test_one_document_of_several_can_stand_alone() -> None:
    found = parse(SourceKind.JOB_FILE, "prompt: a\n---\n# of b\nprompt: b\r\n".encode("utf-16"), file="cat.yaml")
    assert isinstance(found, ParsedFile)
    for job in found.jobs:
        alone = parse(SourceKind.JOB_FILE, job.text, file="cat.yaml")
        assert isinstance(alone, ParsedFile)
        assert alone.jobs == (job,)


@pytest.mark.parametrize(
    "content", [b" a red circle \r\n", "\ufeffa red circle".encode(), "a red circle".encode("utf-16")]
)
def test_a_text_file_is_one_prompt(content: bytes) -> None:
    found = parse(SourceKind.PROMPT_TEXT, content, file="cat.txt")
    assert isinstance(found, ParsedFile)
    assert found.jobs[0].spec.request == GenerateRequest(prompt="a red circle")
    assert found.jobs[0].text == content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b" \n\t", "blank"),
        (b"\xef\xbb\xbf", "blank"),
        (b"\xff\xfa", "save it as UTF-8"),
        (b"a\0b", "U+0000"),
        (b"x" * (MOST_PROMPT_CHARACTERS + 1), "10,001 characters; at most 10,000"),
        (b"x" * (MOST_BYTES + 1), "a prompt has at most 10,000 characters"),
    ],
)
def test_a_text_file_that_is_no_prompt_says_why(content: bytes, words: str) -> None:
    found = parse(SourceKind.PROMPT_TEXT, content, file="cat.txt")
    assert isinstance(found, RejectedFile)
    assert words in str(found.problems[0])


def test_a_text_file_may_name_loras() -> None:
    found = parse(SourceKind.PROMPT_TEXT, b"a cat <lora:ink:0.8>", file="cat.txt")
    assert isinstance(found, ParsedFile)
    asked = found.jobs[0].spec.request
    assert isinstance(asked, GenerateRequest)
    assert asked.loras == (Lora(name="ink", weight=0.8),)
    wrong = parse(SourceKind.PROMPT_TEXT, b"a cat <lora:ink:much>", file="cat.txt")
    assert isinstance(wrong, RejectedFile)
    assert "cat.txt: prompt: holds what is no" in str(wrong.problems[0])


@given(st.binary(max_size=80))
@settings(max_examples=25)
def test_no_bytes_break_the_parsers(content: bytes) -> None:
    assert isinstance(parse(SourceKind.JOB_FILE, content, file="a"), ParsedFile | RejectedFile)
    assert isinstance(parse(SourceKind.PROMPT_TEXT, content, file="a"), ParsedFile | RejectedFile)
