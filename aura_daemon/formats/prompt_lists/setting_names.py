"""What other programs call their settings, and what has no counterpart here. In: names. Out: what they stand for.

The names are those of AUTOMATIC1111 (its script for prompts from a file, its API), kohya's gen_img and InvokeAI's
command line, with some of Midjourney's. One rule for those that no job has: what changes the picture is a fault, what
only says where pictures are saved or shown is a warning, and what stands at its neutral value says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("prompt", "positive_prompt", "positive"), "prompt"),
    **dict.fromkeys(("negative_prompt", "negative", "neg", "neg_prompt", "no"), "negative_prompt"),
    **dict.fromkeys(("steps", "num_inference_steps", "sampling_steps"), "steps"),
    **dict.fromkeys(("cfg_scale", "cfg", "guidance_scale", "guidance", "scale"), "guidance_scale"),
    **dict.fromkeys(("seed", "seeds"), "seed"),
    "width": "width",
    "height": "height",
    **dict.fromkeys(("size", "resolution"), "size"),
    **dict.fromkeys(("aspect_ratio", "aspect", "ar"), "aspect_ratio"),
    **dict.fromkeys(("sampler_name", "sampler"), "sampler"),
    **dict.fromkeys(("scheduler", "schedule_type", "schedule"), "schedule"),
    "sampler_index": "sampler_index",
    "batch_size": "batch_size",
    **dict.fromkeys(("n_iter", "batch_count", "iterations", "count", "num_images"), "count"),
    **dict.fromkeys(("model", "sd_model", "sd_model_checkpoint", "checkpoint"), "model"),
    **dict.fromkeys(("clip_skip", "clip_stop_at_last_layers"), "clip_skip"),
    **dict.fromkeys(("strength", "denoising_strength"), "strength"),
    **dict.fromkeys(("image", "init_img", "init_image"), "image"),
    **dict.fromkeys(("mask", "init_mask"), "mask"),
    "enable_hr": "enable_hr",
    "hr_scale": "hr_scale",
    "grid": "grid",
}
"""The name of a setting -> the one of ours, or of those that `_combined` makes into ours."""

TEXTS: Final = frozenset({"prompt", "negative_prompt"})
"""Settings whose value is text, whatever it looks like."""

_SAVED_ELSEWHERE: Final = "results go to the outbox, each with its sidecar"

WITHOUT_EFFECT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("outpath_samples", "outpath_grids", "outdir", "do_not_save_samples"), _SAVED_ELSEWHERE),
    **dict.fromkeys(("do_not_save_grid", "save_images", "send_images", "save_original"), _SAVED_ELSEWHERE),
    **dict.fromkeys(("save_intermediates", "individual", "png_compression", "save_img"), _SAVED_ELSEWHERE),
    "prompt_for_display": "the sidecar holds the prompt as it was drawn",
    "log_tokenization": "nothing shows the tokens",
    "comments": "the sidecar holds no comments of AUTOMATIC1111's",
    "override_settings_restore_afterwards": "every job has settings of its own",
    "hr_upscaler": "the second pass enlarges in its own way (`hires` in docs/jobs.md)",
    "hr_second_pass_steps": "the second pass has the steps of the first",
}
"""Settings that do not change what is in the picture, or hardly, and what happens instead."""

_VARIATION: Final = "variation seeds are not known here: leave it out, and take another `seed`"
_FACES: Final = "faces are not restored here: leave it out"
_UPSCALE: Final = "no upscaler is known here but a second pass: `hires: {scale: 2}` in a job file (.yaml)"
_SDXL: Final = "it is for SDXL models, and only Stable Diffusion 1.x is drawn here: leave it out"
_TILING: Final = "pictures that can be tiled are not made here: leave it out"
_NOT_HERE: Final = "there is nothing like it here: leave it out"
_MIDJOURNEY: Final = "it is Midjourney's, and there is nothing like it here: leave it out"
_OUTPAINTING: Final = "pictures are not continued beyond their edges here: leave it out"
_EXTENSIONS: Final = "extensions of AUTOMATIC1111 are not known here: leave it out"
_IN_JOB_FILE: Final = "an image that is drawn from is named in a job file (.yaml): `image: NAME.png`"

REFUSED: Final[Mapping[str, str]] = {
    "styles": "styles are kept in AUTOMATIC1111: write their words into the prompt",
    **dict.fromkeys(("subseed", "subseed_strength", "variation_amount", "with_variations", "variation"), _VARIATION),
    **dict.fromkeys(("seed_resize_from_h", "seed_resize_from_w"), _VARIATION),
    **dict.fromkeys(("restore_faces", "facetool", "facetool_strength", "codeformer_fidelity"), _FACES),
    **dict.fromkeys(("tiling", "seamless", "seamless_axes", "tile"), _TILING),
    **dict.fromkeys(("upscale", "embiggen", "embiggen_tiles", "embiggen_strength", "hires_fix"), _UPSCALE),
    **dict.fromkeys(("hr_resize_x", "hr_resize_y"), "the second pass has a factor here: `hr_scale`"),
    **dict.fromkeys(("hr_sampler_name", "hr_scheduler", "hr_prompt", "hr_negative_prompt"), _NOT_HERE),
    **dict.fromkeys(("hr_checkpoint_name", "refiner_checkpoint", "refiner_switch_at"), _NOT_HERE),
    **dict.fromkeys(("original_width", "original_height", "ow", "oh", "nw", "nh", "crop_top", "crop_left"), _SDXL),
    **dict.fromkeys(("ct", "cl"), _SDXL),
    **dict.fromkeys(("negative_scale", "nl"), _NOT_HERE),
    "am": "the weight of a LoRA stands in the prompt: `<lora:NAME:0.8>`",
    "clip_prompt": _NOT_HERE,
    **dict.fromkeys(("dsd1", "dst1", "dsd2", "dst2", "dsr", "glt", "glr", "gle", "gls", "glsn", "glus"), _NOT_HERE),
    **dict.fromkeys(("cn", "ctr", "rcfg", "fs", "f", "karras_max", "perlin", "threshold"), _NOT_HERE),
    **dict.fromkeys(("skip_normalization", "text_mask", "inpaint_replace", "invert_mask", "init_color"), _NOT_HERE),
    **dict.fromkeys(("h_symmetry_time_pct", "v_symmetry_time_pct", "fit"), _NOT_HERE),
    **dict.fromkeys(("out_direction", "outcrop"), _OUTPAINTING),
    **dict.fromkeys(
        ("alwayson_scripts", "script_name", "script_args"), "extensions of AUTOMATIC1111 are not known here"
    ),
    "init_images": _IN_JOB_FILE,
    **dict.fromkeys(("disable_extra_networks", "s_churn", "s_tmin", "s_tmax", "s_min_uncond", "s_noise"), _NOT_HERE),
    **dict.fromkeys(("eta", "firstphase_width", "firstphase_height", "force_task_id", "infotext"), _NOT_HERE),
    **dict.fromkeys(("v", "version", "q", "quality", "stylize", "chaos", "niji", "style", "iw", "weird"), _MIDJOURNEY),
    **dict.fromkeys(("stop", "repeat", "raw", "sref", "cref", "cw", "sw", "hd", "fast", "relax", "turbo"), _MIDJOURNEY),
}
"""Settings that change the picture in a way that no job can ask for, and what to do."""


def canonical(name: str) -> str:
    """A name in one spelling: `CFG scale`, `cfg-scale` and `cfgScale` are `cfg_scale`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\s_-]+", "_", words).strip("_").casefold()


def is_known(name: str) -> bool:
    """Whether a canonical name is a setting of one of the programs."""
    return name in _NAMES or name in WITHOUT_EFFECT or name in REFUSED


def is_key(name: str) -> bool:
    """Whether a canonical name becomes a key of a job, or a part of one."""
    return name in _NAMES


def meaning(name: str) -> str:
    """What a canonical name stands for: `prompt` for `positive_prompt`; the name itself where it is unknown."""
    return _NAMES.get(name, name)
