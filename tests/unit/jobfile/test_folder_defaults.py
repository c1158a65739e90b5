"""Folder settings: what they may say, and what of it a job takes."""

from __future__ import annotations

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.jobfile.folder_defaults import (
    KEYS,
    MODELS,
    SPELLINGS,
    FolderDefaults,
    caption_file_of,
    defaults_schema,
    is_settings,
    parse_defaults,
    prompt_lines_of,
    with_folder_defaults,
)
from aura_daemon.jobfile.parser import ParsedFile, RejectedFile, of_picture
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobfile.recipes.subject import Subject
from aura_daemon.jobfile.validation import JobSpec, RegenerateSpec
from aura_daemon.jobs.caption_files import CaptionExtension, CaptionFile, CaptionPlace
from aura_daemon.jobs.requests import CaptionRequest, CaptionSampling, GenerateRequest, JobKind, RegenerateRequest
from aura_daemon.jobs.sources import PromptLines, SourceKind

GOOD = {
    "negative_prompt": ["blurry", "no", 7],
    "aspect_ratio": ["16:9", "16x9", "auto"],
    "width": [64, 512.0],
    "height": [2048],
    "steps": [1, 150],
    "guidance_scale": [0, 7.5],
    "scheduler": ["euler a", "ddim"],
    "seed": [0, 7, -1, [1, 2], "1-4"],
    "count": [1, 4.0],
    "grid": [True, False],
    "model": ["sd-1.4"],
    "speed": ["fast"],
    "loras": [["ink"], [{"name": "ink", "weight": 0.5}, "grain"]],
    "strength": [0, 0.5],
    "hires": [{"scale": 1.5}, {"strength": 0.3, "scale": 2}],
    "upscale": ["anime", 2, {"model": "anime", "scale": 2}],
    "clip_skip": [1, 2],
    "format": ["webp", "JPEG"],
    "quality": [80],
    "metadata": ["none"],
    "preview": [0, 5],
    "output": ["{stem}-{seed}"],
    "tags": [["a", "b c"]],
    "notes": ["no", 7],
    "max_new_tokens": [1, 200],
    "beams": [1, 4.0],
    "sampling": [True, False, {"temperature": 0.7, "seed": 3}],
    "candidates": [5],
    "max_words": [0, 20],
    "priority": [-1000, 10],
    "pick": ["all", "each"],
    "rounds": [1, 20],
    "question": ["what is it?", 7],
    "embed": [True, False],
    "describe": ["tags"],
    "verify": [True, False, 0.8, 1],
    "tries": [3],
    "best_of": [1, 4.0],
    "caption": [{}, {"place": "beside", "existing": "append"}, {"extension": "TXT", "prefix": 7, "suffix": None}],
}
SCHEMA = jsonschema.Draft202012Validator(defaults_schema())
BAD = {"steps": [0, "many"], "width": [63], "scheduler": ["fast"], "priority": [1001, 0.5], "max_new_tokens": [0]}


def folder(**keys: object) -> FolderDefaults:
    return FolderDefaults(name="_defaults.yaml", sha256="0" * 64, keys=keys)


def parsed(text: str) -> FolderDefaults | tuple[str, ...]:
    found = parse_defaults(text.encode(), file="sub/_defaults.yaml", sha256="1" * 64)
    return found if isinstance(found, FolderDefaults) else tuple(str(problem) for problem in found)


def for_image(folders: list[FolderDefaults]) -> JobSpec | RegenerateSpec:
    """What becomes of a picture that is dropped."""
    found = of_picture(folders, subject=Subject(path="cat.png", is_picture=True))
    assert isinstance(found, ParsedFile), found
    (job,) = found.jobs
    return job.spec


def asked(text: str, *folders: FolderDefaults) -> JobSpec:
    found = parse(SourceKind.JOB_FILE, text.encode(), file="cat.yaml", folders=folders)
    assert not isinstance(found, RejectedFile), found.problems
    return found.jobs[0].spec


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in GOOD.items() for value in values])
def test_every_key_can_be_set_for_a_folder(key: str, value: object) -> None:
    assert set(GOOD) == KEYS
    text = yaml.safe_dump({key: value})
    assert isinstance(parsed(text), FolderDefaults), parsed(text)
    SCHEMA.validate({key: value})


