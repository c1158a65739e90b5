"""The captions of a set of pictures, put together. In: pictures with their captions. Out: `metadata.jsonl`, CSV, HTML.

Each picture is opened once, for its thumbnail and to find others that look alike; no model is needed. Two pictures look
alike where the brightness rises and falls at the same places (a difference hash, after N. Krawetz) and the colours are
about the same: one may be smaller, compressed again, or a little brighter.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.workers.services import Services
from aura_daemon.engines.images.contact_sheet import PAPER
from aura_daemon.engines.images.damage import BROKEN
from aura_daemon.engines.images.decode import ReadPicture, read_picture
from aura_daemon.engines.images.decoders import BOMBED
from aura_daemon.engines.images.thumbnail import thumbnail
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.reporter import Reporter
from aura_daemon.file_names import escaped
from aura_daemon.formats.datasets.names import CONTACT_SHEET, METADATA, TABLE
from aura_daemon.formats.datasets.page import contact_sheet
from aura_daemon.formats.datasets.rows import SetRow, alike, count, metadata_lines, table
from aura_daemon.jobs.caption_files import CaptionPlace
from aura_daemon.jobs.requests import DatasetRequest
from aura_daemon.jobs.resolved import LeftOutPicture, ResolvedDataset
from aura_daemon.jobs.results import CANCELLED, EngineTiming, Failure, FailureKind, Payload, Produced
from aura_daemon.jobs.tasks import PictureState, SetPicture, Task
from aura_daemon.system.files.reading import content_below
from aura_daemon.system.library_versions import versions

MOST_TOLD: Final = 100
"""Failures, and groups of pictures that look alike, in the sidecar."""

MOST_TOLD_BYTES: Final = 200_000
"""Of either, in JSON: a sidecar of more than 1 MiB would not be taken for one. The table and the page hold all."""

HASH_PX: Final = 16
"""The differences that are compared lie on a square of so many."""

RISE: Final = 3
"""Of 255; less is the noise of a lossy format."""

UNLIKE: Final = 0.25
"""Share of the places where the brightness changes that may differ between pictures that look alike."""

COLOURS_PX: Final = 4
COLOUR: Final = 8.0
"""Mean difference of 255 between the colours of pictures that look alike."""

SIDES_PX: Final = ((2_000, 192, 72), (10_000, 112, 60))
"""Up to so many pictures: the longest side of a thumbnail, and its quality in WebP."""


MOSAIC: Final = (4, 3)
"""Pictures in the thumbnail of a set: columns, rows."""

TILE_PX: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """What a picture looks like, for comparing."""

    changes: NDArray[np.uint64] = field(repr=False)
    """uint64 [8]: where the brightness rises, then where it falls."""
    colours: NDArray[np.float32] = field(repr=False)
    """float32 [48]."""


def put_together(
    task: Task,
    reporter: Reporter,
    settings: EngineSettings,
    peak: PeakMemory,
    services: Services | None = None,
) -> Produced | Failure:
    """The files of a set; a failure where none of its pictures has a caption.

    `services`: who reads the pictures; None: they are read here, where they lie.
    """
    began_s = time.monotonic()
    request = task.request
    assert isinstance(request, DatasetRequest)
    if not any(picture.state is not PictureState.FAILED for picture in task.pictures):
        mend = "see the reports of its pictures"
        message = f"none of the {len(task.pictures):,} pictures of the set has a caption"
        return Failure(kind=FailureKind.BAD_INPUT, message=message, mend=mend)
    side_px, quality = next((side, quality) for most, side, quality in SIDES_PX if len(task.pictures) <= most)
    rows: list[SetRow] = []
    looks: list[_Look | None] = []
    for number, picture in enumerate(task.pictures, start=1):
        if reporter.is_cancelled(task.job_id):
            return CANCELLED
        if picture.state is PictureState.FAILED:  # what was refused is not shown
            content = None
        elif services is not None:
            content = services.picture(task.job_id, number - 1)
        else:
            content = content_below(picture.place, picture.below, settings.max_image_bytes)
        row, look = _looked_at(picture, content, settings, side_px=side_px, quality=quality)
        rows.append(row)
        looks.append(look)
        reporter.stepped(task.job_id, number, len(task.pictures))
    rows = _compared(rows, looks)
    is_here = request.file.place is CaptionPlace.OUTBOX
    resolved = _resolved(request, rows)
    style = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
    sheet = contact_sheet(request.base or task.image_name, request.images, rows, style, has_pictures=is_here)
    return Produced(
        payloads=(
            Payload(extension=METADATA, content=metadata_lines(rows, holds_kept=not is_here)),
            Payload(extension=TABLE, content=table(rows)),
            Payload(extension=CONTACT_SHEET, content=sheet),
        ),
        resolved=resolved,
        model="",
        model_sha256="",
        device="cpu",
        dtype="",
        rung="",
        batch_size=1,
        timing=EngineTiming(decoded_s=time.monotonic() - began_s),
        peak_bytes=peak.highest_bytes(),
        warnings=_warnings(resolved),
        versions=versions(),
        thumbnail=_mosaic(rows, wanted=settings.thumbnails),
    )


def _mosaic(rows: Sequence[SetRow], *, wanted: bool) -> bytes:
    """The first pictures side by side, for the gallery; empty where none is wanted, or none can be read."""
    small = [row.thumbnail for row in rows if row.thumbnail][: MOSAIC[0] * MOSAIC[1]]
    if not small or not wanted:
        return b""
    columns = min(MOSAIC[0], len(small))
    sheet = Image.new("RGB", (columns * TILE_PX, -(-len(small) // columns) * TILE_PX), PAPER)
    for index, content in enumerate(small):
        with Image.open(BytesIO(content)) as picture:
            tile = ImageOps.fit(picture.convert("RGB"), (TILE_PX, TILE_PX))
        sheet.paste(tile, (index % columns * TILE_PX, index // columns * TILE_PX))
    return thumbnail(sheet, wanted=True)


def _resolved(request: DatasetRequest, rows: Sequence[SetRow]) -> ResolvedDataset:
    failed = [row.picture for row in rows if row.picture.state is PictureState.FAILED]
    groups = [tuple(escaped(row.picture.file_name) for row in group[:MOST_TOLD]) for group in alike(rows)]
    left_out = tuple(LeftOutPicture(image=escaped(one.image), reason=one.reason) for one in failed[:MOST_TOLD])
    return ResolvedDataset(
        images=request.images,
        base=escaped(request.base),
        pictures=len(rows),
        captioned=count(rows, PictureState.CAPTIONED),
        kept=count(rows, PictureState.KEPT),
        failed=len(failed),
        left_out=left_out[: _told((one.image, one.reason) for one in left_out)],
        near_duplicates=tuple(groups[: _told(groups[:MOST_TOLD])]),
    )


def _told(entries: Iterable[Sequence[str]]) -> int:
    """For how many entries, from the first on, a sidecar has room."""
    sizes = accumulate(len(json.dumps(entry, indent=8)) for entry in entries)
    return sum(size <= MOST_TOLD_BYTES for size in sizes)


def _warnings(made: ResolvedDataset) -> tuple[str, ...]:
    if not made.failed:
        return ()
    return (f"{made.failed:,} of {made.pictures:,} pictures have no caption: the table says why",)


def _looked_at(
    picture: SetPicture, content: bytes | None, settings: EngineSettings, *, side_px: int, quality: int
) -> tuple[SetRow, _Look | None]:
    """A picture with its thumbnail; one that cannot be read (None) has none, and is compared with none.

    A caption was made of it, or lies beside it: whatever a decoder says here is in no other picture's way.
    """
    if content is None:
        return SetRow(picture=picture), None
    try:
        image, size = _opened(content, settings, side_px)
        small = image.copy()
        small.thumbnail((side_px, side_px), Image.Resampling.BICUBIC)
        file = BytesIO()
        small.save(file, "WEBP", quality=quality, method=2)
        row = SetRow(picture=picture, width=size[0], height=size[1], thumbnail=file.getvalue())
        return row, _look(image)
    except (*BROKEN, *BOMBED, _Unreadable):
        return SetRow(picture=picture), None


class _Unreadable(Exception):
    """A picture that is none."""


def _opened(content: bytes, settings: EngineSettings, side_px: int) -> tuple[Image.Image, tuple[int, int]]:
    """A picture in RGB, upright, and its size; a JPEG is decoded no larger than needed, in a tenth of the time."""
    with Image.open(BytesIO(content)) as file:
        if file.format == "JPEG" and file.mode == "RGB":
            size = file.size
            file.draft("RGB", (2 * side_px, 2 * side_px))
            upright = ImageOps.exif_transpose(file)
            is_turned = (upright.width < upright.height) != (size[0] < size[1])
            return upright.convert("RGB"), size[::-1] if is_turned else size
    read = read_picture(content, "", settings)
    if not isinstance(read, ReadPicture):
        raise _Unreadable
    return read.image.convert("RGB"), read.image.size


def _look(image: Image.Image) -> _Look:
    grey = image.convert("L").resize((HASH_PX + 1, HASH_PX), Image.Resampling.BOX)
    shades = np.asarray(grey, dtype=np.int16)
    steps = shades[:, 1:] - shades[:, :-1]
    bits = np.concatenate([(steps >= RISE).ravel(), (steps <= -RISE).ravel()])
    colours = np.asarray(image.resize((COLOURS_PX, COLOURS_PX), Image.Resampling.BOX), dtype=np.float32)
    return _Look(changes=np.packbits(bits).view(np.uint64), colours=colours.ravel())


def _compared(rows: Sequence[SetRow], looks: Sequence[_Look | None]) -> list[SetRow]:
    """The rows, each with the name of the first earlier picture that looks alike."""
    compared: list[SetRow] = []
    changes = np.zeros((len(rows), HASH_PX * HASH_PX * 2 // 64), dtype=np.uint64)
    colours = np.zeros((len(rows), COLOURS_PX * COLOURS_PX * 3), dtype=np.float32)
    firsts: list[int] = []
    """Rows that look like no earlier one."""
    for index, (row, look) in enumerate(zip(rows, looks, strict=True)):
        if look is None:
            compared.append(row)
            continue
        known = len(firsts)
        differing = np.bitwise_count(changes[:known] ^ look.changes).sum(axis=1)
        changing = np.bitwise_count(changes[:known] | look.changes).sum(axis=1)
        near = differing <= np.maximum(1, UNLIKE * changing)
        near &= np.abs(colours[:known] - look.colours).mean(axis=1) <= COLOUR
        found = np.flatnonzero(near)
        if len(found):
            compared.append(replace(row, looks_like=rows[firsts[int(found[0])]].picture.file_name))
            continue
        changes[known], colours[known] = look.changes, look.colours
        firsts.append(index)
        compared.append(row)
    return compared
