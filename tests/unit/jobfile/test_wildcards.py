"""The grammar of choices and word lists, and what it can become."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.errors import Problem
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobfile.templates import Template, all_texts, draw_text, escape_choices
from aura_daemon.jobfile.wildcards import MOST_DEPTH, WildcardParser

LISTS = Catalogue(
    loras=("sub/a__animals__b", "a__none__b"),
    wildcards={
        "animals": ("cat", "dog", "{black|white} horse"),
        "sub/my colours": ("red", "2::blue"),
        "scene": ("a __animals__", "the sea"),
        "circle": ("x", "a __round__"),
        "round": ("__circle__",),
        "open": ("{a|b",),
        "lost": ("__animal__",),
        "none": (),
        "colours-warm": ("red", "orange"),
        "colours-cold": ("blue", "red"),
        "weighted": ("3::x", "y", "0::z"),
        "sub/deeper/one": ("1", "2"),
        **{f"deep{number}": (f"__deep{number + 1}__",) for number in range(30)},
        "deep30": ("end",),
    },
    unusable={"huge": "it has more than 1,048,576 bytes"},
)


def read(text: str) -> Template:
    found = WildcardParser(LISTS).read(text)
    assert isinstance(found, Template), found
    return found


def fault(text: str, catalogue: Catalogue | None = LISTS) -> Problem:
    found = WildcardParser(catalogue).read(text)
    assert isinstance(found, Problem), found
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
        ("{2$$a|b|c}", ["a, b", "a, c", "b, a", "b, c", "c, a", "c, b"]),
        ("{2$$ and $$a|b}", ["a and b", "b and a"]),
        ("{2$$ $$a|b}", ["a b", "b a"]),
        ("{2$$$$a|b}", ["ab", "ba"]),
        ("{2$$|$$a|b}", ["a|b", "b|a"]),
        ("{1-2$$a|b}", ["a", "b", "a, b", "b, a"]),
        ("{2-1$$a|b}", ["a", "b", "a, b", "b, a"]),
        ("{-2$$a|b}", ["a", "b", "a, b", "b, a"]),
        ("{2-$$a|b}", ["a, b", "b, a"]),
        ("{ 1 - 2 $$; $$ a | b }", ["a", "b", "a; b", "b; a"]),
        ("{0-1$$a|b}", ["", "a", "b"]),
        ("{1$$a|b}", ["a", "b"]),
        ("{9$$a|b}", ["a, b", "b, a"]),
        ("{2$$a|{b|c}}", ["a, b", "a, c", "b, a", "c, a"]),
        ("{2$${a|b} x|c}", ["a x, c", "b x, c", "c, a x", "c, b x"]),
        ("{1$$x|{2$$-$$a|b}}", ["x", "a-b", "b-a"]),
        ("{2$$2::a|0.5::b}", ["a, b", "b, a"]),
        ("{2$$__sub/my colours__}", ["red, blue", "blue, red"]),
        ("{2$$ and $$ __sub/my colours__ }!", ["red and blue!", "blue and red!"]),
        ("{2$$a __sub/my colours__}", ["a red", "a blue"]),
        ("{2$$__sub/my colours__|x}", ["red, x", "blue, x", "x, red", "x, blue"]),
        ("{2$$__colours*__}", ["blue, red", "blue, orange", "red, blue", "red, orange", "orange, blue", "orange, red"]),
        ("__colours*__", ["blue", "red", "orange"]),
        ("__sub/*__", ["1", "2", "red", "blue"]),
        ("__*deeper*__", ["1", "2"]),
        (r"__sub\deeper\one__", ["1", "2"]),
        (r"__sub\__ and \__one__", [r"__sub__ and __one__"]),
        ("{3$$|a}", [", a", "a, "]),
        ("$$$ money, {$$$ a|b$$}", ["$$$ money, $$$ a", "$$$ money, b$$"]),
        ("{x 2$$a|b} ${10|20}", ["x 2$$a $10", "x 2$$a $20", "b $10", "b $20"]),
        ("100%{|} {@a|b}", ["100% @a", "100% b", "100% @a", "100% b"]),
        (r"$\{a=1} \__@animals__", ["${a=1} __@animals__"]),
        ("{red|green} cat # {one|two}", ["red cat ", "green cat "]),
        (r"a {red|\# {b|c}}", ["a red", r"a \# b", r"a \# c"]),
        ("<lora:a__animals__b:1>", ["<lora:a__animals__b:1>"]),
        (r"<lora:a\__animals\__b:1>", ["<lora:a__animals__b:1>"]),
        (r"<lyco:a__x\y__b:1> x", [r"<lyco:a__x\y__b:1> x"]),
        ("<lyco:a__none__b:1> x", ["<lyco:a__none__b:1> x"]),
        ("<lora:a__no such list__b:1>", ["<lora:a__no such list__b:1>"]),
        ("<lora:__colours-warm__:1>", ["<lora:red:1>", "<lora:orange:1>"]),
        ("<lora:{a|b}:{0.5|1}>", ["<lora:a:0.5>", "<lora:a:1>", "<lora:b:0.5>", "<lora:b:1>"]),
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
        ("a {2$$red", "opened with `{` and never closed"),
        ("{2$$0::a|0::b}", "weights of a choice are all 0"),
        ("{@2$$a|b}", "`{@`: how alternatives are drawn cannot be chosen for one choice; leave the `@` out"),
        ("{~ 1-2$$a|b}", "leave the `~` out"),
        (
            "${animal=!{cat|dog}} a ${animal}",
            "`${animal=!`: variables (`${name=…}`) of sd-dynamic-prompts are not known",
        ),
        ("a ${animal}", "`${animal}`: variables"),
        ("a ${animal:cat}", "`${animal:cat}`: variables"),
        ("%{big ... dog$$x}", "wrapping"),
        ("__@animals__", "`__@animals__`: a mark before the name of a word list"),
        ("__animals(a=b)__", "with parameters"),
        ("__anim*ls x__", "`__anim*ls x__` is no word list (known are"),
        ("__h*__", "the word list `__huge__` cannot be used: it has more than"),
        ("__non*__", "the word list `__non*__` cannot be used: it holds no line"),
        ("{0::a|0::b}", "weights of a choice are all 0"),
        ("__animal__", "`__animal__` is no word list (known are animals, sub/my colours, scene"),
        ("__animal__", r"… and 23 more); `\__animal__` is text that stands as it is"),
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


def test_several_are_drawn_by_their_weights_and_none_of_them_twice() -> None:
    template, plain = read("{2$$6::a|3::b|0::c|1::d}"), read("{2$$a|b|c}")
    found = Counter(draw_text(template, seed, "prompt") for seed in range(3000))
    assert set(found) == {"a, b", "b, a", "a, d", "d, a", "b, d", "d, b"}
    assert round(found["a, b"] / 100) == 13  # 0.6 * 0.75 of 3000
    assert set(Counter(draw_text(plain, seed, "prompt") for seed in range(600))) == set(all_texts(plain))
    numbers = Counter(len(draw_text(read("{1-3$$a|b|c}"), seed, "prompt").split(", ")) for seed in range(600))
    assert min(numbers.values()) > 160
    assert draw_text(read("{3$$0::a|b|c}"), 1, "prompt") in ("b, c", "c, b")
    assert draw_text(read("{2$$__weighted__}"), 1, "prompt") in ("x, y", "y, x")


@pytest.mark.parametrize(("text", "becomes"), [("{0$$a|b}", ""), ("{2$$a}", "a"), ("{1-3$$ a }!", "a!")])
def test_a_choice_of_several_may_leave_no_choice(text: str, becomes: str) -> None:
    template = read(text)
    assert list(all_texts(template)) == [becomes] == [draw_text(template, 1, "prompt")]
    assert (template.combinations, template.longest) == (1, len(becomes))


def test_what_a_seed_draws_of_several_is_for_ever() -> None:
    template = read("{1-3$$a|b|c|d|e} {2$$ and $$2::x|3::y|{p|q}} {2$$__animals__}")
    assert [draw_text(template, seed, "prompt") for seed in range(4)] == SEVERAL_FOR_EVER


def test_a_bomb_of_alternatives_is_counted_at_once() -> None:
    lists = Catalogue(wildcards={"huge": tuple(map(str, range(100_000))), "few": ("{a|b}",) * 3})
    for text in ("{100000$$__huge__}", "{9-$$__huge__}", "{-99999$$__huge__}" * 50):
        found = WildcardParser(lists).read(text)
        assert isinstance(found, Template)
        assert found.combinations >= 10**18
    three = WildcardParser(lists).read("{2-3$$__few__}")
    assert isinstance(three, Template)
    assert three.combinations == 6 * 4 + 6 * 8
    exact = WildcardParser(lists).read("{2$$__huge__}")
    assert isinstance(exact, Template)
    assert exact.combinations == 100_000 * 99_999


def test_a_bomb_of_patterns_and_numbers_is_refused() -> None:
    lists = Catalogue(wildcards={"huge": ("x",) * 100_000})
    patterns = "".join(f"__hug{'*' * number}__" for number in range(1, 25))
    numbers = "".join(f"{{{number}$$__huge__}}" for number in range(1, 25))
    for text in (patterns, numbers):
        assert "go through more than 2,000,000 lines: split the file" in fault(text, lists).message
    assert isinstance(WildcardParser(lists).read("{1-2$$__huge__}{2$$__huge__}__hug*__" * 30), Template)


def test_many_are_drawn_at_once() -> None:
    template = read("{3000$$$$" + "|".join("ab" * 2000) + "}")
    assert Counter(draw_text(template, 1, "prompt"))["a"] + Counter(draw_text(template, 1, "prompt"))["b"] == 3000


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

        def several(parts: list[tuple[str, int]]) -> tuple[str, int]:
            pairs = sum(one * other for (_, one), (_, other) in permutations(parts, 2))
            return "{1-2$$; $$" + "|".join(text for text, _ in parts) + "}", sum(one for _, one in parts) + pairs

        two = st.lists(inner, min_size=2, max_size=3)
        return st.lists(inner, max_size=3).map(sequence) | two.map(choice) | two.map(several)

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


@given(st.text("ab{|}\\_: 1#$\n", max_size=20) | st.text(max_size=20))
def test_escapes_survive(text: str) -> None:
    template = read(escape_choices(text))
    assert template.is_plain
    assert list(all_texts(template)) == [text]


@given(st.text("ab{|}\\_$:1 #-*@%=<lora>", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert isinstance(WildcardParser(LISTS).read(text), Template | Problem)


FOR_EVER = ["h 3 black horse", "d 3 cat", "d 3 black horse", "b 2 dog"]
SEVERAL_FOR_EVER = [
    "d, e, a x and y cat, dog",
    "d, a y and x cat, dog",
    "e, d x and y white horse, cat",
    "c y and x white horse, cat",
]
