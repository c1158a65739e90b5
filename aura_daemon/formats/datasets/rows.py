"""One captioned picture of a set, and the files that list them all. In: rows. Out: JSON Lines, CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Final

from aura_daemon.file_names import encodable
from aura_daemon.jobs.tasks import PictureState, SetPicture

_COLUMNS: Final = ("file_name", "text", "state", "width", "height", "looks_like", "image", "reason")

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV injection)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SetRow:
    """One picture of a set, looked at."""

    picture: SetPicture
    width: int = 0
    """Pixels; 0 where the picture cannot be read."""
    height: int = 0
    thumbnail: bytes = field(default=b"", repr=False)
    """A small WebP."""
    looks_like: str = ""
    """The file name of an earlier picture that looks alike."""


def metadata_lines(rows: Sequence[SetRow], *, holds_kept: bool) -> bytes:
    """`metadata.jsonl` as Hugging Face's `imagefolder` reads it. `holds_kept`: such pictures lie in the folder too."""
    states = {PictureState.CAPTIONED, *([PictureState.KEPT] if holds_kept else [])}
    pictures = [row.picture for row in rows if row.picture.state in states]
    lines = [
        json.dumps({"file_name": encodable(one.file_name), "text": one.text}, ensure_ascii=False) for one in pictures
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def table(rows: Sequence[SetRow]) -> bytes:
    """Every picture as a line of CSV, those included that have no caption.

    An apostrophe goes before what a spreadsheet would compute, as names and captions are of anybody's making.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        one = row.picture
        size = (str(row.width or ""), str(row.height or ""))
        cells = (one.file_name, one.text, one.state, *size, row.looks_like, one.image, one.reason)
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in map(encodable, cells)])
    return text.getvalue().encode()


def alike(rows: Sequence[SetRow]) -> list[list[SetRow]]:
    """The groups of pictures that look alike, each with the first of them at its head."""
    groups: dict[str, list[SetRow]] = {}
    by_name = {row.picture.file_name: row for row in rows}
    for row in rows:
        if row.looks_like:
            groups.setdefault(row.looks_like, [by_name[row.looks_like]]).append(row)
    return list(groups.values())


def count(rows: Sequence[SetRow], state: PictureState) -> int:
    """How many pictures have come to this."""
    return sum(row.picture.state is state for row in rows)
