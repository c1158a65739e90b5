"""What a table of prompts asks for."""

from __future__ import annotations

import json

import pytest

from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.jobfile.image_names import image_names
from aura_daemon.jobfile.parser import ParsedFile, ParsedJob, RejectedFile
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobs.requests import GenerateRequest, Hires, ImageFormat
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.sources import SourceKind


def jobs(text: str | bytes, file: str = "cat.csv") -> tuple[ParsedJob, ...]:
    found = parse(SourceKind.PROMPT_TABLE, text.encode() if isinstance(text, str) else text, file=file)
    assert isinstance(found, ParsedFile), found
    return found.jobs


def requests(text: str | bytes, file: str = "cat.csv") -> list[GenerateRequest]:
    found = [job.spec.request for job in jobs(text, file)]
    return [request for request in found if isinstance(request, GenerateRequest)]


def complaints(text: str | bytes, file: str = "cat.csv") -> list[str]:
    found = parse(SourceKind.PROMPT_TABLE, text.encode() if isinstance(text, str) else text, file=file)
    assert isinstance(found, RejectedFile), found
    return [str(problem) for problem in found.problems]


def test_the_columns_of_a_csv_are_keys_and_the_neighbours_names_are_known() -> None:
    text = (
        "Prompt,negative,CFG scale,sampler,size,seed,steps,tags,aspect_ratio,format,quality,notes\n"
        '"a red circle, large",text,7.5,Euler a,64x128,-1,8,"a, b",,jpg,90,1984\n'
        "1984,,,,,5,,,16:9,,,\n"
    )
    first, second = requests(text)
    assert first == GenerateRequest(
        prompt="a red circle, large",
        negative_prompt="text",
        guidance_scale=7.5,
        scheduler=Scheduler.EULER_A,
        width=64,
        height=128,
        steps=8,
        tags=("a", "b"),
        format=ImageFormat.JPG,
        quality=90,
        notes="1984",
    )
    assert second == GenerateRequest(prompt="1984", seed=5, aspect_ratio="16:9")


API = {
    "prompt": "a red circle",
    "negative_prompt": "text",
    "seed": -1,
    "subseed": -1,
    "subseed_strength": 0,
    "sampler_name": "DPM++ 2M",
    "sampler_index": "Euler",
    "scheduler": "Karras",
    "batch_size": 1,
    "n_iter": 1,
    "steps": 8,
    "cfg_scale": 7,
    "width": 64,
    "height": 64,
    "restore_faces": False,
    "tiling": False,
    "eta": None,
    "s_noise": 1,
    "denoising_strength": 0,
    "styles": [],
    "override_settings": {"CLIP_stop_at_last_layers": 2},
    "override_settings_restore_afterwards": True,
    "enable_hr": False,
    "hr_scale": 2,
    "hr_upscaler": "Latent",
    "hr_sampler_name": "Euler",
    "script_args": [],
    "alwayson_scripts": {},
    "send_images": True,
    "save_images": False,
}


def test_the_body_of_a_request_to_automatic1111_is_a_job() -> None:
    (job,) = jobs(json.dumps(API), "cat.json")
    assert job.spec.request == GenerateRequest(
        prompt="a red circle",
        negative_prompt="text",
        scheduler=Scheduler.DPMPP_2M_KARRAS,
        steps=8,
        guidance_scale=7.0,
        width=64,
        height=64,
        clip_skip=2,
    )
    assert job.warnings == ()
    two_passes = {**API, "enable_hr": True, "denoising_strength": 0.4, "hr_sampler_name": None}
    (again,) = jobs(json.dumps(two_passes), "cat.json")
    assert isinstance(again.spec.request, GenerateRequest)
    assert again.spec.request.hires == Hires(scale=2.0, strength=0.4)
    assert "`hr_upscaler` was left out" in again.warnings[0]


def test_a_list_of_texts_has_a_job_for_each_with_its_flags() -> None:
    first, second = requests('["a red circle --steps 8", "a star"]', "cat.json")
    assert (first.prompt, first.steps, second.prompt) == ("a red circle", 8, "a star")
    (job,) = jobs('{"prompt": "a red circle --steps 8"}', "cat.json")
    (warning,) = job.warnings
    assert warning.startswith("prompt: `--steps 8` is drawn as text")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("cat.csv", "prompt,steps,count\na red circle,8,1\na {red|blue} cat,9,2\n"),
        ("cat.jsonl", '{"prompt": "a", "seed": [1, 2]}\n{"prompt": "b", "tags": ["x"]}\n'),
    ],
)
def test_every_row_can_be_handed_back_alone_as_a_job_file(file: str, text: str) -> None:
    for job in jobs(text, file):
        alone = parse(SourceKind.JOB_FILE, job.text, file="cat-1.yaml")
        assert isinstance(alone, ParsedFile), alone
        assert [again.spec for again in alone.jobs] == [job.spec]
    content = b"prompt\na red circle\n"
    assert jobs(content)[0].text == content


