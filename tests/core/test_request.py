"""What a job file may say."""

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.core.choices import literal
from aura_daemon.core.generatekeys import GenerateJob
from aura_daemon.core.job import (
    CaptionRequest,
    Embedded,
    GenerateRequest,
    GridRequest,
    Hires,
    ImageFormat,
    Lora,
    Metadata,
    Request,
)
from aura_daemon.core.keytypes import MOST_PROMPT_CHARACTERS
from aura_daemon.core.request import (
    Parsed,
    Rejected,
    parse_job_file,
    parse_prompt_text,
    with_loras_of_prompt,
)
from aura_daemon.core.requestform import request_from_dict, request_to_dict
from aura_daemon.core.settings import NATIVE_512, Scheduler
from aura_daemon.core.yamltext import MOST_BYTES

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
    embedded=st.builds(Embedded, image=SENTENCES, model=WORDS, lost=st.sampled_from([(), ("a", "b")])),
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
)


def requests(text: str) -> list[Request]:
    found = parse_job_file(text.encode(), file="cat.yaml")
    assert isinstance(found, Parsed), found
    return [job.asked.request for job in found.jobs]


def complaints(text: str) -> list[str]:
    found = parse_job_file(text.encode(), file="cat.yaml")
    assert isinstance(found, Rejected), found
    return [str(problem) for problem in found.problems]


def test_the_issue_s_example_is_a_job() -> None:
    assert requests("prompt: a lighthouse at dawn, oil painting\naspect_ratio: 16:9\n") == [
        GenerateRequest(prompt="a lighthouse at dawn, oil painting", aspect_ratio="16:9")
    ]


@pytest.mark.parametrize("text", ["no", "1984", "true", "2026-01-01", "0777", "16:9", "[bracketed"[1:]])
def test_a_prompt_is_taken_as_it_is_written(text: str) -> None:
    assert requests(f"prompt: {text}\nnegative_prompt: {text}") == [GenerateRequest(prompt=text, negative_prompt=text)]


def test_every_key_of_a_generate_job() -> None:
    text = """
        task: generate
        prompt: ' a cat '
        negative_prompt: dogs
        steps: 7
        guidance_scale: 7
        scheduler: DPM++ 2M Karras
        seed: 0x10
        aspect_ratio: 16 x 9
        width: 682
        height: 512
    """
    assert requests(text) == [
        GenerateRequest(
            prompt="a cat",
            negative_prompt="dogs",
            steps=7,
            guidance_scale=7.0,
            scheduler="dpm++_2m_karras",
            seed=16,
            aspect_ratio="16:9",
            width=682,
            height=512,
        )
    ]


def test_keys_without_a_value_are_as_good_as_none() -> None:
    text = "task:\nprompt: x\nsteps:\nseed: ~\nscheduler: null\naspect_ratio: ~\nnegative_prompt: null\n"
    assert requests(text) == [GenerateRequest(prompt="x")]
    assert requests("image: a.png\nprompt: null") == [CaptionRequest(image="a.png")]


def test_a_whole_number_may_be_written_with_a_point() -> None:
    (found,) = requests("prompt: x\nsteps: 25.0\nwidth: 64.0\nseed: 1e3")
    assert found == GenerateRequest(prompt="x", steps=25, width=64, seed=1000)
    assert isinstance(found, GenerateRequest)
    assert (type(found.steps), type(found.seed)) == (int, int)


@pytest.mark.parametrize(("ratio", "known"), [("auto", "Auto"), ("4/3", "4:3"), ("21:9", "21:9"), ("9X16", "9:16")])
def test_aspect_ratios_are_understood_in_many_spellings(ratio: str, known: str) -> None:
    assert requests(f"prompt: x\naspect_ratio: {ratio}") == [GenerateRequest(prompt="x", aspect_ratio=known)]


