"""Many pictures on one sheet, an X/Y plot with labels, by Pillow alone. In: image files, labels. Out: one picture."""

from __future__ import annotations

import time
from collections.abc import Sequence
from io import BytesIO
from typing import Final, TypeAlias

from PIL import Image, ImageDraw, ImageFont

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.decode import ReadPicture, read_picture
from aura_daemon.engines.images.thumbnail import thumbnail
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.jobs.requests import GridRequest
from aura_daemon.jobs.results import EngineTiming, Failure, FailureKind, Payload, Produced
from aura_daemon.system.library_versions import versions

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

MOST_PX: Final = 4096
"""Of either side, without labels; cells are scaled down to fit."""

GAP_PX: Final = 4

PAPER: Final = (255, 255, 255)
INK: Final = (32, 32, 32)
EMPTY: Final = (224, 224, 224)
"""Colour of the cell of a picture that failed."""

LEAST_LETTERS_PX: Final = 11
LETTERS: Final = 1 / 20
"""Height of letters as a share of a cell's shorter side, but at least `LEAST_LETTERS_PX`."""

LINE: Final = 1.3
"""Height of a line, in letters."""

MOST_LINES: Final = 5
"""Of a label above or below a cell; a longer label ends in an ellipsis."""

ROW_LABEL: Final = 1 / 2
"""Width of the labels of rows as a share of a cell's width; longer labels are broken into lines."""

LEAST_LABEL: Final = 10
"""The least width of labels of rows and cells, in letters' heights: it has room for the longest name of a sampler."""


def laid_out(
    request: GridRequest, pictures: Sequence[bytes | None], settings: EngineSettings, peak: PeakMemory
) -> Produced | Failure:
    """The sheet as a PNG."""
    began_s = time.monotonic()
    made = pictures[1:] if request.image is not None else pictures
    if not any(picture is not None for picture in made):
        mend = "see the reports of its pictures; moved back, its file asks for all of them once more"
        return Failure(kind=FailureKind.BAD_INPUT, message="none of the pictures of the sheet was made", mend=mend)
    sheet = draw_grid(request, pictures, settings)
    content = BytesIO()
    sheet.save(content, "PNG")
    return Produced(
        payloads=(Payload(extension=".png", content=content.getvalue(), width=sheet.width, height=sheet.height),),
        resolved=request,
        model="",
        model_sha256="",
        device="cpu",
        dtype="",
        rung="",
        batch_size=1,
        timing=EngineTiming(decoded_s=time.monotonic() - began_s),
        peak_bytes=peak.highest_bytes(),
        versions=versions(),
        thumbnail=thumbnail(sheet, wanted=settings.thumbnails),
    )


