"""Writes and parses the settings of a picture as AUTOMATIC1111 does (`parameters`). In: settings. Out: text; and back.

The format follows AUTOMATIC1111 1.10, `processing.create_infotext` and `infotext_utils`; Forge, SD.Next, Civitai and
most galleries read it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from aura_daemon import file_names
from aura_daemon.formats.picture_metadata.control_settings import read_controls, written_controls
from aura_daemon.formats.picture_metadata.lost_settings import (
    IMAGE_STRENGTH,
    SPEED,
    lost_settings,
)
from aura_daemon.formats.picture_metadata.region_settings import (
    REGIONS,
    have_boxes,
    read_regions,
    written_regions,
)
from aura_daemon.formats.picture_metadata.upscaler_settings import LANCZOS, SECOND_PASS, read_upscale
from aura_daemon.formats.prompts.prompt_tags import extract_loras
from aura_daemon.jobs.requests import Lora
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.speed import Speed

PROGRAM: Final = "aura-daemon"
"""How the value of `Version` begins in the texts that we write."""

MOST_CHARACTERS: Final = 100_000
"""Characters of a text that is parsed."""

HASH_CHARACTERS: Final = 10
"""Characters of a model's sha256, as A1111 shows it."""

NEGATIVE: Final = "Negative prompt:"
"""How A1111 begins the negative prompt."""

_LEAST_SETTINGS: Final = 3
"""With fewer settings a line belongs to the prompt."""

_FIRST_SETTING: Final = re.compile(r"^[^\S\n]*Steps:", re.MULTILINE)
_ONE_LINE: Final = re.compile(
    r"[.,]{0,3} ?(?=Negative prompt:)"
    r"|(?:\. ?|(?<!,) )(?=Steps: ?\d+, ?(?:Sampler|Schedule type|CFG scale|Seed|Size|Model))"
)
"""Where a line break was in a text that has become one line: exiftool shows a line break as a full stop, and some
programs write that; fields of one line make it a space."""

_MOST_STARTS: Final = 20
"""Lines that may begin the settings, counted from the last."""

# A1111's own expression, with a bound for the length of a key: without it a long line takes quadratic time. A value
# without quotes ends with its line; some programs write line breaks within quotes.
_SETTING: Final = re.compile(r'[^\S\n]*(\w[\w \-/]{1,60}):[^\S\n]*("(?:\\.|[^\\"])+"|[^,\n]*)(?:,|\n|\Z)')
_NUMBERS: Final = {"Steps": "steps", "CFG scale": "guidance_scale", "Seed": "seed", "Clip skip": "clip_skip"}
_SIZE: Final = re.compile(r"(\d{1,6})x(\d{1,6})")

_AUTOMATIC: Final = "Automatic"

_SAMPLERS: Final[dict[Scheduler, tuple[str, str]]] = {
    Scheduler.DPMPP_2M_KARRAS: ("DPM++ 2M", "Karras"),
    Scheduler.DPMPP_2M: ("DPM++ 2M", "Uniform"),
    Scheduler.DPMPP_SDE_KARRAS: ("DPM++ SDE", "Karras"),
    Scheduler.DPMPP_SDE: ("DPM++ SDE", "Uniform"),
    Scheduler.DPMPP_2M_SDE_KARRAS: ("DPM++ 2M SDE", "Karras"),
    Scheduler.DPMPP_2M_SDE: ("DPM++ 2M SDE", "Uniform"),
    Scheduler.EULER: ("Euler", _AUTOMATIC),
    Scheduler.EULER_A: ("Euler a", _AUTOMATIC),
    Scheduler.HEUN: ("Heun", _AUTOMATIC),
    Scheduler.LMS_KARRAS: ("LMS", "Karras"),
    Scheduler.LMS: ("LMS", _AUTOMATIC),
    Scheduler.DDIM: ("DDIM", _AUTOMATIC),
    Scheduler.DDIM_TRAILING: ("DDIM", "SGM Uniform"),
    Scheduler.PNDM: ("PLMS", _AUTOMATIC),
    Scheduler.UNIPC: ("UniPC", _AUTOMATIC),
    Scheduler.LCM: ("LCM", _AUTOMATIC),
    Scheduler.TCD: ("TCD", _AUTOMATIC),
    Scheduler.ALIGN_YOUR_STEPS: ("DPM++ 2M", "Align Your Steps"),
}
"""Our scheduler -> A1111's sampler and schedule type."""