def test_every_wrong_cell_is_told_with_line_column_value_and_range() -> None:
    text = "prompt,steps,cfg,stepz,restore_faces\na,200,7,,\nb,8,99,,\nc,8,,9,\nd,,,,true\n,8,,,\n"
    assert complaints(text) == [
        "cat.csv:2: steps: must be a whole number from 1 to 150 (given: 200)",
        "cat.csv:3: guidance_scale: must be a number from 0 to 30 (given: 99)",
        "cat.csv:4: stepz: unknown key; did you mean `steps`?",
        "cat.csv:5: restore_faces: faces are not restored here: leave it out (given: true)",
        "cat.csv:6: prompt: is missing: what should be drawn?",
    ]
    assert complaints('[{"prompt": "a", "steps": 0.5}]', "c.json") == [
        "c.json:1: steps: must be a whole number from 1 to 150 (given: 0.5)"
    ]
    assert complaints('[{"prompt": ["a"], "notes": 5, "seed": "x"}]', "c.json")[0].startswith("c.json:1: prompt: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"prompt,steps\nein B\xe4r,8\n", "it looks like Windows-1252"),
        ("prompt\n" + "a cat\n" * 501, "more than 500 jobs"),
        ("prompt,steps\n", "the file holds no prompt"),
        ("prompt,steps\na,b,c\n", "cat.csv:2: the row has 3 cells"),
        ("prompt\n{red|blue\n", "cat.csv:2: prompt: "),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_the_mend(text: str | bytes, words: str) -> None:
    assert words in complaints(text)[0]


def test_what_is_wrong_in_many_rows_is_said_once() -> None:
    found = complaints("prompt,stepz,steps\n" + "a cat,1,300\n" * 30 + "a cat,1,400\n")
    assert found == [
        "cat.csv:2: steps: in 30 rows: must be a whole number from 1 to 150 (given: 300)",
        "cat.csv:2: stepz: in 31 rows: unknown key; did you mean `steps`?",
        "cat.csv:32: steps: must be a whole number from 1 to 150 (given: 400)",
    ]


def test_no_more_problems_are_listed_than_anyone_reads() -> None:
    found = complaints("prompt,steps\n" + "".join(f"a cat,{number}\n" for number in range(200, 500)))
    assert len(found) == 101
    assert found[-1].endswith("… and 200 more problems")


def test_the_settings_of_its_folder_count_for_a_table() -> None:
    folder = FolderDefaults(name="_defaults.yaml", sha256="", keys={"steps": 8, "prompt_lines": "whole"})
    found = parse(SourceKind.PROMPT_TABLE, b"prompt\na red circle\na star\n", file="cat.csv", folders=[folder])
    assert isinstance(found, ParsedFile)
    assert [job.spec.request.steps for job in found.jobs] == [8, 8]  # type: ignore[union-attr]


def test_a_table_names_images_as_a_job_file_does() -> None:
    text = b"prompt,image,strength\na cat,one.png,0.5\na dog,two.png,\na dog,one.png,\n"
    assert image_names(text, file="sub/cat.csv") == ("one.png", "two.png")
    assert image_names(b"prompt\na cat\n", file="cat.csv") == ()
    assert image_names(b"prompt,image,steps\na cat,one.png,999\n", file="cat.csv") == ()
    assert image_names(b"\xff", file="cat.csv") == ()


def test_images_in_a_table_are_a_number_of_pictures_and_no_set() -> None:
    found = parse(SourceKind.PROMPT_TABLE, b"prompt,images\na cat,2\n", file="cat.csv")
    assert isinstance(found, ParsedFile)
    assert len(found.jobs) == 2
    refused = parse(SourceKind.PROMPT_TABLE, b"prompt,images\na cat,set/**\n", file="cat.csv")
    assert isinstance(refused, RejectedFile)
    assert str(refused.problems[0]).startswith("cat.csv:2: images: is for a job file (.yaml)")
