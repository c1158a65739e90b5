"""What the words of neighbouring programs mean here."""

import pytest

from aura_daemon.errors import Problem
from aura_daemon.formats.prompt_lists.setting_names import MEANINGS, REFUSED, WITHOUT_EFFECT, canonical
from aura_daemon.jobfile.folder_defaults import KEYS
from aura_daemon.jobfile.keys.caption import CaptionJob
from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobfile.keys.neighbours import advice_for_task, task_meant, with_meaning
from aura_daemon.jobfile.validation import TASKS
from tests.unit.jobfile.test_folder_defaults import parsed
from tests.unit.jobfile.test_parser import complaints

OURS = GenerateJob.model_fields.keys() | CaptionJob.model_fields.keys()


def test_every_word_means_keys_that_exist_or_has_advice() -> None:
    for word, meaning in MEANINGS.items():
        assert set(meaning.keys) <= OURS, word
        assert bool(meaning.keys) != bool(meaning.advice), word


def test_no_word_is_a_key_of_ours() -> None:
    assert not OURS & MEANINGS.keys()
    assert not OURS & {*REFUSED, *WITHOUT_EFFECT}


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("sampler", ("scheduler",)),
        ("sampler_name", ("scheduler",)),
        ("Sampler Name", ("scheduler",)),
        ("--sampler_name", ("scheduler",)),
        ("n_iter", ("count",)),
        ("cfg", ("guidance_scale",)),
        ("CFG scale", ("guidance_scale",)),
        ("cfgScale", ("guidance_scale",)),
        ("negative", ("negative_prompt",)),
        ("num_inference_steps", ("steps",)),
        ("denoising_strength", ("strength",)),
        ("init_image", ("image",)),
        ("CLIP_stop_at_last_layers", ("clip_skip",)),
        ("sd_model_checkpoint", ("model",)),
        ("size", ("width", "height")),
    ],
)
def test_a_word_is_known_however_it_is_spelled(word: str, keys: tuple[str, ...]) -> None:
    assert MEANINGS[canonical(word)].keys == keys


def test_a_word_that_no_program_has_means_nothing() -> None:
    assert "zebra" not in MEANINGS
    assert task_meant("zebra") == ""
    assert advice_for_task("zebra") == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sampler_name: Euler a", "cat.yaml:2: sampler_name: unknown key; did you mean `scheduler`?"),
        ("sampler: Euler a", "cat.yaml:2: sampler: unknown key; did you mean `scheduler`?"),
        ("n_iter: 1", "cat.yaml:2: n_iter: unknown key; did you mean `count`?"),
        ("cfg_scale: 7", "cat.yaml:2: cfg_scale: unknown key; did you mean `guidance_scale`?"),
        ("cfg: 7", "cat.yaml:2: cfg: unknown key; did you mean `guidance_scale`?"),
        ("negative: blurry", "cat.yaml:2: negative: unknown key; did you mean `negative_prompt`?"),
        ("negativePrompt: blurry", "cat.yaml:2: negativePrompt: unknown key; did you mean `negative_prompt`?"),
        ("size: 64x64", "cat.yaml:2: size: unknown key: this is said with `width` and `height`"),
        ("batch_size: 2", "cat.yaml:2: batch_size: unknown key: `count` says how many pictures are drawn"),
        ("restore_faces: true", "cat.yaml:2: restore_faces: unknown key: faces are not restored here"),
        ("upscale_by: 2", "cat.yaml:2: upscale_by: unknown key; did you mean `upscale`?"),
        ("clip-skip: 2", "cat.yaml:2: clip-skip: unknown key; did you mean `clip_skip`?"),
        (
            "task: txt2img",
            "task: must be one of generate, caption, upscale, regenerate, reflect, benchmark (given: txt2img)",
        ),
        ("task: inpaint", "did you mean `generate`?"),
        ("task: interrogate", "did you mean `caption`?"),
        ("task: extras", "did you mean `upscale`?"),
        ("task: restore", "`task: upscale` enlarges a picture"),
        ("scheduler: k_euler_a", "(given: k_euler_a); did you mean `euler_a`?"),
        ("scheduler: EulerAncestralDiscreteScheduler", "did you mean `euler_a`?"),
        ("scheduler: dpmpp_2m_sde_gpu", "did you mean `dpm++_2m_sde_karras`?"),
        ("scheduler: DPM2 a Karras", "did you mean `dpm++_2m_karras`?"),
        ("matrix: {scheduler: [euler, uni_pc_bh2]}", "did you mean `unipc`?"),
        ("matrix: {sampler: [euler]}", "cat.yaml:2: matrix.sampler: unknown key; did you mean `scheduler`?"),
    ],
)
def test_a_job_with_a_neighbours_word_is_told_ours(line: str, message: str) -> None:
    (complaint,) = complaints(f"prompt: x\n{line}")
    assert message in complaint


def test_a_prompt_under_another_name_is_not_missing_too() -> None:
    assert complaints("positive: a cat") == ["cat.yaml:1: positive: unknown key; did you mean `prompt`?"]


def test_all_words_of_a_file_are_told_at_once() -> None:
    text = "prompt: x\nsampler_name: Euler a\ncfg_scale: 7\nsteps: 8\nbatch_size: 2\nn_iter: 1\n"
    assert [complaint.split(": ")[1] for complaint in complaints(text)] == [
        "sampler_name",
        "cfg_scale",
        "batch_size",
        "n_iter",
    ]


def test_settings_of_a_folder_are_told_too() -> None:
    (problem,) = parsed("sampler: Euler a")  # type: ignore[misc]
    assert problem == "sub/_defaults.yaml:1: sampler: unknown key; did you mean `scheduler`?"


def test_a_word_whose_meaning_does_not_go_here_keeps_its_problem() -> None:
    problem = Problem(key="cfg", message="unknown key; known are image")
    assert with_meaning(problem, ("image",)) is problem


def test_every_task_that_is_meant_exists() -> None:
    for word in ("txt2img", "img2img", "inpaint", "interrogate", "redraw"):
        assert task_meant(word) in TASKS


def test_settings_of_folders_know_the_words_of_all_keys_that_they_may_set() -> None:
    assert {"scheduler", "guidance_scale", "negative_prompt"} <= KEYS
