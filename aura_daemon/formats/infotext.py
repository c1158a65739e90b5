"""The settings of a picture as AUTOMATIC1111 writes them, `parameters`, and the way back. In: figures. Out: text.

What stands in it and how it is read: AUTOMATIC1111 1.10, `processing.create_infotext` and `infotext_utils`; Forge,
SD.Next, Civitai and most galleries read the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from aura_daemon import file_names
from aura_daemon.jobs.requests import Lora
from aura_daemon.jobs.results import ResolvedGenerate
from aura_daemon.jobs.sampling import Scheduler

PROGRAM: Final = "aura-daemon"
"""How `Version` begins in what we write."""

MOST_CHARACTERS: Final = 100_000
"""Of a text that is read."""

HASH_CHARACTERS: Final = 10
"""Of a model's sha256, as A1111 shows it."""

_NEGATIVE: Final = "Negative prompt:"
_LEAST_SETTINGS: Final = 3
"""With fewer the last line belongs to the prompt."""

# A1111's own but for the length of a key: without a bound, a long line takes quadratic time.
_SETTING: Final = re.compile(r'\s*(\w[\w \-/]{1,60}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_NUMBERS: Final = {"Steps": "steps", "CFG scale": "guidance_scale", "Seed": "seed", "Clip skip": "clip_skip"}
_SIZE: Final = re.compile(r"(\d{1,6})x(\d{1,6})")

_IMAGE_STRENGTH: Final = "Image strength"
"""Ours: from an image and in two passes, which A1111 does not do, there are two strengths."""

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
    Scheduler.PNDM: ("PLMS", _AUTOMATIC),
    Scheduler.UNIPC: ("UniPC", _AUTOMATIC),
    Scheduler.LCM: ("LCM", _AUTOMATIC),
    Scheduler.ALIGN_YOUR_STEPS: ("DPM++ 2M", "Align Your Steps"),
}
"""Ours -> A1111's sampler and schedule type."""

_OURS: Final = {
    (sampler.casefold(), schedule.casefold()): scheduler for scheduler, (sampler, schedule) in _SAMPLERS.items()
}

_OWN_SCHEDULES: Final = {"dpm++ 2m": "karras", "dpm++ sde": "karras", "dpm++ 2m sde": "exponential"}
"""What A1111 takes `Automatic` for; for the other samplers we know it is `Uniform`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Infotext:
    """What a text says."""

    keys: Mapping[str, object]
    """Of a job, as a job file would have them; not checked yet."""
    model: str = ""
    model_hash: str = ""
    version: str = ""
    """Of the program that wrote it."""
    lost: tuple[str, ...] = ()
    """What cannot be asked for again, in words."""


def infotext(made: ResolvedGenerate, *, model: str, model_sha256: str, version: str) -> str:
    """What a picture was made from; `model` is its name as configured, `version` ours."""
    sampler, schedule = _SAMPLERS[Scheduler(made.scheduler)]
    hires = made.hires
    settings = {
        "Steps": str(made.steps),
        "Sampler": sampler,
        "Schedule type": schedule,
        "CFG scale": _written(made.guidance_scale),
        "Seed": str(made.seed),
        "Size": f"{made.width}x{made.height}",
        "Model hash": model_sha256[:HASH_CHARACTERS],
        "Model": model_label(model),
        "Denoising strength": _written(hires.strength if hires is not None else made.strength),
        "Clip skip": str(made.clip_skip) if made.clip_skip > 1 else "",
        "RNG": "CPU",
        "Hires upscale": _written(hires.scale if hires is not None else None),
        _IMAGE_STRENGTH: _written(made.strength if hires is not None else None),
        "Version": f"{PROGRAM} {version}",
    }
    line = ", ".join(f"{key}: {_quoted(value)}" for key, value in settings.items() if value)
    prompt = made.prompt + "".join(_lora_tags(made.prompt, made.loras))
    negative = f"\n{_NEGATIVE} {made.negative_prompt}" if made.negative_prompt else ""
    return f"{prompt}{negative}\n{line}".strip()


def parse(text: str) -> Infotext | None:
    """What a text asks for; None where it holds no settings, or too much. What is not known is passed over."""
    if len(text) > MOST_CHARACTERS:
        return None
    *lines, last = text.strip().split("\n")
    found = _SETTING.findall(last)
    if len(found) < _LEAST_SETTINGS:
        return None
    settings = {key: _unquoted(value.strip()) for key, value in found}
    prompt, negative = _prompts(lines)
    keys: dict[str, object] = {"prompt": prompt, "negative_prompt": negative}
    for name, key in _NUMBERS.items():
        if name in settings:
            keys[key] = _number(settings[name])
    if "Sampler" in settings:
        keys["scheduler"] = _scheduler(settings["Sampler"], settings.get("Schedule type", ""))
    size = _SIZE.fullmatch(settings.get("Size", ""))
    if size is not None:
        keys["width"], keys["height"] = int(size[1]), int(size[2])
    strength = {"strength": _number(settings["Denoising strength"])} if "Denoising strength" in settings else {}
    if "Hires upscale" in settings:
        keys["hires"] = {"scale": _number(settings["Hires upscale"]), **strength}
    return Infotext(
        keys=keys,
        model=settings.get("Model", ""),
        model_hash=settings.get("Model hash", ""),
        version=settings.get("Version", ""),
        lost=tuple(_lost(settings)),
    )


def model_label(name: str) -> str:
    """How a model is called in a picture: nobody's folders are told."""
    return file_names.escaped(name.rstrip("/").rpartition("/")[2].removesuffix(".safetensors").strip())


