"""Prompts that hold the caption of a picture."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from aura_daemon.chains.captioned_prompts import wants_caption, with_caption
from aura_daemon.formats.prompts.prompt_syntax import WeightedText, parse, parts
from aura_daemon.jobs.prompts.placeholders import one_line
from aura_daemon.jobs.requests import GenerateRequest


def test_only_a_request_that_names_what_is_described_wants_a_caption() -> None:
    assert not wants_caption(GenerateRequest(prompt="a {caption}"))
    assert wants_caption(GenerateRequest(prompt="a {caption}", described="a.png"))


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1).map(str.strip).filter(bool))
@example("(a [cat]:1.5) AND a\\dog BREAK")
@example(r"\1 {caption}")
def test_no_sign_of_a_caption_is_read_as_syntax(caption: str) -> None:
    filled = with_caption(GenerateRequest(prompt="an oil painting of {caption}", described="a.png"), caption)
    assert len(parts(filled.prompt)) == 1
    ((piece,),) = parse(filled.prompt)
    told = one_line(caption).replace("AND", "and").replace("BREAK", "break")
    assert piece.weight == 1.0
    assert piece.text.replace("AND", "and").replace("BREAK", "break") == f"an oil painting of {told}"
    assert piece == WeightedText(text=piece.text)
    assert filled.described is None


def test_a_placeholder_that_is_escaped_or_stands_in_a_caption_is_text() -> None:
    request = GenerateRequest(prompt=r"{caption} \{caption}", negative_prompt="no {caption}", described="a.png")
    filled = with_caption(request, "a {caption}")
    assert filled.prompt == r"a \{caption} \{caption}"
    assert filled.negative_prompt == r"no a \{caption}"
