"""The JSON beside every result, and the report beside every failed file."""

import json
from collections.abc import Sequence
from dataclasses import replace

import jsonschema
import pytest

from aura_daemon.errors import Problem
from aura_daemon.formats.sidecars.schema import OutputRecord, Sidecar, SourceRecord, TimingRecord
from aura_daemon.jobfile.from_sidecar import parse, request_of
from aura_daemon.jobs.caption_files import CaptionFile, asked
from aura_daemon.jobs.parts import JobPart
from aura_daemon.jobs.requests import CaptionRequest, CaptionSampling, Describe, GridRequest, MatchRequest
from aura_daemon.jobs.resolved import LeftOutPicture, Resolved, ResolvedCaption, ResolvedDataset, ResolvedGenerate
from aura_daemon.jobs.results import CaptionCandidate, EngineTiming, Failure, FailureKind, Payload, Processor, Produced
from aura_daemon.jobs.sources import Accept, SourceKind
from aura_daemon.ladder.attempts import Attempt
from aura_daemon.ladder.rungs import Rung
from aura_daemon.outbox.sidecar_writer import report, sidecar
from aura_daemon.watch.decisions import Leave
from aura_daemon.watch.file_kinds import route

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


def produced(resolved: Resolved, *, processor: Processor | None = None) -> Produced:
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
        processor=processor,
        text="a caption" if isinstance(resolved, ResolvedCaption) else "",
        warnings=("from the engine",),
        versions=(("torch", "2.13.0"), ("diffusers", "0.42"), ("transformers", "5.20")),
    )


def document(resolved: Resolved, source: SourceRecord = SOURCE, *, processor: Processor | None = None) -> Sidecar:
    outputs = [OutputRecord(name="cat.png", bytes=1, sha256="ef", width=912, height=512)]
    warnings = ("from the daemon",)
    return told(produced(resolved, processor=processor), source=source, outputs=outputs, warnings=warnings)


def told(
    done: Produced,
    *,
    source: SourceRecord = SOURCE,
    tried: Sequence[Attempt] = (),
    seconds: float = 1.5,
    outputs: Sequence[OutputRecord] = (),
    warnings: Sequence[str] = (),
) -> Sidecar:
    return sidecar(
        done,
        job_id="j",
        finished="2026-11-23T17:00:00Z",
        source=source,
        tried=tried,
        seconds=seconds,
        timing_s=TIMING,
        outputs=list(outputs),
        warnings=tuple(warnings),
    )


def test_a_sidecar_begins_with_its_schema_and_is_routed_as_one() -> None:
    content = document(DRAWN).to_json()
    assert content.startswith(b'{\n  "schema": "aura-daemon/sidecar/1"')
    assert content.endswith(b"}\n")
    assert route("cat.json", content, frozenset(Accept)) is SourceKind.SIDECAR


def test_a_sidecar_holds_to_its_published_schema() -> None:
    checker = jsonschema.Draft202012Validator(Sidecar.model_json_schema(by_alias=True))
    for resolved in (DRAWN, ResolvedCaption(image=None, prompt="", max_new_tokens=50), SHEET):
        checker.validate(json.loads(document(resolved).to_json()))


def test_a_sidecar_names_the_cpu_that_computed() -> None:
    made = document(DRAWN, processor=Processor(name="AMD EPYC", capability="AVX2", threads=2))
    assert json.loads(made.to_json())["processor"] == {"name": "AMD EPYC", "capability": "AVX2", "threads": 2}
    assert json.loads(document(DRAWN).to_json())["processor"] is None


def test_a_picture_has_a_seed_and_a_caption_has_its_text() -> None:
    drawn = document(DRAWN)
    assert (drawn.seeds, drawn.caption) == ([2**63 - 1], None)
    assert drawn.warnings == ["from the engine", "from the daemon"]
    captioned = document(ResolvedCaption(image=None, prompt="", max_new_tokens=50))
    assert (captioned.seeds, captioned.caption) == ([], "a caption")
    assert not {"candidates", "ranked_by"} & json.loads(captioned.to_json()).keys()
    assert not {"beams", "sampling", "candidates", "max_words"} & json.loads(captioned.to_json())["request"].keys()


CHOSEN = ResolvedCaption(
    image=None, prompt="", max_new_tokens=50, sampling=CaptionSampling(seed=7), candidates=2, max_words=9
)


def test_a_caption_chosen_among_several_names_them_with_their_scores_and_asks_for_them_again() -> None:
    several = (CaptionCandidate(text="a caption", score=-0.5), CaptionCandidate(text="another", score=-1.5))
    made = told(replace(produced(CHOSEN), candidates=several, ranked_by="mean log probability"))
    written = json.loads(made.to_json())
    assert written["candidates"] == [{"text": "a caption", "score": -0.5}, {"text": "another", "score": -1.5}]
    assert (written["ranked_by"], written["seeds"]) == ("mean log probability", [7])
    assert written["request"]["sampling"] == {"temperature": 1.0, "top_p": 0.9, "seed": 7}
    read = parse(made.to_json(), file="cat.json")
    assert isinstance(read, Sidecar), read
    assert request_of(read) == CaptionRequest(
        image="beach.jpg",
        max_new_tokens=50,
        sampling=CHOSEN.sampling,
        candidates=2,
        max_words=9,
        embed=False,
        caption=asked(CaptionFile()),
        describe=Describe.SENTENCE,
    )


