"""What runs in processes of its own, because it imports torch. In: settings. Out: command lines."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import Final

PROMPT: Final = "a photo of an astronaut riding a horse on mars"

_PYTHON: Final = (sys.executable, "-P", "-m")


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainSettings:
    """One way to call plain diffusers (`bench.plain`). Its defaults are the origin's: what the daemon is a ratio to."""

    model: str
    revision: str | None = None
    allow_pickle: bool = False
    device: str = "auto"
    dtype: str = "float32"
    karras: bool = False
    """DPM++ 2M Karras; else the scheduler of the model's files."""
    steps: int = 50
    guidance_scale: float = 7.5
    width: int
    height: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CeilingSettings:
    """Whose work is counted, and what the machine's best is measured for (`bench.ceilings`)."""

    model: str
    revision: str | None = None
    allow_pickle: bool = False
    device: str = "auto"
    width: int = 0
    """0: the model's own size."""
    height: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainCaptionSettings:
    """What plain transformers describes (`bench.plain_captions`)."""

    model: str
    revision: str | None = None
    allow_pickle: bool = False
    folder: str
    """Empty; for the pictures."""
    pictures: int
    width: int
    height: int
    max_new_tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SwitchedSettings:
    """What is drawn with one lever switched (`bench.children.switched_pictures`)."""

    model: str
    revision: str | None = None
    allow_pickle: bool = False
    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = None
    engine: str = "eager"
    turbo_lora: str | None = None
    turbo_decoder: str | None = None
    prompt: str
    width: int = 0
    """0: the model's own size."""
    height: int = 0
    speed: str = "exact"
    steps: int | None = None
    guidance_scale: float | None = None
    scheduler: str | None = None
    variant: str = ""
    switch: str = ""
    """Of `engines.stable_diffusion.levers.switched`; empty: none."""


def plain(settings: PlainSettings) -> tuple[str, ...]:
    """Plain diffusers, served."""
    return *_PYTHON, "aura_daemon.bench.children.plain", json.dumps(asdict(settings))


def plain_captions(settings: PlainCaptionSettings) -> tuple[str, ...]:
    """Plain transformers, served."""
    return *_PYTHON, "aura_daemon.bench.children.plain_captions", json.dumps(asdict(settings))


def switched_pictures(settings: SwitchedSettings) -> tuple[str, ...]:
    """The product's engines, served, with one lever switched."""
    return *_PYTHON, "aura_daemon.bench.children.switched_pictures", json.dumps(asdict(settings))


def bare_pictures(settings: PlainSettings, folder: str) -> tuple[str, ...]:
    """A bare loop, served, that writes its pictures into a folder."""
    return *_PYTHON, "aura_daemon.bench.bare_pictures", json.dumps(asdict(settings)), folder


def ceilings(settings: CeilingSettings) -> tuple[str, ...]:
    """Prints JSON of `floor.Counted`."""
    return *_PYTHON, "aura_daemon.bench.children.ceilings", json.dumps(asdict(settings))


def random_models(folder: str) -> tuple[str, ...]:
    """Writes the models with random weights that are not there yet."""
    return *_PYTHON, "aura_daemon.bench.children.random_models", folder