def test_an_image_alone_is_to_be_captioned() -> None:
    assert requests("image: sub/beach.jpg") == [CaptionRequest(image="sub/beach.jpg")]
    assert requests("task: caption") == [CaptionRequest()]  # the image that is called as the job file
    assert requests("task: caption\nimage: beach.jpg\nprompt: a photo of\nmax_new_tokens: 9") == [
        CaptionRequest(image="beach.jpg", prompt="a photo of", max_new_tokens=9)
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("promt: x", "cat.yaml:1: promt: unknown key; did you mean `prompt`?"),
        ("prompt: x\nnegativ_prompt: y", "cat.yaml:2: negativ_prompt: unknown key; did you mean `negative_prompt`?"),
        ("prompt: x\naspect-ratio: 16:9", "cat.yaml:2: aspect-ratio: unknown key; did you mean `aspect_ratio`?"),
        ("prompt: x\nSteps: 3", "cat.yaml:2: Steps: unknown key; did you mean `steps`?"),
        ("prompt: x\nfoo: 3", "cat.yaml:2: foo: unknown key; known are task, prompt, negative_prompt"),
        ("prompt: x\nsteps: 0", "cat.yaml:2: steps: must be a whole number from 1 to 150 (given: 0)"),
        ("prompt: x\nsteps: 25.5", "steps: must be a whole number from 1 to 150 (given: 25.5)"),
        ('prompt: x\nsteps: "25"', 'steps: must be a whole number from 1 to 150, without quotes (given: "25")'),
        ("prompt: x\nsteps: yes", "steps: must be a whole number from 1 to 150 (given: yes)"),
        ("prompt: x\nsteps: true", "steps: must be a whole number from 1 to 150 (given: true)"),
        ("prompt: x\nwidth: 100000", "width: must be a whole number of pixels from 64 to 2048"),
        ("prompt: x\nheight: 63", "multiple of 8 (given: 63)"),
        ("prompt: x\nseed: -1", "seed: must be a whole number from 0 to 2**63 - 1, a list of at most 500 of them, or"),
        ("prompt: x\nseed: 9223372036854775808", "(given: 9223372036854775808)"),
        ("prompt: x\nseed: 1e30", "or a range as `1-4` (given: 1e30)"),
        ("prompt: x\nguidance_scale: .nan", "guidance_scale: must be a number from 0 to 30 (given: .nan)"),
        ("prompt: x\nguidance_scale: .inf", "guidance_scale: must be a number from 0 to 30 (given: .inf)"),
        ("prompt: x\nguidance_scale: -.inf", "(given: -.inf)"),
        ("prompt: x\nguidance_scale: true", "(given: true)"),
        ("prompt: [a, b]", "prompt: must be text of 1 to 10000 characters: what to draw (given: [a, b])"),
        ("prompt: {a: b}", "(given: {a: b})"),
        ("prompt: ' '", "prompt: must say what to draw; it is blank"),
        ("prompt: ''", "prompt: must be text of 1 to 10000 characters"),
        ('prompt: "a\\x07b"', "prompt: holds the control character U+0007"),
        ("prompt: " + "x" * 10_001, "…)"),
        ("prompt: ~", "cat.yaml:1: prompt: is missing: what should be drawn?"),
        ("prompt: null", "cat.yaml:1: prompt: is missing: what should be drawn?"),
        ("prompt:", "cat.yaml:1: prompt: is missing: what should be drawn?"),
        ("prompt: x\n---\nsteps: 3", "cat.yaml:3: prompt: is missing: what should be drawn?"),
        ("prompt: x\nscheduler: DDIMM", "scheduler: must be one of dpm++_2m_karras"),
        ("prompt: x\nscheduler: DDIMM", "(given: DDIMM); did you mean `ddim`?"),
        ("prompt: x\naspect_ratio: 16:10", "`width` and `height` give any other size (given: 16:10)"),
        (
            "task: capton\nimage: a.png",
            "task: must be one of generate, caption, regenerate (given: capton); did you mean `caption`?",
        ),
        ("prompt: x\naspect_ratio: [16, 9]", "(given: [16, 9])"),
        ("task: [a]", "task: must be one of generate, caption, regenerate (given: [a])"),
        ("task: caption\nimage: a.png\nsteps: 4", "cat.yaml:3: steps: `steps` does not go with `task: caption`"),
        ("prompt: x\nmask: a.png", "`mask` goes with `image`: name the image that it is about"),
        ("prompt: x\nstrength: 0.5", "`strength` goes with `image`: name the image that it is about"),
        ("prompt: x\nloras: [{name: ink, weight: 9}]", "loras.0.weight: must be a number from -4 to 4 (given: 9)"),
        ("prompt: x <lora:ink:9>", "cat.yaml:1: prompt: holds what is no `<lora:NAME>` nor `<lora:NAME:WEIGHT>`"),
        ("prompt: x\nnegative_prompt: <lora:ink>", "cat.yaml:2: negative_prompt: names a LoRA, which belongs into"),
        (f"prompt: {''.join(f'<lora:{n}>' for n in range(11))}", "names LoRAs beyond the 10 that a job may have"),
        ("prompt: x\nhires: 2", "hires: must be keys of the second pass: `scale` and `strength` (given: 2)"),
        ("prompt: x\nhires: {scal: 2}", "hires.scal: unknown key; did you mean `scale`?"),
        ("prompt: x\nformat: wepb", "format: must be one of png, jpg, webp, avif (given: wepb); did you mean `webp`?"),
        ("prompt: x\nclip_skip: 0", "clip_skip: must be a whole number from 1 to 12"),
        ("prompt: x\ntags: a", "tags: must be a list of at most 50 texts"),
        ("image: ../a.png", "image: must name a file below the inbox"),
        ("image: /etc/a.png", "image: must name a file"),
        ("image: sub//a.png", "image: must name a file"),
        ("image: .hidden/a.png", "image: must name a file"),
        ("image: sub\\a.png", "image: must name a file"),
        ("image: a.txt", "image: must name an image: .png, .jpg"),
        (f"image: {'ü' * 130}.png", "more than 255 bytes"),
        (f"image: {'a/' * 500}a.png", "image: must be the name of an image"),
        ('image: "a\\0.png"', "control character U+0000"),
        ("prompt: x\nprompt: y", "cat.yaml:2: prompt: is given twice, first in line 1"),
        ("# nothing", "cat.yaml: the file holds nothing; it needs at least `prompt: …`"),
    ],
)
def test_a_problem_says_what_is_wrong_what_is_allowed_and_where(text: str, words: str) -> None:
    assert words in complaints(text)[-1]


