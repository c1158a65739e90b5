"""Settings of other programs -> keys of a job. In: names with values. Out: keys, warnings and faults.

`setting_names` says which settings have no counterpart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.formats.picture_metadata import infotext
from aura_daemon.formats.prompt_lists.setting_names import PARTS, REFUSED, TEXTS, WITHOUT_EFFECT, meaning
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
class Translation:
    """What some settings ask for."""

    keys: Mapping[str, object]
    """Keys of a job, not checked yet."""
    written: Mapping[str, str] = field(default_factory=dict)
    """Key -> how the user wrote it."""
    warnings: tuple[str, ...] = ()
    faults: tuple[Problem, ...] = ()
    """Settings that no job can have; their file and line are not known here."""


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


def translated(settings: Iterable[Setting]) -> Translation:
    """Keys for the known settings. An unknown setting is kept under its name, so that the check of keys names it."""
    found: dict[str, Setting] = {}
    warnings: list[str] = []
    faults: list[Problem] = []
    for setting in settings:
        name = meaning(setting.name)
        if name in found:
            faults.append(_fault(setting, f"says again what `{found[name].label}` says: leave one of them out"))
        elif name in REFUSED or name in WITHOUT_EFFECT:
            if _is_neutral(setting):
                continue
            if name in WITHOUT_EFFECT:
                warnings.append(f"`{setting.label}` was left out: {WITHOUT_EFFECT[name]}")
            else:
                faults.append(_fault(setting, REFUSED[name]))
        else:
            found[name] = setting
    keys = dict(_combined(found, warnings, faults))
    written = {key: found[key].written for key in keys if key in found}
    for name in filter(found.get, PARTS):
        written |= {key: found[name].written for key in PARTS[name] if key in keys}
    return Translation(keys=keys, written=written, warnings=tuple(warnings), faults=tuple(faults))


_OF_SEVERAL: Final = PARTS.keys() | {"count", "strength"}
"""Settings that are not one key each."""


def _combined(found: Mapping[str, Setting], warnings: list[str], faults: list[Problem]) -> Iterator[tuple[str, object]]:
    """The keys of what was found; several settings may be one key."""
    values = {name: _value(name, setting.value) for name, setting in found.items()}
    for name, value in values.items():
        if name == "upscale" and isinstance(value, str) and (parts := _ENLARGED.fullmatch(value)) is not None:
            yield "upscale", resolved(parts[1])
            warnings.append(
                f"`{found[name].label}`: {parts[2]} was left out: an upscaler is used with all its strength"
            )
        elif name == "seed":
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
    values: Mapping[str, object], found: Mapping[str, Setting], warnings: list[str], faults: list[Problem]
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
    values: Mapping[str, object], found: Mapping[str, Setting], faults: list[Problem]
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
    if plan and (known := Scheduler.named(name)) is not None:
        name = infotext.sampler_of(known)
    for candidate in (f"{name} {plan}", infotext.scheduler_of(name, plan)):
        if (known := Scheduler.named(candidate.strip())) is not None:
            return known.value
    return f"{sampler} {plan}".strip()


def _fault(setting: Setting, message: str) -> Problem:
    given = setting.written if setting.written != setting.label else ""
    return Problem(key=setting.label, message=message, given=given)


def _value(name: str, value: object) -> object:
    """The value of a setting, of the type that its key has."""
    if name in TEXTS:
        return str(value) if isinstance(value, int | float) else value
    if not isinstance(value, str):
        return value
    text = value.strip()
    return resolved(text) if _IS_A_NUMBER.fullmatch(text) or text.casefold() in ("true", "false") else text


_ENLARGED: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)[\s,]+([0-9]*\.?[0-9]+)")
"""InvokeAI's scale and strength of an upscaler."""

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
