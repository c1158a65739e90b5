"""Samplers with all their names, aspect ratios and limits of size. In: a name or a size. Out: a sampler or pixels."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, Final

from aura_daemon.jobs.text_patterns import alone, in_any_case


class Scheduler(StrEnum):
    """Samplers a job may name; other tools' spellings (`DPM++ 2M Karras`, `Euler a`, `dpmpp_2m`) are understood."""

    DPMPP_2M_KARRAS = "dpm++_2m_karras"
    DPMPP_2M = "dpm++_2m"
    DPMPP_SDE_KARRAS = "dpm++_sde_karras"
    DPMPP_SDE = "dpm++_sde"
    DPMPP_2M_SDE_KARRAS = "dpm++_2m_sde_karras"
    DPMPP_2M_SDE = "dpm++_2m_sde"
    EULER = "euler"
    EULER_A = "euler_a"
    HEUN = "heun"
    LMS_KARRAS = "lms_karras"
    LMS = "lms"
    DDIM = "ddim"
    DDIM_TRAILING = "ddim_trailing"
    PNDM = "pndm"
    UNIPC = "unipc"
    LCM = "lcm"
    TCD = "tcd"
    ALIGN_YOUR_STEPS = "align_your_steps"

    @property
    def spelling(self) -> str:
        """The pattern of all names of this sampler."""
        names = (self.value, *_OTHER_NAMES.get(self.value, ()))
        return "|".join(map(_spelling, names))

    @classmethod
    def named(cls, name: str) -> Scheduler | None:
        """The sampler of a name, in any spelling; None where there is none."""
        return next((member for member in cls if re.match(alone(member.spelling), name)), None)

    @classmethod
    def _missing_(cls, value: object) -> Scheduler | None:
        return cls.named(value) if isinstance(value, str) else None

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        """The names that an editor offers, and the pattern of every spelling that is understood."""
        schema: dict[str, Any] = handler.resolve_ref_schema(handler(core_schema))
        names = {"enum": schema.pop("enum")}
        others = {"type": schema.pop("type"), "pattern": alone("|".join(member.spelling for member in cls))}
        schema["anyOf"] = [names, others]
        return schema


_OTHER_NAMES: Final = {
    "euler_a": ("euler_ancestral",),
    "pndm": ("plms",),
    "unipc": ("uni_pc",),
    "align_your_steps": ("ays",),
}
"""Our name -> names in A1111, ComfyUI and InvokeAI that differ in more than the spelling."""


def _spelling(name: str) -> str:
    return in_any_case(name).replace(r"\+\+", r"(?:\+\+|[Pp][Pp])").replace("_", r"[ \t_-]+")


STRENGTH: Final = 0.75
"""Default strength of image to image; the default of A1111."""


MOST_PX: Final = 2048
"""Greatest length of either side, in pixels."""


SEED_END: Final = 2**63
"""Every seed is smaller than this."""

MULTIPLE_PX: Final = 8
"""Width and height are multiples of this number of pixels, the factor of the VAE."""


NATIVE_512: Final = {
    "1:1": (512, 512),
    "16:9": (912, 512),
    "9:16": (512, 912),
    "4:3": (680, 512),
    "3:4": (512, 680),
    "3:2": (768, 512),
    "2:3": (512, 768),
    "5:4": (640, 512),
    "4:5": (512, 640),
    "21:9": (1152, 512),
    "Auto": (512, 512),
}
"""Aspect ratio -> (width, height) in pixels for a native size of 512.

The project that this one is modelled on had 682 for 680, which is no multiple of 8.
"""


def size_for(aspect_ratio: str, native_size_px: int) -> tuple[int, int]:
    """Width and height in pixels for an aspect ratio of `NATIVE_512` at a model's native size."""
    width, height = NATIVE_512[aspect_ratio]
    return round_px(width * native_size_px / 512), round_px(height * native_size_px / 512)


def size_like(image_px: tuple[int, int], native_size_px: int) -> tuple[int, int]:
    """Width and height in pixels of a picture made from an image: the same shape, the shorter side of native size."""
    width, height = image_px
    scale = native_size_px / min(width, height)
    return round_px(min(width * scale, MOST_PX)), round_px(min(height * scale, MOST_PX))


def round_px(length_px: float) -> int:
    """The nearest multiple of 8 in pixels (halves are rounded up), at least 8."""
    return max(MULTIPLE_PX, int((length_px + MULTIPLE_PX / 2) // MULTIPLE_PX) * MULTIPLE_PX)
