"""Maps in an infotext, as the extension ControlNet of AUTOMATIC1111 writes them. In: maps. Out: settings; and back.

`ControlNet 0: "Module: canny, Model: control_v11p_sd15_canny [d14c016b], Weight: 1.0, …"`. A picture names no map.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from aura_daemon import file_names
from aura_daemon.jobs.guidance.controls import (
    CONTROLNETS,
    MOST_CONTROLS,
    Control,
    ControlledPass,
    ControlMode,
    Preparation,
)

SETTING: Final = re.compile(r"ControlNet( \d{1,2})?")
"""The names of these settings."""

_MODULES: Final = {
    Preparation.NONE: "none",
    Preparation.CANNY: "canny",
    Preparation.SCRIBBLE: "scribble_xdog",
    Preparation.GREY: "recolor_luminance",
    Preparation.TILE: "tile_resample",
    Preparation.BLUR: "blur_gaussian",
}
"""The nearest of its preprocessors."""

_MODES: Final = {
    ControlMode.BALANCED: "Balanced",
    ControlMode.PROMPT: "My prompt is more important",
    ControlMode.CONTROL: "ControlNet is more important",
}
_PASSES: Final = {
    ControlledPass.BOTH: "Both",
    ControlledPass.FIRST: "Low res only",
    ControlledPass.SECOND: "High res only",
}

_PUBLISHED: Final = {net.published: short for short, net in CONTROLNETS.items()}
"""Names of models as that extension has them -> short names."""

_PART: Final = re.compile(r"([A-Za-z][A-Za-z /]{1,30}): ?(\([^()]*\)|[^,]*)(?:, |$)")
_HASH: Final = re.compile(r" \[[0-9a-f]{4,64}\]$")
_BETWEEN: Final = re.compile(r"\(([\d.]{1,20}), ?([\d.]{1,20})\)")
"""`starting/ending: (0, 1)`, as the extension wrote it until 2024."""


def written_controls(controls: Sequence[Control]) -> dict[str, str]:
    """A setting for each map."""
    return {f"ControlNet {number}": _written(control) for number, control in enumerate(controls)}


def read_controls(settings: Mapping[str, str]) -> tuple[list[dict[str, object]], list[str]]:
    """The keys of each map but its image; and the preprocessors that have no counterpart here."""
    found, lost = [], []
    for value in _values(settings):
        parts = {name.casefold(): text.strip() for name, text in _PART.findall(value)}
        module = parts.get("module", parts.get("preprocessor", "none")).casefold()
        preparation = {name: one for one, name in _MODULES.items()}.get(module)
        if preparation is None:
            lost.append(module)
        between = _BETWEEN.fullmatch(parts.get("starting/ending", ""))
        start, end = between.groups() if between is not None else (parts.get(f"guidance {one}") for one in _ENDS)
        keys: dict[str, object] = {
            "model": model_meant(parts.get("model", "")),
            "weight": number_in(parts.get("weight", "1")),
            "start": number_in(start or "0"),
            "end": number_in(end or "1"),
            "mode": _meant(_MODES, parts.get("control mode", "Balanced")),
            "prepare": str(preparation or Preparation.NONE),
            "hires": _meant(_PASSES, parts.get("hr option", "Both")),
        }
        found.append(keys)
    return found, lost


def _values(settings: Mapping[str, str]) -> Iterator[str]:
    named = [name for name in settings if SETTING.fullmatch(name)]
    return (settings[name] for name in named[:MOST_CONTROLS])


_ENDS: Final = ("start", "end")


def _written(control: Control) -> str:
    parts = {
        "Module": _MODULES[control.prepare],
        "Model": file_names.escaped(control.model).replace(",", " ").replace(":", " "),
        "Weight": f"{control.weight:g}",
        "Resize Mode": "Crop and Resize",
        "Guidance Start": f"{control.start:g}",
        "Guidance End": f"{control.end:g}",
        "Pixel Perfect": "True",
        "Control Mode": _MODES[control.mode],
        "Hr Option": _PASSES[control.hires],
    }
    return ", ".join(f"{name}: {value}" for name, value in parts.items())


def model_meant(written: str) -> str:
    """The ControlNet that another program's name means: a short name, or the name without its hash."""
    bare = _HASH.sub("", written).strip()
    stem = bare.rpartition("/")[2].removesuffix("_fp16")
    return _PUBLISHED.get(stem, bare)


def _meant(names: Mapping[ControlMode, str] | Mapping[ControlledPass, str], written: str) -> str:
    """Ours; another word stays as it is, to be refused with that word."""
    ours = {name.casefold(): str(one) for one, name in names.items()}
    return ours.get(written.casefold(), written)


def number_in(text: str) -> object:
    """A number; other text stays as it is, to be refused with that text."""
    try:
        return float(text)
    except ValueError:
        return text
