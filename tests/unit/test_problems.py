"""What pydantic found wrong, in words."""

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aura_daemon.errors import Problem
from aura_daemon.problems import MOST_GIVEN, capped, cut, nearest, nearest_name, problems_of, shown


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    speed: int = Field(1, description="a whole number")
    plain: int = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: Inner = Field(Inner(), description="keys of the inside")
    colours: list[Literal["red", "green"]] = Field(["red"], description="a list of red, green")

    @model_validator(mode="after")
    def _fast_enough(self) -> "Outer":
        if self.inner.speed == 13:
            raise ValueError("13 brings bad luck")
        return self


def problems(values: object, **lines: int) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    return [str(problem) for problem in problems_of(caught.value, Outer, file="f", lines=lines, written={})]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"inner": {"speed": "fast"}}, 'f: inner.speed: must be a whole number (given: "fast")'),
        ({"inner": {"sped": 1}}, "f: inner.sped: unknown key; did you mean `speed`?"),
        ({"inner": {"speed": {"sped": 1}}}, 'f: inner.speed: must be a whole number (given: {"sped": 1})'),
        ({"inner": 5}, "f: inner: must be keys of the inside (given: 5)"),
        (
            {"colours": ["red", "gren"]},
            'f: colours.1: must be a list of red, green (given: "gren"); did you mean `green`?',
        ),
        ({"colours": [None]}, "f: colours.0: must be a list of red, green (given: null)"),
        ({"zzz": 1}, "f: zzz: unknown key; known are inner, colours"),
        ({"inner": {"speed": 13}}, "f: 13 brings bad luck"),
        ({"a\nb" * 50: 1}, "a\\nb"),
        ([], "f: input should be a valid dictionary"),
        ({"inner": {"plain": "fast"}}, "f: inner.plain: input should be a valid integer"),
    ],
)
def test_every_fault_has_its_words(values: object, said: str) -> None:
    (found,) = problems(values)
    assert said in found
    assert "\n" not in found


def test_a_fault_inside_a_value_has_the_line_of_the_value_or_of_the_document() -> None:
    assert problems({"colours": ["red", "blue"]}, colours=7)[0].startswith("f:7: colours.1")
    assert problems({"colours": 5}, **{"": 3})[0].startswith("f:3: colours")


def test_problems_come_in_the_order_of_the_file() -> None:
    found = problems({"zzz": 1, "inner": 5, "colours": 5}, zzz=1, inner=3, colours=2)
    assert [line.split(": ")[1] for line in found] == ["zzz", "colours", "inner"]


@pytest.mark.parametrize(
    ("word", "near"),
    [("promt", "prompt"), ("PROMPT", "prompt"), ("stepz", "Steps"), ("elephant", ""), ("", ""), ("x" * 1_000_000, "")],
)
def test_the_nearest_word_is_found_whatever_its_case(word: str, near: str) -> None:
    assert nearest(word, ["prompt", "Steps"]) == near


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a…b", '"a…b"'),
        (True, "true"),
        (None, "null"),
        (5, "5"),
        (2.5, "2.5"),
        ([1, "a"], '[1, "a"]'),
        ("a\nb", '"a\\nb"'),
    ],
)
def test_a_value_looks_as_its_owner_wrote_it(value: object, text: str) -> None:
    assert shown(value) == text


@given(st.text(max_size=100))
@settings(max_examples=25)
def test_words_that_are_shown_are_short_and_on_one_line(text: str) -> None:
    assert len(cut(text).splitlines()) <= 1
    assert len(text) <= MOST_GIVEN or cut(text).endswith("…")
    cut(text).encode()


def test_a_long_list_of_problems_is_capped_and_a_short_one_is_not() -> None:
    many = [Problem(message=str(number)) for number in range(1500)]
    assert capped(many[:100], file="f") == tuple(many[:100])
    assert str(capped(many, file="f")[-1]) == "f: … and 1,400 more problems"


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("foto", ["photo", "mountain"], "photo"),
        ("img_12", ["img_13", "img_0012"], "img_0012"),
        ("x", ["y", "xxxxxxxx"], ""),
        ("beach", [], ""),
    ],
)
def test_the_nearest_name_of_a_file_has_the_same_numbers(name: str, known: list[str], near: str) -> None:
    assert nearest_name(name, known) == near
