"""The file that a caption is written to: its extension, its place, what stands around the caption. In: nothing.

The names and habits are those of training tools: kohya's sd-scripts, OneTrainer, taggui.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import StrEnum


class CaptionExtension(StrEnum):
    """Of the file."""

    TXT = ".txt"
    CAPTION = ".caption"


class CaptionPlace(StrEnum):
    """Where the file is written: into the outbox, or beside the picture in the inbox."""

    OUTBOX = "outbox"
    BESIDE = "beside"


class ExistingText(StrEnum):
    """What becomes of a text that lies beside the picture in the inbox already, under the name of the file."""

    KEEP = "keep"
    """The text stays, and the caption goes to the outbox."""
    APPEND = "append"
    """The caption comes behind the text."""
    PREPEND = "prepend"
    """The caption comes before the text."""
    REPLACE = "replace"
    SKIP = "skip"
    """The picture is not captioned."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionFile:
    """How a caption becomes a file."""

    extension: CaptionExtension = CaptionExtension.TXT
    place: CaptionPlace = CaptionPlace.OUTBOX
    prefix: str = ""
    """Text before the caption."""
    suffix: str = ""
    """Text behind the caption."""
    trigger_word: str = ""
    """The first words of the file, with a comma behind them."""
    existing: ExistingText = ExistingText.KEEP


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedCaptionFile:
    """What a job or a folder says about the file; None leaves the choice to the configuration."""

    extension: CaptionExtension | None = None
    place: CaptionPlace | None = None
    prefix: str | None = None
    suffix: str | None = None
    trigger_word: str | None = None
    existing: ExistingText | None = None

    def over(self, configured: CaptionFile) -> CaptionFile:
        """The file: what is asked for here, else what is configured."""
        asked = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(configured, **{name: value for name, value in asked.items() if value is not None})


def asked(file: CaptionFile) -> AskedCaptionFile:
    """A file as a job that says everything itself asks for it."""
    return AskedCaptionFile(**{field.name: getattr(file, field.name) for field in fields(file)})


def text_beside(picture: str, extension: CaptionExtension) -> str:
    """The path of a picture's text, in its folder and under its stem, as training tools look for it."""
    stem, dot, _ = picture.rpartition(".")
    return f"{stem if dot else picture}{extension}"
