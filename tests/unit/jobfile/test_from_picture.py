"""A picture made again: what it says, what the job says over it, and what cannot be the same."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from aura_daemon.formats.picture_metadata.infotext import infotext
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.folder_defaults import FolderDefaults
from aura_daemon.jobfile.from_picture import differences, made_again
from aura_daemon.jobfile.image_names import image_names
from aura_daemon.jobfile.parser import ParsedFile, RejectedFile, of_picture
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobfile.recipes.subject import Subject
from aura_daemon.jobfile.validation import JobSpec, RegenerateSpec
from aura_daemon.jobs.guidance.controls import Control, ControlMode
from aura_daemon.jobs.guidance.upscaling import Upscale
from aura_daemon.jobs.requests import EmbeddedSettings, GenerateRequest, Hires, Lora, RegenerateRequest
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.jobs.speed import Speed
from aura_daemon.journal.request_json import request_from_dict, request_to_dict
from tests.unit.formats.picture_metadata.test_comfyui_graph import GUIDED_GRAPH, graph
from tests.unit.formats.picture_metadata.test_embedded_texts import png_text
from tests.unit.formats.picture_metadata.test_infotext import MADE
from tests.unit.outbox.test_sidecar_writer import DRAWN, produced

OURS = infotext(replace(MADE, negative_prompt="blurry"), model="aura-mini", model_sha256="cd", version="0.1.0")
THEIRS = "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 512x512, Model: other, Version: v1.10.1"


def asked(text: str) -> RegenerateSpec:
    found = parse(SourceKind.JOB_FILE, text.encode(), file="a.yaml")
    assert isinstance(found, ParsedFile), found
    again = found.jobs[0].spec
    assert isinstance(again, RegenerateSpec)
    return again


def again(picture: str | None, job: str = "task: regenerate") -> JobSpec | tuple[str, ...]:
    content = png_text(**({"parameters": picture} if picture is not None else {}))
    found = made_again(asked(job), content, file="sub/x.png")
    return found if isinstance(found, JobSpec) else tuple(str(problem) for problem in found)


def request(picture: str, job: str = "task: regenerate") -> GenerateRequest:
    found = again(picture, job)
    assert isinstance(found, JobSpec), found
    assert isinstance(found.request, GenerateRequest)
    return found.request


def test_a_random_seed_is_another_one_than_the_picture_s() -> None:
    assert request(THEIRS).seed == 5
    assert request(THEIRS, "task: regenerate\nseed: -1").seed is None


def test_the_loras_in_its_prompt_are_put_on_again() -> None:
    wanted = request(THEIRS.replace("a cat", "a cat <lora:ink:0.8>"))
    assert wanted.loras == (Lora(name="ink", weight=0.8),)
    assert "holds what is no `<lora:NAME>`" in again(THEIRS.replace("a cat", "a cat <lora:ink:x>"))[0]  # type: ignore[index]


def test_a_picture_asks_for_what_it_was_made_from() -> None:
    assert request(OURS) == GenerateRequest(
        prompt=MADE.prompt,
        negative_prompt="blurry",
        steps=25,
        guidance_scale=9.0,
        scheduler="dpm++_2m_karras",
        seed=1,
        width=512,
        height=768,
        speed=Speed.EXACT,
        embedded=EmbeddedSettings(image="sub/x.png", model="aura-mini", model_hash="cd", version="aura-daemon 0.1.0"),
    )


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("count: 3", "a.yaml:2: count: `count` does not go with `task: regenerate`"),
        ("grid: true", "a.yaml:2: grid: `grid` does not go with `task: regenerate`"),
        ("matrix: {steps: [1, 2]}", "a.yaml:2: matrix: `matrix` does not go with `task: regenerate`"),
        ("seed: 1-3", "a.yaml:2: seed: must be a whole number from 0 to 2**63 - 1: it is one picture (given: 1-3)"),
        ("seed: [1]", "a.yaml:2: seed: must be a whole number from 0 to 2**63 - 1: it is one picture"),
        ("model: sd-1.5", "a.yaml:2: model: is none of the models that the configuration allows: aura-mini, sd-1.4"),
        ("loras: [inc]", "a.yaml:2: loras: is none of the LoRAs that the configuration allows: ink"),
        ("prompt: x <lora:inc:1>", "a.yaml:2: prompt: is none of the LoRAs"),
        ("prompt: x <lora:ink:9>", "a.yaml:2: prompt: holds what is no `<lora:NAME>`"),
    ],
)
def test_what_one_picture_cannot_be_made_with_is_refused(keys: str, words: str) -> None:
    catalogue = Catalogue(models=("aura-mini", "sd-1.4"), loras=("ink",))
    found = parse(SourceKind.JOB_FILE, f"task: regenerate\n{keys}\n".encode(), file="a.yaml", catalogue=catalogue)
    assert isinstance(found, RejectedFile)
    assert str(found.problems[0]).startswith(words)


@pytest.mark.parametrize("seed", [[1, 2], "1-3"])
def test_a_folder_s_several_seeds_and_count_are_not_for_a_picture_that_is_made_again(seed: object) -> None:
    keys = {"task": "regenerate", "seed": seed, "count": 1, "grid": True, "steps": 7}
    folder = FolderDefaults(name="_defaults.yaml", sha256="", keys=keys)
    found = of_picture([folder], subject=Subject(path="a.png", is_picture=True))
    assert isinstance(found, ParsedFile)
    assert found.jobs[0].spec == RegenerateSpec(request=RegenerateRequest(keys={"steps": 7}))


GUIDED = infotext(
    replace(MADE, control=(Control(image="a.png", model="canny", weight=0.5), Control(image="b.png", model="tile"))),
    model="aura-mini",
    model_sha256="cd",
    version="0.1.0",
)


def test_maps_come_from_the_job_and_what_they_did_from_the_picture() -> None:
    job = "task: regenerate\nimage: x.png\ncontrol: [{image: m.png}, {image: n.png, weight: 0.2, mode: prompt}]"
    made = request(GUIDED, job)
    assert made.control == (
        Control(image="m.png", model="canny", weight=0.5),
        Control(image="n.png", model="tile", weight=0.2, mode=ControlMode.PROMPT),
    )
    assert made.embedded is not None
    assert made.embedded.lost == ()
    assert image_names(job.encode(), file="a.yaml") == ("x.png", "m.png", "n.png")


def test_maps_that_the_job_does_not_name_are_told() -> None:
    one = request(GUIDED, "task: regenerate\ncontrol: {image: m.png}")
    assert [control.image for control in one.control] == ["m.png"]
    none = request(GUIDED)
    assert none.control == ()
    told = [made.embedded.lost for made in (one, none) if made.embedded is not None]
    assert told == [
        (f"it was guided by maps ({models}), which it does not hold: `control: {{image: …}}` names them",)
        for models in ("tile", "canny, tile")
    ]
    assert "control.0.model" in again(OURS, "task: regenerate\ncontrol: {image: m.png}")[0]  # type: ignore[index]


def test_what_the_job_says_counts_for_more() -> None:
    made = request(
        OURS,
        "task: regenerate\nimage: x.png\nprompt: a dog\nnegative_prompt: ''\nseed: 7\nhires: {scale: 2}\n"
        "format: webp\naspect_ratio: '16:9'\npriority: 3\nnotes: again",
    )
    assert (made.prompt, made.negative_prompt, made.seed, made.hires) == ("a dog", "", 7, Hires(scale=2.0))
    assert (made.aspect_ratio, made.width, made.height) == ("16:9", None, None)
    assert (made.format, made.notes, made.steps) == ("webp", "again", 25)
    assert made.image is None
    assert asked("task: regenerate\nimage: x.png\npriority: 3").priority == 3


@pytest.mark.parametrize("picture", [None, "", "a text about something", "a cat\nSteps: 20, Seed: 1"])
def test_a_picture_without_settings_is_refused_with_the_mend(picture: str | None) -> None:
    (problem,) = again(picture)  # type: ignore[misc]
    assert problem.startswith("sub/x.png: the picture holds no settings to make it again from; give the file")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "Steps: 500",
            "sub/x.png: steps: must be a whole number from 1 to 150; so the picture says, and",
        ),
        ("Steps: many", "steps: must be a whole number"),
        ("CFG scale: nan", "guidance_scale: must be a number from 0 to 30"),
        ("Size: 9000x512", "width: must be"),
        ("Sampler: DPM++ 3M SDE", '(given: "DPM++ 3M SDE")'),
        ("Clip skip: 99", "clip_skip: must be"),
        ("Hires upscale: 9", "hires.scale: must be a number from 1 to 4"),
    ],
)
def test_what_a_picture_says_is_held_to_the_rules_of_a_job_file_and_can_be_outvoted(said: str, words: str) -> None:
    name, _, value = said.partition(": ")
    base = dict(part.split(": ") for part in THEIRS.split("\n")[1].split(", "))
    text = "a cat\n" + ", ".join(f"{key}: {one}" for key, one in {**base, name: value}.items())
    (problem,) = again(text)  # type: ignore[misc]
    assert words in problem
    outvoted = {"Steps": "steps: 4", "Sampler": "scheduler: ddim", "Size": "width: 512", "Clip skip": "clip_skip: 1"}
    key = outvoted.get(name, "hires: {scale: 2}" if name == "Hires upscale" else "guidance_scale: 1")
    assert isinstance(again(text, f"task: regenerate\n{key}"), JobSpec)


def test_a_blank_prompt_in_a_picture_is_refused() -> None:
    (problem,) = again(THEIRS.removeprefix("a cat\n"))  # type: ignore[misc]
    assert "prompt: must be text of 1 to 10000 characters" in problem
    assert "another can be said in a job file (given" in problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mask: a.png", "`mask` does not go with `task: regenerate`"),
        ("strength: 0.5", "`strength` does not go with `task: regenerate`"),
        ("max_new_tokens: 5", "`max_new_tokens` does not go with `task: regenerate`"),
        ("stepz: 5", "unknown key; did you mean `steps`?"),
        ("steps: 0", "steps: must be a whole number from 1 to 150"),
        ('prompt: "a\\0"', "prompt: holds the control character"),
        ("image: ../x.png", "must name a file below the inbox"),
    ],
)
def test_a_job_to_make_again_is_checked_as_any_other(text: str, words: str) -> None:
    found = parse(SourceKind.JOB_FILE, f"task: regenerate\n{text}\n".encode(), file="a.yaml")
    assert isinstance(found, RejectedFile)
    assert words in str(found.problems[0])
    assert "a.yaml:2" in str(found.problems[0])


def test_keys_that_say_nothing_are_none() -> None:
    found = asked("task: regenerate\nimage:\nprompt: ' '\nsteps:\n")
    assert found == RegenerateSpec(request=RegenerateRequest())


def refusal(**texts: str) -> str:
    (problem,) = made_again(asked("task: regenerate"), png_text(**texts), file="x.png")  # type: ignore[misc]
    return problem.message


def test_comfyui_s_plain_chain_is_a_request_and_more_is_refused_by_its_node() -> None:
    found = made_again(asked("task: regenerate"), png_text(prompt=json.dumps(graph())), file="x.png")
    assert isinstance(found, JobSpec)
    assert isinstance(found.request, GenerateRequest)
    assert (found.request.prompt, found.request.steps, found.request.seed) == ("a glass bottle,", 20, 156680208700286)
    assert found.request.embedded == EmbeddedSettings(image="x.png", model="v1-5-pruned", version="ComfyUI")
    too_much = refusal(prompt=json.dumps(graph(n3={"class_type": "KSamplerAdvanced", "inputs": {}})))
    assert too_much.startswith("the settings are ComfyUI's, and too complex: node 3 (KSamplerAdvanced): only KSampler")


@pytest.mark.parametrize(
    ("texts", "program"),
    [
        ({"invokeai_metadata": "{}"}, "InvokeAI"),
        ({"Software": "NovelAI", "Comment": "{}"}, "NovelAI"),
        ({"parameters": "{}", "fooocus_scheme": "fooocus"}, "Fooocus"),
        ({"parameters": '{"sui_image_params": {"prompt": "a fox", "seed": 5}}'}, "SwarmUI"),
        ({"Description": "a cat --v 6 Job ID: 1-2"}, "Midjourney"),
        ({"workflow": "{}"}, "ComfyUI without the graph of its run"),
    ],
)
def test_other_programs_settings_are_named_as_what_they_are(texts: dict[str, str], program: str) -> None:
    assert refusal(**texts).startswith(f"the picture was made by {program}, whose settings are not read: write them")


def test_where_settings_were_left_out_the_same_settings_are_not_promised() -> None:
    made = request(THEIRS.replace("Model:", "Tiling: True, Model:"))
    assert made.embedded is not None
    lost, program, _ = differences(made.embedded, produced(DRAWN))
    assert lost == "sub/x.png: settings that have no counterpart here were left out: Tiling: True"
    assert program == "sub/x.png was made by another program: not the same pixels"


def test_a_request_goes_through_the_journal() -> None:
    made = replace(request(THEIRS.replace("Model:", "Denoising strength: 0.7, Model:")), seed=5)
    assert made.embedded is not None
    assert len(made.embedded.lost) == 1
    assert request_from_dict(json.loads(json.dumps(request_to_dict(made)))) == made


def test_nothing_differs_from_a_picture_of_ours_made_by_the_same_model() -> None:
    embedded = EmbeddedSettings(image="x.png", model="aura-mini", model_hash="cd", version="aura-daemon 0.1.0")
    now = replace(produced(DRAWN), versions=(("aura_daemon", "0.1.0"),))
    assert differences(embedded, now) == ()
    (other,) = differences(replace(embedded, model_hash="ef"), now)
    assert other == "made again with another model than x.png (aura-mini then, aura-mini now)"
    (other,) = differences(replace(embedded, model="sd-1.4"), now)
    assert "(sd-1.4 then, aura-mini now)" in other
    (version,) = differences(replace(embedded, version="aura-daemon 0.0.9"), now)
    assert version == "x.png was made by aura-daemon 0.0.9, this is 0.1.0: pixels may differ"


def test_of_another_program_s_picture_the_pixels_are_not_promised() -> None:
    embedded = EmbeddedSettings(
        image="x.png", model="other", model_hash="ab", version="v1.10.1", lost=("a part is missing",)
    )
    lost, program, model = differences(embedded, produced(DRAWN))
    assert lost == "x.png: a part is missing"
    assert program == "x.png was made by another program: not the same pixels"
    assert model == "made again with another model than x.png (other then, aura-mini now)"
    whole, _ = differences(replace(embedded, lost=()), produced(DRAWN))
    assert whole == "x.png was made by another program: the same settings, but not the same pixels"
    assert len(differences(EmbeddedSettings(image="x.png"), produced(DRAWN))) == 1


def test_an_upscaler_that_is_not_here_is_left_out_and_told() -> None:
    enlarged = "Postprocess upscale by: 4, Postprocess upscaler: R-ESRGAN 4x+"
    content = png_text(parameters=f"a cat\nSteps: 20, Sampler: Euler, Seed: 5, Size: 64x64, {enlarged}")

    def found(*upscalers: str, job: str = "task: regenerate") -> GenerateRequest:
        known = Catalogue(upscalers=upscalers)
        spec = made_again(asked(job), content, file="x.png", catalogue=known)
        assert isinstance(spec, JobSpec)
        assert isinstance(spec.request, GenerateRequest)
        return spec.request

    here = found("aura-mini", "R-ESRGAN 4x+")
    assert here.upscale == Upscale(model="R-ESRGAN 4x+", scale=4)
    assert here.embedded is not None
    assert here.embedded.lost == ()
    away = found("aura-mini")
    assert away.upscale is None
    assert away.embedded is not None
    (lost,) = away.embedded.lost
    assert lost.startswith("it was enlarged by the upscaler R-ESRGAN 4x+, which is not here")
    assert found("aura-mini", "x4/RealESRGAN_x4plus").upscale == Upscale(model="x4/RealESRGAN_x4plus", scale=4)
    other = found("aura-mini", job="task: regenerate\nupscale: 2")
    assert other.upscale == Upscale(scale=2)
    assert other.embedded is not None
    assert other.embedded.lost == ()


def test_a_name_in_a_picture_that_is_not_here_is_told_before_it_is_drawn() -> None:
    content = png_text(parameters=THEIRS.replace("a cat", "a cat <lora:inc:1>"))
    found = made_again(asked("task: regenerate"), content, file="x.png", catalogue=Catalogue(loras=("ink",)))
    assert [str(problem) for problem in found] == [  # type: ignore[union-attr]
        "x.png: loras: is none of the LoRAs that the configuration allows: ink; so the picture says, and another can be"
        " said in a job file or in its folder's `_defaults.yaml` (given: inc); did you mean `ink`?"
    ]


def test_the_maps_of_a_comfyui_graph_are_told_with_the_names_of_their_images() -> None:
    content = png_text(prompt=json.dumps(graph(**GUIDED_GRAPH)))
    found = [
        made_again(asked(job), content, file="x.png")
        for job in ("task: regenerate", "task: regenerate\ncontrol: {image: m.png}")
    ]
    requests = [spec.request for spec in found if isinstance(spec, JobSpec)]
    plain, guided = (one for one in requests if isinstance(one, GenerateRequest))
    assert plain.control == ()
    assert plain.embedded is not None
    assert plain.embedded.lost == (
        "it was guided by maps (openpose of pose.png), which it does not hold: `control: {image: …}` names them",
    )
    assert guided.control == (Control(image="m.png", model="openpose", weight=0.8),)
