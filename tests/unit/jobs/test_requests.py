"""The nouns of the trade."""

import pytest

from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    GenerateRequest,
    GridRequest,
    JobKind,
    Request,
    batch_key,
    demand_of,
    engine_kind,
    kind_of,
    model_named,
    queue_of,
    text_of,
)
from aura_daemon.jobs.results import Payload
from aura_daemon.jobs.speed import Speed
from aura_daemon.jobs.tasks import Task


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (GenerateRequest(prompt="x"), JobKind.GENERATE),
        (CaptionRequest(), JobKind.CAPTION),
        (GridRequest(cells=("a", "b"), columns=2), JobKind.GRID),
        (BenchmarkRequest(), JobKind.BENCHMARK),
    ],
)
def test_a_request_tells_its_engine(request_: Request, kind: JobKind) -> None:
    assert kind_of(request_) is kind


def test_a_payload_does_not_print_its_bytes() -> None:
    assert "secret" not in repr(Payload(extension=".txt", content=b"secret"))


def test_a_task_does_not_print_the_bytes_that_it_carries() -> None:
    task = Task(job_id="a", request=CaptionRequest(), image=b"secret", mask=b"secret", cells=(b"secret",))
    assert "secret" not in repr(task)


DRAWING = BenchmarkRequest(picture=GenerateRequest(prompt="", model="sd-1.4"), sizes=((512, 512), (768, 512)))


def test_a_benchmark_needs_the_engine_and_the_model_of_what_it_measures() -> None:
    assert (engine_kind(DRAWING), model_named(DRAWING)) == (JobKind.GENERATE, "sd-1.4")
    captions = BenchmarkRequest(caption=CaptionRequest())
    assert (engine_kind(captions), model_named(captions)) == (JobKind.CAPTION, "")
    assert engine_kind(BenchmarkRequest()) is JobKind.CAPTION
    assert (engine_kind(GenerateRequest(prompt="x")), model_named(CaptionRequest())) == (JobKind.GENERATE, "")


def test_a_benchmark_runs_alone_and_waits_for_memory_by_its_sizes() -> None:
    assert batch_key(DRAWING) is None
    assert demand_of(DRAWING) == "benchmark generate sd-1.4 512x512 768x512"


@pytest.mark.parametrize(
    ("request_", "queue"),
    [
        (GenerateRequest(prompt="x"), ""),
        (GenerateRequest(prompt="x", model="sd-1.4"), "sd-1.4"),
        (GenerateRequest(prompt="x", speed=Speed.FAST), "without turbo"),
        (GenerateRequest(prompt="x", model="sd-1.4", speed=Speed.EXACT), "sd-1.4 without turbo"),
        (GenerateRequest(prompt="x", speed=Speed.TURBO), "at turbo"),
        (GenerateRequest(prompt="x", model="sd-1.4", speed=Speed.TURBO), "sd-1.4 at turbo"),
        (BenchmarkRequest(picture=GenerateRequest(prompt="x", speed=Speed.TURBO)), "at turbo"),
        (CaptionRequest(), ""),
        (CaptionRequest(question="what is it?"), "questions"),
    ],
)
def test_jobs_at_turbo_those_that_refuse_it_and_questions_wait_by_themselves(request_: Request, queue: str) -> None:
    assert queue_of(request_) == queue


def test_questions_go_together_whatever_they_ask_and_apart_from_captions() -> None:
    one, other = CaptionRequest(image="a.png", question="what is it?"), CaptionRequest(question="how many?")
    assert batch_key(one) == batch_key(other) != batch_key(CaptionRequest())
    assert (demand_of(one), demand_of(CaptionRequest())) == ("question", "caption")


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
