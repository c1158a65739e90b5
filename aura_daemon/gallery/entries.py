"""What the gallery shows of one result or failure: texts, addresses, figures. In: texts. Out: texts that fit.

Texts are as users wrote them: the templates escape them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

from aura_daemon.formats.readable import shortened

STAGES: Final = ("loaded", "encoded", "denoised", "decoded", "delivered")
"""Fields of a sidecar's `timing_s` that the chart shows, in their order."""

LEAST_RATIO: Final = 0.4
MOST_RATIO: Final = 3.2
"""Width by height of the tiles; a picture beyond it is cropped in the grid, and whole in its own view."""

RATIO_STEP: Final = 0.05

_NOT_TEXT: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
)
"""Control characters, halves of characters, and marks that turn the direction of text."""


_TEXTS: Final = ("name", "folder", "prompt", "negative", "caption", "reason", "mend")
"""Fields of an entry that may be cut."""


class EntryKind(StrEnum):
    """What an entry shows."""

    PICTURE = "picture"
    SHEET = "sheet"
    CAPTION = "caption"
    BENCHMARK = "benchmark"
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True, slots=True)
class GalleryEntry:
    """One result or failure; addresses are relative to the outbox, and quoted."""

    number: int
    id: str
    kind: EntryKind
    name: str
    """Of the result, or of the file that failed."""
    folder: str = ""
    ended: str = ""
    """UTC, ISO 8601."""
    picture: str = ""
    """Address of the picture; empty where there is none in the outbox."""
    thumbnail: str = ""
    """Address of the thumbnail; empty where there is none."""
    text: str = ""
    """Address of the text of a caption."""
    sidecar: str = ""
    width: int = 1
    height: int = 1
    prompt: str = ""
    negative: str = ""
    caption: str = ""
    reason: str = ""
    mend: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    job: str = ""
    """A job file that asks for the same again; empty where none can."""
    warnings: tuple[str, ...] = ()
    stages: Mapping[str, float] = field(default_factory=dict)
    """Stage -> seconds; empty where nobody knows them."""
    rung: str = ""
    is_cut: bool = False
    """Texts were too long for the page."""

    @property
    def ratio_class(self) -> str:
        """The class of the tile's shape: `r100` is square."""
        return ratio_class(self.width, self.height)


def ratio_class(width: int, height: int) -> str:
    """The class of a shape, in steps of `RATIO_STEP`."""
    ratio = min(MOST_RATIO, max(LEAST_RATIO, width / height if width and height else 1.0))
    return f"r{round(round(ratio / RATIO_STEP) * RATIO_STEP * 100)}"


def ratios() -> Iterator[tuple[str, float]]:
    """Every class of a shape, and its width by height."""
    for step in range(round(LEAST_RATIO / RATIO_STEP), round(MOST_RATIO / RATIO_STEP) + 1):
        yield f"r{round(step * RATIO_STEP * 100)}", round(step * RATIO_STEP, 2)


def clean(text: str) -> str:
    """A text without what no page can show."""
    return _NOT_TEXT.sub("\ufffd", text)


def address(path: str) -> str:
    """A path below the outbox as part of an address; bytes that are no text keep their values."""
    return quote(path.encode("utf-8", "surrogateescape"), safe="/")


def shortened_entry(entry: GalleryEntry, most: int) -> GalleryEntry:
    """An entry none of whose texts is longer than `most` characters; what was cut has no job file to copy."""
    texts: dict[str, Any] = {name: shortened(getattr(entry, name), most) for name in _TEXTS}
    settings = tuple((label, shortened(value, most)) for label, value in entry.settings)
    warnings = tuple(shortened(warning, most) for warning in entry.warnings[:8])
    is_cut = len(entry.job) > 2 * most or any(getattr(entry, name) != text for name, text in texts.items())
    job = "" if is_cut else entry.job
    return replace(entry, **texts, settings=settings, warnings=warnings, job=job, is_cut=is_cut)
