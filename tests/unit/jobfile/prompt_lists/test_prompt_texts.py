"""What a `.txt` asks for."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.formats.plain_text import MOST_BYTES
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.jobfile.keys.types import MOST_PROMPT_CHARACTERS
from aura_daemon.jobfile.parser import ParsedFile, ParsedJob, RejectedFile
from aura_daemon.jobfile.prompt_lists.prompt_texts import ONLY_COMMENTS
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobfile.prompt_lists.text_entries import WHOLE_KEY
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.sources import PromptLines, SourceKind
from tests.support.examples import examples

THREE = "a small red circle on a blue background\na large green star\n\n# no\na black cross\n"


def jobs(text: str | bytes, **options: object) -> tuple[ParsedJob, ...]:
    content = text.encode() if isinstance(text, str) else text
    found = parse(SourceKind.PROMPT_TEXT, content, file="cat.txt", **options)  # type: ignore[arg-type]
    assert isinstance(found, ParsedFile), found
    return found.jobs


def requests(text: str | bytes, **options: object) -> list[GenerateRequest]:
    found = [job.spec.request for job in jobs(text, **options)]  # type: ignore[union-attr]
    return [request for request in found if isinstance(request, GenerateRequest)]


def complaints(text: str | bytes, file: str = "cat.txt") -> list[str]:
    found = parse(SourceKind.PROMPT_TEXT, text.encode() if isinstance(text, str) else text, file=file)
    assert isinstance(found, RejectedFile), found
    return [str(problem) for problem in found.problems]


def test_each_line_is_a_job_and_each_job_says_so_and_names_the_key() -> None:
    found = jobs(THREE)
    assert [request.prompt for request in requests(THREE)] == [
        "a small red circle on a blue background",
        "a large green star",
        "a black cross",
    ]
    assert {job.warnings for job in found} == {(f"the text was read as 3 prompts, one a line; {WHOLE_KEY}",)}


def test_one_line_is_one_job_with_the_text_of_the_file() -> None:
    (job,) = jobs("# my prompts\na red circle\n")
    assert job.text == b"# my prompts\na red circle\n"
    assert job.warnings == ()


@pytest.mark.parametrize(
    "text", [THREE, "a {red|blue} circle --steps 8 --seed 3\na cat --n text\n", "a cat --n_iter 3"]
)
def test_every_job_can_be_handed_back_alone_as_a_job_file(text: str) -> None:
    found = jobs(text)
    for job in found:
        alone = parse(SourceKind.JOB_FILE, job.text, file="cat-1.yaml")
        assert isinstance(alone, ParsedFile), alone
        assert [again.spec for again in alone.jobs] == [job.spec]


def test_a_line_separator_of_a_web_page_stays_within_its_prompt() -> None:
    assert [request.prompt for request in requests("a red\u2028circle\x85\na star")] == ["a red circle", "a star"]


def test_the_key_is_taken_from_the_folder_then_from_the_configuration() -> None:
    whole = FolderDefaults(name="_defaults.yaml", sha256="", keys={"prompt_lines": "whole"})
    auto = FolderDefaults(name="a/_defaults.yaml", sha256="", keys={"prompt_lines": "auto"})
    none = FolderDefaults(name="b/_defaults.yaml", sha256="", keys={"steps": 8})
    assert len(jobs(THREE, folders=[whole])) == 1
    assert len(jobs(THREE, folders=[auto, whole])) == 3
    assert len(jobs(THREE, folders=[none, whole])) == 1
    assert len(jobs(THREE, prompt_lines=PromptLines.WHOLE)) == 1
    assert len(jobs(THREE, folders=[auto], prompt_lines=PromptLines.WHOLE)) == 3
    assert jobs(THREE, prompt_lines=PromptLines.LINES)[0].warnings == ()


def test_flags_become_keys_and_what_has_no_meaning_here_is_told() -> None:
    text = '--prompt "a red circle" --steps 8 --seed 5 --do_not_save_grid true\n--prompt "a star" --steps 9 --seed 6\n'
    first, second = requests(text)
    assert (first.prompt, first.steps, first.seed) == ("a red circle", 8, 5)
    assert (second.prompt, second.steps, second.seed) == ("a star", 9, 6)
    told = [job.warnings[1:] for job in jobs(text)]
    assert [len(warnings) for warnings in told] == [1, 0]
    assert "`--do_not_save_grid` was left out" in told[0][0]


def test_of_invokeais_brackets_it_is_told_what_they_mean_here() -> None:
    (job,) = jobs("a cat [text] -s 8")
    assert "`[…]` counts less here" in job.warnings[0]
    assert jobs("a cat [text] --steps 8")[0].warnings == ()


def test_every_wrong_flag_is_told_with_line_word_value_and_range() -> None:
    text = "a cat --steps 200\n# no\na dog --stepz 8\na bird --restore_faces true --width 1\na bee --image x.png\n"
    assert complaints(text) == [
        "cat.txt:1: steps: must be a whole number from 1 to 150 (given: --steps 200)",
        "cat.txt:3: --stepz: is no known flag (text has a space behind its dashes) (given: --stepz 8);"
        " did you mean `--steps`?",
        "cat.txt:4: --restore_faces: faces are not restored here: leave it out (given: --restore_faces true)",
        "cat.txt:5: --image: names an image, which a text cannot wait for: write a job file (.yaml) with"
        " `image: NAME.png` (given: --image x.png)",
    ]
    assert complaints("a cat --steps") == ["cat.txt: --steps: needs a value behind it"]
    assert complaints("--steps 8") == ["cat.txt: prompt: is missing: what should be drawn?"]


INFOTEXT = (
    "a small red circle on a blue background\nNegative prompt: text, watermark\n"
    "Steps: 8, Sampler: Euler a, CFG scale: 7, Seed: 1234, Size: 64x64, Model hash: 7460a6fa, Model: sd-v1-4\n"
)


def test_a_pasted_infotext_is_one_job_with_its_settings() -> None:
    (request,) = requests(INFOTEXT)
    assert request == GenerateRequest(
        prompt="a small red circle on a blue background",
        negative_prompt="text, watermark",
        steps=8,
        scheduler=Scheduler.EULER_A,
        guidance_scale=7,
        seed=1234,
        width=64,
        height=64,
    )
    (job,) = jobs(INFOTEXT)
    assert job.warnings == ("the model sd-v1-4 in the settings was not looked for: `model` in a job file chooses one",)


def test_settings_of_an_infotext_that_no_job_has_are_told() -> None:
    text = INFOTEXT.replace("Model: sd-v1-4", "Denoising strength: 0.5")
    text = text.replace("Negative prompt: text, watermark\n", "")
    (job,) = jobs(text)
    assert any("it was made from another image" in warning for warning in job.warnings)
    assert requests(text)[0].negative_prompt == ""


def test_a_wrong_setting_of_an_infotext_has_its_line() -> None:
    assert complaints(INFOTEXT.replace("Steps: 8", "Steps: 999")) == [
        "cat.txt:3: steps: must be a whole number from 1 to 150 (given: 999)"
    ]


def test_a_negative_prompt_without_settings_counts() -> None:
    (request,) = requests("a cat\nNegative prompt: text\n")
    assert (request.prompt, request.negative_prompt) == ("a cat", "text")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("#one\n//two\n", ONLY_COMMENTS),
        (
            "a\n" * 501,
            f"this would be 501 jobs; a file has at most 500: split it, or, if it is one prompt: {WHOLE_KEY}",
        ),
        ("a cat\n" + "x" * (MOST_PROMPT_CHARACTERS + 1), "cat.txt:2: the prompt has 10,001 characters"),
        ("a cat\n{red|blue\n", "cat.txt:2: prompt: "),
        ("x" * (MOST_BYTES + 1), "and a file 500 prompts"),
        ("Bär".encode("cp1252") + b" by the river", "it looks like Windows-1252"),
        ("a cat\na\x07b", "cat.txt:2: the file holds the control character U+0007"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_with_the_mend(content: str | bytes, words: str) -> None:
    assert words in complaints(content)[0]


def test_the_blank_lines_of_a_file_may_be_many_and_no_more_problems_are_listed_than_anyone_reads() -> None:
    assert complaints(" \n" * 10)[0] == "cat.txt: the file is blank; it should hold a prompt"
    found = complaints("a --x 1\n" * 300)
    assert len(found) == 101
    assert found[-1].endswith("… and many more problems")


def test_a_negative_prompt_alone_is_told_where_the_prompt_stands() -> None:
    expected = ["cat.txt:1: prompt: is missing: it stands before `Negative prompt:`"]
    assert complaints("Negative prompt: text\na cat\n") == expected


@pytest.mark.parametrize(
    ("text", "file", "words"),
    [
        (
            "prompt: a red circle\nsteps: 8\n",
            "p.yaml.txt",
            "is called .yaml.txt (Windows hides the .txt): call it p.yaml",
        ),
        ("a cat", "sub/p.JSON.txt", "call it p.JSON"),
        ("prompt: a red circle\nsteps: 8\n", "a/cat.txt", "this looks like a job file: call it cat.yaml"),
        ("# mine\n---\nprompt: >\n  a red\n  circle\n\n---\nsteps: 8\nprompt: b\n", "cat.txt", "call it cat.yaml"),
        ("prompt: a cat", "cat.txt", "call it cat.yaml"),
        ("image: beach.png\ntask: caption\n", "cat.txt", "call it cat.yaml"),
        ("Prompt: a cat\nNegative: text\nCFG scale: 7\n", "cat.txt", "call it cat.yaml"),
        ("{\\rtf1\\ansi\\deff0 {\\fonttbl {\\f0 Arial;}} a small red circle\\par }", "cat.txt", "RTF"),
        (
            "Prompt: a cat\nNegative Prompt: blurry\nSeed: 42\nVAE model: None\nSampler: euler_a\nSteps: 3\n",
            "cat.txt",
            "these are settings, one a line, as Easy Diffusion writes them: write a job file",
        ),
        ("<!DOCTYPE html><p>a cat", "cat.txt", "HTML"),
        ("<html lang=en>", "cat.txt", "HTML"),
        (json.dumps({"prompt": "a cat", "steps": 8}, indent=1), "cat.txt", "this is JSON, no text: call it cat.json"),
        ('[{"prompt": "a cat"},]', "cat.txt", "call it cat.json"),
        ('["a cat", "a dog"]', "cat.txt", "call it cat.json"),
        ('{"prompt": "a"}\n{"prompt": "b"}', "cat.txt", "call it cat.jsonl"),
        ("prompt,negative_prompt,steps\na cat,text,8\n", "cat.txt", "call it cat.csv"),
        ('"Prompt";"Seed"\n"a cat";8\n', "cat.txt", "call it cat.csv"),
    ],
)
def test_what_only_looks_like_text_is_refused_with_what_it_is_and_what_to_do(text: str, file: str, words: str) -> None:
    (complaint,) = complaints(text, file)
    assert complaint.startswith(f"{file}: ")
    assert words in complaint


@pytest.mark.parametrize(
    "text",
    [
        "Cat: a portrait",
        "positive: a cat\nnegative: text\n\npositive: a dog\nnegative: blur",
        "style: anime, cat",
        "model: a woman in red",
        "image: a cat\na dog",
        "Image: a cat\nImage: a dog",
        "Cat: a portrait\nDog: a portrait",
        "seed: a flower is born",
        "{red|blue} cat",
        "[red] fox",
        "[[[fox",
        "[1]",
        "<lora:ink:0.8> a cat",
        "<poster> a cat",
        "prompt, steps",
        "prompt,style\nx,y",
        "task: draw a cat, at night",
        "p.yaml is a file",
        "a cat\nprompt: a dog\n",
        "Prompt: a cat",
        "prompt: a cat\nnegative: text",
        "Prompt: a cat\nNegative prompt: text\nSteps: 8, Sampler: Euler a, CFG scale: 7\n",
    ],
)
def test_prompts_that_look_like_something_else_are_prompts(text: str) -> None:
    found = requests(text, catalogue=Catalogue(models=(), loras=("ink",), wildcards={}))
    assert found[0].prompt


@given(st.text(alphabet='ab -#/\n":,{}[]()SsN.1', max_size=80), st.sampled_from(PromptLines))
@settings(max_examples=examples(200))
def test_every_text_is_read_or_refused(text: str, mode: PromptLines) -> None:
    found = parse(SourceKind.PROMPT_TEXT, text.encode(), file="a.txt", prompt_lines=mode)
    assert isinstance(found, ParsedFile | RejectedFile)


def test_what_is_left_out_around_a_prompt_is_said() -> None:
    parsed = parse(SourceKind.PROMPT_TEXT, b"/imagine prompt: a cat\n", file="cat.txt")
    assert isinstance(parsed, ParsedFile)
    (job,) = parsed.jobs
    assert job.warnings == ("the command before a prompt (Midjourney's /imagine, InvokeAI's invoke>) was left out",)


def test_a_prompt_with_the_names_of_few_settings_is_one() -> None:
    parsed = parse(SourceKind.PROMPT_TEXT, b"Prompt: a cat\nMood: calm\nSeed: of an apple\n", file="cat.txt")
    assert isinstance(parsed, ParsedFile)
