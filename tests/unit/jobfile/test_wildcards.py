"""The grammar of choices and word lists, and what it can become."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.templates import Template, all_texts, draw_text, escape_choices
from aura_daemon.jobfile.wildcards import MOST_DEPTH, WildcardFault, WildcardParser

LISTS = Catalogue(
    wildcards={
        "animals": ("cat", "dog", "{black|white} horse"),
        "sub/my colours": ("red", "2::blue"),
        "scene": ("a __animals__", "the sea"),
        "circle": ("x", "a __round__"),
        "round": ("__circle__",),
        "open": ("{a|b",),
        "lost": ("__animal__",),
        "none": (),
        **{f"deep{number}": (f"__deep{number + 1}__",) for number in range(30)},
        "deep30": ("end",),
    },
    unusable={"huge": "it has more than 1,048,576 bytes"},
)


def read(text: str) -> Template:
    found = WildcardParser(LISTS).read(text)
    assert isinstance(found, Template), found
    return found


def fault(text: str, catalogue: Catalogue | None = LISTS) -> WildcardFault:
    found = WildcardParser(catalogue).read(text)
    assert isinstance(found, WildcardFault), found
    return found


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("a red circle", ["a red circle"]),
        ("", [""]),
        ("a {red|blue} circle", ["a red circle", "a blue circle"]),
        ("{a|b}{c|d}", ["ac", "ad", "bc", "bd"]),
        ("{red|{dark|pale} blue}", ["red", "dark blue", "pale blue"]),
        ("{|very} red", [" red", "very red"]),
        ("{a|}", ["a", ""]),
        ("{2::red|0.5::blue| .1 :: green}", ["red", "blue", " green"]),
        ("{2::{a|b}|c}", ["a", "b", "c"]),
        ("{1::2::a|b}", ["2::a", "b"]),
        ("{0::a|b}", ["a", "b"]),
        ("{word}", ["{word}"]),
        ("{2::word}", ["{2::word}"]),
        ("{a {b|c} d}", ["{a b d}", "{a c d}"]),
        ("{{a}|b}", ["{a}", "b"]),
        ("a | b", ["a | b"]),
        ("} a {", ["} a {"]),
        ("a {b {c|d}", ["a {b c", "a {b d"]),
        (r"\{a|b\}", ["{a|b}"]),
        (r"{a\|b|\}}", ["a|b", "}"]),
        (r"\(a:1.2\) \n \\{", [r"\(a:1.2\) \n \{"]),
        ("__animals__", ["cat", "dog", "black horse", "white horse"]),
        ("__sub/my colours__!", ["red!", "blue!"]),
        ("__scene__", ["a cat", "a dog", "a black horse", "a white horse", "the sea"]),
        (r"\__animals__ __ x __ _a_", ["__animals__ __ x __ _a_"]),
        ("{__sub/my colours__|x}", ["red", "blue", "x"]),
    ],
)
def test_a_text_becomes_every_combination_of_its_choices(text: str, becomes: list[str]) -> None:
    template = read(text)
    assert list(all_texts(template)) == becomes
    assert template.combinations == len(becomes)
    assert template.is_plain is (len(becomes) == 1)
    assert template.longest == max(map(len, becomes))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a {red|blue", "opened with `{` and never closed"),
        ("{0::a|0::b}", "weights of a choice are all 0"),
        ("__animal__", "`__animal__` is no word list (known are animals, sub/my colours, scene"),
        ("__animal__", r"… and 19 more); `\__animal__` is text that stands as it is"),
        ("__circle__", "lead back to themselves: `__circle__` leads to `__round__` leads to `__circle__`"),
        ("__open__", "in the word list `open`: a choice is opened"),
        ("__lost__", "in the word list `lost`: `__animal__` is no word list"),
        ("__huge__", "the word list `__huge__` cannot be used: it has more than"),
        ("__none__", "the word list `__none__` cannot be used: it holds no line"),
        ("__deep0__", "nested more than 20 deep"),
        ("__deep20__ __deep10__ __deep0__", "nested more than 20 deep"),
        ("{" * (MOST_DEPTH + 1), "nested more than 20 deep"),
    ],
)
def test_what_cannot_be_expanded_is_told_in_words(text: str, words: str) -> None:
    assert words in fault(text).message


def test_a_misspelt_list_gets_the_nearest_name() -> None:
    assert fault("__animal__").suggestion == fault("__lost__").suggestion == "__animals__"
    assert fault("__zzz__").suggestion == ""
    assert "no folder of them is configured" in fault("__animals__", Catalogue()).message


def test_without_a_catalogue_the_names_of_lists_stand_as_they_are() -> None:
    found = WildcardParser(None).read("{a|b} __animals__")
    assert isinstance(found, Template)
    assert list(all_texts(found)) == ["a __animals__", "b __animals__"]


def test_weights_say_how_often_an_alternative_is_drawn() -> None:
    template, plain = read("{6::a|3::b|0::c|d}"), read("{a|b|c|d}")
    found = Counter(draw_text(template, seed, "prompt") for seed in range(2000))
    assert set(found) == {"a", "b", "d"}
    assert (round(found["a"] / 200), round(found["b"] / 200)) == (6, 3)
    assert min(Counter(draw_text(plain, seed, "prompt") for seed in range(2000)).values()) > 430


def test_what_a_seed_draws_is_for_ever() -> None:
    template = read("{a|b|c|d|e|f|g|h} {1::1|2::2|3::3} __animals__")
    assert [draw_text(template, seed, "prompt") for seed in range(4)] == FOR_EVER
    assert draw_text(template, 3, "negative_prompt") != draw_text(template, 3, "prompt")


def trees(names: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, int]]:
    """A text, and how many texts it can become by the rules of sum and product."""
    word = st.text("ab: 1", max_size=3).map(lambda text: (text, 1))
    listed = names.map(lambda name: (f"__{name}__", {"animals": 4, "scene": 5}[name]))

    def deeper(inner: st.SearchStrategy[tuple[str, int]]) -> st.SearchStrategy[tuple[str, int]]:
        def sequence(parts: list[tuple[str, int]]) -> tuple[str, int]:
            number = 1
            for _, one in parts:
                number *= one
            return "".join(text for text, _ in parts), number

        def choice(parts: list[tuple[str, int]]) -> tuple[str, int]:
            return "{" + "|".join(text for text, _ in parts) + "}", sum(one for _, one in parts)

        return st.lists(inner, max_size=3).map(sequence) | st.lists(inner, min_size=2, max_size=3).map(choice)

    return st.recursive(word | listed, deeper, max_leaves=8)


@given(trees(st.sampled_from(["animals", "scene"])), st.integers(0, 2**63 - 1))
def test_combinations_multiply_and_what_is_drawn_is_one_of_them(tree: tuple[str, int], seed: int) -> None:
    text, number = tree
    template = read(text)
    assert template.combinations == number
    if number <= 2000:
        becomes = list(all_texts(template))
        assert len(becomes) == number
        one = draw_text(template, seed, "prompt")
        assert one in becomes
        assert one == draw_text(read(text), seed, "prompt")
        assert max(map(len, becomes)) == template.longest


@given(st.text(r"ab{|}\_: 1", max_size=20) | st.text(max_size=20))
def test_escapes_survive(text: str) -> None:
    template = read(escape_choices(text))
    assert template.is_plain
    assert list(all_texts(template)) == [text]


@given(st.text("ab{|}\\_$:1 ", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert isinstance(WildcardParser(LISTS).read(text), Template | WildcardFault)


FOR_EVER = ["h 3 black horse", "d 3 cat", "d 3 black horse", "b 2 dog"]
