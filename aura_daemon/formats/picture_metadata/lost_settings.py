"""Which settings of an infotext a job cannot ask for again. In: the settings by A1111's names. Out: sentences.

A setting that is not known here counts as lost: extensions add theirs under names of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from aura_daemon.formats.picture_metadata.control_settings import SETTING, read_controls
from aura_daemon.formats.picture_metadata.region_settings import REGIONS, have_boxes, read_regions
from aura_daemon.formats.picture_metadata.upscaler_settings import (
    SECOND_PASS,
    UPSCALE_BY,
    UPSCALER,
    lost_of_second_pass,
)

IMAGE_STRENGTH: Final = "Image strength"
"""Our own setting: a picture from an image in two passes, which A1111 does not make, has two strengths."""

SPEED: Final = "Speed"
"""Our own setting: how much the picture may differ for the sake of speed; it is left out where nothing may."""

MOST_OF_A_KIND: Final = 3
"""So many settings whose names begin with the same word are named by that word alone: ADetailer writes a dozen."""

_TAKEN_OVER: Final = frozenset(
    {"Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Clip skip", "Denoising strength"}
    | {"Hires upscale", "Hires resize", IMAGE_STRENGTH, SPEED, UPSCALE_BY, UPSCALER, SECOND_PASS}
)
_ABOUT_THE_FILE: Final = frozenset(
    {"App", "Backend", "Batch pos", "Batch size", "Civitai metadata", "Civitai resources", "Created Date", "Date"}
    | {"Hashes", "Lora hashes", "Model", "Model hash", "Negative Template", "Operations", "Parser", "Pipeline", "RNG"}
    | {"Size-1", "Size-2", "TI", "TI hashes", "Template", "User", "VAE hash", "Version", "Width", "Height"}
)
"""Settings that change no picture here, or are known otherwise."""

_ABOUT_THE_IMAGE: Final = frozenset(
    {"Conditional mask weight", "Init image hash", "Init image size", "Inpaint area", "Mask blur", "Mask mode"}
    | {"Masked area padding", "Masked content", "Noise multiplier", "Resize mode"}
)
"""Settings of the image that a picture was made from: that it is missing is said once."""

_OFF: Final = frozenset({"", "0", "0.0", "None", "none", "False", "false", "Use same choices", "Use same sampler"})
"""Values that change nothing."""

_SAME_AS_OURS: Final = {"VAE": frozenset({"Automatic"})}


def lost_settings(settings: Mapping[str, str]) -> Iterator[str]:
    """What a job cannot ask for, one sentence each."""
    is_hires = bool({"Hires upscale", "Hires resize"} & settings.keys())
    is_from_image = IMAGE_STRENGTH in settings or ("Denoising strength" in settings and not is_hires)
    if is_from_image:
        yield "it was made from another image, which it does not hold: it is drawn from the prompt alone"
    if "Hires resize" in settings and "Hires upscale" not in settings:
        yield f"its second pass went to {settings['Hires resize']}, not by a factor: it is left out"
    yield from lost_of_second_pass(settings)
    if modules := read_controls(settings)[1]:
        yield f"its maps were prepared by {', '.join(modules)}, which is not here: the image has to be the map"
    regions = read_regions(settings.get(REGIONS, ""))
    if regions is not None and not have_boxes(regions):
        yield "its regions have masks, which it does not hold: it is drawn without regions"
    taken_over = _TAKEN_OVER | ({REGIONS} if regions is not None else frozenset())
    passed_over = taken_over | _ABOUT_THE_FILE | (_ABOUT_THE_IMAGE if is_from_image else frozenset())
    others = {
        name: value
        for name, value in settings.items()
        if name not in passed_over
        and not SETTING.fullmatch(name)
        and value not in _OFF | _SAME_AS_OURS.get(name, frozenset())
    }
    if others.get("Hires steps") == settings.get("Steps"):
        others.pop("Hires steps", None)
    if others:
        yield f"settings that have no counterpart here were left out: {', '.join(_listed(others))}"


def _listed(others: Mapping[str, str]) -> Iterator[str]:
    """`Tiling: True`, or `ADetailer (12 settings)` for many of a kind."""
    kinds = Counter(name.split()[0] for name in others)
    many = {kind: count for kind, count in kinds.items() if count >= MOST_OF_A_KIND}
    for name, value in others.items():
        kind = name.split()[0]
        if kind not in many:
            yield f"{name}: {value}"
        elif count := many.get(kind, 0):
            many[kind] = 0
            yield f"{kind} ({count} settings)"