def _lost(settings: Mapping[str, str]) -> Iterator[str]:
    """What a job cannot be told."""
    hires = {"Hires upscale", "Hires resize"}
    if _IMAGE_STRENGTH in settings or ("Denoising strength" in settings and not hires & settings.keys()):
        yield "it was made from another image, which it does not hold: it is drawn from the prompt alone"
    if "Hires resize" in settings and "Hires upscale" not in settings:
        yield f"its second pass went to {settings['Hires resize']}, not by a factor: it is left out"


def _prompts(lines: list[str]) -> tuple[str, str]:
    """The prompt and the negative one; as A1111 reads them, every line loses the space around it."""
    prompt: list[str] = []
    negative: list[str] = []
    current = prompt
    for line in map(str.strip, lines):
        if line.startswith(_NEGATIVE):
            current = negative
            line = line.removeprefix(_NEGATIVE).strip()
        current.append(line)
    return "\n".join(prompt).strip(), "\n".join(negative).strip()


def _scheduler(sampler: str, schedule: str) -> str:
    """Our name for A1111's; what we have no name for stays as it is, to be refused by that name."""
    name, wanted = sampler.strip(), schedule.strip().casefold()
    if not wanted and name.casefold().endswith(" karras"):  # up to A1111 1.8
        name, wanted = name[: -len(" karras")], "karras"
    own = _OWN_SCHEDULES.get(name.casefold(), "uniform")
    meant = {"": "uniform", "automatic": own}.get(wanted, wanted)
    for known in (meant, "automatic" if meant == own == "uniform" else meant):
        if (name.casefold(), known) in _OURS:
            return _OURS[name.casefold(), known].value
    return f"{name} {schedule or wanted}".strip()


def _lora_tags(prompt: str, loras: tuple[Lora, ...]) -> Iterator[str]:
    """Those that the prompt does not name already."""
    for lora in loras:
        if f"<lora:{lora.name}:" not in prompt:
            yield f" <lora:{lora.name}:{_written(lora.weight)}>"


def _written(number: float | None) -> str:
    """A number so that nothing of it is lost: `7`, `7.5`."""
    if number is None:
        return ""
    return str(int(number)) if float(number).is_integer() else repr(number)


def _number(text: str) -> object:
    """A number; other text stays as it is, to be refused by what it says."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if any(sign in value for sign in ',:\n"') else value


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        found = json.loads(value)
    except ValueError:
        return value
    return found if isinstance(found, str) else value
