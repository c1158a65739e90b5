"""Which prompts a text holds."""

from __future__ import annotations

import pytest

from aura_daemon.jobfile.parser import ParsedFile
from aura_daemon.jobfile.prompt_lists.prompt_texts import parse_prompt_text
from aura_daemon.jobfile.prompt_lists.text_entries import LINES_KEY, WHOLE_KEY, entries_of
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.sources import PromptLines

AUTO, LINES, WHOLE = PromptLines.AUTO, PromptLines.LINES, PromptLines.WHOLE

CIRCLES = "a small red circle on a blue background\na large green star on a white background\n"
TAGS = "masterpiece, best quality,\n1girl, red hair,\nforest in the background\n"
PROSE = (
    "a weathered lighthouse stands on a cliff above the grey sea, and\n"
    "the last light of the evening falls on its white walls while gulls\n"
    "circle above the breakers, oil painting on canvas, thick strokes\n"
)
INFOTEXT = (
    "a small red circle\nNegative prompt: text, watermark\n"
    "Steps: 8, Sampler: Euler a, CFG scale: 7, Seed: 1234, Size: 64x64, Model: sd-v1-4\n"
)


def texts(text: str, mode: PromptLines = AUTO) -> list[str]:
    return [entry.text for entry in entries_of(text, mode).entries]


def test_each_line_is_a_prompt_with_its_number() -> None:
    found = entries_of("\n\na cat\r\n\r\n   \na dog\ra bird", AUTO)
    assert [(entry.text, entry.first, entry.last) for entry in found.entries] == [
        ("a cat", 3, 3),
        ("a dog", 6, 6),
        ("a bird", 7, 7),
    ]
    assert found.notes == (f"the text was read as 3 prompts, one a line; {WHOLE_KEY}",)


def test_only_a_guess_is_told() -> None:
    assert entries_of("a cat\n", AUTO).notes == ()
    assert entries_of(CIRCLES, LINES).notes == ()
    assert entries_of(CIRCLES, WHOLE).notes == ()


@pytest.mark.parametrize("mode", PromptLines)
def test_comments_are_left_out(mode: PromptLines) -> None:
    assert texts("# my prompts\n  // more of them\n-----\na red circle\n***\n", mode) == ["a red circle"]
    assert texts("#one\n//two\n", mode) == []
    assert texts("\\#1 dad, a mug\n", mode) == ["\\#1 dad, a mug"]
    assert texts("a cat # with a hat", mode) == ["a cat # with a hat"]


def test_a_comment_that_may_be_meant_as_text_is_told() -> None:
    note = "`#1 dad, a mug` was left out as a comment; `\\#` at the beginning keeps a line"
    assert [entries_of("a cat\n  #1 dad, a mug\n#two\n", mode).notes for mode in PromptLines] == [(note,)] * 3
    assert entries_of("#!/bin/list\n# mugs\n## dad\na cat\n// a dog\n", AUTO).notes == ()


def test_the_commands_before_copied_prompts_are_left_out() -> None:
    assert texts("/imagine prompt: a cat\ninvoke> a dog -s 8\n/imagine a bird\n/imagined\n") == [
        "a cat",
        "a dog -s 8",
        "a bird",
        "/imagined",
    ]


def test_a_text_is_read_whole_where_the_key_says_so() -> None:
    assert texts(CIRCLES, WHOLE) == [CIRCLES.strip()]
    assert texts("a cat\n\n\n# no\nat night", WHOLE) == ["a cat\nat night"]
    assert texts("a cat\n\n\nat night", WHOLE) == ["a cat\n\nat night"]


@pytest.mark.parametrize(
    "text",
    [
        TAGS,
        PROSE,
        "(a red circle,\n on a blue background:1.2)",
        "a {red|\nblue} circle\non white",
        "a red circle\nBREAK\na blue background",
        "a red circle AND\na blue star",
    ],
)
def test_what_clearly_is_one_text_is_one_prompt_and_that_is_told(text: str) -> None:
    found = entries_of(text, AUTO)
    assert len(found.entries) == 1
    assert found.entries[0].first == 1
    assert "were read as one prompt, as each goes on in the next" in found.notes[0]
    assert LINES_KEY in found.notes[0]
    assert len(entries_of(text, LINES).entries) == len(text.strip().splitlines())


