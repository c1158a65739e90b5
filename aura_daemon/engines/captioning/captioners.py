"""The table of captioners: which code runs which architecture. To add one: a file like `git`, its names, a row here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aura_daemon.config.engine import CaptionSettings
from aura_daemon.engines.captioning.blip import Captioner
from aura_daemon.engines.captioning.blip_itm import BlipMatcher
from aura_daemon.engines.captioning.blip_vqa import BlipAnswerer
from aura_daemon.engines.captioning.git import GitCaptioner
from aura_daemon.engines.captioning.interface import CaptioningEngine
from aura_daemon.engines.captioning.model_format import (
    BLIP_ITM_NAMES,
    BLIP_NAMES,
    BLIP_VQA_NAMES,
    FLORENCE2_NAMES,
    GIT_NAMES,
)
from aura_daemon.engines.model_files.find import ModelFiles, architectures_of
from aura_daemon.engines.placement.devices import Placement
from aura_daemon.engines.placement.footprints import BLIP_BASE, FLORENCE2_BASE, GIT_BASE, CaptionerSize


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionerRow:
    """One architecture."""

    names: tuple[str, ...]
    """As `config.json` has them."""
    load: Callable[[ModelFiles, Placement, CaptionSettings], CaptioningEngine]
    base: CaptionerSize
    """What transformers takes for what `config.json` leaves out."""
    reads: bool = False
    """Whether it reads texts, and writes none."""


def _florence2(files: ModelFiles, placement: Placement, configured: CaptionSettings) -> CaptioningEngine:
    from aura_daemon.engines.captioning.florence2 import Florence2Captioner  # 25 ms that no other captioner needs

    return Florence2Captioner(files, placement, configured)


CAPTIONERS: Final = (
    CaptionerRow(names=BLIP_NAMES, load=Captioner, base=BLIP_BASE),
    CaptionerRow(names=GIT_NAMES, load=GitCaptioner, base=GIT_BASE),
    CaptionerRow(names=FLORENCE2_NAMES, load=_florence2, base=FLORENCE2_BASE),
    CaptionerRow(names=BLIP_VQA_NAMES, load=BlipAnswerer, base=BLIP_BASE),
    CaptionerRow(names=BLIP_ITM_NAMES, load=BlipMatcher, base=BLIP_BASE, reads=True),
)


def captioner_of(files: ModelFiles) -> CaptionerRow:
    """The row of a model whose architecture was checked when its files were found."""
    names = architectures_of(files.folder)
    return next(row for row in CAPTIONERS if any(name in row.names for name in names))
