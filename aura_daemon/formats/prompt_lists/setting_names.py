"""What other programs call their settings, and what has no counterpart here. In: names. Out: what they stand for.

The names are those of AUTOMATIC1111 (API, infotext, its script for prompts from a file), ComfyUI, InvokeAI, kohya's
gen_img, SD.Next, diffusers, Midjourney and the services that sell pictures. One rule for those that no job has: what
changes the picture is a fault, what only says where pictures are saved or shown is a warning, and what stands at its
neutral value says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_TAKEN: Final = {
    "prompt": "prompt positive_prompt positive",
    "negative_prompt": "negative_prompt negative neg neg_prompt no",
    "steps": "steps num_inference_steps sampling_steps",
    "guidance_scale": "cfg_scale cfg guidance_scale guidance scale",
    "seed": "seed seeds",
    "width": "width",
    "height": "height",
    "size": "size resolution",
    "aspect_ratio": "aspect_ratio aspect ar",
    "sampler": "sampler_name sampler",
    "schedule": "scheduler schedule_type schedule",
    "sampler_index": "sampler_index",
    "batch_size": "batch_size",
    "count": "n_iter batch_count iterations count num_images",
    "model": "model sd_model sd_model_checkpoint checkpoint",
    "clip_skip": "clip_skip clip_stop_at_last_layers",
    "strength": "strength denoising_strength",
    "image": "image init_img init_image",
    "mask": "mask init_mask",
    "enable_hr": "enable_hr",
    "hr_scale": "hr_scale",
    "grid": "grid",
    "upscale": "upscale",
}
"""A setting -> its names in a list of prompts. A setting is a key of ours, or one of `PARTS`."""

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("schedule", "sampler_index", "sampler"), ("scheduler",)),
    "batch_size": ("count",),
    "size": ("width", "height"),
    **dict.fromkeys(("enable_hr", "hr_scale"), ("hires",)),
}
"""A setting -> the keys of ours that are made of it; of several settings the last one says most of the key."""

_ONLY_TOLD: Final = {
    "prompt": "text prompt_text prompts text_prompt description",
    "negative_prompt": "negprompt negative_text uc unconditional_conditioning uncond negative_prompts",
    "scheduler": "sampling_method sample_sampler",
    "count": "n num_images_per_prompt num_outputs images_per_prompt samples number_of_images variations repeats",
    "guidance_scale": "cfgscale prompt_strength guidance_strength",
    "steps": "inference_steps num_steps step ddim_steps",
    "width": "w image_width",
    "height": "h image_height",
    "size": "dimensions image_size",
    "aspect_ratio": "ratio",
    "seed": "noise_seed random_seed",
    "strength": "denoise denoising image_strength img2img_strength denoise_strength",
    "image": "init_images input_image source_image img image_path filename file image_name",
    "mask": "mask_image mask_img inpaint_mask",
    "model": "ckpt ckpt_name model_name sd_checkpoint base_model",
    "loras": "lora lora_name lycoris",
    "clip_skip": "clipskip clip_last_layer",
    "hires": "hires_fix highres_fix hr_fix hr_upscaler hires_upscale",
    "upscale": "upscale_by upscaler upscaler_name upscale_model upscaling_resize extras_upscaler_1 esrgan",
    "format": "samples_format output_format image_format extension file_format ext",
    "quality": "jpeg_quality jpg_quality webp_quality output_quality",
    "output": "outpath_samples outfile out output_name output_path filename_prefix file_name",
    "task": "mode type kind job_type action",
    "notes": "note comment comments remark remarks",
    "tags": "tag keywords labels",
    "max_new_tokens": "max_tokens max_length caption_max_length",
    "beams": "num_beams n_beams beam beam_size beam_width caption_num_beams",
    "sampling": "do_sample nucleus nucleus_sampling use_nucleus_sampling",
    "candidates": "captions num_captions num_return_sequences",
    "max_words": "word_limit most_words",
}
"""A key or a setting -> names that mean the same, but are too common in other people's tables to be taken for it."""

TEXTS: Final = frozenset({"prompt", "negative_prompt"})
"""Settings whose value is text, whatever it looks like."""

_LEFT_OUT: Final = {
    "results go to the outbox, each with its sidecar": (
        "outpath_samples outpath_grids outdir do_not_save_samples do_not_save_grid save_images send_images save_img"
    ),
    "the sidecar holds the prompt as it was drawn": "prompt_for_display",
    "the sidecar holds no comments of AUTOMATIC1111's": "comments",
    "every job has settings of its own": "override_settings_restore_afterwards",
    "the second pass enlarges in its own way (`hires` in docs/jobs.md)": "hr_upscaler",
    "the second pass has the steps of the first": "hr_second_pass_steps",
}
"""What happens instead -> settings that do not change what is in the picture, or hardly."""

