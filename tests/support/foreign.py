"""Pictures that aura-mini cannot know, made up from a seed: what a real user drops into the inbox."""

from __future__ import annotations

import colorsys
import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from aura_daemon.mini.grammar import COLOURS, PALETTE


def foreign(kind: str, seed: int) -> Image.Image:
    """One picture of the kind."""
    return FOREIGN[kind](random.Random(f"{kind} {seed}"))


def _photo(dice: random.Random) -> Image.Image:
    """Clouds of all sizes in natural colours, as photographs have."""
    numbers = np.random.default_rng(dice.randrange(2**32))
    side = 160
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency[0, 0] = 1
    spectrum = np.fft.fft2(numbers.standard_normal((3, side, side))) / frequency**1.3
    layers = np.real(np.fft.ifft2(spectrum))
    layers[1:] = 0.75 * layers[:1] + 0.25 * layers[1:]
    layers = (layers - layers.min()) / (layers.max() - layers.min())
    return Image.fromarray((layers.transpose(1, 2, 0) * 255).astype(np.uint8))


def _gradient(dice: random.Random) -> Image.Image:
    first, last = dice.sample(COLOURS, 2)
    mask = (Image.linear_gradient if dice.random() < 0.5 else Image.radial_gradient)("L").rotate(dice.choice((0, 90)))
    return Image.composite(
        Image.new("RGB", mask.size, PALETTE[first]), Image.new("RGB", mask.size, PALETTE[last]), mask
    )


def _noise(dice: random.Random) -> Image.Image:
    numbers = np.random.default_rng(dice.randrange(2**32))
    return Image.fromarray(numbers.integers(0, 256, (96, 96, 3), dtype=np.uint8))


def _screenshot(dice: random.Random) -> Image.Image:
    shade = dice.choice((250, 240, 30))
    page = Image.new("RGB", (320, 200), (shade,) * 3)
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, 320, 18), fill=dice.choice(((60, 90, 160), (70, 70, 70), (200, 200, 205))))
    for line in range(dice.randint(5, 10)):
        pen.text((12, 28 + 15 * line), "lorem ipsum dolor sit amet"[: dice.randint(8, 26)], (255 - shade,) * 3)
    pen.rectangle((220, 60, 300, 150), fill=_any_colour(dice))
    return page


def _three_colours(dice: random.Random) -> Image.Image:
    """What aura-mini knows, and a second shape in a third colour."""
    background, one, other = (PALETTE[name] for name in dice.sample(COLOURS, 3))
    page = Image.new("RGB", (64, 64), background)
    pen = ImageDraw.Draw(page)
    pen.ellipse((6, 6, 32, 32), fill=one)
    pen.rectangle((34, 34, 58, 58), fill=other)
    return page


def _stripes(dice: random.Random) -> Image.Image:
    one, other = (PALETTE[name] for name in dice.sample(COLOURS, 2))
    page = Image.new("RGB", (128, 128), one)
    pen = ImageDraw.Draw(page)
    step = dice.choice((16, 32, 64))
    for start in range(0, 128, step):
        pen.rectangle((start, 0, start + step // 2 - 1, 128), fill=other)
    return page.rotate(dice.choice((0, 90)))


def _checkerboard(dice: random.Random) -> Image.Image:
    one, other = (PALETTE[name] for name in dice.sample(COLOURS, 2))
    cells = dice.choice((2, 4, 8))
    board = np.indices((cells, cells)).sum(0) % 2 == 0
    pixels = np.where(board[..., None], np.array(one), np.array(other)).astype(np.uint8)
    return Image.fromarray(pixels).resize((128, 128), Image.Resampling.NEAREST)


def _plain(dice: random.Random) -> Image.Image:
    return Image.new("RGB", (100, 80), PALETTE[dice.choice(COLOURS)])


def _many_shapes(dice: random.Random) -> Image.Image:
    """Two colours it knows, but several shapes."""
    background, colour = (PALETTE[name] for name in dice.sample(COLOURS, 2))
    page = Image.new("RGB", (128, 128), background)
    pen = ImageDraw.Draw(page)
    for x, y in dice.sample([(8, 8), (70, 8), (8, 70), (70, 70)], dice.randint(2, 4)):
        (pen.ellipse if dice.random() < 0.5 else pen.rectangle)((x, y, x + 48, y + 48), fill=colour)
    return page


def _unknown_colour(dice: random.Random) -> Image.Image:
    """A shape it knows in a colour it has no word for, on another such."""
    page = Image.new("RGB", (128, 128), dice.choice(((128, 128, 128), (190, 170, 140), (60, 60, 75), (170, 200, 200))))
    ImageDraw.Draw(page).ellipse((30, 30, 98, 98), fill=dice.choice(((255, 150, 190), (110, 70, 30), (90, 230, 230))))
    return page


def _words(dice: random.Random) -> Image.Image:
    background, colour = (PALETTE[name] for name in dice.sample(COLOURS, 2))
    page = Image.new("RGB", (160, 120), background)
    text = dice.choice(("Hello", "SALE", "aura", "42", "README"))
    ImageDraw.Draw(page).text((10, 35), text, colour, ImageFont.load_default(size=44))
    return page


def _sunset(dice: random.Random) -> Image.Image:
    """Sky, sea and a sun, softened."""
    page = Image.new("RGB", (160, 100), (250, 150, 60))
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 60, 160, 100), fill=(40, 60, 120))
    x, y = dice.randint(30, 130), dice.randint(15, 55)
    pen.ellipse((x - 14, y - 14, x + 14, y + 14), fill=(255, 230, 120))
    return page.filter(ImageFilter.GaussianBlur(dice.uniform(1, 6)))


def _any_colour(dice: random.Random) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(dice.random(), dice.uniform(0.3, 1), dice.uniform(0.3, 1))
    return int(255 * red), int(255 * green), int(255 * blue)


FOREIGN: dict[str, Callable[[random.Random], Image.Image]] = {
    "photo": _photo,
    "gradient": _gradient,
    "noise": _noise,
    "screenshot": _screenshot,
    "three colours": _three_colours,
    "stripes": _stripes,
    "checkerboard": _checkerboard,
    "plain": _plain,
    "many shapes": _many_shapes,
    "unknown colour": _unknown_colour,
    "words": _words,
    "sunset": _sunset,
}
