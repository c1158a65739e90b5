"""What a picture is told in each pass: parts, the negative prompt, and remarks."""

import pytest

from aura_daemon.formats.prompts.prompt_passes import PassTexts, read
from aura_daemon.formats.prompts.prompt_schedule import PassSteps

TEN = PassSteps(steps=10, taken=10)
SECOND = PassSteps(steps=4, taken=4, before=10)


def only(prompt: str, negative: str = "", *, guided: bool = True) -> PassTexts:
    (one,) = read(prompt, negative, [TEN], guided=guided).passes
    return one


def told(texts: PassTexts, step: int) -> list[tuple[str, float]]:
    return [(part.at(step), part.weight) for part in texts.parts]


def test_every_part_has_its_own_turns_and_weight() -> None:
    texts = only("a [cat:dog:3] AND [red|blue] background:0.6")
    assert told(texts, 1) == [("a cat", 1.0), ("red background", 0.6)]
    assert told(texts, 4) == [("a dog", 1.0), ("blue background", 0.6)]
    assert (texts.composes, texts.is_constant) == (True, False)


def test_behind_the_last_step_the_last_text_stays() -> None:
    assert told(only("[a:b:3]"), 11) == [("b", 1.0)]


@pytest.mark.parametrize(
    ("prompt", "negative", "constant"),
    [
        ("a cat", "a dog", True),
        ("(a:1.2) [b] BREAK c", "", True),
        ("[a:b:0]", "", True),
        ("a cat AND a dog:0", "", True),
        ("[a:b:3]", "", False),
        ("a", "[a|b]", False),
        ("a AND b", "", False),
        ("a:2 AND b:0", "", False),
    ],
)
def test_a_prompt_is_constant_where_diffusers_can_be_told_it(prompt: str, negative: str, constant: bool) -> None:
    assert only(prompt, negative).is_constant is constant


@pytest.mark.parametrize(
    ("prompt", "guided", "there"),
    [
        ("a", True, True),
        ("a", False, False),
        ("a AND b", False, True),
        ("a:2 AND b:0", False, True),
        ("a AND b:0", False, False),
    ],
)
def test_the_negative_prompt_counts_where_something_is_drawn_away_from_it(
    prompt: str, guided: bool, there: bool
) -> None:
    assert (only(prompt, "c", guided=guided).negative is not None) is there


def test_where_no_part_counts_one_stays() -> None:
    assert told(only("a:0 AND b:0"), 1) == [("a", 0.0)]


def test_and_is_a_word_in_a_negative_prompt() -> None:
    negative = only("a", "b AND [c:d:3]").negative
    assert negative is not None
    assert (negative.at(3), negative.at(4)) == ("b AND c", "b AND d")


def test_all_texts_are_named_once_in_turn() -> None:
    texts = read("[a|b] AND b", "[c:d:1.5]", [TEN, SECOND], guided=True)
    assert texts.said == ("a", "b")
    assert texts.unsaid == ("c", "d")
    assert read("a", "b", [TEN], guided=False).unsaid == ()


def test_what_is_read_otherwise_is_said_once_of_both_prompts() -> None:
    remarks = read("[a:b:30] (c:300) AND [d:30]", "(e:200) [f:40]", [TEN], guided=True).remarks
    assert [remark.split(" lies")[0] for remark in remarks] == [
        "a weight of 100 or more was read as 100",
        "prompt editing: `:30]`",
        "prompt editing: `:40]`",
    ]
    assert read("a", "(e:200)", [TEN], guided=False).remarks == ()
