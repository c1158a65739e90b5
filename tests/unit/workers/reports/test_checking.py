"""What the daemon believes of a worker: of its own jobs anything that can be true, of all else nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from aura_daemon.formats.datasets.names import CONTACT_SHEET, METADATA, TABLE
from aura_daemon.jobs.caption_files import CaptionFile
from aura_daemon.jobs.parts import JobPart
from aura_daemon.jobs.picture_copies import Change, PictureCopy
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    DatasetRequest,
    GenerateRequest,
    GridRequest,
    MatchRequest,
    Request,
)
from aura_daemon.jobs.resolved import ResolvedCaption
from aura_daemon.jobs.results import (
    CaptionCandidate,
    Failure,
    FailureKind,
    Ingredient,
    IngredientKind,
    Outcome,
    Payload,
    PictureMatch,
    Processor,
    Produced,
)
from aura_daemon.jobs.tasks import Task
from aura_daemon.ladder.attempts import RunConditions
from aura_daemon.ladder.rungs import Rung
from aura_daemon.workers.protocol import Finished, Loading, LogLine, Memory, Placed, Progress, Ready, Up
from aura_daemon.workers.reports.checking import (
    MOST_ENTRIES,
    MOST_NAME_CHARACTERS,
    MOST_PREVIEW_BYTES,
    MOST_SENTENCE_CHARACTERS,
    MOST_SIDE_PX,
    MOST_THUMBNAIL_BYTES,
    believed,
)
from aura_daemon.workers.reports.decoding import BrokenProtocol
from tests.support.outcomes import make

DRAW = GenerateRequest(prompt="a", seed=1, preview=1)
SAY = CaptionRequest(image="a.png")
SHEET = GridRequest(cells=("a",), columns=1)
MATCH = MatchRequest(texts=("a", "b"))
MEASURE = BenchmarkRequest(picture=DRAW)
SET = DatasetRequest(images=("*.png",), base="", file=CaptionFile())
REQUESTS: dict[str, Request] = {
    "draw": DRAW,
    "plain": replace(DRAW, preview=0),
    "say": SAY,
    "sheet": SHEET,
    "match": MATCH,
    "measure": MEASURE,
    "set": SET,
    "ended": DRAW,
}
MEMORY = Memory(device_used_bytes=1, device_free_bytes=2, resident_bytes=3)
TRIED = RunConditions(
    device="cpu", device_name="light", dtype="float32", rung=Rung.CPU, width=64, height=64, batch=1, alone=True
)
LONG = "a" * (MOST_NAME_CHARACTERS + 1)
COPY = PictureCopy(
    extension=".png",
    changes=(Change(start=3, end=5, content=b"x"), Change(start=5, end=5, content=b"y")),
    original_sha256="0" * 64,
    width=1,
    height=1,
)


def heard(report: Up, requests: Mapping[str, Request] = REQUESTS) -> Up:
    return believed(report, requests, requests.keys() - {"ended"})


def result_of(job_id: str) -> Produced:
    request = REQUESTS[job_id]
    if isinstance(request, MatchRequest):
        return replace(result_of("say"), payloads=(), text="", resolved=request, scores=(0.5, 0.25))
    made = make(Task(job_id=job_id, request=request, image=b"x"))
    assert isinstance(made, Produced)
    return made


def ended(job_id: str, outcome: Outcome, **changes: Any) -> Finished:
    return replace(Finished(job_id=job_id, outcome=outcome, memory=MEMORY, models=("m",)), **changes)


@pytest.mark.parametrize("job_id", [job_id for job_id in REQUESTS if job_id != "ended"])
def test_the_result_of_every_kind_of_job_is_believed_as_it_is(job_id: str) -> None:
    report = ended(job_id, result_of(job_id), model_kinds=("generate",), tried=TRIED)
    assert heard(report) == report


def test_all_that_an_honest_worker_says_is_believed_as_it_is() -> None:
    for report in (
        Ready(device="cpu", device_name="a \u3000 name", dtype="float32", rung="cpu", versions=(("torch", "2"),)),
        Loading(model="/models/\u3000ü", done_bytes=3, total_bytes=2),
        Placed(job_ids=("draw", "ended"), tried=replace(TRIED, room_bytes=-1)),
        Progress(job_id="ended", step=3, steps=2),
        Progress(job_id="draw", step=1, steps=2, preview=b"x" * MOST_PREVIEW_BYTES),
        ended("say", replace(result_of("say"), copy=COPY, thumbnail=b"RIFF")),
        ended("say", replace(result_of("say"), processor=Processor(name="x", capability="AVX2", threads=2))),
        ended("draw", Failure(kind=FailureKind.BAD_INPUT, message="no picture", mend="take another")),
        LogLine(level="INFO", message="a line"),
    ):
        assert heard(report) == report


def test_sentences_are_made_fit_for_logs_and_terminals() -> None:
    hostile = "red \x1b[2J\nline\u202e"
    shown = "red \\x1b[2J\\nline\\u202e"
    failed = heard(ended("draw", Failure(kind=FailureKind.BAD_INPUT, message=hostile, mend=hostile)))
    assert isinstance(failed, Finished)
    assert failed.outcome == Failure(kind=FailureKind.BAD_INPUT, message=shown, mend=shown)
    made = replace(result_of("say"), warnings=(hostile,), levers=(hostile,), ranked_by=hostile)
    drawn = heard(ended("say", made))
    assert isinstance(drawn, Finished)
    assert isinstance(drawn.outcome, Produced)
    assert (drawn.outcome.warnings, drawn.outcome.levers, drawn.outcome.ranked_by) == ((shown,), (shown,), shown)


def test_a_caption_keeps_its_lines_and_loses_what_a_terminal_obeys() -> None:
    made = replace(result_of("say"), text="a\n  b\x00\x9b", candidates=(CaptionCandidate(text="c\x07", score=-3.5),))
    said = heard(ended("say", made))
    assert isinstance(said, Finished)
    assert isinstance(said.outcome, Produced)
    assert said.outcome.text == "a\n  b\\x00\\x9b"
    assert said.outcome.candidates[0].text == "c\\x07"


def test_an_entry_of_the_log_stays_one() -> None:
    entry = heard(LogLine(level="ERROR", message="one\n2026-01-01 ERROR\ttwo\r"))
    assert entry == LogLine(level="ERROR", message="one\n  2026-01-01 ERROR    two\\r")


def test_a_sentence_of_any_length_is_cut() -> None:
    entry = heard(LogLine(level="INFO", message="a" * 10_000_000))
    assert isinstance(entry, LogLine)
    assert len(entry.message) == MOST_SENTENCE_CHARACTERS


@pytest.mark.parametrize(
    "report",
    [
        Ready(device=LONG, device_name="", dtype="", rung="", versions=()),
        Ready(device="cpu", device_name="", dtype="", rung="", versions=(("a", "1"),) * (MOST_ENTRIES + 1)),
        Ready(device="cpu", device_name="", dtype="", rung="", versions=(("a", "\n"),)),
        Ready(device="cpu", device_name="", dtype="", rung="", versions=(), sandbox_lacks=("a",) * (MOST_ENTRIES + 1)),
        Loading(model="m", job_ids=("a",)),
        LogLine(level="FATAL", message=""),
        Loading(model=LONG),
        Loading(model="m", done_bytes=-1),
        Loading(model="m", total_bytes=-1),
        Placed(job_ids=(), tried=TRIED),
        Placed(job_ids=("draw", "other"), tried=TRIED),
        Placed(job_ids=("draw",) * 20, tried=TRIED),
        Placed(job_ids=("draw",), tried=replace(TRIED, device="cpu\x1b")),
        Placed(job_ids=("draw",), tried=replace(TRIED, width=-1)),
        Placed(job_ids=("draw",), tried=replace(TRIED, peak_bytes=-1)),
        Progress(job_id="other", step=1, steps=2),
        Progress(job_id="draw", step=-1, steps=2),
        Progress(job_id="plain", step=1, steps=2, preview=b"x"),
        Progress(job_id="say", step=1, steps=2, preview=b"x"),
        Progress(job_id="draw", step=1, steps=2, preview=b"x" * (MOST_PREVIEW_BYTES + 1)),
    ],
)
def test_what_cannot_be_true_is_refused(report: Up) -> None:
    with pytest.raises(BrokenProtocol):
        heard(report)


@pytest.mark.parametrize(
    "changes",
    [
        {"job_id": "other"},
        {"job_id": "ended"},
        {"step_s": -1.0},
        {"memory": replace(MEMORY, resident_bytes=-1)},
        {"models": ("m",) * (MOST_ENTRIES + 1)},
        {"models": ("m\n",)},
        {"model_kinds": ("generate", "caption")},
        {"tried": replace(TRIED, batch=-1)},
        {"outcome": Failure(kind=FailureKind.INTERRUPTED, message="")},
        {"outcome": Failure(kind=FailureKind.DEADLINE, message="")},
    ],
)
def test_an_end_that_cannot_be_true_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BrokenProtocol):
        heard(replace(ended("draw", result_of("draw")), **changes))


PICTURE = Payload(extension=".png", content=b"x", width=1, height=1)


@pytest.mark.parametrize(
    ("job_id", "changes"),
    [
        ("draw", {"resolved": ResolvedCaption(image=None, prompt="", max_new_tokens=1)}),
        ("draw", {"payloads": ()}),
        ("draw", {"payloads": (PICTURE, PICTURE)}),
        ("draw", {"payloads": (PICTURE, replace(PICTURE, extension=".webp"))}),
        ("draw", {"payloads": (replace(PICTURE, extension=".html"),)}),
        ("draw", {"payloads": (replace(PICTURE, extension="/../../../home/u/.bashrc"),)}),
        ("draw", {"payloads": (replace(PICTURE, extension=""),)}),
        ("draw", {"payloads": (replace(PICTURE, width=0),)}),
        ("draw", {"payloads": (replace(PICTURE, height=MOST_SIDE_PX + 1),)}),
        ("say", {"payloads": (PICTURE,)}),
        ("say", {"payloads": (Payload(extension=".caption", content=b""),)}),
        ("sheet", {"payloads": (replace(PICTURE, extension=".jpg"),)}),
        ("match", {"payloads": (PICTURE,)}),
        ("measure", {"payloads": (Payload(extension=".md", content=b""),)}),
        ("set", {"payloads": (Payload(extension=TABLE, content=b""),)}),
        ("set", {"payloads": (Payload(extension=METADATA, content=b""),) * 2}),
        ("set", {"payloads": tuple(Payload(extension=one, content=b"") for one in (METADATA, TABLE, TABLE))}),
        ("set", {"payloads": tuple(Payload(extension=one, content=b"") for one in (METADATA, CONTACT_SHEET, ".js"))}),
        ("draw", {"copy": COPY}),
        ("say", {"copy": replace(COPY, extension=".desktop")}),
        ("say", {"copy": replace(COPY, width=-1)}),
        ("say", {"copy": replace(COPY, changes=COPY.changes[::-1])}),
        ("say", {"copy": replace(COPY, changes=(Change(start=-1, end=5, content=b""),))}),
        ("say", {"copy": replace(COPY, changes=(Change(start=5, end=4, content=b""),))}),
        ("draw", {"parts": (JobPart(request=SAY, model="", model_sha256="", device="", rung="", seconds=1.0),)}),
        ("draw", {"match": PictureMatch(score=1.0, by="itm", caption=None, seed=1, tries=())}),
        ("draw", {"node": "elsewhere"}),
        ("draw", {"model": LONG}),
        ("draw", {"ingredients": (Ingredient(kind=IngredientKind.LORA, name="\x1b", sha256=""),)}),
        ("draw", {"warnings": ("w",) * (MOST_ENTRIES + 1)}),
        ("draw", {"versions": (("torch", "2\0"),)}),
        ("draw", {"peak_bytes": -1}),
        ("draw", {"batch_size": 0}),
        ("draw", {"thumbnail": b"<svg onload="}),
        ("draw", {"thumbnail": b"RIFF" + b"x" * MOST_THUMBNAIL_BYTES}),
        ("draw", {"processor": Processor(name="x", capability="", threads=-1)}),
        ("draw", {"benchmark": result_of("measure").benchmark}),
        ("measure", {"benchmark": None}),
        ("match", {"resolved": replace(MATCH, texts=("a", "c"))}),
        ("match", {"scores": (0.5,)}),
    ],
)
def test_a_result_that_cannot_be_true_is_refused(job_id: str, changes: dict[str, Any]) -> None:
    with pytest.raises(BrokenProtocol):
        heard(ended(job_id, replace(result_of(job_id), **changes)))


def test_a_benchmark_without_what_its_page_shows_is_refused() -> None:
    made = result_of("measure")
    run = made.benchmark
    assert run is not None
    for wrong in (
        replace(run, sizes=()),
        replace(run, sizes=(replace(run.sizes[0], runs=()),)),
        replace(run, settings=(("steps", "1"),)),
    ):
        with pytest.raises(BrokenProtocol):
            heard(ended("measure", replace(made, benchmark=wrong)))


def test_earlier_benchmarks_are_the_daemon_s_to_add() -> None:
    made = result_of("measure")
    assert made.benchmark is not None
    with pytest.raises(BrokenProtocol):
        heard(ended("measure", replace(made, earlier=(made.benchmark,))))
