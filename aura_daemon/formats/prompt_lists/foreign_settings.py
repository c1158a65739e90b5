"""What other programs call their settings, and what becomes of each here. In: names with values. Out: keys of a job.

The names are those of AUTOMATIC1111 (its script for prompts from a file, its API), kohya's gen_img and InvokeAI's
command line, with Midjourney's aspect ratio. One rule for those that no job has: what changes the picture is a fault,
what only says where pictures are saved or shown is a warning, and what stands at its neutral value says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from aura_daemon.formats.picture_metadata import infotext
from aura_daemon.formats.yaml_scalars import resolved
from aura_daemon.jobs.sampling import Scheduler


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One setting as it stands in a file."""

    name: str
    """As `canonical` makes it."""
    label: str
    """The name as the user wrote it: `--steps`."""
    value: object
    """Text, where the format knows nothing else."""
    written: str
    """Name and value, or the value alone, as the user wrote it, cut short: `--steps 8`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingFault:
    """A setting that no job can have."""

    label: str
    message: str
    written: str
    suggestion: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Translation:
    """What some settings ask for."""

    keys: Mapping[str, object]
    """Keys of a job, not checked yet."""
    written: Mapping[str, str]
    """Key -> how the user wrote it."""
    warnings: tuple[str, ...]
    faults: tuple[SettingFault, ...]


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

_WITHOUT_EFFECT: Final[Mapping[str, str]] = {
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

_REFUSED: Final[Mapping[str, str]] = {
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

_NEUTRAL: Final[Mapping[str, tuple[object, ...]]] = {
    "s_noise": (1,),
    "refiner_switch_at": (0.8, 1),
    **dict.fromkeys(("send_images", "save_images", "override_settings_restore_afterwards"), (True,)),
}
"""Values of some settings, besides those of `_is_neutral`, that ask for nothing."""

_SAMPLERS: Final = {"dpmpp_2": "dpm++ 2m", "dpmsolver++": "dpm++ 2m", "dpmsolver": "dpm++ 2m"}
"""Names of InvokeAI and kohya that differ from ours in more than the spelling."""

_PLAIN_SCHEDULES: Final = frozenset({"normal"})
"""ComfyUI's name for the schedule that a sampler has of its own."""

_SIZE: Final = re.compile(r"([0-9]{1,6})\s*[xX*\u00d7]\s*([0-9]{1,6})")


