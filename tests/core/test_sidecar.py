"""The JSON beside every result, and the way back."""

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.core.attempts import Attempt
from aura_daemon.core.job import (
    CaptionRequest,
    EngineTiming,
    Failure,
    FailureKind,
    GenerateRequest,
    GridRequest,
    Hires,
    ImageFormat,
    Lora,
    Metadata,
    Payload,
    Produced,
    Resolved,
    ResolvedCaption,
    ResolvedGenerate,
)
from aura_daemon.core.ladder import Rung
from aura_daemon.core.routing import Accept, Foreign, SourceKind, route
from aura_daemon.core.settings import Scheduler
from aura_daemon.core.sidecar import (
    OutputRecord,
    Sidecar,
    SourceRecord,
    TimingRecord,
    differences,
    parse,
    report,
    request_of,
    sidecar,
)
from aura_daemon.errors import Problem

DRAWN = ResolvedGenerate(
    prompt="a cat 🦊",
    negative_prompt="",
    steps=25,
    guidance_scale=9.0,
    scheduler="dpm++_2m_karras",
    seed=2**63 - 1,
    width=912,
    height=512,
)
SOURCE = SourceRecord(name="sub/beach.jpg", sha256="ab", bytes=3, document=None)
TIMING = TimingRecord(settled=1, waited=0, loaded=0, encoded=0.1, denoised=2, decoded=0.2, delivered=0.01, total=3.31)
WORDS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Cn"]), max_size=12).map(str.strip)


def produced(resolved: Resolved) -> Produced:
    return Produced(
        payloads=(Payload(extension=".png", content=b"x", width=912, height=512),),
        resolved=resolved,
        model="aura-mini",
        model_sha256="cd",
        device="cpu",
        dtype="float32",
        rung="whole",
        batch_size=1,
        timing=EngineTiming(),
        peak_bytes=1,
        text="a caption" if isinstance(resolved, ResolvedCaption) else "",
        warnings=("from the engine",),
        versions=(("torch", "2.13.0"), ("diffusers", "0.42"), ("transformers", "5.20")),
    )


def document(resolved: Resolved, source: SourceRecord = SOURCE) -> Sidecar:
    return sidecar(
        produced(resolved),
        job_id="j",
        finished="2026-11-23T17:00:00Z",
        source=source,
        tried=(),
        seconds=1.5,
        timing_s=TIMING,
        outputs=[OutputRecord(name="cat.png", bytes=1, sha256="ef", width=912, height=512)],
        warnings=("from the daemon",),
    )


def changed(**request: Any) -> bytes:
    page = json.loads(document(DRAWN).to_json())
    page["request"].update(request)
    return json.dumps(page).encode()


def test_a_sidecar_begins_with_its_schema_and_is_routed_as_one() -> None:
    content = document(DRAWN).to_json()
    assert content.startswith(b'{\n  "schema": "aura-daemon/sidecar/1"')
    assert content.endswith(b"}\n")
    assert route("cat.json", content, frozenset(Accept)) is SourceKind.SIDECAR


def test_a_sidecar_holds_to_its_published_schema() -> None:
    checker = jsonschema.Draft202012Validator(Sidecar.model_json_schema(by_alias=True))
    for resolved in (DRAWN, ResolvedCaption(image=None, prompt="", max_new_tokens=50), SHEET):
        checker.validate(json.loads(document(resolved).to_json()))


def test_a_picture_has_a_seed_and_a_caption_has_its_text() -> None:
    drawn = document(DRAWN)
    assert (drawn.seeds, drawn.caption) == ([2**63 - 1], None)
    assert drawn.warnings == ["from the engine", "from the daemon"]
    captioned = document(ResolvedCaption(image=None, prompt="", max_new_tokens=50))
    assert (captioned.seeds, captioned.caption) == ([], "a caption")