def test_a_prompt_s_loras_come_after_the_job_s_own_and_their_weights_count() -> None:
    text = "prompt: a <lora:ink:0.8> cat <lora:oil>\nloras: [{name: old, weight: 0.3}, {name: ink, weight: 0.5}]"
    (found,) = requests(text)
    assert found == GenerateRequest(
        prompt="a <lora:ink:0.8> cat <lora:oil>",
        loras=(Lora(name="old", weight=0.3), Lora(name="ink", weight=0.8), Lora(name="oil", weight=1.0)),
    )
    assert with_loras_of_prompt(found, file="") == found


def test_a_text_file_may_name_loras() -> None:
    found = parse_prompt_text(b"a cat <lora:ink:0.8>", file="cat.txt")
    assert isinstance(found, Parsed)
    asked = found.jobs[0].asked.request
    assert isinstance(asked, GenerateRequest)
    assert asked.loras == (Lora(name="ink", weight=0.8),)
    wrong = parse_prompt_text(b"a cat <lora:ink:much>", file="cat.txt")
    assert isinstance(wrong, Rejected)
    assert "cat.txt: prompt: holds what is no" in str(wrong.problems[0])


def test_every_problem_of_every_document_is_listed_in_the_order_of_the_file() -> None:
    found = complaints("steps: 0\nprompt: x\nwidth: 1\n---\nprompt: fine\n---\nfoo: 1\nseed: -1\n")
    assert [line.split(": ")[0] for line in found] == [
        "cat.yaml:1",
        "cat.yaml:3",
        "cat.yaml:7",
        "cat.yaml:7",
        "cat.yaml:8",
    ]