_OURS: Final = {tuple(map(str.casefold, names)): scheduler for scheduler, names in _SAMPLERS.items()}

_K_DIFFUSION: Final = "k_"
"""How AI Horde, InvokeAI 2 and DiffusionDB begin the names of samplers."""

_OWN_SCHEDULES: Final = {"dpm++ 2m": "karras", "dpm++ sde": "karras", "dpm++ 2m sde": "exponential"}
"""The schedule that A1111 uses for `Automatic`; for the other samplers that we know it is `Uniform`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureSettings:
    """The settings in a picture, whatever program wrote them."""

    keys: Mapping[str, object]
    """Keys of a job, as in a job file; not checked yet."""
    model: str = ""
    model_hash: str = ""
    version: str = ""
    """Name and version of the program that made the picture, as it gives them."""
    lost: tuple[str, ...] = ()
    """What a job cannot ask for again, in words."""


def infotext(resolved: ResolvedGenerate, *, model: str, model_sha256: str, version: str) -> str:
    """The settings that a picture was made from. `model`: its name as configured; `version`: that of aura-daemon."""
    sampler, schedule = _SAMPLERS[Scheduler(resolved.scheduler)]
    hires = resolved.hires
    settings = {
        "Steps": str(resolved.steps),
        "Sampler": sampler,
        "Schedule type": schedule,
        "CFG scale": _written(resolved.guidance_scale),
        "Seed": str(resolved.seed),
        "Size": f"{resolved.width}x{resolved.height}",
        "Model hash": model_sha256[:HASH_CHARACTERS],
        "Model": model_label(model),
        "Denoising strength": _written(hires.strength if hires is not None else resolved.strength),
        "Clip skip": str(resolved.clip_skip) if resolved.clip_skip > 1 else "",
        "RNG": "CPU",
        "Hires upscale": _written(hires.scale if hires is not None else None),
        SECOND_PASS: LANCZOS if hires is not None else "",
        IMAGE_STRENGTH: _written(resolved.strength if hires is not None else None),
        **written_controls(resolved.control),
        REGIONS: written_regions(resolved.regions),
        SPEED: resolved.speed if resolved.speed is not Speed.EXACT else "",
        "Version": f"{PROGRAM} {version}",
    }
    line = ", ".join(f"{key}: {quoted(value)}" for key, value in settings.items() if value)
    prompt = resolved.prompt + "".join(_lora_tags(resolved.prompt, resolved.loras))
    negative = f"\n{NEGATIVE} {resolved.negative_prompt}" if resolved.negative_prompt else ""
    return f"{prompt}{negative}\n{line}".strip()


def parse(text: str) -> PictureSettings | None:
    """The settings in a text; None where it holds none, or is too long. `lost` names the settings without a key."""
    if len(text) > MOST_CHARACTERS:
        return None
    text = text.strip()
    if "\n" not in text:
        text = _ONE_LINE.sub("\n", text)
    found = _found_settings(text)
    if found is None:
        return None
    start, settings = found
    prompt, negative = _prompts(text[:start].split("\n"))
    keys: dict[str, object] = {"prompt": prompt, "negative_prompt": negative}
    keys |= {key: _number(settings[name]) for name, key in _NUMBERS.items() if name in settings}
    if "Sampler" in settings:
        keys["scheduler"] = scheduler_of(settings["Sampler"], settings.get("Schedule type", ""))
    size = _SIZE.fullmatch(settings.get("Size", ""))
    if size is not None:
        keys["width"], keys["height"] = int(size[1]), int(size[2])
    strength = {"strength": _number(settings["Denoising strength"])} if "Denoising strength" in settings else {}
    if "Hires upscale" in settings:
        keys["hires"] = {"scale": _number(settings["Hires upscale"]), **strength}
    if controls := read_controls(settings)[0]:
        keys["control"] = controls
    if (upscale := read_upscale(settings)) is not None:
        keys["upscale"] = upscale
    regions = read_regions(settings.get(REGIONS, ""))
    if regions is not None and have_boxes(regions):
        keys["regions"] = regions
    model, model_hash, version = (settings.get(name, "") for name in ("Model", "Model hash", "Version"))
    if version.startswith(PROGRAM):
        keys["speed"] = settings.get(SPEED, Speed.EXACT.value)  # the configuration may say otherwise
    lost = tuple(lost_settings(settings))
    return PictureSettings(keys=keys, model=model, model_hash=model_hash, version=version, lost=lost)


def model_label(name: str) -> str:
    """The name of a model in a picture, without its folders, which are private."""
    return file_names.escaped(name.rstrip("/").rpartition("/")[2].removesuffix(".safetensors").strip())


def sampler_of(scheduler: Scheduler) -> str:
    """A1111's name of a sampler, without its schedule."""
    return _SAMPLERS[scheduler][0]