def test_the_schema_of_folder_settings_is_a_schema() -> None:
    SCHEMA.check_schema(SCHEMA.schema)


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BAD.items() for value in values])
def test_a_wrong_value_is_refused_as_in_a_job_file(key: str, value: object) -> None:
    (problem,) = parsed(f"# a comment\n{key}: {value}\n")  # type: ignore[misc]
    assert problem.startswith(f"sub/_defaults.yaml:2: {key}: must be ")
    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate({key: value})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stepps: 4", ":1: stepps: unknown key; did you mean `steps`?"),
        ("count: 3\nseed: [1, 2]", "`count` numbers the seeds itself"),
        ("steps: 4\n---\nsteps: 5", ":3: holds several documents"),
        ("[1, 2]", ":1: "),
        ("steps: [", "no valid YAML"),
        ("a: &a 1\nb: *a", ":1: "),
    ],
)
def test_what_is_no_folder_setting_is_refused_with_the_mend(text: str, words: str) -> None:
    found = parsed(text)
    assert not isinstance(found, FolderDefaults)
    assert words in found[0]


@pytest.mark.parametrize("value", ["auto", "lines", "whole", None])
def test_how_texts_are_cut_can_be_said_for_a_folder_and_for_no_job(value: str | None) -> None:
    found = parsed(yaml.safe_dump({"prompt_lines": value}))
    assert isinstance(found, FolderDefaults)
    SCHEMA.validate({"prompt_lines": value})
    assert asked("prompt: x", found) == asked("prompt: x")
    assert prompt_lines_of([found], PromptLines.LINES) == (value or "lines")
    refused = parse(SourceKind.JOB_FILE, b"prompt: x\nprompt_lines: whole\n", file="cat.yaml")
    assert isinstance(refused, RejectedFile)


@pytest.mark.parametrize(("value", "suggestion"), [("hole", "; did you mean `whole`?"), ("5", ""), ("[1, 2]", "")])
def test_another_way_of_cutting_texts_is_refused(value: str, suggestion: str) -> None:
    (problem,) = parsed(f"steps: 8\nprompt_lines: {value}\n")  # type: ignore[misc]
    message = f"sub/_defaults.yaml:2: prompt_lines: must be one of auto, lines, whole (given: {value}){suggestion}"
    assert problem == message
    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate(yaml.safe_load(f"prompt_lines: {value}"))
    assert "did you mean `prompt_lines`?" in parsed("prompt_line: whole")[0]  # type: ignore[index]


def test_a_folder_that_regenerates_is_about_images_that_are_dropped_there() -> None:
    said = parsed("task: regenerate\nsteps: 4\n")
    assert isinstance(said, FolderDefaults)
    SCHEMA.validate({"task": "regenerate"})
    far = folder(guidance_scale=3.0, priority=2, max_new_tokens=9, strength=0.5)
    assert for_image([said, far]) == RegenerateSpec(
        request=RegenerateRequest(keys={"steps": 4, "guidance_scale": 3.0}), priority=2
    )
    assert for_image([far, said]) == for_image([said, far])
    assert asked("prompt: x", said).request == GenerateRequest(prompt="x", steps=4)
    assert asked("image: a.png", said).request == CaptionRequest(image="a.png")


def test_a_file_that_says_nothing_is_well() -> None:
    for text in ("", "# nothing yet\n", "steps:\n"):
        assert parsed(text) == FolderDefaults(name="sub/_defaults.yaml", sha256="1" * 64, keys={})


def test_the_nearest_folder_wins_and_the_job_over_all() -> None:
    near, far = folder(steps=10, seed=1), folder(steps=20, guidance_scale=3.0, priority=5)
    job = asked("prompt: x\nseed: 9\n", near, far)
    assert job == JobSpec(request=GenerateRequest(prompt="x", steps=10, guidance_scale=3.0, seed=9), priority=5)
    assert asked("prompt: x\nseed: 9\nsteps: 1\npriority: 0\n", near, far).priority == 0


def test_a_size_is_one_choice() -> None:
    near, far = folder(aspect_ratio="16:9"), folder(width=512, height=768)
    request = asked("prompt: x", near, far).request
    assert request == GenerateRequest(prompt="x", aspect_ratio="16:9")
    assert asked("prompt: x\nheight: 640", near, far).request == GenerateRequest(prompt="x", height=640)
    assert asked("prompt: x", far, near).request == GenerateRequest(prompt="x", width=512, height=768)


def test_beams_and_sampling_are_one_choice() -> None:
    near, far = folder(beams=4), folder(sampling=True, candidates=5)
    assert asked("task: caption", near, far).request == CaptionRequest(beams=4, candidates=5)
    assert asked("task: caption\nsampling: {seed: 7}", near).request == CaptionRequest(sampling=CaptionSampling(seed=7))
    assert asked("task: caption\nsampling: false", far).request == CaptionRequest(candidates=5)


def test_a_strength_is_for_jobs_that_start_from_an_image() -> None:
    assert asked("prompt: x", folder(strength=0.5)).request == GenerateRequest(prompt="x")
    with_image = asked("prompt: x\nimage: a.png", folder(strength=0.5)).request
    assert with_image == GenerateRequest(prompt="x", image="a.png", strength=0.5)


