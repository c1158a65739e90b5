"""Which text holds at which step: the same as in A1111's web UI."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.formats.prompts.prompt_schedule import PassSteps, never_reached, schedule
from aura_daemon.formats.prompts.prompt_syntax import parse
from tests.support.examples import examples

TEN = PassSteps(steps=10, taken=10)
SECOND = PassSteps(steps=10, taken=10, before=10)

SIGNED = st.lists(
    st.sampled_from(["a", " ", "b c", "[", "]", "(", ")", ":", "|", "3", ".5", "\\[", "\\", "[a:b:3]", "[c|d]"])
    | st.text(max_size=3),
    max_size=25,
).map("".join)


def phases(prompt: str, steps: PassSteps = TEN) -> list[tuple[int, str]]:
    return [(phase.last, phase.text) for phase in schedule(prompt, steps)]


def in_turn(*texts: str) -> list[tuple[int, str]]:
    return [(step, texts[(step - 1) % len(texts)]) for step in range(1, 11)]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        # the examples in A1111's own source, for 10 steps
        ("test", [(10, "test")]),
        ("a [b:3]", [(3, "a "), (10, "a b")]),
        ("a [b: 3]", [(3, "a "), (10, "a b")]),
        ("a [[[b]]:2]", [(2, "a "), (10, "a [[b]]")]),
        ("[(a:2):3]", [(3, ""), (10, "(a:2)")]),
        ("a [b : c : 1] d", [(1, "a b  d"), (10, "a  c  d")]),
        ("a[b:[c:d:2]:1]e", [(1, "abe"), (2, "ace"), (10, "ade")]),
        ("a [unbalanced", [(10, "a [unbalanced")]),
        ("a [b:.5] c", [(5, "a  c"), (10, "a b c")]),
        ("a [{b|d{:.5] c", [(5, "a  c"), (10, "a {b|d{ c")]),
        ("((a][:b:c [d:3]", [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
        ("[a|(b:1.1)]", in_turn("a", "(b:1.1)")),
        ("[fe|]male", in_turn("female", "male")),
        ("[fe|||]male", in_turn("female", "male", "male", "male")),
        # the examples in its documentation
        ("a [fantasy:cyberpunk:6] landscape", [(6, "a fantasy landscape"), (10, "a cyberpunk landscape")]),
        ("[cow|horse] in a field", in_turn("cow in a field", "horse in a field")),
        (
            "[cow|cow|horse|man|siberian tiger|ox|man] in a field",
            in_turn(*(f"{one} in a field" for one in ("cow", "cow", "horse", "man", "siberian tiger", "ox", "man"))),
        ),
        # one side
        ("[from:to:0.25]", [(2, "from"), (10, "to")]),
        ("[to:10]", [(10, "")]),
        ("[from::1]", [(1, "from"), (10, "")]),
        ("[a::4] b", [(4, "a b"), (10, " b")]),
        ("[::4]", [(4, ""), (10, "")]),
        ("[|]", in_turn("", "")),
        # when
        ("[a:b:0]", [(10, "b")]),
        ("[a:b:0.0]", [(10, "b")]),
        ("[a:b:-3]", [(10, "b")]),
        ("[a:b:1]", [(1, "a"), (10, "b")]),
        ("[a:b:1.0]", [(10, "a")]),
        ("[a:b:10]", [(10, "a")]),
        ("[a:b:0.29]", [(2, "a"), (10, "b")]),
        ("[a:b:+.3]", [(3, "a"), (10, "b")]),
        ("[a:b:2e0]", [(2, "a"), (10, "b")]),
        (f"[a:b:{'9' * 400}]", [(10, "a")]),
        ("[a:b:\n2\t]", [(2, "a"), (10, "b")]),
        # in each other
        ("[a [b|c]:d:2]", [(1, "a b"), (2, "a c"), *((step, "d") for step in range(3, 11))]),
        ("[[a:b:2]|c]", [(1, "a"), (2, "c"), *((step, "b" if step % 2 else "c") for step in range(3, 11))]),
        ("([a:b:2]:1.3)", [(2, "(a:1.3)"), (10, "(b:1.3)")]),
        ("[[a:b:2]]", [(2, "[a]"), (10, "[b]")]),
        # text
        ("[a:b]", [(10, "[a:b]")]),
        ("[a:b:c]", [(10, "[a:b:c]")]),
        ("[a:b:(3)]", [(10, "[a:b:(3)]")]),
        ("[a:b:c:3]", [(10, "[a:b:c:3]")]),
        ("[a|b:c:3]", [(3, "a|b"), (10, "c")]),
        ("[(a|b:1.2):c:3]", [(3, "(a|b:1.2)"), (10, "c")]),
        ("[a (b:c:d):3]", [(10, "[a (b:c:d):3]")]),
        ("[a ) b:3]", [(10, "[a ) b:3]")]),
        ("[a:b:3)", [(10, "[a:b:3)")]),
        (r"\[a:b:3\]", [(10, r"\[a:b:3\]")]),
        (r"[a\|b]", [(10, r"[a\|b]")]),
        (r"[a\:b:3]", [(3, ""), (10, r"a\:b")]),
        ("a | b [c:3]", [(3, "a | b "), (10, "a | b c")]),
        ("at 16:9 (a [b:3]", [(3, "at 16:9 (a "), (10, "at 16:9 (a b")]),
        ("[a:b:5]]", [(5, "a]"), (10, "b]")]),
        ("a | b, [c:d:5]", [(5, "a | b, c"), (10, "a | b, d")]),
        ("[x [a:b:3]", [(3, "[x a"), (10, "[x b")]),
        ("", [(10, "")]),
    ],
)
def test_texts_come_in_turn_as_they_do_in_a1111(prompt: str, expected: list[tuple[int, str]]) -> None:
    assert phases(prompt) == expected


def test_the_long_example_of_a1111_s_source_has_its_five_texts() -> None:
    prompt = (
        "fantasy landscape with a [mountain:lake:0.25] and [an oak:a christmas tree:0.75]"
        "[ in foreground::0.6][ in background:0.25] [shoddy:masterful:0.5]"
    )
    assert phases(prompt, PassSteps(steps=100, taken=100)) == [
        (25, "fantasy landscape with a mountain and an oak in foreground shoddy"),
        (50, "fantasy landscape with a lake and an oak in foreground in background shoddy"),
        (60, "fantasy landscape with a lake and an oak in foreground in background masterful"),
        (75, "fantasy landscape with a lake and an oak in background masterful"),
        (100, "fantasy landscape with a lake and a christmas tree in background masterful"),
    ]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a [b:.5] c", [(10, "a b c")]),  # these two are A1111's own
        ("a [b:1.5] c", [(5, "a  c"), (10, "a b c")]),
        ("[a:b:10]", [(10, "b")]),
        ("[a:b:13]", [(3, "a"), (10, "b")]),
        ("[a:b:2.0]", [(10, "a")]),
        ("[a|b]", in_turn("a", "b")),
    ],
)
def test_in_a_second_pass_the_count_goes_on(prompt: str, expected: list[tuple[int, str]]) -> None:
    assert phases(prompt, SECOND) == expected


@pytest.mark.parametrize(
    ("prompt", "passes", "whens"),
    [
        ("[a:b:9] [c|d] [e:0.9]", [TEN], []),
        ("[a:b:10] [a:b:1.0]", [TEN], ["10", "1.0"]),
        ("[a:b:30] [c:30]", [TEN], ["30"]),
        ("[a:1.3]", [TEN], ["1.3"]),
        ("[a:1.3] [b:14]", [TEN, SECOND], []),
        ("[a:2.5]", [TEN, SECOND], ["2.5"]),
        ("[a:b:.5]", [PassSteps(steps=10, taken=5)], [".5"]),
        ("[a:b:.4]", [PassSteps(steps=10, taken=5)], []),
        ("[x [a:b:30]:3]", [TEN], ["30"]),
    ],
)
def test_a_change_that_no_step_sees_is_said(prompt: str, passes: list[PassSteps], whens: list[str]) -> None:
    remarks = never_reached(prompt, passes)
    assert len(remarks) == len(whens)
    for remark, when in zip(remarks, whens, strict=True):
        assert f"`:{when}]` lies behind the last step" in remark
        assert " and ".join(str(one.taken) for one in passes) in remark


@given(SIGNED, st.integers(1, 12))
@settings(max_examples=examples(200))
def test_any_prompt_has_a_text_for_every_step(prompt: str, steps: int) -> None:
    for before in (None, 7):
        found = schedule(prompt, PassSteps(steps=steps, taken=steps, before=before))
        ends = [phase.last for phase in found]
        assert ends == sorted(set(ends))
        assert ends[-1] == steps
        assert all(end >= 1 for end in ends)
    never_reached(prompt, [PassSteps(steps=steps, taken=steps)])


@given(st.text(st.characters(exclude_characters="[]"), max_size=30))
def test_a_prompt_without_square_brackets_is_itself(prompt: str) -> None:
    assert phases(prompt) == [(10, prompt)]


@pytest.mark.parametrize("bracket", ["[", "(", "[a|", "[a:"])
def test_a_deep_prompt_is_read(bracket: str) -> None:
    deep = 2_000
    closing = {"[": "]", "(": ")", "[a|": "]", "[a:": ":3]"}[bracket]
    for prompt in (bracket * deep, bracket * deep + "x" + closing * deep):
        assert phases(prompt)[-1][0] == 10
        parse(phases(prompt)[-1][1])
