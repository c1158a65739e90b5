"""What other programs call our tasks and schedulers, and what an unknown key means. In: a word. Out: our word."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.formats.prompt_lists.setting_names import MEANINGS, canonical
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.sampling import Scheduler

_TASKS: Final = {
    JobKind.GENERATE: (
        "txt2img text2img text2image text_to_image t2i img2img image2image image_to_image i2i inpaint inpainting draw"
        " create image picture generation imagine outpaint sd"
    ),
    JobKind.CAPTION: (
        "interrogate img2txt image2text image_to_text i2t describe clip blip captioning interrogation vqa tag tagger"
    ),
    JobKind.UPSCALE: "extras enlarge upscaling upscaler super_resolution superresolution sr esrgan postprocess",
    JobKind.BENCHMARK: "bench benchmarking speed speed_test speedtest performance perf timing",
    "regenerate": "redo redraw again remake pnginfo png_info",
}
"""Our task -> words that mean the same."""

_SCHEDULERS: Final = {
    Scheduler.DPMPP_2M_KARRAS: "dpmpp_2m_k k_dpmpp_2m k_dpmpp_2m_karras dpm_solver_multistep dpmsolver_multistep",
    Scheduler.DPMPP_SDE_KARRAS: "dpmpp_sde_k k_dpmpp_sde k_dpmpp_sde_karras dpm_solver_sde dpmpp_sde_gpu",
    Scheduler.DPMPP_2M_SDE_KARRAS: "dpmpp_2m_sde_k dpmpp_2m_sde_gpu k_dpmpp_2m_sde dpmpp_3m_sde dpmpp_3m_sde_gpu",
    Scheduler.EULER: "k_euler euler_k euler_discrete euler_cfg_pp simple_euler",
    Scheduler.EULER_A: "k_euler_a k_euler_ancestral euler_ancestral_discrete eulera euler_ancestral_cfg_pp",
    Scheduler.HEUN: "k_heun heun_k heun_discrete heunpp2",
    Scheduler.LMS_KARRAS: "lms_k k_lms_karras",
    Scheduler.LMS: "k_lms lms_discrete",
    Scheduler.DDIM: "ddim_uniform k_ddim ddim_cfg_pp",
    Scheduler.UNIPC: "uni_pc_bh2 unipc_multistep uni_pc_multistep",
    Scheduler.LCM: "k_lcm lcm_karras",
    Scheduler.ALIGN_YOUR_STEPS: "dpm++_2m_align_your_steps dpm++_2m_ays",
}
"""Our scheduler -> names in ComfyUI, InvokeAI, diffusers and services, in lower case with `_` between their parts."""

_FURTHER_TASKS: Final = {
    "restore": "faces and old pictures are not restored here; `task: upscale` enlarges a picture",
    "train": "nothing is trained here",
}
"""Word -> what to do instead."""


_MEANT_TASKS: Final = {word: str(task) for task, words in _TASKS.items() for word in words.split()}

_MEANT_SCHEDULERS: Final = {word: str(name) for name, words in _SCHEDULERS.items() for word in words.split()}


def task_meant(word: str) -> str:
    """The task of ours that a neighbour's word means; empty where it means none."""
    return _MEANT_TASKS.get(canonical(word), "")


def scheduler_meant(word: str) -> str:
    """The scheduler of ours that a neighbour's word means; empty where it means none."""
    name = canonical(word)
    return _MEANT_SCHEDULERS.get(name) or _MEANT_SCHEDULERS.get(name.removesuffix("_scheduler"), "")


def advice_for_task(word: str) -> str:
    """What to do instead of a task that is not done here; empty where nothing is known about it."""
    return _FURTHER_TASKS.get(canonical(word), "")


def with_meaning(problem: Problem, known: Collection[str]) -> Problem:
    """The problem of an unknown key, with what the key means; a misspelt key of ours keeps its suggestion."""
    if problem.message.startswith("unknown key: "):  # the reason is known already: a character that no one sees
        return problem
    key = problem.key.rpartition(".")[2]
    spelled = next((name for name in known if name == canonical(key)), "")
    if spelled:
        return replace(problem, message="unknown key", suggestion=spelled)
    meaning = MEANINGS.get(canonical(key))
    if meaning is None:
        return problem
    if meaning.advice:
        return replace(problem, message=f"unknown key: {meaning.advice}", suggestion="")
    if not set(meaning.keys) <= set(known):
        return problem
    if len(meaning.keys) > 1:
        keys = " and ".join(f"`{name}`" for name in meaning.keys)
        return replace(problem, message=f"unknown key: this is said with {keys}", suggestion="")
    return replace(problem, message="unknown key", suggestion=meaning.keys[0])
