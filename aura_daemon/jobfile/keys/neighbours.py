"""The words of neighbouring programs for what our keys and tasks say. In: a word. Out: our word, or what to do instead.

The words come from AUTOMATIC1111 (API, infotext, `prompts_from_file`), ComfyUI, InvokeAI, SD.Next, diffusers and the
services that sell pictures. A word that our keys know is never looked up here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.sampling import Scheduler

_SAME: Final = {
    "prompt": "text positive positive_prompt prompt_text prompts text_prompt description",
    "negative_prompt": (
        "negative negprompt neg_prompt neg negative_text uc unconditional_conditioning uncond negative_prompts"
    ),
    "scheduler": "sampler sampler_name sampler_index sampling_method sampling sample_sampler",
    "count": (
        "n_iter batch_count iterations n num_images num_images_per_prompt num_outputs images images_per_prompt samples"
        " number_of_images variations repeat repeats"
    ),
    "guidance_scale": "cfg cfg_scale cfgscale guidance scale prompt_strength guidance_strength",
    "steps": "num_inference_steps inference_steps sampling_steps num_steps step ddim_steps",
    "width": "w image_width",
    "height": "h image_height",
    "aspect_ratio": "ratio aspect ar",
    "seed": "seeds noise_seed random_seed",
    "strength": "denoising_strength denoise denoising image_strength img2img_strength denoise_strength",
    "image": "init_image init_images init_img input_image source_image img image_path filename file image_name",
    "mask": "mask_image mask_img inpaint_mask",
    "model": "checkpoint ckpt ckpt_name sd_model_checkpoint model_name sd_model sd_checkpoint base_model",
    "loras": "lora lora_name lycoris",
    "clip_skip": "clip_stop_at_last_layers clipskip clip_last_layer",
    "hires": "enable_hr hires_fix highres_fix hr_fix hr_scale hr_upscaler upscale upscale_by hires_upscale",
    "format": "samples_format output_format image_format extension file_format ext",
    "quality": "jpeg_quality jpg_quality webp_quality output_quality",
    "output": "outpath_samples outfile out output_name output_path filename_prefix file_name",
    "task": "mode type kind job_type action",
    "notes": "note comment comments remark remarks",
    "tags": "tag keywords labels",
    "max_new_tokens": "max_tokens max_length caption_max_length",
}
"""Our key -> words that mean the same."""

_SEVERAL: Final = {
    ("width", "height"): "size resolution dimensions image_size",
}
"""Our keys -> words whose value is to be divided between these keys."""

_NOT_HERE: Final = {
    "batch_size batch": "`count` says how many pictures are drawn; how many at once, the program finds out itself",
    "loop": "`count` says how many pictures are drawn",
    "restore_faces face_restoration gfpgan codeformer": "faces are not restored here: leave the key out",
    "tiling seamless": "pictures that tile are not drawn here: leave the key out",
    "subseed subseed_strength variation_seed variation_strength variation_amount": (
        "a variation of a seed is not drawn here: leave the key out, and name a `seed`"
    ),
    "styles style style_preset": "styles are not known here: write their words into `prompt`",
    "vae sd_vae": "the VAE belongs to the model here: configure a model that holds it",
    "eta s_churn s_tmin s_tmax s_noise": "this number of the sampler is fixed here: leave the key out",
    "controlnet control_image controlnet_units alwayson_scripts script_name script_args": (
        "ControlNet and scripts are not known here: leave the key out"
    ),
    "do_not_save_samples do_not_save_grid save_images send_images": "every picture is saved: leave the key out",
    "override_settings override_settings_restore_afterwards": "there are no other settings here: leave the key out",
    "refiner refiner_checkpoint refiner_switch_at": "refiners are not known here: leave the key out",
    "embeddings textual_inversion hypernetwork": (
        "write the word of a textual inversion into `prompt`; hypernetworks are not known here"
    ),
    "inpainting_fill mask_blur inpaint_full_res inpainting_mask_invert resize_mode": (
        "this setting of inpainting is fixed here: leave the key out"
    ),
    "schedule schedule_type noise_schedule": "`scheduler` names the sampler with its schedule: `dpm++_2m_karras`",
}
"""Words -> what to do instead."""

_TASKS: Final = {
    JobKind.GENERATE: (
        "txt2img text2img text2image text_to_image t2i img2img image2image image_to_image i2i inpaint inpainting draw"
        " create image picture generation imagine outpaint sd"
    ),
    JobKind.CAPTION: (
        "interrogate img2txt image2text image_to_text i2t describe clip blip captioning interrogation vqa tag tagger"
    ),
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
    "upscale": "to enlarge, draw the picture with `hires: {scale: 2}`; a picture alone is not enlarged here",
    "extras": "pictures are not enlarged or restored alone here",
    "train": "nothing is trained here",
}
"""Word -> what to do instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    """What a neighbour's word means here."""

    keys: tuple[str, ...] = ()
    """The keys of ours that say the same; of several keys each takes a part of the value."""
    advice: str = ""
    """What to do instead where no key says the same."""


def _meanings() -> dict[str, Meaning]:
    found = {word: Meaning(keys=(key,)) for key, words in _SAME.items() for word in words.split()}
    found |= {word: Meaning(keys=keys) for keys, words in _SEVERAL.items() for word in words.split()}
    return found | {word: Meaning(advice=advice) for words, advice in _NOT_HERE.items() for word in words.split()}


MEANINGS: Final[Mapping[str, Meaning]] = MappingProxyType(_meanings())
"""Every word of the neighbours, in lower case with `_` between its parts."""

_MEANT_TASKS: Final = {word: str(task) for task, words in _TASKS.items() for word in words.split()}

_MEANT_SCHEDULERS: Final = {word: str(name) for name, words in _SCHEDULERS.items() for word in words.split()}

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN: Final = re.compile(r"[\s\-_.]+")
_OPTIONS: Final = re.compile(r"^-+")


def meaning_of(word: str) -> Meaning | None:
    """What a word means, however it is spelled: `negativePrompt`, `CFG scale`, `--sampler_name`."""
    return MEANINGS.get(_normalized(word))


def task_meant(word: str) -> str:
    """The task of ours that a neighbour's word means; empty where it means none."""
    return _MEANT_TASKS.get(_normalized(word), "")


def scheduler_meant(word: str) -> str:
    """The scheduler of ours that a neighbour's word means; empty where it means none."""
    normalized = _normalized(word)
    return _MEANT_SCHEDULERS.get(normalized) or _MEANT_SCHEDULERS.get(normalized.removesuffix("_scheduler"), "")


def advice_for_task(word: str) -> str:
    """What to do instead of a task that is not done here; empty where nothing is known about it."""
    return _FURTHER_TASKS.get(_normalized(word), "")


def with_meaning(problem: Problem, known: Collection[str]) -> Problem:
    """The problem of an unknown key, with what the key means; a misspelt key of ours keeps its suggestion."""
    if problem.message.startswith("unknown key: "):  # the reason is known already: a character that no one sees
        return problem
    key = problem.key.rpartition(".")[2]
    spelled = next((name for name in known if name == _normalized(key)), "")
    if spelled:
        return replace(problem, message="unknown key", suggestion=spelled)
    meaning = meaning_of(key)
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


def _normalized(word: str) -> str:
    """Lower case with `_` between the parts."""
    apart = _HUMP.sub("_", _OPTIONS.sub("", word.strip()[:_MOST_CHARACTERS]))
    return _BETWEEN.sub("_", apart).strip("_").lower()


_MOST_CHARACTERS: Final = 100
"""Characters of a word that are looked at."""
