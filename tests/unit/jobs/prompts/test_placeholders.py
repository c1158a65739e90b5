"""What stands for a placeholder is text, whatever it holds."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aura_daemon.formats.prompts import prompt_syntax
from aura_daemon.formats.prompts.prompt_schedule import PassSteps, schedule
from aura_daemon.formats.prompts.prompt_tags import extract_loras
from aura_daemon.jobs.prompts.placeholders import (
    filled,
    kept_escaped,
    literal,
    names_in,
    one_line,
    waits_for_caption,
)

STEPS = PassSteps(steps=10, taken=10)


def drawn(prompt: str, step: int = 0) -> list[tuple[str, float]]:
    """The texts of a prompt with their weights, as a picture is told them."""
    found = extract_loras(prompt)
    assert found.loras == found.strange == ()
    (part,) = prompt_syntax.parts(schedule(found.rest, STEPS)[step].text)
    (section,) = prompt_syntax.parse(part.text)
    return [(piece.text, round(piece.weight, 3)) for piece in section]


@given(
    st.text(alphabet=st.one_of(st.sampled_from("\\()[]{}|:<># 1.5-+aANDBREK\nlora_,"), st.characters()), max_size=30)
)
@example("<lora:ink:0.8> (x:1.2) [a:b:0.5] {a|b} x AND y BREAK z")
@example("16: 9")
@example("a :5")
@example("\\")
def test_no_sign_in_a_value_is_read_as_one(value: str) -> None:
    text = one_line(value)
    prompt = literal(value)
    assert not waits_for_caption(prompt)
    if not text:
        return
    same = text.replace("AND", "and").replace("BREAK", "break")

    def told(pieces: list[tuple[str, float]]) -> list[tuple[str, float]]:
        return [(words.replace("AND", "and").replace("BREAK", "break"), weight) for words, weight in pieces]

    assert told(drawn(f"x {prompt} y")) == [(f"x {same} y", 1.0)]
    assert told(drawn(f"({prompt}:1.3)")) == [(same, 1.3)]
    assert told(drawn(f"[x:{prompt}:0.5]", -1))[0][0].strip() == same.strip()


def test_known_names_are_filled_and_all_else_in_braces_stays() -> None:
    text = r"{stem} {exif:Model} {caption} {a|b} {word} \{stem} ${stem} %{file} {stem|x}"
    assert names_in(text) == ("stem", "exif:Model", "caption")
    values = {"stem": "cat", "exif:Model": "X100"}
    found = filled(text, values.get, is_prompt=True)
    assert found == r"cat X100 {caption} {a|b} {word} \{stem} ${stem} %{file} {stem|x}"
    assert filled(text, values.get) == found.replace("\\", "")


@pytest.mark.parametrize(
    ("text", "kept"), [(r"\{caption}", r"\\{caption}"), (r"\\{caption}", r"\\{caption}"), ("{a}", "{a}")]
)
def test_an_escaped_placeholder_stays_one_when_choices_are_read(text: str, kept: str) -> None:
    assert kept_escaped(text) == kept


def test_an_escaped_caption_is_none() -> None:
    assert not waits_for_caption(r"\{caption}")
    assert waits_for_caption("a {caption}")
