"""Maps, pictures, regions and upscalers, as jobs ask for them, and the images that they name."""

from __future__ import annotations

import pytest

from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.image_names import image_names
from aura_daemon.jobfile.keys.guidance.guidance_keys import images_named, with_names
from aura_daemon.jobfile.parser import documents_of
from aura_daemon.jobfile.validation import JobSpec, validated
from aura_daemon.jobs.guidance.controls import Control, Preparation
from aura_daemon.jobs.guidance.picture_prompts import PicturePrompt
from aura_daemon.jobs.guidance.regions import Region
from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.requests import GenerateRequest

ALL = b"""
prompt: a red circle left, a green star right
control: {image: maps/pose.png, model: openpose, weight: 0.8, prepare: canny}
like: [{image: style.jpg}, {image: maps/pose.png, weight: 0.5}]
regions:
- {prompt: 1984, box: [0, 0, 0.5, 1]}
- {prompt: a green star, mask: right.png}
upscale: anime
"""


def asked(content: bytes) -> GenerateRequest:
    (document,) = documents_of(content, file="a.yaml")
    spec = validated(document.mapping, file="a.yaml")  # type: ignore[union-attr]
    assert isinstance(spec, JobSpec), spec
    assert isinstance(spec.request, GenerateRequest)
    return spec.request


def test_one_or_several_are_asked_for() -> None:
    request = asked(ALL)
    assert request.control == (Control(image="maps/pose.png", model="openpose", weight=0.8, prepare=Preparation.CANNY),)
    assert request.like == (PicturePrompt(image="style.jpg"), PicturePrompt(image="maps/pose.png", weight=0.5))
    assert request.regions == (
        Region(prompt="1984", box=(0.0, 0.0, 0.5, 1.0)),
        Region(prompt="a green star", mask="right.png"),
    )
    assert request.upscale == Upscale(model="anime")


def test_each_image_is_named_once_and_waited_for() -> None:
    assert asked(ALL).further_images == ("maps/pose.png", "style.jpg", "right.png")
    assert image_names(ALL, file="a.yaml") == ("maps/pose.png", "style.jpg", "right.png")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"control": {"image": "a.png", "model": "canny", "start": 0.5, "end": 0.5}}, "it guides no step"),
        ({"control": {"model": "canny"}}, "control"),
        ({"regions": {"prompt": "x"}}, "either `box` or `mask`"),
        ({"regions": {"prompt": "x", "box": [0, 0, 1, 1], "mask": "a.png"}}, "either `box` or `mask`"),
        ({"regions": {"prompt": "x", "box": [0.5, 0, 0.1, 1]}}, "left must be less than right"),
        ({"regions": {"prompt": "x", "box": [0, 0.5, 1, 0.5]}}, "top less than bottom"),
        ({"upscale": {"scale": 9}}, "upscale.scale"),
    ],
)
def test_what_guides_nothing_is_told(keys: dict[str, object], said: str) -> None:
    problems = validated({"prompt": "x", **keys}, file="a.yaml")
    assert isinstance(problems, tuple)
    assert said in " ".join(map(str, problems))


def test_names_are_found_and_changed_in_keys_that_were_not_checked() -> None:
    keys = {"control": [{"image": "{file}"}, 7], "like": {"image": 3}, "regions": "x", "image": "{file}"}
    assert list(images_named(keys)) == ["{file}"]
    assert with_names(keys, lambda name: "cat.png" if name == "{file}" else name) == {
        "control": [{"image": "cat.png"}, 7],
        "like": {"image": 3},
        "regions": "x",
    }


@pytest.mark.parametrize(
    ("model", "adapters", "said"),
    [
        ("stlye", ("style", "ip-adapter"), "is none of the adapters that the configuration allows: style, ip-adapter"),
        ("style", ("a/style", "b/style"), "names several adapters: a/style, b/style"),
        (
            None,
            ("a", "b", "ip-adapter"),
            "does not say which adapter reads it, and there are several: a, b, ip-adapter",
        ),
        ("STYLE", ("a/style", "ip-adapter"), ""),
    ],
)
def test_an_adapter_is_one_that_the_configuration_allows(
    model: str | None, adapters: tuple[str, ...], said: str
) -> None:
    catalogue = Catalogue(models=("sd-1.4",), adapters=adapters)
    like = {"image": "a.png"} | ({"model": model} if model is not None else {})
    found = validated({"prompt": "x", "like": like}, file="a.yaml", catalogue=catalogue)
    told = " ".join(map(str, found)) if isinstance(found, tuple) else ""
    assert said in told
    assert bool(told) == bool(said)
    if said and model is not None:  # and is told with whatever else is wrong
        several = validated({"prompt": "x", "like": like, "steps": -1}, file="a.yaml", catalogue=catalogue)
        assert isinstance(several, tuple)
        assert said in " ".join(map(str, several))