def test_each_kind_of_job_takes_its_own_keys() -> None:
    both = folder(steps=10, max_new_tokens=9, negative_prompt="blurry", priority=2)
    assert asked("task: caption\nimage: a.png", both).request == CaptionRequest(image="a.png", max_new_tokens=9)
    assert for_image([both]) == JobSpec(request=CaptionRequest(max_new_tokens=9), priority=2)
    text = parse(SourceKind.PROMPT_TEXT, b"a red circle", file="cat.txt", folders=[both])
    assert isinstance(text, ParsedFile)
    assert text.jobs[0].spec.request == GenerateRequest(prompt="a red circle", negative_prompt="blurry", steps=10)


def test_a_folder_asks_its_question_about_every_image_that_asks_none_itself() -> None:
    asks = folder(question="what colour is it?")
    assert for_image([asks]) == JobSpec(request=CaptionRequest(question="what colour is it?"))
    own = asked("image: a.png\nquestion: how many?", asks).request
    assert own == CaptionRequest(image="a.png", question="how many?")


def test_settings_that_nobody_checked_are_refused() -> None:
    for more in ({}, {"task": "regenerate"}):
        found = of_picture([folder(priority=5000, **more)], subject=Subject(path="cat.png", is_picture=True))
        assert isinstance(found, RejectedFile)
        assert found.problems[0].key == "priority"


KEYS_OF_A_FOLDER = st.fixed_dictionaries(
    {}, optional={key: st.sampled_from(values) for key, values in GOOD.items()}
).filter(
    lambda keys: (
        ("count" not in keys or not isinstance(keys.get("seed"), str | list))
        and not (keys.get("sampling") and "beams" in keys)
        and not (keys.get("verify") in (True, False) and "tries" in keys)
    )
)


@given(st.lists(KEYS_OF_A_FOLDER, max_size=3), KEYS_OF_A_FOLDER, st.sampled_from([JobKind.GENERATE, JobKind.CAPTION]))
def test_whatever_folders_say_a_valid_job_stays_valid_and_says_what_it_said(
    said: list[dict[str, object]], own: dict[str, object], kind: JobKind
) -> None:
    other = KEYS - MODELS[kind].model_fields.keys()
    own = {key: value for key, value in own.items() if key not in other}
    about = {"prompt": "x"} | ({"image": "a.png"} if "strength" in own else {})
    own = {"verify": 0.5, **own} if "tries" in own else own
    keys = with_folder_defaults({"task": kind.value, **about, **own}, kind, [folder(**one) for one in said])
    assert {key: keys[key] for key in own if key != "caption"} == {key: own[key] for key in own if key != "caption"}
    said_of_file: dict[str, object] = own.get("caption") or {}  # type: ignore[assignment]
    of_file: dict[str, object] = keys.get("caption") or {}  # type: ignore[assignment]
    assert all(of_file[key] == value for key, value in said_of_file.items() if value is not None)
    assert not keys.keys() & other
    result = parse(SourceKind.JOB_FILE, yaml.safe_dump(keys).encode(), file="cat.yaml")
    assert isinstance(result, ParsedFile), result


def test_the_settings_are_known_by_their_name_in_any_case() -> None:
    assert all(is_settings(name) for name in (*SPELLINGS, "_deFaults.yMl"))
    assert not any(is_settings(name) for name in ("defaults.yaml", "_defaults.yaml.txt", "_defaults"))


def test_of_the_file_of_a_caption_each_key_counts_for_itself() -> None:
    near = folder(caption={"place": "beside", "trigger_word": "sks"})
    far = folder(caption={"place": "outbox", "extension": ".caption", "prefix": "photo of"})
    spec = asked("task: caption\nimage: a.png\ncaption: {trigger_word: no, prefix: ~}\n", near, far)
    assert isinstance(spec.request, CaptionRequest)
    assert spec.request.file == CaptionFile(
        place=CaptionPlace.BESIDE, extension=CaptionExtension.CAPTION, prefix="photo of", trigger_word="no"
    )
    assert caption_file_of([near, far], CaptionFile(suffix="x")) == CaptionFile(
        place=CaptionPlace.BESIDE,
        extension=CaptionExtension.CAPTION,
        prefix="photo of",
        suffix="x",
        trigger_word="sks",
    )
    assert caption_file_of([folder(steps=4)], CaptionFile(suffix="x")) == CaptionFile(suffix="x")
    assert "caption" not in with_folder_defaults({"prompt": "x"}, "generate", [near])
    wrong = {"image": "a.png", "caption": "beside"}
    assert with_folder_defaults(wrong, "caption", [near])["caption"] == "beside"
