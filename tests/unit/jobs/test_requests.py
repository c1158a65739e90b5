"""The nouns of the trade."""

import pytest

from aura_daemon.jobs.caption_files import CaptionFile
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    DatasetRequest,
    GenerateRequest,
    GridRequest,
    JobKind,
    Request,
    kind_of,
    text_of,
)
from aura_daemon.jobs.results import Payload
from aura_daemon.jobs.tasks import Task


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (GenerateRequest(prompt="x"), JobKind.GENERATE),
        (CaptionRequest(), JobKind.CAPTION),
        (GridRequest(cells=("a", "b"), columns=2), JobKind.GRID),
        (BenchmarkRequest(), JobKind.BENCHMARK),
        (DatasetRequest(images=("set/**",), base="set", file=CaptionFile()), JobKind.DATASET),
    ],
)
def test_a_request_tells_its_engine(request_: Request, kind: JobKind) -> None:
    assert kind_of(request_) is kind


def test_a_payload_does_not_print_its_bytes() -> None:
    assert "secret" not in repr(Payload(extension=".txt", content=b"secret"))


def test_a_task_does_not_print_the_bytes_that_it_carries() -> None:
    task = Task(job_id="a", request=CaptionRequest(), image=b"secret", mask=b"secret", cells=(b"secret",))
    assert "secret" not in repr(task)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (GenerateRequest(prompt="a cat"), "a cat"),
        (CaptionRequest(prompt="a photo of"), "a photo of"),
        (CaptionRequest(prompt="it is", question="what is it?"), "what is it?"),
        (GridRequest(cells=("a",), columns=1), ""),
    ],
)
def test_what_a_person_wrote_of_a_job(request_: Request, text: str) -> None:
    assert text_of(request_) == text
