"""Upscalers in an infotext, and what other programs call them. In: settings. Out: keys of a job, sentences.

A1111's extras enlarge a finished picture, as `upscale` does here. The upscaler of its second pass enlarges the picture
between the passes: there `hires` takes none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from aura_daemon.formats.picture_metadata.control_settings import number_in
from aura_daemon.jobs.guidance.upscaling import upscalers_meant

UPSCALE_BY: Final = "Postprocess upscale by"
UPSCALER: Final = "Postprocess upscaler"
"""How A1111's extras name how a picture was enlarged afterwards; so do we."""

SECOND_PASS: Final = "Hires upscaler"
LANCZOS: Final = "Lanczos"
"""What enlarges a picture here before its second pass."""

_SAME: Final = frozenset({LANCZOS, "", "None"})
"""A1111's `None` is Lanczos, too."""

_FILES: Final = {
    "R-ESRGAN 2x+": "RealESRGAN_x2plus",
    "R-ESRGAN 4x+": "RealESRGAN_x4plus",
    "R-ESRGAN 4x+ Anime6B": "RealESRGAN_x4plus_anime_6B",
    "R-ESRGAN General 4xV3": "realesr-general-x4v3",
    "R-ESRGAN General WDN 4xV3": "realesr-general-wdn-x4v3",
    "R-ESRGAN AnimeVideo": "realesr-animevideov3",
    "DAT x2": "DAT_x2",
    "DAT x3": "DAT_x3",
    "DAT x4": "DAT_x4",
}
"""A1111's names of upscalers that it fetches -> names of their authors' files, without the ending. It calls others by
the name of their file, as ComfyUI does all."""


def read_upscale(settings: Mapping[str, str]) -> dict[str, object] | None:
    """The keys below `upscale`; None where the finished picture was not enlarged by a factor."""
    if UPSCALE_BY not in settings:
        return None
    name = settings.get(UPSCALER, "None")
    return {"scale": number_in(settings[UPSCALE_BY]), **({"model": name} if name != "None" else {})}


def lost_of_second_pass(settings: Mapping[str, str]) -> Iterator[str]:
    """How the picture was enlarged before its second pass, where that is not done here."""
    if "Hires upscale" in settings and (name := settings.get(SECOND_PASS, "")) not in _SAME:
        yield f"it was enlarged by {name} before its second pass; `hires` takes no upscaler: here Lanczos enlarges it"


def upscaler_present(name: str, known: Iterable[str]) -> str | None:
    """The upscaler that another program's name means, of those that are known; None where it is none, or several."""
    names = tuple(known)
    for written in (name, _FILES.get(name, name)):
        if len(meant := upscalers_meant(written, names)) == 1:
            return meant[0]
    return None