def scheduler_of(sampler: str, schedule: str) -> str:
    """Our name for A1111's sampler and schedule. An unknown name stays as it is, to be refused by that name."""
    name, given = sampler.strip().removeprefix(_K_DIFFUSION), schedule.strip().casefold()
    if not given and name.casefold().endswith(" karras"):  # up to A1111 1.8
        name, given = name[: -len(" karras")], "karras"
    own = _OWN_SCHEDULES.get(name.casefold(), "uniform")
    meant = {"": "uniform", "automatic": own}.get(given, given)
    for candidate in (meant, "automatic" if meant == own == "uniform" else meant):
        if (name.casefold(), candidate) in _OURS:
            return _OURS[name.casefold(), candidate].value
    return f"{name} {schedule or given}".strip()


def _found_settings(text: str) -> tuple[int, Mapping[str, str]] | None:
    """Where the settings begin, and the settings. Extensions write lines of their own behind them, templates mostly."""
    starts = [match.start() for match in _FIRST_SETTING.finditer(text)][-_MOST_STARTS:]
    last_line = text.rfind("\n") + 1  # other programs begin with another setting
    for start in (*reversed(starts), last_line):
        settings = _settings_at(text, start)
        if len(settings) >= _LEAST_SETTINGS:
            return start, settings
    return None


def _settings_at(text: str, start: int) -> dict[str, str]:
    """The settings from `start` to the end of their line, which is the first line break outside quotes."""
    settings: dict[str, str] = {}
    end = start
    for match in _SETTING.finditer(text, start):
        if "\n" in text[end : match.start(1)]:
            break
        settings[match[1]] = _unquoted(match[2].strip())
        end = match.end()
        if match[0].endswith("\n"):
            break
    return settings


def _prompts(lines: list[str]) -> tuple[str, str]:
    """The prompt and the negative prompt. Like A1111, strips the space around every line."""
    prompt: list[str] = []
    negative: list[str] = []
    current = prompt
    for line in map(str.strip, lines):
        if line.startswith(NEGATIVE):
            current = negative
            line = line.removeprefix(NEGATIVE).strip()
        current.append(line)
    return "\n".join(prompt).strip(), "\n".join(negative).strip()


def _lora_tags(prompt: str, loras: tuple[Lora, ...]) -> Iterator[str]:
    """Tags of the LoRAs that the prompt does not name already."""
    named = {lora.name for lora in extract_loras(prompt).loras}
    for lora in loras:
        if lora.name not in named:
            yield f" <lora:{lora.name}:{_written(lora.weight)}>"


def _written(number: float | None) -> str:
    """A number without loss: `7`, `7.5`."""
    if number is None:
        return ""
    return str(int(number)) if float(number).is_integer() else repr(number)


def _number(text: str) -> object:
    """Reads a number. Other text stays as it is, to be refused with that text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def quoted(value: str) -> str:
    """The value of a setting, in quotes where it needs them."""
    return json.dumps(value, ensure_ascii=False) if any(sign in value for sign in ',:\n"') else value


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        text = json.loads(value, strict=False)  # which lets line breaks pass
    except ValueError:
        return value
    return text if isinstance(text, str) else value