def test_a_sidecar_names_the_parts_of_a_job_that_took_several() -> None:
    run = {"model": "m", "model_sha256": "ab", "device": "cpu", "rung": "whole", "seconds": 1.5}
    captioned = JobPart(request=CaptionRequest(), text="a cat", **run)  # type: ignore[arg-type]
    compared = JobPart(request=MatchRequest(texts=("a cat",)), scores=(0.5,), **run)  # type: ignore[arg-type]
    done = produced(ResolvedCaption(image=None, prompt="", max_new_tokens=50))
    made = told(replace(done, parts=(captioned, compared)))
    assert [(part.task, part.caption, part.scores, part.seconds) for part in made.parts] == [
        *(("caption", "a cat", [], 1.5), ("match", None, [0.5], 1.5))
    ]


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


def test_the_sidecar_of_a_set_counts_its_pictures_and_asks_for_nothing() -> None:
    left_out = LeftOutPicture(image="set/b.png", reason="it is broken")
    groups = (("a.png", "c.png"),)
    made = document(
        ResolvedDataset(
            images=("set/**",),
            base="set",
            pictures=4,
            captioned=2,
            kept=1,
            failed=1,
            left_out=(left_out,),
            near_duplicates=groups,
        )
    )
    request = json.loads(made.to_json())["request"]
    assert [request[key] for key in ("pictures", "captioned", "kept", "failed")] == [4, 2, 1, 1]
    assert request["left_out"] == [{"image": "set/b.png", "reason": "it is broken"}]
    assert request["near_duplicates"] == [["a.png", "c.png"]]
    (problem,) = parse(made.to_json(), file="metadata.json")
    assert str(problem).startswith("metadata.json: the captions of a set are put together again with them")


def test_a_failure_report_says_why_and_is_never_a_job() -> None:
    failure = Failure(kind=FailureKind.BAD_INPUT, message="2 problems", mend="mend them")
    problems = (Problem(file="cat.yaml", line=2, key="steps", message="must be more", given="0"), Problem(message="b"))
    page = report(failure, problems, job_id="j", failed="2026-11-23T17:00:00Z", source=SOURCE, attempts=0)
    content = json.loads(page.to_json())
    assert content["schema"] == "aura-daemon/failure/1"
    assert content["problems"] == ["cat.yaml:2: steps: must be more (given: 0)", "b"]
    assert (content["kind"], content["reason"], content["mend"]) == ("bad_input", "2 problems", "mend them")
    assert isinstance(route("cat.yaml.json", page.to_json(), frozenset(Accept)), Leave)


TRIED = (
    Attempt(kind=FailureKind.CRASHED, reason="it fell", seconds=0.12345),
    Attempt(
        kind=FailureKind.OUT_OF_MEMORY,
        reason="it is full",
        device="cuda:0",
        device_name="a card",
        rung=Rung.RESIDENT,
        batch=4,
        alone=False,
        peak_bytes=7,
        seconds=2.0,
    ),
)
RECORDED = [
    {
        "device": "", "device_name": "", "rung": None, "batch_size": 1, "outcome": "crashed", "reason": "it fell",
        "peak_bytes": 0, "seconds": 0.123,
    },
    {
        "device": "cuda:0", "device_name": "a card", "rung": "resident", "batch_size": 4, "outcome": "out_of_memory",
        "reason": "it is full", "peak_bytes": 7, "seconds": 2.0,
    },
]  # fmt: skip


def test_a_sidecar_lists_every_attempt_and_the_one_that_worked_last() -> None:
    made = told(replace(produced(DRAWN), rung="cpu"), tried=TRIED, seconds=1.23456)
    page = json.loads(made.to_json())
    assert page["attempts"] == 3
    assert page["tried"][:2] == RECORDED
    assert page["tried"][2] == {
        "device": "cpu", "device_name": "", "rung": "cpu", "batch_size": 1, "outcome": "done", "reason": "",
        "peak_bytes": 1, "seconds": 1.235,
    }  # fmt: skip
    assert parse(made.to_json(), file="cat.json") == made
    jsonschema.Draft202012Validator(Sidecar.model_json_schema(by_alias=True)).validate(page)


def test_a_result_of_no_rung_and_a_sidecar_from_before_there_were_any_are_read() -> None:
    made = document(DRAWN)
    assert told(replace(produced(DRAWN), rung="")).tried[0].rung is None
    page = json.loads(made.to_json())
    del page["tried"], page["variant"]
    read = parse(json.dumps(page).encode(), file="cat.json")
    assert isinstance(read, Sidecar)
    assert (read.tried, read.variant) == ([], "eager")


def test_a_sidecar_says_how_its_result_was_computed() -> None:
    made = told(replace(produced(DRAWN), variant="compiled"))
    assert json.loads(made.to_json())["variant"] == "compiled"


def test_a_failure_report_lists_every_attempt() -> None:
    failure = Failure(kind=FailureKind.OUT_OF_MEMORY, message="it is full", mend="free some")
    page = report(failure, (), job_id="j", failed="", source=SOURCE, attempts=2, tried=TRIED)
    assert json.loads(page.to_json())["tried"] == RECORDED


def test_a_comparison_is_no_result_of_its_own() -> None:
    with pytest.raises(ValueError, match="part of another job"):
        document(MatchRequest(texts=("a",)))
