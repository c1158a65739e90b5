"""How far a caption says what a prompt asks for: the rules of the measure; the syntax of prompts does not count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.chains.word_overlap import STOP, overlap, shown_text
from aura_daemon.formats.prompts.prompt_syntax import plain_text

WORDS = ("red", "Circle", "großes", "été", "sun", "3", "photo")
TEXTS = st.lists(st.sampled_from([*WORDS, *sorted(STOP)[:5]]), max_size=8).map(" ".join)
MARKED = st.recursive(
    st.sampled_from(WORDS),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(" ".join),
        inner.map("({})".format),
        inner.map("[{}]".format),
        st.tuples(inner, st.sampled_from(["0.5", "1.3", "2"])).map("({0[0]}:{0[1]})".format),
        st.tuples(inner, inner).map("{0[0]} BREAK {0[1]}".format),
        inner.map("{} <lora:ink:0.8>".format),
        inner.map(r"\({}\)".format),
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("prompt", "caption", "score"),
    [
        ("a large (red:1.2) circle on a white background", "a red circle on a black background", 2 * 3 / 9),
        ("a red circle", "A Red CIRCLE.", 1.0),
        ("a red star on a red background", "a red star on a blue background", 2 * 3 / 8),
        ("a red circle", "the blue sea", 0.0),
        ("a red circle", "", 0.0),
        ("", "a red circle", 0.0),
        ("of the", "", 1.0),
    ],
)
def test_it_is_the_f1_of_the_content_words_of_both(prompt: str, caption: str, score: float) -> None:
    assert overlap(prompt, caption) == pytest.approx(score)


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ("a cat <lora:ink:0.8>, <LYCO:b>ink", "a cat , ink"),
        ("a ((cat:1.3) on:0.9) a mat", "a cat on a mat"),
        ("a cat (dog:-1) (bird:0)", "a cat"),
        ("a cat AND a dog:-0.5 AND snow:.7", "a cat snow"),
        ("a portrait, 16:9", "a portrait, 16:9"),
        ("a [cat:dog:0.5] in [snow:4] [rain::8]", "a dog in snow"),
        ("a [cat|dog] [low]", "a dog low"),
        ("a (cat, a dog] and )snow", "a cat, a dog] and snow"),
        ("a \\(small\\) cat BREAK snow \\", "a (small) cat snow"),
    ],
)
def test_of_a_prompt_only_what_is_to_be_seen_counts(prompt: str, shown: str) -> None:
    assert shown_text(prompt) == shown


@given(MARKED)
def test_weights_brackets_breaks_and_loras_leave_the_words_that_are_drawn(prompt: str) -> None:
    assert overlap(prompt, plain_text(prompt)) == 1.0


@given(TEXTS, TEXTS)
def test_it_is_the_same_both_ways_lies_between_0_and_1_and_forgets_order_and_case(one: str, other: str) -> None:
    score = overlap(one, other)
    assert 0 <= score <= 1
    assert score == overlap(other, one)
    assert score == overlap(" ".join(reversed(one.split())).upper(), f"the {other}")


@given(TEXTS, st.sampled_from(WORDS))
def test_it_is_1_for_the_same_words_alone(text: str, more: str) -> None:
    assert overlap(text, text) == 1.0
    assert overlap(text, f"{text} {more}") < 1.0


@given(st.text(alphabet="ab ()[]:|\\.1-<>AND", max_size=60))
def test_whatever_stands_in_a_prompt_it_has_a_score(prompt: str) -> None:
    assert 0 <= overlap(prompt, "a b") <= 1