_REFUSED: Final = {
    "styles are not known here: write their words into the prompt": "styles style_preset",
    "variation seeds are not known here: leave it out, and take another `seed`": (
        "subseed subseed_strength variation_seed variation_strength variation_amount variation"
        " seed_resize_from_h seed_resize_from_w"
    ),
    "faces are not restored here: leave it out": "restore_faces face_restoration gfpgan codeformer facetool_strength",
    "pictures that can be tiled are not made here: leave it out": "tiling seamless seamless_axes tile",
    "a second pass is asked for in a job file (.yaml): `hires: {scale: 2}`": "hires_fix",
    "the second pass has a factor here: `hr_scale`": "hr_resize_x hr_resize_y",
    "only Stable Diffusion 1.x is drawn here, and this is for SDXL models: leave it out": (
        "original_width original_height ow oh nw nh crop_top crop_left ct cl"
    ),
    "the weight of a LoRA stands in the prompt: `<lora:NAME:0.8>`": "am",
    "the VAE belongs to the model here: configure a model that holds it": "vae sd_vae",
    "extensions and scripts of AUTOMATIC1111 are not known here: leave it out": (
        "controlnet control_image controlnet_units alwayson_scripts script_name script_args"
    ),
    "write the word of a textual inversion into `prompt`; hypernetworks are not known here": (
        "embeddings textual_inversion hypernetwork"
    ),
    "an image that is drawn from is named in a job file (.yaml): `image: NAME.png`": "init_images",
    "it is Midjourney's, and there is nothing like it here: leave it out": (
        "v version q stylize chaos niji style iw weird stop repeat raw sref cref cw sw hd fast relax turbo"
    ),
    "there is nothing like it here: leave it out": (
        "hr_sampler_name hr_scheduler hr_prompt hr_negative_prompt hr_checkpoint_name refiner refiner_checkpoint"
        " refiner_switch_at disable_extra_networks eta s_churn s_tmin s_tmax s_min_uncond s_noise firstphase_width"
        " firstphase_height force_task_id infotext inpainting_fill mask_blur inpaint_full_res inpainting_mask_invert"
        " resize_mode negative_scale nl clip_prompt karras_max perlin threshold override_settings"
    ),
}
"""What to do -> settings that change the picture in a way that no job can ask for."""

_IN_JOB_FILE: Final = {
    "`count` says how many pictures are drawn; how many at once, the program finds out itself": "batch_size batch",
    "`count` says how many pictures are drawn": "loop",
    "`scheduler` names the sampler with its schedule: `dpm++_2m_karras`": "schedule schedule_type noise_schedule",
}
"""What to do -> names that a list of prompts may hold, and a job file may not."""


def _by_name(names: Mapping[str, str]) -> Mapping[str, str]:
    return {name: meaning for meaning, words in names.items() for name in words.split()}


_NAMES: Final[Mapping[str, str]] = _by_name(_TAKEN)

WITHOUT_EFFECT: Final[Mapping[str, str]] = _by_name(_LEFT_OUT)
"""A setting that changes nothing -> what happens instead."""

REFUSED: Final[Mapping[str, str]] = _by_name(_REFUSED)
"""A setting that no job can have -> what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    """What a name means in a job file, where it is no key."""

    keys: tuple[str, ...] = ()
    """The keys of ours that say the same; of several keys each takes a part of the value."""
    advice: str = ""
    """What to do instead where no key says the same."""


def _meanings() -> dict[str, Meaning]:
    told = {name: Meaning(advice=advice) for name, advice in {**WITHOUT_EFFECT, **REFUSED}.items()}
    names = {**_NAMES, **_by_name(_ONLY_TOLD)}
    told |= {name: Meaning(keys=PARTS.get(setting, (setting,))) for name, setting in names.items()}
    told |= {name: Meaning(advice=advice) for name, advice in _by_name(_IN_JOB_FILE).items()}
    keys = {key for meaning in told.values() for key in meaning.keys}
    return {name: meaning for name, meaning in told.items() if name not in keys}


MEANINGS: Final[Mapping[str, Meaning]] = _meanings()
"""Every name that is no key of ours."""


def canonical(name: str) -> str:
    """A name in one spelling: `CFG scale`, `--cfg-scale` and `cfgScale` are `cfg_scale`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip()[:_MOST_CHARACTERS])
    return re.sub(r"[\s_.-]+", "_", words).strip("_").casefold()


_MOST_CHARACTERS: Final = 100
"""Characters of a name that are looked at."""


def is_known(name: str) -> bool:
    """Whether a canonical name is a setting of one of the programs, which lists of prompts may hold."""
    return name in _NAMES or name in WITHOUT_EFFECT or name in REFUSED


def is_key(name: str) -> bool:
    """Whether a canonical name becomes a key of a job, or a part of one."""
    return name in _NAMES


def meaning(name: str) -> str:
    """The setting that a canonical name stands for: `prompt` for `positive_prompt`; an unknown name itself."""
    return _NAMES.get(name, name)