def canonical(name: str) -> str:
    """A name in one spelling: `CFG scale`, `cfg-scale` and `cfgScale` are `cfg_scale`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\s_-]+", "_", words).strip("_").casefold()


def is_known(name: str) -> bool:
    """Whether a canonical name is a setting of one of the programs."""
    return name in _NAMES or name in _WITHOUT_EFFECT or name in _REFUSED


def is_key(name: str) -> bool:
    """Whether a canonical name becomes a key of a job, or a part of one."""
    return name in _NAMES


def meaning(name: str) -> str:
    """What a canonical name stands for: `prompt` for `positive_prompt`; the name itself where it is unknown."""
    return _NAMES.get(name, name)


def translated(settings: Iterable[Setting]) -> Translation:
    """Keys for the known settings. An unknown setting is kept under its name, so that the check of keys names it."""
    found: dict[str, Setting] = {}
    warnings: list[str] = []
    faults: list[SettingFault] = []
    for setting in settings:
        name = meaning(setting.name)
        if name in found:
            faults.append(_fault(setting, f"says again what `{found[name].label}` says: leave one of them out"))
        elif name in _REFUSED or name in _WITHOUT_EFFECT:
            if _is_neutral(setting):
                continue
            if name in _WITHOUT_EFFECT:
                warnings.append(f"`{setting.label}` was left out: {_WITHOUT_EFFECT[name]}")
            else:
                faults.append(_fault(setting, _REFUSED[name]))
        else:
            found[name] = setting
    keys = dict(_combined(found, warnings, faults))
    written = {key: found[key].written for key in keys if key in found}
    written |= {ours: found[theirs].written for theirs, ours in _MADE_OF if ours in keys and theirs in found}
    return Translation(keys=keys, written=written, warnings=tuple(warnings), faults=tuple(faults))


_MADE_OF: Final = (
    *(("schedule", "scheduler"), ("sampler_index", "scheduler"), ("sampler", "scheduler")),
    *(("batch_size", "count"), ("size", "width"), ("size", "height"), ("hr_scale", "hires")),
)
"""The setting that is shown where the value of our key is refused, and our key; the last one of a key counts."""


_OF_SEVERAL: Final = frozenset(
    {"sampler", "schedule", "sampler_index", "batch_size", "count", "size", "enable_hr", "hr_scale", "strength"}
)
"""Settings that are not one key each."""


def _combined(
    found: Mapping[str, Setting], warnings: list[str], faults: list[SettingFault]
) -> Iterator[tuple[str, object]]:
    """The keys of what was found; several settings may be one key."""
    values = {name: _value(name, setting.value) for name, setting in found.items()}
    for name, value in values.items():
        if name == "seed":
            seeds = _seeds(value)
            if seeds is not None:
                yield "seed", seeds
        elif name not in _OF_SEVERAL:
            yield name, value
    if "size" in values:
        size = _SIZE.fullmatch(str(values["size"]).strip())
        if size is None:
            faults.append(_fault(found["size"], "must be a width and a height in pixels, such as 512x768"))
        else:
            yield from (("width", int(size[1])), ("height", int(size[2])))
    scheduler = _scheduler(values, found, faults)
    if scheduler is not None:
        yield "scheduler", scheduler
    counts = [values[name] for name in ("batch_size", "count") if name in values]
    if counts:
        yield "count", counts[0] if len(counts) == 1 else _product(*counts)
    yield from _passes(values, found, warnings, faults)


def _passes(
    values: Mapping[str, object], found: Mapping[str, Setting], warnings: list[str], faults: list[SettingFault]
) -> Iterator[tuple[str, object]]:
    """`hires` and `strength`: AUTOMATIC1111 has one strength, for the second pass or for the image drawn from."""
    strength = values.get("strength")
    if values.get("enable_hr") not in (None, False, ""):
        yield "hires", {"scale": values.get("hr_scale", 2.0)} | ({} if strength is None else {"strength": strength})
        return
    if "hr_scale" in found and "enable_hr" not in found:
        message = "counts with `enable_hr`: set `enable_hr` to true as well, or leave it out"
        faults.append(_fault(found["hr_scale"], message))
    if strength is None:
        return
    if "image" in values:
        yield "strength", strength
    elif strength != 0:
        reason = "it counts for a picture that is made from an image, or in two passes"
        warnings.append(f"`{found['strength'].label}` was left out: {reason}")


def _scheduler(
    values: Mapping[str, object], found: Mapping[str, Setting], faults: list[SettingFault]
) -> str | object | None:
    """Our name of the sampler; an unknown one as it stands, to be refused by that name."""
    sampler, schedule, index = (values.get(name) for name in ("sampler", "schedule", "sampler_index"))
    if sampler is None and isinstance(index, int):
        message = "is a place in a list of AUTOMATIC1111's: name the sampler, with `sampler_name`"
        faults.append(_fault(found["sampler_index"], message))
        return None
    sampler = index if sampler is None else sampler
    if not isinstance(sampler, str):
        return sampler if sampler is not None else schedule
    name = sampler.strip().casefold().removeprefix("k_")
    name = _SAMPLERS.get(name, name)
    plan = schedule.strip() if isinstance(schedule, str) else ""
    plan = "" if plan.casefold() in _PLAIN_SCHEDULES else plan
    if plan and (known := _known_sampler(name)) is not None:
        name = infotext.sampler_of(known)
    for candidate in (f"{name} {plan}", infotext.scheduler_of(name, plan)):
        if (known := _known_sampler(candidate.strip())) is not None:
            return known.value
    return f"{sampler} {plan}".strip()


def _fault(setting: Setting, message: str) -> SettingFault:
    return SettingFault(label=setting.label, message=message, written=setting.written)


def _known_sampler(name: str) -> Scheduler | None:
    try:
        return Scheduler(name)
    except ValueError:
        return None


def _value(name: str, value: object) -> object:
    """The value of a setting, of the type that its key has."""
    if name in TEXTS:
        return str(value) if isinstance(value, int | float) else value
    if not isinstance(value, str):
        return value
    text = value.strip()
    return resolved(text) if _IS_A_NUMBER.fullmatch(text) or text.casefold() in ("true", "false") else text


_IS_A_NUMBER: Final = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")


def _seeds(value: object) -> object | None:
    """One seed, several, or None for a random one, which the neighbours write -1."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]+(?:,[0-9]+)+", value):
        return [int(seed) for seed in value.split(",")]
    return None if value == -1 or value == "" else value


def _product(one: object, other: object) -> object:
    """Two whole numbers multiplied; a value that is none is returned, to be refused."""
    if isinstance(one, int) and isinstance(other, int):
        return one * other
    return other if isinstance(one, int) else one


def _is_neutral(setting: Setting) -> bool:
    """Whether a setting that no job has asks for nothing: switched off, zero, empty."""
    value = setting.value
    if isinstance(value, str):
        text = value.strip().casefold()
        value = "" if text in ("none", "null") else resolved(text)
    if value in (None, False, "", -1) or value in _NEUTRAL.get(setting.name, ()):
        return True
    return isinstance(value, list | dict) and not value