def draw_grid(request: GridRequest, pictures: Sequence[bytes | None], settings: EngineSettings) -> Image.Image:
    """The sheet; a cell without a picture says "failed"."""
    read = [_read(content, settings) for content in pictures]
    if request.image is not None:
        read[0] = _as_large_as(read[0], read[1:])
    rows = -(-len(read) // request.columns)
    cell_px = _cell_size(read, request.columns, rows)
    letters_px = max(LEAST_LETTERS_PX, min(cell_px) * LETTERS)
    font = ImageFont.load_default(letters_px)
    line_px = round(letters_px * LINE)
    if request.cell_labels:
        cell_px = (max(cell_px[0], round(letters_px * LEAST_LABEL)), cell_px[1])
    columns = [_broken(label, font, cell_px[0], MOST_LINES) for label in request.column_labels]
    below = [_broken(label, font, cell_px[0], MOST_LINES) for label in request.cell_labels]
    left_px = _width_of_rows(request.row_labels, font, max(cell_px[0] * ROW_LABEL, letters_px * LEAST_LABEL))
    labels = [_broken(label, font, left_px, max(1, cell_px[1] // line_px)) for label in request.row_labels]
    top_px, below_px = _height(columns, line_px), _height(below, line_px)
    step = (cell_px[0] + GAP_PX, cell_px[1] + below_px + GAP_PX)
    start = (left_px + (GAP_PX if left_px else 0), top_px)
    size = (start[0] + request.columns * step[0] - GAP_PX, start[1] + rows * step[1] - GAP_PX)
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for index, lines in enumerate(columns):
        _write(pen, lines, (start[0] + index * step[0], 0, cell_px[0], top_px), font, line_px)
    for index, lines in enumerate(labels):
        _write(pen, lines, (0, start[1] + index * step[1], left_px, cell_px[1]), font, line_px)
    for index, picture in enumerate(read):
        row, column = divmod(index, request.columns)
        place = (start[0] + column * step[0], start[1] + row * step[1])
        if below:
            _write(pen, below[index], (place[0], place[1] + cell_px[1], cell_px[0], below_px), font, line_px)
        if picture is None:
            pen.rectangle((*place, place[0] + cell_px[0] - 1, place[1] + cell_px[1] - 1), EMPTY)
            _write(pen, ["failed"], (*place, *cell_px), font, line_px)
        else:
            fitted = picture.copy()
            fitted.thumbnail(cell_px, Image.Resampling.LANCZOS)
            middle = tuple((cell_px[axis] - fitted.size[axis]) // 2 for axis in (0, 1))
            sheet.paste(fitted, (place[0] + middle[0], place[1] + middle[1]))
    return sheet


def _read(content: bytes | None, settings: EngineSettings) -> Image.Image | None:
    picture = read_picture(content, "", settings) if content is not None else None
    return picture.image if isinstance(picture, ReadPicture) else None


def _as_large_as(first: Image.Image | None, others: Sequence[Image.Image | None]) -> Image.Image | None:
    """The image before the pictures in their size, so that a photo leaves them as large as they were drawn."""
    sizes = [picture.size for picture in others if picture is not None]
    if first is None or not sizes:
        return first
    fitted = first.copy()
    fitted.thumbnail((max(width for width, _ in sizes), max(height for _, height in sizes)), Image.Resampling.LANCZOS)
    return fitted


def _cell_size(pictures: Sequence[Image.Image | None], columns: int, rows: int) -> tuple[int, int]:
    """Pixels of a cell: as large as the largest picture, or smaller where the sheet would be too large."""
    sizes = [picture.size for picture in pictures if picture is not None] or [(64, 64)]
    width, height = max(size[0] for size in sizes), max(size[1] for size in sizes)
    room = [MOST_PX - (count - 1) * GAP_PX for count in (columns, rows)]
    scale = min(1.0, room[0] / (columns * width), room[1] / (rows * height))
    return max(1, int(width * scale)), max(1, int(height * scale))


def _width_of_rows(labels: Sequence[str], font: Font, most_px: float) -> int:
    """Width of the labels of rows; 0 without labels."""
    widest = max((font.getlength(label) for label in labels), default=0.0)
    return round(min(widest, most_px)) + (GAP_PX if labels else 0)


def _height(labels: Sequence[Sequence[str]], line_px: int) -> int:
    """Height of labels; 0 without labels."""
    return max(map(len, labels)) * line_px + GAP_PX if labels else 0


def _broken(label: str, font: Font, width_px: int, most_lines: int) -> list[str]:
    """Lines that fit, broken between words and within words that are too long; further lines become an ellipsis."""
    lines: list[str] = [""]
    for word in label.split():
        joined = f"{lines[-1]} {word}".strip()
        if font.getlength(joined) <= width_px:
            lines[-1] = joined
            continue
        lines += [word] if lines[-1] else []
        lines[-1] = word
        while font.getlength(lines[-1]) > width_px and len(lines[-1]) > 1:
            fitting = _fitting(lines[-1], font, width_px)
            lines[-1:] = [lines[-1][:fitting], lines[-1][fitting:]]
    if len(lines) <= most_lines:
        return lines
    last = lines[most_lines - 1] + "…"
    while len(last) > 1 and font.getlength(last) > width_px:
        last = last[:-2] + "…"
    return [*lines[: most_lines - 1], last]


def _fitting(word: str, font: Font, width_px: int) -> int:
    """How many characters of a word fit, at least one."""
    return max(1, next(count for count in range(len(word), -1, -1) if font.getlength(word[:count]) <= width_px))


def _write(
    pen: ImageDraw.ImageDraw, lines: Sequence[str], box: tuple[int, int, int, int], font: Font, line_px: int
) -> None:
    """Writes lines in the middle of a box: left, top, width, height."""
    left, top, width, height = box
    first = top + (height - len(lines) * line_px) / 2
    for index, line in enumerate(lines):
        pen.text((left + (width - font.getlength(line)) / 2, first + index * line_px), line, INK, font)
