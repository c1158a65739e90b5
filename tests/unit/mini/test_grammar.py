"""The grammar: there and back, and a hold-out that keeps every word well known."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.mini.grammar import (
    COLOURS,
    HELD_OUT_COUNT,
    SHAPES,
    SIZES,
    Sentence,
    every_combination,
    every_sentence,
    held_out,
    held_out_sentences,
    parse,
    seen_sentences,
)

sentences = st.sampled_from(every_sentence())


def test_there_are_672_sentences_and_no_two_say_the_same() -> None:
    assert len(every_sentence()) == len({str(sentence) for sentence in every_sentence()}) == 672
    assert len(every_combination()) == len(SHAPES) * len(COLOURS) * (len(COLOURS) - 1)


@given(sentences)
def test_a_sentence_comes_back_from_its_text(sentence: Sentence) -> None:
    assert parse(str(sentence)) == sentence


@given(sentences, st.sampled_from(["", ".", " . "]), st.booleans(), st.booleans())
def test_capitals_spaces_dots_and_articles_do_not_matter(
    sentence: Sentence, end: str, shouted: bool, without_article: bool
) -> None:
    text = str(sentence).removeprefix("a ") if without_article else f"  {sentence}"
    assert parse((text.upper() if shouted else text) + end) == sentence


@given(sentences)
def test_a_missing_size_is_read_as_large(sentence: Sentence) -> None:
    text = str(sentence).replace(f"{sentence.size} ", "")
    read = parse(text)
    assert read is not None
    assert (read.size, read.combination) == ("large", sentence.combination)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a horse",
        "a red circle",
        "a small pink circle on a blue background",
        "a small red circle on a red background",
        "a red small circle on a blue background",
        "on a blue background a small red circle",
        "a small red circle on a blue background, oil painting",
        "two small red circles on a blue background",
        "a huge red circle on a blue background",
    ],
)
def test_other_words_and_other_orders_are_not_read(text: str) -> None:
    assert parse(text) is None


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    parse(text)


def test_about_an_eighth_of_the_combinations_is_held_out_and_always_the_same() -> None:
    held_out.cache_clear()
    first = held_out()
    held_out.cache_clear()
    assert first == held_out()
    assert len(first) == HELD_OUT_COUNT == 40
    assert first <= set(every_combination())


def test_every_word_is_held_out_equally_often_and_every_pair_at_most_once() -> None:
    chosen = held_out()
    shapes, colours, backgrounds = (Counter(combination[place] for combination in chosen) for place in range(3))
    assert set(colours.values()) == set(backgrounds.values()) == {5}
    assert set(shapes.values()) <= {6, 7}
    for left, right in ((0, 1), (0, 2), (1, 2)):
        assert max(Counter((one[left], one[right]) for one in chosen).values()) == 1


def test_what_training_draws_and_what_is_held_out_have_nothing_in_common() -> None:
    seen, unseen = seen_sentences(), held_out_sentences()
    assert len(seen) + len(unseen) == 672
    assert not {sentence.combination for sentence in seen} & {sentence.combination for sentence in unseen}
    assert {sentence.size for sentence in unseen} == set(SIZES)