def test_a_misspelt_key_is_not_reported_as_missing_too() -> None:
    assert len(complaints("promt: x")) == 1


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


@pytest.mark.parametrize(
    "template", ["../{stem}", "/tmp/{stem}", "a//b", ".hidden", "a/.b", "{stem", "{nothing}", "a\\b", "{number:x}"]
)
def test_a_name_that_leads_elsewhere_or_has_no_such_field_is_refused_with_the_fields(template: str) -> None:
    (found,) = complaints(f"prompt: x\noutput: '{template}'\n")
    assert found.startswith("cat.yaml:2: output: must be a name in its folder of the outbox")
    assert "{stem}, {number}, {seed}, {prompt}, {model}, {date}, {time}; no `..`, hidden or absolute path" in found


def test_one_document_of_several_can_stand_alone() -> None:
    found = parse_job_file("prompt: a\n---\n# of b\nprompt: b\r\n".encode("utf-16"), file="cat.yaml")
    assert isinstance(found, Parsed)
    for job in found.jobs:
        alone = parse_job_file(job.text, file="cat.yaml")
        assert isinstance(alone, Parsed)
        assert alone.jobs == (job,)


@pytest.mark.parametrize(
    "content", [b" a red circle \r\n", "\ufeffa red circle".encode(), "a red circle".encode("utf-16")]
)
def test_a_text_file_is_one_prompt(content: bytes) -> None:
    found = parse_prompt_text(content, file="cat.txt")
    assert isinstance(found, Parsed)
    assert found.jobs[0].asked.request == GenerateRequest(prompt="a red circle")
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
    found = parse_prompt_text(content, file="cat.txt")
    assert isinstance(found, Rejected)
    assert words in str(found.problems[0])


@given(st.binary(max_size=80))
@settings(max_examples=25)
def test_no_bytes_break_the_parsers(content: bytes) -> None:
    assert isinstance(parse_job_file(content, file="a"), Parsed | Rejected)
    assert isinstance(parse_prompt_text(content, file="a"), Parsed | Rejected)


def test_the_strategy_for_jobs_that_draw_knows_every_key() -> None:
    known = {name for name, field in GenerateJob.model_fields.items() if not field.is_required() or name == "prompt"}
    of_the_file = {"task", "count", "matrix", "grid", "priority"}
    assert known - of_the_file == {one.name for one in fields(GenerateRequest)} - {"embedded"}


@given(GENERATE | AGAIN | CAPTION | GRID)
@settings(max_examples=50)
def test_a_request_survives_the_journal(request_: Request) -> None:
    stored: dict[str, Any] = json.loads(json.dumps(request_to_dict(request_)))
    assert request_from_dict(stored) == request_


def test_what_an_older_version_journaled_has_the_defaults_of_keys_that_it_did_not_know() -> None:
    old = {"task": "generate", "prompt": "x", "negative_prompt": "", "steps": 7, "seed": 3}
    assert request_from_dict(old) == GenerateRequest(prompt="x", steps=7, seed=3)


@given(GENERATE)
@settings(max_examples=50)
def test_a_request_written_as_yaml_is_read_back(request_: GenerateRequest) -> None:
    given_keys = {key: value for key, value in request_to_dict(request_).items() if value is not None}
    given_keys |= {key: literal(str(given_keys[key])) for key in ("prompt", "negative_prompt")}
    found = parse_job_file(json.dumps(given_keys, ensure_ascii=False).encode(), file="a.yaml")
    assert isinstance(found, Parsed), found
    assert found.jobs[0].asked.request == request_
