"""A request as the journal holds it, and as YAML says it."""

import json
from dataclasses import fields
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobfile.parser import ParsedFile
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobfile.templates import escape_choices
from aura_daemon.jobs.caption_files import CaptionFile
from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.parts import Chain, JobPart
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    DatasetRequest,
    Describe,
    EmbeddedSettings,
    GenerateRequest,
    GridRequest,
    Hires,
    ImageFormat,
    Lora,
    MatchRequest,
    Metadata,
    PictureCheck,
    Request,
    UpscaleRequest,
)
from aura_daemon.jobs.sampling import NATIVE_512, Scheduler
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.jobs.speed import Speed
from aura_daemon.journal.request_json import chain_from_dict, chain_to_dict, request_from_dict, request_to_dict
from tests.support.examples import examples

WORDS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Cn"]), max_size=12)
SENTENCES = WORDS.map(str.strip).filter(bool)
GENERATE = st.builds(
    GenerateRequest,
    prompt=SENTENCES,
    negative_prompt=WORDS.map(str.strip),
    steps=st.none() | st.integers(1, 150),
    guidance_scale=st.none() | st.floats(0, 30),
    scheduler=st.none() | st.sampled_from([str(scheduler) for scheduler in Scheduler]),
    seed=st.none() | st.integers(0, 2**63 - 1),
    aspect_ratio=st.none() | st.sampled_from(sorted(NATIVE_512)),
    width=st.none() | st.integers(64, 2048),
    height=st.none() | st.integers(64, 2048),
    model=st.none() | st.sampled_from(["sd-1.4", "/models/own.safetensors"]),
    speed=st.none() | st.sampled_from(Speed),
    loras=st.sampled_from([(), (Lora(name="ink"), Lora(name="sub/grain", weight=-0.5))]),
    image=st.just("sub/ü.JPG"),
    mask=st.none() | st.just("mask.png"),
    strength=st.none() | st.floats(0, 1),
    hires=st.none() | st.builds(Hires, scale=st.floats(1, 4), strength=st.floats(0, 1)),
    clip_skip=st.none() | st.integers(1, 12),
    format=st.none() | st.sampled_from(ImageFormat),
    quality=st.none() | st.integers(1, 100),
    metadata=st.none() | st.sampled_from(Metadata),
    preview=st.integers(0, 150),
    output=st.none() | st.just("{date}/{stem}-{seed}"),
    tags=st.sampled_from([(), ("a", "b c")]),
    notes=WORDS.map(str.strip),
)
"""Every key there is: what a job asks for survives journal, sidecar and YAML, or a test here says so."""

AGAIN = st.builds(
    GenerateRequest,
    prompt=SENTENCES,
    variant=st.sampled_from(["", "openvino"]),
    described=st.none() | st.just("sub/ü.JPG"),
    follows=st.none() | st.just("j-001"),
    check=st.none()
    | st.builds(
        PictureCheck,
        verify=st.none() | st.floats(0, 1),
        tries=st.none() | st.integers(1, 20),
        seed_step=st.integers(1, 9),
        matched=st.booleans(),
    ),
    embedded=st.builds(EmbeddedSettings, image=SENTENCES, model=WORDS, lost=st.sampled_from([(), ("a", "b")])),
)
DATASET = st.builds(
    DatasetRequest,
    images=st.just(("set/**", "a.png")),
    base=WORDS,
    file=st.builds(CaptionFile, trigger_word=WORDS),
    kept=st.sampled_from([(), ("caf\udce9.png",)]),
)
GRID = st.builds(
    GridRequest,
    cells=st.sampled_from([("j-001", "j-002")]),
    columns=st.integers(1, 2),
    column_labels=st.sampled_from([(), ("seed 1", "seed 2")]),
    row_labels=st.sampled_from([(), ("steps 1",)]),
    cell_labels=st.sampled_from([(), ("seed 1", "seed 2")]),
)
CAPTION = st.builds(
    CaptionRequest,
    image=st.none() | st.sampled_from(["a.png", "sub/ü.JPG"]),
    prompt=WORDS.map(str.strip),
    max_new_tokens=st.none() | st.integers(1, 200),
    question=WORDS.map(str.strip),
    embed=st.none() | st.booleans(),
    describe=st.none() | st.sampled_from(Describe),
)


