"""What tags and comments in prompts say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.formats.prompts.prompt_tags import (
    escape_comments,
    extract_loras,
    lora_spans,
    remarks_on_comments,
    remarks_on_tags,
    without_comments,
)
from aura_daemon.jobs.requests import Lora


@pytest.mark.parametrize(
    ("prompt", "rest", "loras"),
    [
        ("a cat", "a cat", []),
        ("a <lora:ink:0.8> cat", "a  cat", [("ink", 0.8)]),
        ("<lora:ink>", "", [("ink", 1.0)]),
        ("<LoRA: my ink v2.1 : -1 >cat", "cat", [("my ink v2.1", -1.0)]),
        ("<lora:a:1><lora:b:.5>", "", [("a", 1.0), ("b", 0.5)]),
        ("<hypernet:a:1> <b>", "<hypernet:a:1> <b>", []),
        ("<lyco:ink:0.7>", "", [("ink", 0.7)]),
        ("<lora:a__b__c:1>", "", [("a__b__c", 1.0)]),
        ("<lora:ink:1:1>", "", [("ink", 1.0)]),
        ("<lora:ink:0.5:te=0.5:unet=.5>", "", [("ink", 0.5)]),
        ("<lora:ink:lbw=OUTALL>", "", [("ink", 1.0)]),
        ("<lora:ink:1:lbw=OUTALL:stop=10>", "", [("ink", 1.0)]),
    ],
)
def test_a_lora_is_named_in_a_prompt_and_is_no_part_of_it(
    prompt: str, rest: str, loras: list[tuple[str, float]]
) -> None:
    found = extract_loras(prompt)
    assert (found.rest, found.strange) == (rest, ())
    assert found.loras == tuple(Lora(name=name, weight=weight) for name, weight in loras)


@pytest.mark.parametrize(
    "tag", ["<lora:>", "<lora::1>", "<lora:a:>", "<lora:a:b>", "<lora:a:9>", "<lora:a:1:0.5>", "<lyco:a:te=1:unet=0>"]
)
def test_what_is_no_lora_is_told_and_left_as_it_is(tag: str) -> None:
    found = extract_loras(f"a {tag} cat")
    assert (found.rest, found.loras, found.strange) == (f"a {tag} cat", (), (tag,))


def test_what_a_tag_says_besides_is_told() -> None:
    assert extract_loras("<lora:ink:1:lbw=OUTALL>").left_out == remarks_on_tags("<lora:ink:1:lbw=OUTALL>")
    (said,) = remarks_on_tags("<lora:ink:0.5:0.5:32>")
    assert said == "`32` in `<lora:ink:0.5:0.5:32>` was left out: the whole LoRA has one weight here"


def test_spans_hold_the_names_in_the_tags_of_loras() -> None:
    prompt = "a <lora:{a|b}:1> <b> <lyco:x__y__z>"
    assert [(prompt[start:end], name) for start, end, name in lora_spans(prompt)] == [
        ("<lora:{a|b}:1>", "{a|b}"),
        ("<lyco:x__y__z>", "x__y__z"),
    ]


@pytest.mark.parametrize(
    ("prompt", "text", "comments"),
    [
        ("a cat", "a cat", ()),
        ("a cat # a comment at the end", "a cat ", ("# a comment at the end",)),
        ("# about cats\na cat", "a cat", ("# about cats",)),
        ("a cat\n  # about cats\non a mat", "a cat\non a mat", ("# about cats",)),
        ("a cat # soft\non a mat", "a cat \non a mat", ("# soft",)),
        ("a cat ## soft", "a cat ", ("## soft",)),
        ("a cat #", "a cat ", ("#",)),
        ("a cat # x\r\non a mat", "a cat \non a mat", ("# x",)),
        ("#", "", ("#",)),
        (r"a cat \# a comment at the end", "a cat # a comment at the end", ()),
        (r"\# a", "# a", ()),
        (r"a \\# b", r"a \# b", ()),
        (r"C\# code", r"C\# code", ()),
        ("#1 cat\n", "#1 cat\n", ()),
        ("a cat,\n#masterpiece,\n  #blurry\non a mat", "a cat,\non a mat", ("#masterpiece,", "#blurry")),
        ("a cat,\n\\#1 of all # x\n\\\\#2", "a cat,\n#1 of all \n\\#2", ("# x",)),
        ("a cat,\n\\# of all \\# y", "a cat,\n# of all # y", ()),
        ("color #ff8800, 35mm", "color #ff8800, 35mm", ()),
        ("#1 cat", "#1 cat", ()),
        ("C# code", "C# code", ()),
        ("a cat #masterpiece", "a cat #masterpiece", ()),
    ],
)
def test_a_comment_is_no_part_of_a_prompt(prompt: str, text: str, comments: tuple[str, ...]) -> None:
    found = without_comments(prompt)
    assert (found.text, found.comments) == (text, comments)


@given(st.text("a# \\\n", max_size=20) | st.text(max_size=20))
def test_no_part_of_an_escaped_text_is_a_comment(text: str) -> None:
    found = without_comments(escape_comments(text))
    assert (found.text, found.comments) == (text, ())


def test_a_comment_is_said_with_its_text_and_how_to_have_it_drawn() -> None:
    (said,) = remarks_on_comments("a circle # comment at the end")
    assert said == r"`# comment at the end` was read as a comment and is not drawn; `\#` is a `#` that stands"


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("a cat #masterpiece #art", ["#masterpiece #art"]),
        ("color #ff8800, #fff and #Ace", []),
        ("#1 cat, C#, # ", []),
        ("#decades, #face1", ["#decades, #face1"]),
    ],
)
def test_a_word_behind_a_number_sign_is_text_and_said_to_be(prompt: str, told: list[str]) -> None:
    remarks = [remark for remark in remarks_on_comments(prompt) if "is drawn as text" in remark]
    assert [remark.split("`")[1] for remark in remarks] == told


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a <hypernet:x:1> b", ["`<hypernet:x:1>` is not known here and is drawn as text"]),
        ("<random:1~3>, <wildcard:animal>", ["`{1|2|3}` draws", "`__animals__` draws"]),
        ("<segment:face> <extra: a>", ["`<segment:face>` is not known here and is drawn as text", "<extra: a>"]),
        ("<ti:bad-hands>", ["named by its word alone"]),
        ("<lora:ink:0.8", ["`<lora:ink:0.8` is not closed with `>`"]),
        ("<lora:a:1 <lora:b:1>", ["`<lora:a:1 ` is not closed"]),
        ("a <cat-toy> <b>x</b>", ["`<cat-toy>` is not known here and is drawn as text: a textual", "<b>", "</b>"]),
        ("a < b, a <3, i <3 you > me, x <y and z> -> <lora:ink:1> <lyco:ink> << a >>", []),
        ("1 <2: 3>", []),
        ("blurry, embedding:EasyNegative, (embedding:bad-hands:1.2)", ["alone, `EasyNegative`", "alone, `bad-hands`"]),
        ("a <embedding:x>", ["`<embedding:x>` is not known here"]),
    ],
)
def test_other_tags_are_said_to_be_text(prompt: str, words: list[str]) -> None:
    remarks = remarks_on_tags(prompt)
    assert len(remarks) == len(words)
    assert all(word in remark for word, remark in zip(words, remarks, strict=True))


@given(st.text("<lora:lyco x1.#\\>=\n", max_size=40))
def test_any_prompt_has_its_remarks(prompt: str) -> None:
    remarks_on_tags(prompt)
    remarks_on_comments(prompt)
