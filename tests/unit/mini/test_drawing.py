"""Drawings mean their sentences: colours where they belong, sizes apart, everything inside the frame."""

import pytest
import torch

from aura_daemon.mini.drawing import render
from aura_daemon.mini.grammar import PALETTE, SHAPES, Sentence, every_sentence


def dice(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def is_colour(pixels: torch.Tensor, name: str) -> torch.Tensor:
    """Where float32 [..., 3, H, W] in [-1, 1] has the colour: bool [..., H, W]."""
    target = torch.tensor(PALETTE[name])[:, None, None] / 127.5 - 1
    return ((pixels - target).abs() < 0.02).all(-3)


def sentence(shape: str, size: str = "large") -> Sentence:
    return Sentence(size=size, colour="red", shape=shape, background="blue")


def test_every_sentence_is_drawn_in_its_two_colours_and_hardly_another() -> None:
    for part in range(0, 672, 96):
        sentences = every_sentence()[part : part + 96]
        for words, picture in zip(sentences, render(sentences, dice(part)), strict=True):
            inside, outside = is_colour(picture, words.colour), is_colour(picture, words.background)
            assert inside.float().mean() > 0.01
            assert (inside | outside).float().mean() > 0.85
            assert not (inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_middle_is_filled_but_for_the_ring(shape: str) -> None:
    inside = is_colour(render([sentence(shape)] * 8, dice()), "red")
    for mask in inside:
        rows, columns = torch.nonzero(mask).unbind(1)
        middle = mask[int(rows.float().mean().round()), int(columns.float().mean().round())]
        assert bool(middle) is (shape != "ring")


@pytest.mark.parametrize("shape", SHAPES)
def test_small_and_large_are_clearly_apart(shape: str) -> None:
    def widths(size: str) -> torch.Tensor:
        columns = is_colour(render([sentence(shape, size)] * 64, dice()), "red").any(1)
        return columns.sum(1)

    assert widths("small").max() * 1.3 < widths("large").min()


def test_the_place_varies_and_the_seed_repeats() -> None:
    first, second = render([sentence("star")] * 2, dice(1))
    assert not torch.equal(first, second)
    assert torch.equal(render([sentence("star")] * 2, dice(1))[0], first)


def test_other_proportions_keep_the_shape_round() -> None:
    inside = is_colour(render([sentence("circle")], dice(), height_px=64, width_px=112), "red")[0]
    assert inside.shape == (64, 112)
    assert abs(int(inside.any(0).sum()) - int(inside.any(1).sum())) <= 1