@pytest.mark.parametrize(
    "text",
    [
        CIRCLES,
        "1girl, red hair,\n1boy, blue hair,\n",  # the last one ends with a comma, too
        "a cat :)\na dog (\n",
        "SALT AND PEPPER\nBREAKFAST\n",
        "a portrait of a red cat in the style of an old master, soft light\n" * 3,  # of one template
        "a cat\nthe dog\nmy bird\n",  # short
        "A lighthouse on a cliff above the grey sea, in the last light of day.\n"
        "The harbour of a small town at night, boats, reflections in the water.\n"
        "Fishermen who mend their nets in front of a row of painted houses\n",
        "a lighthouse on a cliff above the grey sea in the last light of day\nthe harbour\nfishermen who mend nets\n",
    ],
)
def test_lists_stay_lists(text: str) -> None:
    assert texts(text) == text.strip().split("\n")


@pytest.mark.parametrize(
    ("text", "prompts", "note"),
    [
        ("- a cat\n- a dog\n", ["a cat", "a dog"], "`-`"),
        ("* a cat\n\n* a dog", ["a cat", "a dog"], "`*`"),
        ("# Animals\n- [ ] a cat\n- [x] a dog\n## More\n- a bird", ["a cat", "a dog", "a bird"], "`-`"),
        ("- a cat", ["a cat"], "`-`"),
        (
            "- a cat\n  with a hat,\n\n  at night\n- a dog\n  * a bird",
            ["a cat with a hat, at night", "a dog", "a bird"],
            "`-`",
        ),
        ("1. a cat\n2. a dog", ["a cat", "a dog"], "numbers"),
        ("7) a cat\n8) a dog", ["a cat", "a dog"], "numbers"),
        ("1. a cat\n1. a dog", ["a cat", "a dog"], "numbers"),
        ('"a cat, at night",\n"a dog"', ["a cat, at night", "a dog"], "quotes"),
    ],
)
def test_the_signs_of_a_list_are_left_out_and_that_is_told(text: str, prompts: list[str], note: str) -> None:
    found = entries_of(text, AUTO)
    assert [entry.text for entry in found.entries] == prompts
    assert note in found.notes[-1]


@pytest.mark.parametrize(
    "text", ["- a cat\na dog", "1. a cat\n3. a dog", '"a cat"\na dog', "1. FC K\u00f6ln", '"a cat"', "2 cats\n3 dogs"]
)
def test_signs_that_not_all_lines_have_stay(text: str) -> None:
    assert texts(text) == text.split("\n")


@pytest.mark.parametrize("mode", PromptLines)
def test_a_pasted_infotext_is_one_prompt_with_its_settings(mode: PromptLines) -> None:
    (entry,) = entries_of(INFOTEXT, mode).entries
    assert entry.is_infotext
    assert (entry.text, entry.first, entry.last) == (INFOTEXT.strip(), 1, 3)


def test_several_infotexts_may_follow_one_another() -> None:
    second = INFOTEXT.replace("red", "blue").replace("circle\n", "circle,\n\non white\n")
    template = 'Template: "a {red|blue}\ncircle"\n'
    found = entries_of(f"# pasted\n{INFOTEXT}{template}{second}\na cat\na dog\n", AUTO)
    first, middle, *others = found.entries
    assert first.text == f"{INFOTEXT}{template}".strip()
    assert middle.text == second.strip()
    assert [entry.text for entry in others] == ["a cat", "a dog"]
    assert found.notes == (f"what stands behind the settings was read as 2 more, one a line; {WHOLE_KEY}",)


