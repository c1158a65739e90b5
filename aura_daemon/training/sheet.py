"""The contact sheet in docs/models.md: what aura-mini draws, each picture with its prompt."""

import random
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from aura_daemon.mini.grammar import COLOURS, SHAPES, SIZES, Sentence, held_out, held_out_sentences, seen_sentences
from aura_daemon.training.models import draw

COLUMNS, ROWS = 6, 4
PICTURE_PX, GAP_PX, LABEL_PX, MARGIN_PX = 176, 20, 46, 28
PAPER, INK, FAINT = (255, 255, 255), (30, 30, 36), (120, 120, 130)
NEW_MARK: Final = "never seen in training"


def contact_sheet(*, seed: int) -> Image.Image:
    """Draw `COLUMNS` x `ROWS` prompts, the last row of them held out of all training."""
    sentences = _varied(seed)
    pictures = draw([str(sentence) for sentence in sentences], range(seed, seed + len(sentences)))
    cell_px = (PICTURE_PX + GAP_PX, PICTURE_PX + LABEL_PX + GAP_PX)
    size_px = (COLUMNS * cell_px[0] - GAP_PX + 2 * MARGIN_PX, ROWS * cell_px[1] - GAP_PX + 2 * MARGIN_PX)
    sheet = Image.new("RGB", size_px, PAPER)
    pen, font, small = ImageDraw.Draw(sheet), ImageFont.load_default(size=13), ImageFont.load_default(size=10)
    for index, (sentence, picture) in enumerate(zip(sentences, pictures, strict=True)):
        x = MARGIN_PX + index % COLUMNS * cell_px[0]
        y = MARGIN_PX + index // COLUMNS * cell_px[1]
        sheet.paste(picture.resize((PICTURE_PX, PICTURE_PX), Image.Resampling.LANCZOS), (x, y))
        pen.rectangle((x - 1, y - 1, x + PICTURE_PX, y + PICTURE_PX), outline=(216, 216, 222))
        first, second = str(sentence).split(" on ")
        middle = x + PICTURE_PX // 2
        pen.text((middle, y + PICTURE_PX + 6), first, INK, font, anchor="ma")
        pen.text((middle, y + PICTURE_PX + 22), f"on {second}", INK, font, anchor="ma")
        if sentence.combination in held_out():
            pen.text((middle, y + PICTURE_PX + 39), NEW_MARK, FAINT, small, anchor="ma")
    return sheet


def _varied(seed: int) -> list[Sentence]:
    """Every shape once a row, sizes and colours in turn."""
    dice = random.Random(seed)
    rows: list[Sentence] = []
    for row in range(ROWS):
        pool = held_out_sentences() if row == ROWS - 1 else seen_sentences()
        colours = dice.sample(COLOURS, len(SHAPES))
        for column, (shape, colour) in enumerate(zip(dice.sample(SHAPES, len(SHAPES)), colours, strict=True)):
            size = SIZES[(row + column) % 2]
            of_shape = [sentence for sentence in pool if (sentence.shape, sentence.size) == (shape, size)]
            of_colour = [sentence for sentence in of_shape if sentence.colour == colour]
            rows.append(dice.choice(of_colour or of_shape))
    return rows
