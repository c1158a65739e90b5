"""What the signs in a prompt mean: the same as in A1111's web UI."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.formats.prompts.prompt_syntax import (
    MOST_WEIGHT,
    WeightedText,
    not_understood,
    parse,
    parts,
    plain_text,
)
from tests.support.examples import examples

SIGNS = st.text(st.sampled_from("ab ,():[]\\.123+-<>lora") | st.characters(), max_size=40)
SIGNED = st.lists(SIGNS | st.sampled_from(["BREAK", "(a:1.3)", "<lora:x:0.5>", " BREAK "])).map("".join)
WORDS = st.text(st.characters(exclude_characters="()[]\\"), max_size=30).filter(lambda text: "BREAK" not in text)


def sections(prompt: str) -> list[list[tuple[str, float]]]:
    return [[(piece.text, piece.weight) for piece in section] for section in parse(prompt)]


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        # A1111's own examples
        ("normal text", [("normal text", 1.0)]),
        ("an (important) word", [("an ", 1.0), ("important", 1.1), (" word", 1.0)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        (r"\(literal\]", [("(literal]", 1.0)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1.0),
                ("house", 1.5730000000000004),
                (" ", 1.1),
                ("on", 1.0),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.4641000000000006),
                (".", 1.1),
            ],
        ),
        # and more of the kind
        ("", []),
        ("()", []),
        ("[less]", [("less", 1 / 1.1)]),
        ("[unbalanced", [("unbalanced", 1 / 1.1)]),
        ("not opened) nor ]", [("not opened) nor ]", 1.0)]),
        ("not opened:1.3)", [("not opened:1.3)", 1.0)]),
        ("[square:1.3)", [("square:1.3)", 1 / 1.1)]),
        ("(a : 1.3 )", [("a ", 1.3)]),
        ("(a:.5)(b:2.)(c:+3)", [("a", 0.5), ("b", 2.0), ("c", 3.0)]),
        ("(a:0)(b:-1)", [("a", 0.0), ("b", -1.0)]),
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(one:1.0) two", [("one two", 1.0)]),
        (r"\\(a\)", [("\\", 1.0), ("a)", 1.1)]),
        (r"a\b", [("ab", 1.0)]),
        ("([a])", [("a", 1 / 1.1 * 1.1)]),
    ],
)
def test_brackets_weigh_as_they_do_in_a1111(prompt: str, pieces: list[tuple[str, float]]) -> None:
    assert sections(prompt) == [pieces]


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a BREAK b", [[("a", 1.0)], [("b", 1.0)]]),
        ("a\nBREAK\nb", [[("a", 1.0)], [("b", 1.0)]]),
        ("a BREAK, BREAK b", [[("a", 1.0)], [(",", 1.0)], [("b", 1.0)]]),
        ("BREAKBREAK", [[("BREAKBREAK", 1.0)]]),
        ("BREAK BREAK", [[], [], []]),
        ("a break b", [[("a break b", 1.0)]]),
        ("(a BREAK b:2)", [[("a", 2.0)], [("b", 2.0)]]),
        ("(a:-1)BREAK(b:-1)", [[("a", -1.0)], [("b", -1.0)]]),
    ],
)
def test_break_is_a_word_of_its_own(prompt: str, parts: list[list[tuple[str, float]]]) -> None:
    assert sections(prompt) == parts


@given(SIGNED)
@settings(max_examples=examples(200))
def test_any_prompt_is_understood_and_every_weight_is_a_number(prompt: str) -> None:
    for section in parse(prompt):
        assert all(piece.text and math.isfinite(piece.weight) for piece in section)
        assert all(one.weight != other.weight for one, other in pairwise(section))
    not_understood(prompt)
    plain_text(prompt)


@given(st.lists(st.sampled_from(["a", " ", "(", ")", "[", "]", "(b:1.3)", "\\(", "BREAK"]), max_size=30).map("".join))
def test_weights_are_above_nothing_where_none_other_is_written(prompt: str) -> None:
    assert all(piece.weight > 0 for section in parse(prompt) for piece in section)


@given(WORDS)
def test_text_without_signs_is_itself(text: str) -> None:
    assert "".join(piece.text for section in parse(text) for piece in section) == text


@given(st.text(max_size=30).filter(lambda text: "BREAK" not in text))
def test_escaped_text_is_itself(text: str) -> None:
    escaped = "".join(f"\\{letter}" if letter in "()[]\\" else letter for letter in text)
    assert parse(escaped) == (((WeightedText(text=text),),) if text else ((),))


def test_no_weight_is_endless() -> None:
    assert sections("(" * 20_000 + "a") == [[("a", MOST_WEIGHT)]]
    assert sections(f"(a:-{'9' * 400})") == [[("a", -MOST_WEIGHT)]]
    assert sections("(" * 20_000 + "(a:0)") == [[("a", 0.0)]]
    for prompt in ("(a:200)", "(a:-200)", "a AND b:200", "a AND b:-200"):
        assert not_understood(prompt) == ("a weight of 100 or more was read as 100",)


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("a cat", [("a cat", 1.0)]),
        ("a cat AND a dog", [("a cat", 1.0), ("a dog", 1.0)]),
        ("a cat :1.2 AND a dog AND a penguin :2.2", [("a cat", 1.2), ("a dog", 1.0), ("a penguin", 2.2)]),
        ("a\nAND\nb: -.5 ", [("a", 1.0), ("b", -0.5)]),
        ("a AND b:2.", [("a", 1.0), ("b", 2.0)]),
        ("a AND b:\x1c5\x1f", [("a", 1.0), ("b", 5.0)]),
        ("a AND 16:9:1.1", [("a", 1.0), ("16:9", 1.1)]),
        ("a AND (b:1.3)", [("a", 1.0), ("(b:1.3)", 1.0)]),
        ("a AND [b:c:0.5]", [("a", 1.0), ("[b:c:0.5]", 1.0)]),
        ("a AND b:much", [("a", 1.0), ("b:much", 1.0)]),
        ("AND", [("", 1.0), ("", 1.0)]),
        ("a AND :0.5", [("a", 1.0), ("", 0.5)]),
        ("a and b, SAND ANDROID", [("a and b, SAND ANDROID", 1.0)]),
        ("a AND b:500", [("a", 1.0), ("b", MOST_WEIGHT)]),
        (f"a AND b:-{'9' * 400}", [("a", 1.0), ("b", -MOST_WEIGHT)]),
        ("portrait, 16:9", [("portrait, 16:9", 1.0)]),  # in A1111 the whole prompt would weigh 9 times
    ],
)
def test_and_joins_texts_with_weights(prompt: str, texts: list[tuple[str, float]]) -> None:
    assert [(part.text, part.weight) for part in parts(prompt)] == texts


def test_nothing_is_said_of_what_is_understood() -> None:
    assert not_understood("a (cat:1.3), [a dog], BREAK and <lora:ink:0.5> ((sand)) AND [a:b:200] [c|d] AND b:0.8") == ()


def test_the_plain_text_has_no_signs() -> None:
    assert plain_text("a (red:1.3) [circle] BREAK on <lora:ink:0.5>blue") == "a red circle on blue"
