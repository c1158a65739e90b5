"""The keys of a benchmark."""

from __future__ import annotations

from typing import Any

import pytest

from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.jobfile.image_names import image_names
from aura_daemon.jobfile.parser import ParsedFile, RejectedFile
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobfile.validation import JobSpec, validated
from aura_daemon.jobs.requests import (
    BenchmarkRequest,
    CaptionRequest,
    CaptionSampling,
    GenerateRequest,
    Hires,
    Lora,
    Metadata,
)
from aura_daemon.jobs.sources import SourceKind

CATALOGUE = Catalogue(models=("sd-1.4",), loras=("ink",))


def asked(text: str, *folders: FolderDefaults) -> BenchmarkRequest:
    found = parse(SourceKind.JOB_FILE, text.encode(), file="speed.yaml", folders=folders, catalogue=CATALOGUE)
    assert isinstance(found, ParsedFile), found
    (job,) = found.jobs
    assert isinstance(job.spec, JobSpec)
    assert isinstance(job.spec.request, BenchmarkRequest)
    return job.spec.request


def complaint(text: str) -> str:
    found = parse(SourceKind.JOB_FILE, text.encode(), file="speed.yaml", catalogue=CATALOGUE)
    assert isinstance(found, RejectedFile), found
    return "\n".join(map(str, found.problems))


def drawn(request: BenchmarkRequest) -> GenerateRequest:
    assert request.picture is not None
    return request.picture


def test_alone_it_measures_pictures_of_the_models_own_size_three_times() -> None:
    request = asked("task: benchmark")
    assert request == BenchmarkRequest(picture=GenerateRequest(prompt="", seed=42), repeats=3, batch=1)


def test_it_takes_the_settings_of_a_picture() -> None:
    request = asked(
        "task: benchmark\nprompt: a cat\nnegative_prompt: a dog\nsteps: 8\nguidance_scale: 3\nscheduler: Euler a\n"
        "model: sd-1.4\nloras: [{name: ink, weight: 0.5}]\nhires: {scale: 2}\nclip_skip: 2\nformat: JPEG\nquality: 80\n"
        "metadata: none\nseed: 7\nrepeats: 5\nbatch: 4\n"
    )
    assert (request.repeats, request.batch) == (5, 4)
    assert drawn(request) == GenerateRequest(
        prompt="a cat",
        negative_prompt="a dog",
        steps=8,
        guidance_scale=3,
        scheduler="euler_a",
        model="sd-1.4",
        loras=(Lora(name="ink", weight=0.5),),
        hires=Hires(scale=2),
        clip_skip=2,
        format=drawn(request).format,
        quality=80,
        metadata=Metadata.NONE,
        seed=7,
    )


def test_captions_take_those_of_a_caption() -> None:
    request = asked("task: benchmark\nof: caption\nprompt: a photo of\nmax_new_tokens: 20\nrepeats: 1\n")
    caption = CaptionRequest(prompt="a photo of", max_new_tokens=20)
    assert request == BenchmarkRequest(caption=caption, repeats=1)
    assert asked("task: benchmark\nof: caption\nbeams: 3").caption == CaptionRequest(beams=3)
    drawn = asked("task: benchmark\nof: caption\ncandidates: 5").caption
    assert drawn == CaptionRequest(candidates=5, sampling=CaptionSampling(seed=42))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ("[512x768]", ((512, 768),)),
        ("[512, 768x512, '512 x 512']", ((512, 512), (768, 512))),
        ("512X768", ((512, 768),)),
        ("640", ((640, 640),)),
        ("[640.0]", ((640, 640),)),
        ("[64×2048]", ((64, 2048),)),
        ("null", ()),
    ],
)
def test_a_size_is_width_and_height_or_the_side_of_a_square(sizes: str, expected: tuple[tuple[int, int], ...]) -> None:
    assert asked(f"task: benchmark\nsizes: {sizes}").sizes == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sizes: [63x512]", 'speed.yaml:2: sizes: holds "63x512"; it must be a list of at most 8 sizes'),
        ("sizes: [512x2049]", "holds"),
        ("sizes: [1, 2]", "holds 1; it must be"),
        ("sizes: [true]", "holds true; it must be"),
        ("sizes: []", "holds 0 sizes; it must be"),
        ("sizes: [64,65,66,67,68,69,70,71,72]", "holds 9 sizes; it must be"),
        ("sizes: {a: 1}", "holds"),
        ("repeats: 21", "a whole number from 1 to 20"),
        ("batch: 0", "a whole number from 1 to 8"),
        ("width: 512", "`width` does not go with `task: benchmark`: say it with `sizes`"),
        ("aspect_ratio: 16:9", "`aspect_ratio` does not go with `task: benchmark`: say it with `sizes`"),
        ("image: a.png", "`image` does not go with `task: benchmark`"),
        ("count: 3", "`count` does not go with `task: benchmark`"),
        ("seed: [1, 2]", "it is one picture"),
        ("of: pictures", "must be what is measured: `generate` or `caption`"),
        ("of: caption\nsteps: 3", "`steps` does not go with `task: benchmark` and `of: caption`"),
        ("of: caption\nmax_words: 5", "`max_words` does not go with `task: benchmark` and `of: caption`"),
        ("of: caption\nsizes: 512", "`sizes` does not go with `task: benchmark` and `of: caption`"),
        ("repeets: 3", "unknown key; did you mean `repeats`?"),
        ("model: sd-9", "is none of the models that the configuration allows"),
        ("loras: [oil]", "is none of the LoRAs that the configuration allows"),
        ("prompt: a cat <lora:oil>", "is none of the LoRAs"),
    ],
)
def test_what_does_not_go_is_refused_with_what_goes(line: str, message: str) -> None:
    assert message in complaint(f"task: benchmark\n{line}")


@pytest.mark.parametrize("word", ["bench", "speed test", "performance"])
def test_other_words_for_it_are_answered_with_ours(word: str) -> None:
    assert "did you mean `benchmark`?" in complaint(f"task: {word}")


@pytest.mark.parametrize("key", ["sizes", "repeats", "batch", "of"])
def test_a_picture_has_no_key_of_a_benchmark(key: str) -> None:
    assert f"`{key}` does not go with `task: generate`" in complaint(f"prompt: x\n{key}: 2")


def test_a_lora_in_its_prompt_is_put_on() -> None:
    assert drawn(asked("task: benchmark\nprompt: a cat <lora:ink:0.5>")).loras == (Lora(name="ink", weight=0.5),)


def test_its_prompt_holds_no_choices() -> None:
    assert drawn(asked("task: benchmark\nprompt: a {red|green} cat")).prompt == "a {red|green} cat"


def test_what_its_folder_says_of_settings_counts_where_it_says_nothing() -> None:
    keys: dict[str, Any] = {"steps": 8, "guidance_scale": 5, "width": 768, "seed": [1, 2], "count": 4, "tags": ["a"]}
    folder = FolderDefaults(name="_defaults.yaml", sha256="", keys=keys)
    request = asked("task: benchmark\nsteps: 9", folder)
    assert (drawn(request).steps, drawn(request).guidance_scale) == (9, 5)
    assert (drawn(request).width, drawn(request).seed, request.sizes) == (None, 42, ())
    assert asked("task: benchmark\nof: caption", folder).caption == CaptionRequest()


def test_it_waits_for_no_image() -> None:
    assert image_names(b"task: benchmark\n", file="speed.yaml") == ()


def test_without_a_catalogue_every_name_goes() -> None:
    assert isinstance(validated({"task": "benchmark", "model": "any"}, file=""), JobSpec)
