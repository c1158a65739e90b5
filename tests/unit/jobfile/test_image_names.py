"""The images that a job file names: the same as its jobs name when the whole file is parsed."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.expansion import MOST_JOBS
from aura_daemon.jobfile.image_names import image_names, image_sets
from aura_daemon.jobfile.parser import RejectedFile
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, RegenerateRequest
from aura_daemon.jobs.sources import SourceKind
from tests.support.examples import examples

FILE = "cat.yaml"


def names_of_jobs(content: bytes) -> tuple[str | None, ...] | None:
    """The names in the jobs of the whole file; None where the file is refused."""
    parsed = parse(SourceKind.JOB_FILE, content, file=FILE)
    if isinstance(parsed, RejectedFile):
        return None
    names: list[str | None] = []
    for job in parsed.jobs:
        match job.spec.request:
            case CaptionRequest(image=image) | RegenerateRequest(image=image):
                names.append(image)
            case GenerateRequest(image=image, mask=mask):
                names += [name for name in (image, mask) if name is not None]
            case request:
                raise AssertionError(request)
    return tuple(dict.fromkeys(names))


IMAGES = st.sampled_from([None, "a.png", " b.png\n", "sub/a.png", "c.jpg"])
LISTS = st.lists(IMAGES, min_size=1, max_size=3)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "task": st.sampled_from([None, "generate", "caption", "regenerate"]),
        "prompt": st.sampled_from([None, "a cat", "a {red|blue} cat"]),
        "image": IMAGES,
        "mask": IMAGES,
        "steps": st.sampled_from([20, 20, 20, 0]),
        "seed": st.sampled_from([7, [1, 2]]),
        "matrix": st.none()
        | st.lists(st.sampled_from(["image", "mask", "prompt", "steps"]), unique=True).flatmap(
            lambda keys: st.fixed_dictionaries(
                {key: LISTS if key in ("image", "mask") else st.just([10, 20]) for key in keys}
            )
        ),
    },
)


@given(st.lists(DOCUMENTS, max_size=3))
@settings(max_examples=examples(300))
def test_the_names_are_those_of_all_jobs(documents: list[dict[str, Any]]) -> None:
    content = yaml.safe_dump_all(documents).encode()
    names = image_names(content, file=FILE)  # never raises, whatever the documents hold
    assert names_of_jobs(content) in (names, None)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("prompt: a cat", ()),
        ("image: a.png", ("a.png",)),
        ("task: caption", (None,)),
        ("task: regenerate", (None,)),
        ("task: regenerate\nimage: sub/a.png", ("sub/a.png",)),
        ("prompt: a cat\nimage: a.png\nmask: b.png", ("a.png", "b.png")),
        ("prompt: a cat\nimage: null", ()),
        ("prompt: a cat\nmatrix: {image: [a.png, b.png, null]}", ("a.png", "b.png")),
        ("matrix: {prompt: [a cat, a dog]}\nimage: a.png", ("a.png",)),
        (
            "prompt: a cat\nmatrix: {mask: [m.png, n.png], image: [a.png, b.png]}",
            ("a.png", "m.png", "b.png", "n.png"),
        ),
        ("image: a.png\n---\ntask: caption\n---\nimage: a.png", ("a.png", None)),
    ],
)
def test_names_of_a_file(text: str, names: tuple[str | None, ...]) -> None:
    assert image_names(text.encode(), file=FILE) == names == names_of_jobs(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "image: a.png\nstesp: 20",
        "image: a.png\n---\nimage: [",
        "image: a.txt",
        "image: [a.png]",
        f"prompt: a cat\nimage: a.png\nmatrix: {{steps: [{'20, ' * MOST_JOBS} 20]}}",
        f"prompt: a cat\nmatrix: {{image: [{'a.png, ' * 400}], mask: [m.png, n.png]}}",
        "mask: a.png\nprompt: a cat",
        "\0image: a.png",
    ],
)
def test_a_file_that_is_refused_names_no_image(text: str) -> None:
    assert isinstance(parse(SourceKind.JOB_FILE, text.encode(), file=FILE), RejectedFile)
    assert image_names(text.encode(), file=FILE) == ()


ALLOWED = Catalogue(
    models=("aura-mini",),
    loras=("inked",),
    controlnets=("canny",),
    adapters=("ip-adapter",),
    adapter="ip-adapter",
    upscalers=("small",),
    wildcards={"animals": ("cat",)},
)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("prompt: a cat\ncontrol: {image: a.png, model: canny}", "prompt: a cat\ncontrol: {image: a.png, model: cany}"),
        ("prompt: a cat\nlike: {image: a.png}", "prompt: a cat\nlike: {image: a.png, model: ip-adaptor}"),
        ("prompt: a cat\nimage: a.png\nloras: [inked]", "prompt: a cat\nimage: a.png\nloras: [inkd]"),
        ("prompt: a cat\nimage: a.png\nmodel: aura-mini", "prompt: a cat\nimage: a.png\nmodel: sd-1.5"),
        ("prompt: a cat\nimage: a.png\nupscale: small", "prompt: a cat\nimage: a.png\nupscale: smal"),
        ("task: upscale\nimage: a.png\nupscale: small", "task: upscale\nimage: a.png\nupscale: smal"),
        ("task: regenerate\nimage: a.png\nupscale: small", "task: regenerate\nimage: a.png\nupscale: {model: smal}"),
        ("prompt: __animals__\nimage: a.png", "prompt: __animal__\nimage: a.png"),
        ("prompt: a <lora:inked> cat\nimage: a.png", "prompt: a <lora:inkd> cat\nimage: a.png"),
    ],
)
def test_a_file_with_a_name_that_is_not_allowed_names_no_image(right: str, wrong: str) -> None:
    for text, names in ((right, ("a.png",)), (wrong, ())):
        assert image_names(text.encode(), file=FILE, catalogue=lambda: ALLOWED) == names
    assert image_names(wrong.encode(), file=FILE) == ("a.png",)


def test_a_set_of_images_with_a_question_that_nothing_answers_names_no_image() -> None:
    text = b"task: caption\nimages: set\nquestion: how many?\n"
    assert image_sets(text, file=FILE) == (("set/**",),)
    assert image_sets(text, file=FILE, catalogue=lambda: ALLOWED) == ()


def test_what_jobs_may_name_is_not_asked_of_a_file_without_images() -> None:
    def asked() -> Catalogue:
        raise AssertionError

    assert image_names(b"prompt: a cat", file=FILE, catalogue=asked) == ()
    assert image_sets(b"prompt: a cat", file=FILE, catalogue=asked) == ()
