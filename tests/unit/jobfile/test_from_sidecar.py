"""A sidecar is a job file too."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.formats.sidecars.schema import Sidecar
from aura_daemon.jobfile.from_sidecar import differences, parse, request_of
from aura_daemon.jobs.caption_files import CaptionFile, CaptionPlace, ExistingText, asked
from aura_daemon.jobs.guidance.picture_prompts import PicturePrompt
from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.requests import (
    CaptionRequest,
    Describe,
    GenerateRequest,
    Hires,
    ImageFormat,
    Lora,
    Metadata,
    UpscaleRequest,
)
from aura_daemon.jobs.resolved import ResolvedCaption, ResolvedGenerate, ResolvedUpscale
from aura_daemon.jobs.results import Processor
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.speed import Speed
from tests.support.examples import examples
from tests.unit.outbox.test_sidecar_writer import DRAWN, document, produced

WORDS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Cn"]), max_size=12).map(str.strip)


def changed(**request: Any) -> bytes:
    page = json.loads(document(DRAWN).to_json())
    page["request"].update(request)
    return json.dumps(page).encode()


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
        speed=st.sampled_from(Speed),
        loras=st.sampled_from([(), (Lora(name="ink"), Lora(name="sub/grain", weight=-0.5))]),
        image=st.just("sub/sketch.png"),
        mask=st.none() | st.just("mask.png"),
        strength=st.floats(0, 1),
        like=st.sampled_from([(), (PicturePrompt(image="style.png", weight=0.6, model="sub/style"),)]),
        upscale=st.none()
        | st.builds(Upscale, model=st.none() | st.just("anime"), scale=st.floats(1, 8), tile=st.just(512)),
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
@settings(max_examples=examples(50))
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
        speed=made.speed,
        variant="eager",
        loras=made.loras,
        image=made.image,
        mask=made.mask,
        strength=made.strength,
        like=made.like,
        hires=made.hires,
        upscale=made.upscale,
        clip_skip=made.clip_skip if made.clip_skip > 1 else None,
        format=made.format,
        quality=made.quality,
        metadata=made.metadata,
        preview=made.preview,
        tags=made.tags,
        notes=made.notes,
    )


USUAL = asked(CaptionFile())
"""Whatever is configured."""


@pytest.mark.parametrize(("image", "name"), [(None, "beach.jpg"), ("sub/other.png", "sub/other.png")])
def test_a_caption_s_sidecar_asks_for_its_image(image: str | None, name: str) -> None:
    content = document(ResolvedCaption(image=image, prompt="a photo of", max_new_tokens=9)).to_json()
    read = parse(content, file="beach.json")
    assert isinstance(read, Sidecar)
    assert request_of(read) == CaptionRequest(
        image=name,
        prompt="a photo of",
        max_new_tokens=9,
        caption=USUAL,
        beams=1,
        max_words=0,
        describe=Describe.SENTENCE,
        embed=False,
    )


def test_an_answer_s_sidecar_asks_its_question() -> None:
    content = document(ResolvedCaption(image="a.png", prompt="", max_new_tokens=9, question="what is it?")).to_json()
    assert b'"question": "what is it?"' in content
    read = parse(content, file="a.json")
    assert isinstance(read, Sidecar)
    asked = CaptionRequest(
        image="a.png",
        max_new_tokens=9,
        caption=USUAL,
        beams=1,
        max_words=0,
        describe=Describe.SENTENCE,
        question="what is it?",
        embed=False,
    )
    assert request_of(read) == asked


def test_the_sidecar_of_a_caption_in_its_picture_asks_for_that_too() -> None:
    content = document(ResolvedCaption(image="a.png", prompt="", max_new_tokens=9, embed=True)).to_json()
    read = parse(content, file="beach.json")
    assert isinstance(read, Sidecar)
    assert request_of(read) == CaptionRequest(
        image="a.png", max_new_tokens=9, caption=USUAL, beams=1, max_words=0, describe=Describe.SENTENCE, embed=True
    )


def test_the_sidecar_of_a_caption_in_a_file_of_its_own_asks_for_that_file() -> None:
    file = CaptionFile(place=CaptionPlace.BESIDE, existing=ExistingText.APPEND, trigger_word="sks")
    content = document(ResolvedCaption(image="a.png", prompt="", max_new_tokens=9, caption=file)).to_json()
    read = parse(content, file="beach.json")
    assert isinstance(read, Sidecar)
    wanted = CaptionRequest(
        image="a.png",
        max_new_tokens=9,
        beams=1,
        max_words=0,
        describe=Describe.SENTENCE,
        embed=False,
        caption=asked(file),
    )
    assert request_of(read) == wanted


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


def test_on_which_machine_it_was_made_is_told_and_makes_no_difference() -> None:
    assert "node" not in json.loads(document(DRAWN).to_json())
    elsewhere = json.loads(document(DRAWN).to_json()) | {"node": "box-2"}
    read = parse(json.dumps(elsewhere).encode(), file="a.json")
    assert isinstance(read, Sidecar)
    assert (read.node, differences(read, produced(DRAWN))) == ("box-2", ())


THREADS = "number of CPU threads (`threads` sets it) than the sidecar's"
TWO = Processor(name="EPYC", capability="AVX2", threads=2)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (TWO, TWO, []),
        (
            TWO,
            replace(TWO, threads=8),
            [f"{THREADS} (2 then, 8 now)"],
        ),
        (TWO, replace(TWO, name="Xeon"), ["CPU than the sidecar's (EPYC with AVX2 then, Xeon with AVX2 now)"]),
        (
            TWO,
            replace(TWO, capability="AVX512"),
            ["CPU than the sidecar's (EPYC with AVX2 then, EPYC with AVX512 now)"],
        ),
        (TWO, None, []),
        (None, TWO, []),
    ],
    ids=["the same", "threads", "name", "capability", "on a GPU now", "a sidecar of before"],
)
def test_on_a_cpu_its_threads_and_its_instructions_count(
    before: Processor | None, now: Processor | None, told: list[str]
) -> None:
    made = document(DRAWN, processor=before)
    found = differences(made, produced(DRAWN, processor=now))
    assert [line.removeprefix("made again with another ").removesuffix(": pixels may differ") for line in found] == told
    assert isinstance(parse(made.to_json(), file="a.json"), Sidecar)


def test_a_sidecar_that_names_no_cpu_is_read_as_ever() -> None:
    old = json.loads(document(DRAWN).to_json())
    del old["processor"]
    assert isinstance(parse(json.dumps(old).encode(), file="a.json"), Sidecar)


def test_every_difference_that_counts_is_said() -> None:
    other = replace(
        produced(DRAWN),
        model_sha256="other",
        device="cuda",
        dtype="float16",
        rung="sliced",
        variant="compiled",
        batch_size=2,
        versions=(),
    )
    found = differences(document(DRAWN), other)
    assert len(found) == 9
    assert "another device than the sidecar's (cpu then, cuda now)" in "\n".join(found)
    assert "another variant than the sidecar's (eager then, compiled now)" in "\n".join(found)
    assert "another torch version than the sidecar's (2.13.0 then, unknown now)" in "\n".join(found)


@pytest.mark.parametrize(("image", "name"), [(None, "cat.png"), ("sub/a.png", "sub/a.png")])
def test_the_sidecar_of_an_enlarged_picture_asks_for_the_same_tiles(image: str | None, name: str) -> None:
    upscale = Upscale(model="anime", scale=2.0, tile=256)
    made = ResolvedUpscale(image=image, upscale=upscale, format=ImageFormat.JPG, quality=80, tags=("a",))
    page = json.loads(document(made).to_json())
    page["source"]["name"] = "in/cat.png"
    read = parse(json.dumps(page).encode(), file="cat.json")
    assert isinstance(read, Sidecar), read
    assert request_of(read) == UpscaleRequest(
        image=name,
        upscale=upscale,
        format=ImageFormat.JPG,
        quality=80,
        metadata=Metadata.FULL,
        tags=("a",),
    )
