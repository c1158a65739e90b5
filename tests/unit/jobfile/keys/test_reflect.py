"""The keys of a reflection."""

from __future__ import annotations

import pytest

from aura_daemon.jobfile.parser import ParsedFile, RejectedFile
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobfile.validation import JobSpec
from aura_daemon.jobs.requests import GenerateRequest, Hires, Lora
from aura_daemon.jobs.sources import SourceKind


def read(text: str) -> ParsedFile | RejectedFile:
    return parse(SourceKind.JOB_FILE, f"task: reflect\n{text}".encode(), file="a.yaml")


def test_a_reflection_draws_the_caption_of_its_image_three_times_where_nothing_else_is_said() -> None:
    found = read("image: photo.png")
    assert isinstance(found, ParsedFile)
    (job,) = found.jobs
    assert job.spec == JobSpec(request=GenerateRequest(prompt="{caption}", described="photo.png"), rounds=3)


@pytest.mark.parametrize("text", ["prompt: a cat\nrounds: 3", "task: caption\nimage: a.png\nrounds: 3"])
def test_rounds_of_another_task_are_told_what_they_go_with(text: str) -> None:
    found = parse(SourceKind.JOB_FILE, text.encode(), file="a.yaml")
    assert isinstance(found, RejectedFile)
    assert [(one.key, one.message) for one in found.problems] == [("rounds", "`rounds` goes with `task: reflect`")]


def test_a_reflection_takes_the_keys_of_a_picture() -> None:
    found = read(
        "image: photo.png\nprompt: an etching of {caption}  # note\nrounds: 5\nstrength: 0.6\nsteps: 8\nseed: 4\n"
        "loras: [ink]\nhires: {scale: 2}\npriority: 3"
    )
    assert isinstance(found, ParsedFile)
    spec = found.jobs[0].spec
    assert isinstance(spec, JobSpec)
    assert (spec.rounds, spec.priority) == (5, 3)
    assert spec.request == GenerateRequest(
        prompt="an etching of {caption}",
        described="photo.png",
        image="photo.png",
        strength=0.6,
        steps=8,
        seed=4,
        loras=(Lora(name="ink"),),
        hires=Hires(scale=2),
    )


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        ("rounds: 2", "image", "is missing: which picture is described first?"),
        ("image: a.png\nprompt: a cat", "prompt", "must hold `{caption}`"),
        ("image: a.png\nprompt: '# {caption}'", "prompt", "must hold `{caption}`"),
        ("image: a.png\nrounds: 21", "rounds", "1 to 20"),
        ("image: a.png\ncount: 2", "count", "does not go with `task: reflect`"),
        ("image: a.png\nmask: b.png", "mask", "does not go with `task: reflect`"),
    ],
)
def test_what_a_reflection_cannot_be_is_told_in_one_line(text: str, key: str, told: str) -> None:
    found = read(text)
    assert isinstance(found, RejectedFile)
    (problem,) = found.problems
    assert problem.key == key
    assert told in problem.message


def test_a_file_of_many_reflections_is_counted_by_their_rounds() -> None:
    found = read("\n---\n".join(["image: a.png\nrounds: 20"] + ["task: reflect\nimage: a.png\nrounds: 20"] * 25))
    assert isinstance(found, RejectedFile)
    assert "at most 500" in found.problems[0].message