BENCHMARK = st.builds(
    BenchmarkRequest,
    picture=GENERATE,
    sizes=st.lists(st.tuples(st.integers(64, 2048), st.integers(64, 2048)), max_size=3).map(tuple),
    repeats=st.integers(1, 20),
    batch=st.integers(1, 8),
) | st.builds(BenchmarkRequest, caption=CAPTION)
MATCH = st.builds(MatchRequest, texts=st.lists(SENTENCES, max_size=3).map(tuple), image=st.none() | WORDS)


UPSCALE = st.builds(
    UpscaleRequest,
    image=st.none() | WORDS,
    upscale=st.builds(Upscale, model=st.none() | WORDS, scale=st.none() | st.floats(1, 8)),
    format=st.none() | st.sampled_from(ImageFormat),
)


def test_the_strategy_for_jobs_that_draw_knows_every_key() -> None:
    known = {name for name, field in GenerateJob.model_fields.items() if not field.is_required() or name == "prompt"}
    of_the_file = {"task", "count", "matrix", "grid", "priority", "pick", "verify", "tries", "best_of"}
    of_the_daemon = {"embedded", "variant", "described", "follows", "check"}
    assert known - of_the_file == {one.name for one in fields(GenerateRequest)} - of_the_daemon


@given(GENERATE | AGAIN | CAPTION | GRID | BENCHMARK | MATCH | DATASET | UPSCALE)
@settings(max_examples=examples(50))
def test_a_request_survives_the_journal(request_: Request) -> None:
    stored: dict[str, Any] = json.loads(json.dumps(request_to_dict(request_)))
    assert request_from_dict(stored) == request_


@given(
    st.builds(
        Chain,
        runs=GENERATE | CAPTION | MATCH | UPSCALE,
        looks_at=st.none() | st.integers(0, 3),
        done=st.lists(
            st.builds(
                JobPart,
                request=GENERATE | CAPTION | MATCH | UPSCALE,
                model=WORDS,
                model_sha256=WORDS,
                device=WORDS,
                rung=WORDS,
                seconds=st.floats(0, 9),
                text=WORDS,
                texts=st.lists(WORDS, max_size=2).map(tuple),
                scores=st.lists(st.floats(0, 1), max_size=2).map(tuple),
                kept_sha256=WORDS,
                is_hidden=st.booleans(),
                warnings=st.lists(WORDS, max_size=2).map(tuple),
            ),
            max_size=2,
        ).map(tuple),
    )
)
@settings(max_examples=20)
def test_how_far_a_job_of_several_parts_is_survives_the_journal(chain: Chain) -> None:
    assert chain_from_dict(json.loads(json.dumps(chain_to_dict(chain)))) == chain


def test_what_an_older_version_journaled_has_the_defaults_of_keys_that_it_did_not_know() -> None:
    old = {"task": "generate", "prompt": "x", "negative_prompt": "", "steps": 7, "seed": 3}
    assert request_from_dict(old) == GenerateRequest(prompt="x", steps=7, seed=3)


@given(GENERATE)
@settings(max_examples=examples(50))
def test_a_request_written_as_yaml_is_read_back(request_: GenerateRequest) -> None:
    given_keys = {
        key: value for key, value in request_to_dict(request_).items() if value is not None and key != "variant"
    }
    given_keys |= {key: escape_choices(str(given_keys[key])) for key in ("prompt", "negative_prompt")}
    found = parse(SourceKind.JOB_FILE, json.dumps(given_keys, ensure_ascii=False).encode(), file="a.yaml")
    assert isinstance(found, ParsedFile), found
    assert found.jobs[0].spec.request == request_