def test_a_negative_prompt_needs_no_settings_and_ends_with_a_blank_line() -> None:
    found = entries_of("Prompt: a cat\nnegative PROMPT : text\n\na dog\nat night\nNegative prompt: blur\n", AUTO)
    assert [entry.text for entry in found.entries] == [
        "a cat\nNegative prompt: text",
        "a dog\nat night\nNegative prompt: blur",
    ]
    assert found.notes == ("lines 4 to 6 were read as one prompt with what to keep out of its picture",)
    apart = "a cat\nNegative prompt: text\n\nSteps: 8, Sampler: Euler a, Seed: 1"
    assert texts(apart) == [apart]


PAIRS = (
    "positive:a fox in the snow,\nraincoat\n\nnegative:text\n------\nPositive prompt: an owl\nNegative prompt: day\n"
)


def test_pairs_of_positive_and_negative_prompts_are_parted_by_their_labels() -> None:
    found = entries_of(f"# mine\n{PAIRS}---\npositive: a cat\n", AUTO)
    assert [(entry.text, entry.is_infotext) for entry in found.entries] == [
        ("a fox in the snow,\nraincoat\n\nNegative prompt:text", True),
        ("an owl\nNegative prompt: day", True),
        ("a cat", False),
    ]
    assert found.notes == ()


@pytest.mark.parametrize(
    "text",
    [
        "Prompt: a cat\nNegative prompt: text",
        "positive: a cat\n\nnegative: text\n",
        "Prompt:\na cat\nNegative Prompt:\ntext\n",
        "a cat\nNegative: text",
    ],
)
def test_a_pair_with_labels_is_one_prompt_with_what_to_keep_out(text: str) -> None:
    parsed = parse_prompt_text(text.encode(), file="a.txt")
    whole = parse_prompt_text(text.encode(), file="a.txt", prompt_lines=WHOLE)
    assert isinstance(parsed, ParsedFile) and isinstance(whole, ParsedFile)
    request = GenerateRequest(prompt="a cat", negative_prompt="text")
    assert [job.spec.request for job in (*parsed.jobs, *whole.jobs)] == [request, request]


@pytest.mark.parametrize(
    ("text", "prompts", "label"),
    [
        ("Prompt: a cat: asleep", ["a cat: asleep"], "Prompt:"),
        ("Prompt:\na cat\na dog", ["a cat", "a dog"], "Prompt:"),
        ("Positive prompt: a cat\npositive: a dog", ["a cat", "a dog"], "Positive prompt:"),
    ],
)
def test_the_label_of_prompts_is_left_out_and_that_is_said(text: str, prompts: list[str], label: str) -> None:
    found = entries_of(text, AUTO)
    assert [entry.text for entry in found.entries] == prompts
    assert f"the label `{label}` was left out" in found.notes
    assert texts("Prompt:") == ["Prompt:"]


NEGATIVES = "Negative prompt: blur\nNegative prompt: fog\nNegative prompt: rain"


def test_prompts_and_negative_prompts_in_turn_need_no_blank_lines() -> None:
    found = entries_of(f"a cat\nNegative prompt: text\na dog\n{NEGATIVES}", AUTO)
    assert [entry.text for entry in found.entries] == [
        "a cat\nNegative prompt: text",
        f"a dog\n{NEGATIVES}",
    ]


def test_a_line_behind_a_negative_prompt_belongs_to_it_and_that_is_said() -> None:
    found = entries_of("a cat\nNegative prompt: text\na dog\n", AUTO)
    assert [entry.text for entry in found.entries] == ["a cat\nNegative prompt: text\na dog"]
    assert found.notes == ("lines 1 to 3 were read as one prompt with what to keep out of its picture",)


def test_a_label_alone_parts_nothing() -> None:
    assert texts("positive: a cat\nan owl\n") == ["positive: a cat", "an owl"]
    assert texts("positive_prompt: a cat\nnegative_prompt: text\n") == ["a cat\nNegative prompt: text"]


def test_settings_on_the_line_of_their_prompt_are_seen() -> None:
    line = "a fox. Negative prompt: blurry. Steps: 20, Sampler: Euler a, CFG scale: 7"
    assert [entry.is_infotext for entry in entries_of(f"{line}\na fox at Steps: 20, by night\n", AUTO).entries] == [
        True,
        False,
    ]
