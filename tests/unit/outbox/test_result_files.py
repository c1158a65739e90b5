"""Results and their sidecars are found by what their job asked for, and by what lies there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aura_daemon.jobs.caption_files import AskedCaptionFile, CaptionExtension, CaptionFile, CaptionPlace
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    DatasetRequest,
    GenerateRequest,
    GridRequest,
    ImageFormat,
    Request,
)
from aura_daemon.journal.records import Job
from aura_daemon.outbox.result_files import output_of, sidecar_path_of

BESIDE = CaptionRequest(
    picture="set/x.png",
    caption=AskedCaptionFile(place=CaptionPlace.BESIDE, extension=CaptionExtension.CAPTION),
)


def of(request: Request) -> Job:
    return Job(id="1", source_id="1", number=None, kind="x", request=request, text=b"", folder="", stem="cat")


@pytest.mark.parametrize(
    ("request_", "names", "found"),
    [
        (GenerateRequest(prompt="x", format=ImageFormat.WEBP), ["cat.png", "cat.webp"], "cat.webp"),
        (GenerateRequest(prompt="x"), ["cat.jpg", "cat.txt"], "cat.jpg"),
        (GenerateRequest(prompt="x", format=ImageFormat.JPG), [], "cat.jpg"),
        (CaptionRequest(image="cat.png"), ["cat.png"], "cat.txt"),
        (BESIDE, [], "inbox/set/x.caption"),
        (BESIDE, ["cat.caption"], "cat.caption"),
        (replace(BESIDE, picture=""), [], "cat.caption"),
        (BenchmarkRequest(), ["cat.svg", "cat.md"], "cat.md"),
        (GridRequest(cells=(), columns=1), ["cat.webp"], "cat.webp"),
        (DatasetRequest(images=("set/**",), base="set", file=CaptionFile()), [], "cat.jsonl"),
    ],
)
def test_the_output_of_a_job_is_what_lies_there_else_what_was_asked_for(
    tmp_path: Path, request_: Request, names: list[str], found: str
) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert output_of(of(request_), tmp_path, tmp_path / "inbox") == tmp_path / found


@pytest.mark.parametrize(
    ("request_", "names", "found"),
    [
        (CaptionRequest(image="cat.png"), ["cat.json", "cat.txt.json"], "cat.txt.json"),
        (CaptionRequest(image="cat.png"), ["cat.json"], "cat.json"),
        (GenerateRequest(prompt="x"), ["cat.json", "cat.txt.json"], "cat.json"),
    ],
)
def test_only_the_sidecar_of_a_caption_may_lie_apart(
    tmp_path: Path, request_: Request, names: list[str], found: str
) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert sidecar_path_of(of(request_), tmp_path) == tmp_path / found
