"""Weights as A1111 writes them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.core.job import Lora
from aura_daemon.core.promptsyntax import Break, Piece, loras_in, pieces_of, plain_text


def read(prompt: str) -> list[tuple[str, float] | None]:
    return [(piece.text, round(piece.weight, 4)) if isinstance(piece, Piece) else None for piece in pieces_of(prompt)]


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        ("normal text", [("normal text", 1.0)]),
        ("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        (r"\(literal\]", [("(literal]", 1.0)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1.0),
                ("house", 1.573),
                (" ", 1.1),
                ("on", 1.0),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.4641),
                (".", 1.1),
            ],
        ),
        ("[less]", [("less", 0.9091)]),
        ("[[even] less", [("even", 0.8264), (" less", 0.9091)]),
        ("(a: 1.5 )", [("a", 1.5)]),
        ("(a:.5)", [("a", 0.5)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("16:9) and ]", [("16:9) and ]", 1.0)]),
        ("a:1.2)", [("a:1.2)", 1.0)]),
        ("sea BREAK (sky BREAK sun)", [("sea", 1.0), None, ("sky", 1.1), None, ("sun", 1.1)]),
        ("BREAKFAST", [("BREAKFAST", 1.0)]),
        ("a \\ b \\\\ c", [("a \\ b \\ c", 1.0)]),
        ("", []),
        ("()", []),
    ],
)
def test_pieces_are_weighed_as_a1111_weighs_them(prompt: str, pieces: list[tuple[str, float] | None]) -> None:
    assert read(prompt) == pieces


@pytest.mark.parametrize(
    ("prompt", "text", "loras"),
    [
        ("a cat", "a cat", ()),
        ("a cat <lora:ink:0.8>", "a cat", (Lora(name="ink", weight=0.8),)),
        ("<lora:ink> a  cat", "a cat", (Lora(name="ink", weight=1.0),)),
        ("a <lora:sub/ink:-1:0.5>, b", "a , b", (Lora(name="sub/ink", weight=-1.0),)),
        ("a < b > c", "a < b > c", ()),
        ("<lora:a:1><lora:b:2>", "", (Lora(name="a", weight=1.0), Lora(name="b", weight=2.0))),
    ],
)
def test_loras_are_named_in_a_prompt_and_are_no_text(prompt: str, text: str, loras: tuple[Lora, ...]) -> None:
    assert loras_in(prompt) == (text, loras)


def test_the_words_alone() -> None:
    assert plain_text("a (red:1.3) [circle] BREAK on blue") == "a red circle on blue"


SYNTAX = st.text("ab ()[]:.1\\", max_size=40) | st.text(max_size=30)


@given(SYNTAX)
def test_no_prompt_breaks_the_reader_and_neighbours_differ(prompt: str) -> None:
    pieces = pieces_of(prompt)
    for piece, following in pairwise(pieces):
        assert isinstance(piece, Break) or isinstance(following, Break) or piece.weight != following.weight
    assert all(piece.text for piece in pieces if isinstance(piece, Piece))


@given(st.text("ab c,.", max_size=40))
def test_a_prompt_without_brackets_is_one_piece_of_its_own_text(prompt: str) -> None:
    assert pieces_of(prompt) == ((Piece(text=prompt),) if prompt else ())


@given(st.text("ab c()[]\\", max_size=30))
def test_what_is_escaped_is_text(prompt: str) -> None:
    written = "".join(f"\\{letter}" if letter in "()[]\\" else letter for letter in prompt)
    assert "".join(piece.text for piece in pieces_of(written) if isinstance(piece, Piece)) == prompt
