"""Where a caption that has too many words is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.engines.captioning.shortening import CLAUSE_ENDS, shortened

WORDS = st.sampled_from(["a", "the", "dog,", "of", "with", "red."])
TEXTS = st.text("ab ,.;\u00fc", max_size=40) | st.lists(WORDS).map(" ".join)


@pytest.mark.parametrize(
    ("text", "most_words", "cut"),
    [
        ("a red circle on a blue background", 0, "a red circle on a blue background"),
        ("a red circle on a blue background", 7, "a red circle on a blue background"),
        ("a red circle on a blue background", 6, "a red circle on a blue"),
        ("a red circle on a blue background", 5, "a red circle"),
        ("a red circle on a blue background", 1, "a"),
        ("a dog on a beach, with a ball in its mouth", 8, "a dog on a beach"),
        ("a dog, a cat on a beach with a ball in its mouth", 9, "a dog, a cat on a beach"),
        ("1girl, solo, red hair, smile", 3, "1girl, solo"),
        ("It rains. The street is wet and", 5, "It rains. The street"),
        ("It rains. The street is wet and", 4, "It rains."),
    ],
)
def test_it_ends_with_a_whole_clause_or_with_a_word_that_announces_no_other(
    text: str, most_words: int, cut: str
) -> None:
    assert shortened(text, most_words) == cut


@given(TEXTS, st.integers(0, 8))
def test_it_has_no_more_words_and_they_are_the_first_ones(text: str, most_words: int) -> None:
    cut, words = shortened(text, most_words).split(), text.split()
    if not most_words or len(words) <= most_words:
        assert shortened(text, most_words) == text
        return
    assert len(cut) <= most_words
    assert cut[:-1] == words[: max(0, len(cut) - 1)]
    if words[0].strip(CLAUSE_ENDS):
        assert cut
        assert words[len(cut) - 1].startswith(cut[-1])
