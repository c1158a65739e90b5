"""Pictures that are enlarged alone, as jobs, folders and tables ask for them."""

from __future__ import annotations

import pytest

from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.folder_defaults import FolderDefaults, parse_defaults, with_folder_defaults
from aura_daemon.jobfile.image_names import image_names
from aura_daemon.jobfile.parser import ParsedFile, RejectedFile, of_picture
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobfile.recipes.subject import Subject
from aura_daemon.jobs.guidance.upscaling import Upscale, upscaler_label
from aura_daemon.jobs.requests import GenerateRequest, ImageFormat, JobKind, Request, UpscaleRequest
from aura_daemon.jobs.sources import SourceKind

CATALOGUE = Catalogue(models=("aura-mini",), upscalers=("anime", "soft/two", "hard/two"))


def requests(text: str, kind: SourceKind = SourceKind.JOB_FILE) -> list[Request]:
    parsed = parse(kind, text.encode(), file="a.yaml", catalogue=CATALOGUE, draw=lambda: 1)
    assert isinstance(parsed, ParsedFile), parsed
    return [job.spec.request for job in parsed.jobs]  # type: ignore[misc]


def problems(text: str) -> str:
    parsed = parse(SourceKind.JOB_FILE, text.encode(), file="a.yaml", catalogue=CATALOGUE, draw=lambda: 1)
    assert isinstance(parsed, RejectedFile), parsed
    return "; ".join(map(str, parsed.problems))


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("2", Upscale(scale=2)),
        ("1.5", Upscale(scale=1.5)),
        ("anime", Upscale(model="anime")),
        ("{model: anime, scale: 4, tile: 128}", Upscale(model="anime", scale=4, tile=128)),
        ("null", None),
    ],
)
def test_a_scale_or_a_name_stands_for_itself(said: str, asked: Upscale | None) -> None:
    (drawn,) = requests(f"prompt: x\nupscale: {said}\n")
    assert isinstance(drawn, GenerateRequest)
    assert drawn.upscale == asked
    (alone,) = requests(f"task: upscale\nimage: a.png\nupscale: {said}\n")
    assert alone == UpscaleRequest(image="a.png", upscale=asked or Upscale())


def test_all_that_goes_with_it() -> None:
    text = "task: upscale\nimage: a.png\nformat: JPEG\nquality: 80\nmetadata: none\ntags: [a]\nnotes: b\n"
    text += "output: 'x/{stem}'\n"
    (request,) = requests(text)
    assert isinstance(request, UpscaleRequest)
    assert (request.format, request.quality, request.tags, request.notes) == (ImageFormat.JPG, 80, ("a",), "b")
    assert request.output == "x/{stem}"
    assert image_names(text.encode(), file="a.yaml") == ("a.png",)
    assert image_names(b"task: upscale", file="a.yaml") == (None,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("task: upscale\nimage: a.png\nprompt: x", "`prompt` does not go with `task: upscale`"),
        ("task: upscale\nimage: a.png\nupscale: 9", "upscale.scale: must be a number from 1 to 8"),
        ("task: upscale\nimage: a.png\nupscale: anim", "did you mean `anime`?"),
        ("prompt: x\nupscale: anim", "is none of the upscalers that the configuration allows: anime, soft/two"),
        ("prompt: x\nupscale: two", "names several upscalers: soft/two, hard/two"),
        (
            "task: upscale\nimage: a.png\noutput: '{stem}-{seed}'",
            "output: must be a name in its folder of the outbox, of text, `/`, placeholders and the fields {stem},"
            " {number}, {model}, {date}, {time}; no `..`",
        ),
        ("task: upscale\nimage: 'photos/*.png'", "drop them into a folder that enlarges them"),
    ],
)
def test_what_is_wrong_is_told(text: str, said: str) -> None:
    assert said in problems(text)


def test_a_folder_enlarges_what_is_dropped_there() -> None:
    folder = parse_defaults(b"task: upscale\nupscale: {model: anime, scale: 2}\n", file="_defaults.yaml", sha256="")
    assert isinstance(folder, FolderDefaults), folder
    parsed = of_picture((folder,), subject=Subject(path="in/a.png", is_picture=True, date=""), catalogue=CATALOGUE)
    assert isinstance(parsed, ParsedFile), parsed
    (job,) = parsed.jobs
    assert job.spec.request == UpscaleRequest(upscale=Upscale(model="anime", scale=2))


def test_a_name_that_needs_a_seed_is_for_the_pictures_that_are_drawn_in_a_folder() -> None:
    near, above = (
        parse_defaults(f"output: '{name}'\n".encode(), file="_defaults.yaml", sha256="")
        for name in ("{stem}-{seed:05}", "large/{stem}")
    )
    assert isinstance(near, FolderDefaults), near
    assert isinstance(above, FolderDefaults), above
    asked = [
        with_folder_defaults({}, task, (near, above)).get("output") for task in (JobKind.GENERATE, JobKind.UPSCALE)
    ]
    assert asked == ["{stem}-{seed:05}", "large/{stem}"]
    refused = parse_defaults(b"task: upscale\noutput: '{prompt}'\n", file="_defaults.yaml", sha256="")
    assert isinstance(refused, tuple)
    assert [(problem.line, problem.key) for problem in refused] == [(2, "output")]


def test_flags_of_invokeai_ask_for_a_scale() -> None:
    parsed = parse(SourceKind.PROMPT_TEXT, b"a cat -s8 -U 2 0.75", file="a.txt", catalogue=CATALOGUE, draw=lambda: 1)
    assert isinstance(parsed, ParsedFile), parsed
    (job,) = parsed.jobs
    assert isinstance(job.spec.request, GenerateRequest)
    assert job.spec.request.upscale == Upscale(scale=2)
    assert "`-U`: 0.75 was left out" in " ".join(job.warnings)


def test_a_path_has_a_short_name() -> None:
    assert upscaler_label("/models/x/RealESRGAN_x4plus.safetensors") == "RealESRGAN_x4plus"
    assert upscaler_label("aura-mini") == "aura-mini"
    assert upscaler_label("soft/two") == "soft/two"
