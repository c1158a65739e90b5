"""Warnings where aura-mini was not trained for a prompt or an image, so that no user mistakes it for a real model.

In: a prompt with a size, or an image with its caption. Out: warnings, none where the model was trained for it. What
differs from job to job comes first, what the model knows in a warning of its own. torch is imported only when an image
has to be judged.
"""

from functools import cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aura_daemon.file_names import escaped
from aura_daemon.mini import NAME, NATIVE_SIZE_PX
from aura_daemon.mini.grammar import COLOURS, PALETTE, SHAPES, SIZES, WORDS, Sentence, parse

# Measured on drawings, generated pictures and foreign pictures, see tests/unit/mini/test_knowledge.py.
LEAST_CONFIDENCE: Final = 0.90  # the captioner's mean token probability
FARTHEST_COLOUR: Final = 60.0  # RGB distance, 0 to 441, from the line between the caption's two colours
LEAST_SHARE_ON_PALETTE: Final = 0.95  # of all pixels
LEAST_SHARE_CLEAR: Final = 0.75  # clearly the one colour or the other: edges are narrow, gradients are not
LEAST_SHARE_OF_COLOUR: Final = 0.01
LEAST_SHARE_OF_BACKGROUND: Final = 0.30
# Intersection over union of what is seen and the shape the caption names. The full shapes are asked for more: many
# small things together fill a box too.
LEAST_OVERLAP: Final = {"square": 0.78, "circle": 0.75, "triangle": 0.6, "star": 0.55, "ring": 0.55, "cross": 0.6}
MOST_STRETCH: Final = 1.5  # of the shape's box against the drawn one

Mask: TypeAlias = NDArray[np.bool_]

MOST_PX: Final = 2 * NATIVE_SIZE_PX
"""The shorter side up to which pictures still show one thing."""

_DEMONSTRATION: Final = f"{NAME} is the embedded demonstration model."

SWITCH_GENERATOR: Final = "For anything else set `generate.model: sd-1.4` in config/aura.yaml."
SWITCH_CAPTIONER: Final = "For anything else set `caption.model: blip-base` in config/aura.yaml."


def prompt_warnings(prompt: str, width: int, height: int) -> tuple[str, ...]:
    """The warnings for a prompt outside the grammar, or a size (pixels) at which one thing becomes many."""
    faults: list[str] = []
    if parse(prompt) is None:
        words = [word.strip(".,;:!?\"'()[]") for word in prompt.lower().split()]
        foreign = list(dict.fromkeys(word for word in words if word and word not in WORDS))
        reason = f"has never seen {_listed(foreign)}" if foreign else "only knows one kind of sentence"
        faults.append(f"{NAME} {reason}: the picture will not show the prompt")
    if min(width, height) > MOST_PX:
        native = f"{NATIVE_SIZE_PX}x{NATIVE_SIZE_PX}"
        faults.append(f"{NAME} draws pictures of {native}: one of {width}x{height} will not show the prompt")
    if not faults:
        return ()
    draws = "It draws one thing: 'a SIZE COLOUR SHAPE on a COLOUR background'."
    return (*faults, f"{_DEMONSTRATION} {draws} {_vocabulary()} {SWITCH_GENERATOR}")


def image_warnings(image: Image.Image, caption: str, confidence: float) -> tuple[str, ...]:
    """The warnings for an image the captioner was not trained for; `confidence`: mean token probability, in [0, 1]."""
    sentence = parse(caption)
    if sentence is not None and confidence >= LEAST_CONFIDENCE and shows(image, sentence):
        return ()
    names = "It can only name one shape on a plain background."
    return (
        f"{NAME} does not know this picture: do not trust the caption",
        f"{_DEMONSTRATION} {names} {_vocabulary()} {SWITCH_CAPTIONER}",
    )


def _vocabulary() -> str:
    return f"Sizes: {', '.join(SIZES)}; colours: {', '.join(COLOURS)}; shapes: {', '.join(SHAPES)}."


def _listed(words: list[str], most: int = 5) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(f"'{escaped(word)}'" for word in words[:most]) + more


def shows(image: Image.Image, sentence: Sentence) -> bool:
    """Whether the image has the two colours of the caption, hardly any other, and the shape of the caption."""
    pixels = _shrunk(image)
    colour, background = (np.array(PALETTE[name], dtype=np.float32) for name in (sentence.colour, sentence.background))
    line = colour - background
    along = np.clip((pixels - background) @ line / (line @ line), 0, 1)  # 0: background, 1: colour
    off_line = np.linalg.norm(pixels - background - along[..., None] * line, axis=-1)
    mask: Mask = along > 0.5
    return bool(
        (off_line < FARTHEST_COLOUR).mean() >= LEAST_SHARE_ON_PALETTE
        and (np.abs(along - 0.5) > 0.3).mean() >= LEAST_SHARE_CLEAR
        and mask.mean() >= LEAST_SHARE_OF_COLOUR
        and 1 - mask.mean() >= LEAST_SHARE_OF_BACKGROUND
        and _overlap(mask, sentence.shape) >= LEAST_OVERLAP[sentence.shape]
    )


def _shrunk(image: Image.Image) -> NDArray[np.float32]:
    """The image with its shorter side at the native size: float32 [H, W, 3] in [0, 255]."""
    scale = NATIVE_SIZE_PX / min(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX), dtype=np.float32)


def _overlap(mask: Mask, shape: str) -> float:
    """Intersection over union of the mask and the shape drawn into the mask's box, in [0, 1]."""
    seen, drawn = _boxed(mask), _boxed(_drawn(shape))
    if seen is None or drawn is None:
        return 0.0
    stretch = (seen.shape[0] / seen.shape[1]) / (drawn.shape[0] / drawn.shape[1])
    if not 1 / MOST_STRETCH <= stretch <= MOST_STRETCH:
        return 0.0
    one, other = _scaled(seen), _scaled(drawn)
    return float((one & other).sum() / (one | other).sum())


def _boxed(mask: Mask) -> Mask | None:
    """The mask cropped to the rows and columns that hold something, without stray specks."""
    rows, columns = (_extent(mask.sum(axis)) for axis in (1, 0))
    boxed = mask[rows, columns]
    return boxed if min(boxed.shape) >= 4 else None


def _extent(counts: NDArray[np.int_]) -> slice:
    """The range of a projection of the mask, without its outermost half per cent on each side."""
    total = np.cumsum(counts)
    inside = np.flatnonzero((total > 0.005 * total[-1]) & (total - counts < 0.995 * total[-1]))
    return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)


def _scaled(mask: Mask, side: int = 48) -> Mask:
    return np.asarray(Image.fromarray(mask).convert("L").resize((side, side), Image.Resampling.BILINEAR)) > 127


@cache
def _drawn(shape: str) -> Mask:
    """The shape as `drawing` draws it, 128 pixels wide."""
    import torch

    from aura_daemon.mini.drawing import DISTANCES

    y, x = torch.meshgrid(torch.linspace(-1.2, 1.2, 128), torch.linspace(-1.2, 1.2, 128), indexing="ij")
    mask: Mask = (DISTANCES[shape](x, y) < 0).numpy()
    return mask