@given(
    st.builds(
        ResolvedGenerate,
        prompt=WORDS.filter(bool),
        negative_prompt=WORDS,
        steps=st.integers(1, 150),
        guidance_scale=st.floats(0, 30),
        scheduler=st.sampled_from([str(scheduler) for scheduler in Scheduler]),
        seed=st.integers(0, 2**63 - 1),
        width=st.integers(8, 256).map(lambda eighths: eighths * 8),
        height=st.integers(8, 256).map(lambda eighths: eighths * 8),
        model=st.none() | st.just("sd-1.4"),
        loras=st.sampled_from([(), (Lora(name="ink"), Lora(name="sub/grain", weight=-0.5))]),
        image=st.just("sub/sketch.png"),
        mask=st.none() | st.just("mask.png"),
        strength=st.floats(0, 1),
        hires=st.none() | st.builds(Hires, scale=st.floats(1, 4), strength=st.floats(0, 1)),
        clip_skip=st.integers(1, 12),
        format=st.sampled_from(ImageFormat),
        quality=st.none() | st.integers(1, 100),
        metadata=st.sampled_from(Metadata),
        preview=st.integers(0, 150),
        tags=st.sampled_from([(), ("a", "b c")]),
        notes=WORDS,
    )
)
@settings(max_examples=50)
def test_a_sidecar_asks_for_exactly_what_was_made(made: ResolvedGenerate) -> None:
    read = parse(document(made).to_json(), file="cat.json")
    assert isinstance(read, Sidecar), read
    assert read == document(made)
    assert request_of(read) == GenerateRequest(
        prompt=made.prompt,
        negative_prompt=made.negative_prompt,
        steps=made.steps,
        guidance_scale=made.guidance_scale,
        scheduler=made.scheduler,
        seed=made.seed,
        width=made.width,
        height=made.height,
        model=made.model,
        loras=made.loras,
        image=made.image,
        mask=made.mask,
        strength=made.strength,
        hires=made.hires,
        clip_skip=made.clip_skip if made.clip_skip > 1 else None,
        format=made.format,
        quality=made.quality,
        metadata=made.metadata,
        preview=made.preview,
        tags=made.tags,
        notes=made.notes,
    )


@pytest.mark.parametrize(("image", "name"), [(None, "beach.jpg"), ("sub/other.png", "sub/other.png")])
def test_a_caption_s_sidecar_asks_for_its_image(image: str | None, name: str) -> None:
    content = document(ResolvedCaption(image=image, prompt="a photo of", max_new_tokens=9)).to_json()
    read = parse(content, file="beach.json")
    assert isinstance(read, Sidecar)
    assert request_of(read) == CaptionRequest(image=name, prompt="a photo of", max_new_tokens=9)


SHEET = GridRequest(cells=("j-001", "j-002"), columns=2, column_labels=("seed 1", "seed 2"), row_labels=("steps 4",))


def test_a_sheet_s_sidecar_says_what_lies_where_and_asks_for_nothing() -> None:
    made = document(SHEET)
    request = json.loads(made.to_json())["request"]
    assert (request["cells"], request["columns"]) == (["j-001", "j-002"], 2)
    assert (request["column_labels"], request["row_labels"]) == (["seed 1", "seed 2"], ["steps 4"])
    squared = json.loads(document(replace(SHEET, cell_labels=("a", "b"))).to_json())["request"]
    assert (request["cell_labels"], squared["cell_labels"]) == ([], ["a", "b"])
    assert (made.seeds, made.caption) == ([], None)
    (problem,) = parse(made.to_json(), file="cat-grid.json")
    assert str(problem).startswith("cat-grid.json: a sheet of pictures is made again with them: give the job file")


@pytest.mark.parametrize("indent", [None, 4])
def test_a_sidecar_saved_by_another_tool_is_read(indent: int | None) -> None:
    page = json.loads(document(DRAWN).to_json())
    backwards = dict(reversed(list(page.items())))
    content = b"\xef\xbb\xbf" + json.dumps(backwards, indent=indent).encode()
    assert isinstance(parse(content, file="cat.json"), Sidecar)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no complete sidecar"),
        (b"{", "no complete sidecar"),
        (b"\xff", "no complete sidecar"),
        (b"[" * 100_000, "no complete sidecar"),
        (b"{}", "job_id: this is no complete sidecar"),
        (document(DRAWN).to_json().replace(b'"attempts"', b'"attemps"'), "attemps"),
        (changed(steps=0), "cat.json: steps: must be a whole number from 1 to 150 (given: 0)"),
        (changed(width=100_000), "cat.json: width: must be"),
        (changed(prompt=" "), "cat.json: prompt: must say what to draw"),
        (changed(prompt="a\0b"), "cat.json: prompt: holds the control character"),
        (changed(seed=2**64), "cat.json: seed: must be"),
        (changed(scheduler="Restart"), "cat.json: scheduler: must be one of"),
    ],
)
def test_a_sidecar_that_was_broken_or_changed_says_what_is_wrong(content: bytes, words: str) -> None:
    found = parse(content, file="cat.json")
    assert isinstance(found, tuple)
    assert words in "\n".join(str(problem) for problem in found)


@pytest.mark.parametrize("name", ["../../etc/secret.png", "/etc/secret.png", ".ssh/id.png"])
def test_a_sidecar_cannot_ask_for_an_image_outside_the_inbox(name: str) -> None:
    made = document(ResolvedCaption(image=name, prompt="", max_new_tokens=9))
    found = parse(made.to_json(), file="cat.json")
    assert isinstance(found, tuple)
    assert "must name a file" in found[0].message
    with pytest.raises(ValueError, match="must name a file"):
        request_of(made)


