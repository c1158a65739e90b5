"""What the placeholders of a file's jobs stand for. In: nothing. Out: values, which whoever reads the file brings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureFacts:
    """What a picture and its own text say."""

    text: str = ""
    """What stands in its `.txt`; empty where it has none."""
    exif: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """A file whose jobs may hold placeholders."""

    path: str
    """Below the inbox."""
    is_picture: bool = False
    """Whether the file is a picture that was dropped, and its jobs are what its folders say."""
    date: str = ""
    """The day, UTC, as `2026-11-28`."""
    facts: Callable[[str | None], PictureFacts | None] = lambda name: None
    """Of the picture that a job names (None: the dropped one, or namesake of the job file); None: it is not there."""
    matching: Callable[[str], tuple[str, ...] | None] = lambda pattern: None
    """The pictures that `photos/*.jpg` stands for, in their order; None where nobody can tell."""

    @property
    def name(self) -> str:
        """The name of the file, without folders."""
        return name_of(self.path)

    @property
    def folder(self) -> str:
        """The name of the folder in which the file lies; empty at the top."""
        return name_of(self.path.rpartition("/")[0])


def name_of(path: str) -> str:
    """The last part of a path."""
    return path.rpartition("/")[2]


NOBODY: Final = Subject(path="")
"""For a look at a file that fills nothing in."""