def test_a_sidecar_of_the_longest_job_is_read_back() -> None:
    longest = replace(
        DRAWN, prompt="," * 10_000, negative_prompt="," * 10_000, notes="," * 2_000, tags=("," * 100,) * 50
    )
    assert isinstance(parse(document(longest).to_json(), file="a.json"), Sidecar)


@given(st.binary(max_size=60))
@settings(max_examples=25)
def test_no_bytes_break_the_parser(content: bytes) -> None:
    assert isinstance(parse(content, file="a.json"), tuple)


def test_nothing_differs_from_a_run_under_the_same_conditions() -> None:
    assert differences(document(DRAWN), produced(DRAWN)) == ()


def test_every_difference_that_counts_is_said() -> None:
    other = replace(
        produced(DRAWN), model_sha256="other", device="cuda", dtype="float16", rung="sliced", batch_size=2, versions=()
    )
    found = differences(document(DRAWN), other)
    assert len(found) == 8
    assert "another device than the sidecar's (cpu then, cuda now)" in "\n".join(found)
    assert "another torch version than the sidecar's (2.13.0 then, unknown now)" in "\n".join(found)


def test_a_failure_report_says_why_and_is_never_a_job() -> None:
    failure = Failure(kind=FailureKind.BAD_INPUT, message="2 problems", mend="mend them")
    problems = (Problem(file="cat.yaml", line=2, key="steps", message="must be more", given="0"), Problem(message="b"))
    page = report(failure, problems, job_id="j", failed="2026-11-23T17:00:00Z", source=SOURCE, attempts=0)
    content = json.loads(page.to_json())
    assert content["schema"] == "aura-daemon/failure/1"
    assert content["problems"] == ["cat.yaml:2: steps: must be more (given: 0)", "b"]
    assert (content["kind"], content["reason"], content["mend"]) == ("bad_input", "2 problems", "mend them")
    assert isinstance(route("cat.yaml.json", page.to_json(), frozenset(Accept)), Foreign)


TRIED = (
    Attempt(kind=FailureKind.CRASHED, reason="it fell", seconds=0.12345),
    Attempt(
        kind=FailureKind.OUT_OF_MEMORY,
        reason="it is full",
        device="cuda:0",
        rung=Rung.RESIDENT,
        batch=4,
        alone=False,
        peak_bytes=7,
        seconds=2.0,
    ),
)
RECORDED = [
    {
        "device": "", "rung": None, "batch_size": 1, "outcome": "crashed", "reason": "it fell", "peak_bytes": 0,
        "seconds": 0.123,
    },
    {
        "device": "cuda:0", "rung": "resident", "batch_size": 4, "outcome": "out_of_memory", "reason": "it is full",
        "peak_bytes": 7, "seconds": 2.0,
    },
]  # fmt: skip


def test_a_sidecar_lists_every_attempt_and_the_one_that_worked_last() -> None:
    made = sidecar(
        replace(produced(DRAWN), rung="cpu"),
        job_id="j",
        finished="2026-11-23T17:00:00Z",
        source=SOURCE,
        tried=TRIED,
        seconds=1.23456,
        timing_s=TIMING,
        outputs=[],
    )
    page = json.loads(made.to_json())
    assert page["attempts"] == 3
    assert page["tried"][:2] == RECORDED
    assert page["tried"][2] == {
        "device": "cpu", "rung": "cpu", "batch_size": 1, "outcome": "done", "reason": "", "peak_bytes": 1,
        "seconds": 1.235,
    }  # fmt: skip
    assert parse(made.to_json(), file="cat.json") == made
    jsonschema.Draft202012Validator(Sidecar.model_json_schema(by_alias=True)).validate(page)


def test_a_result_of_no_rung_and_a_sidecar_from_before_there_were_any_are_read() -> None:
    made = document(DRAWN)
    assert sidecar(
        replace(produced(DRAWN), rung=""), job_id="j", finished="", source=SOURCE, tried=(), seconds=0.0,
        timing_s=TIMING, outputs=[],
    ).tried[0].rung is None  # fmt: skip
    page = json.loads(made.to_json())
    del page["tried"]
    read = parse(json.dumps(page).encode(), file="cat.json")
    assert isinstance(read, Sidecar)
    assert read.tried == []


def test_a_failure_report_lists_every_attempt() -> None:
    failure = Failure(kind=FailureKind.OUT_OF_MEMORY, message="it is full", mend="free some")
    page = report(failure, (), job_id="j", failed="", source=SOURCE, attempts=2, tried=TRIED)
    assert json.loads(page.to_json())["tried"] == RECORDED
