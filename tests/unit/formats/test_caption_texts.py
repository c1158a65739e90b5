"""A file with a caption is one line that trainers and taggers read as they expect; nothing stands in it twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.formats.caption_texts import finished
from aura_daemon.jobs.caption_files import CaptionFile, ExistingText

APPEND, PREPEND, REPLACE = ExistingText.APPEND, ExistingText.PREPEND, ExistingText.REPLACE


@pytest.mark.parametrize(
    ("around", "text"),
    [
        ({}, "a dog"),
        ({"trigger_word": "sks"}, "sks, a dog"),
        ({"trigger_word": " sks dog, "}, "sks dog, a dog"),
        ({"prefix": "photo of"}, "photo of a dog"),
        ({"prefix": "anime style,"}, "anime style, a dog"),
        ({"suffix": "in the snow"}, "a dog in the snow"),
        ({"suffix": ", high quality"}, "a dog, high quality"),
        ({"suffix": "."}, "a dog."),
        ({"trigger_word": "sks", "prefix": "photo of", "suffix": ", 4k"}, "sks, photo of a dog, 4k"),
        ({"trigger_word": "a dog"}, "a dog"),
        ({"prefix": "two\n lines"}, "two lines a dog"),
    ],
)
def test_a_caption_stands_between_prefix_and_suffix_behind_the_trigger_word(around: dict[str, str], text: str) -> None:
    assert finished(" a dog\n", CaptionFile(**around)) == text


@pytest.mark.parametrize(
    ("existing", "before", "text"),
    [
        (APPEND, "1girl, solo\n", "1girl, solo, a dog"),
        (APPEND, "1girl, solo,", "1girl, solo, a dog"),
        (APPEND, "Rex plays.\n", "Rex plays. a dog"),
        (APPEND, "one\r\ntwo\r\n", "one\r\ntwo, a dog"),
        (APPEND, "solo, a dog, snow", "solo, a dog, snow"),
        (APPEND, "one\na dog\ntwo", "one\na dog\ntwo"),
        (APPEND, "a dogma, not a dog house", "a dogma, not a dog house, a dog"),
        (APPEND, " \n", "a dog"),
        (PREPEND, "1girl, solo", "a dog, 1girl, solo"),
        (PREPEND, "a dog; solo", "a dog; solo"),
        (REPLACE, "1girl, solo", "a dog"),
        (ExistingText.KEEP, "1girl, solo", "a dog"),
        (ExistingText.SKIP, "1girl, solo", "a dog"),
    ],
)
def test_a_text_that_was_there_is_joined_once(existing: ExistingText, before: str, text: str) -> None:
    assert finished("a dog", CaptionFile(existing=existing), before) == text


@pytest.mark.parametrize("existing", [APPEND, PREPEND])
@pytest.mark.parametrize(
    "before", ["sks", "sks,", "sks , snow", "snow", "sksy, snow", "snow, sks", "snow,sks,sks,tree"]
)
def test_the_trigger_word_comes_first_and_once(existing: ExistingText, before: str) -> None:
    text = finished("a dog", CaptionFile(existing=existing, trigger_word="sks"), before)
    parts = text.replace(", ", ",").split(",")
    assert parts[0] == "sks"
    assert parts.count("sks") == 1
    assert "a dog" in parts
    assert "".join(parts).count("sks") == 1 + before.count("sksy")
    assert set(before.replace(" ", "").split(",")) - {"", "sks"} <= set(parts)


def test_a_caption_without_words_leaves_what_is_around_it() -> None:
    assert finished("", CaptionFile()) == ""
    assert finished("", CaptionFile(trigger_word="sks")) == "sks"
    assert finished("", CaptionFile(suffix=", snow")) == "snow"
    assert finished("", CaptionFile(existing=APPEND), "snow") == "snow"


WORDS = st.text(st.sampled_from("ab.,;! \n\t。é"), max_size=8) | st.text(max_size=6)


@given(caption=WORDS, prefix=WORDS, suffix=WORDS, trigger=WORDS, before=WORDS, existing=st.sampled_from(ExistingText))
def test_to_do_it_twice_is_to_do_it_once(
    caption: str, prefix: str, suffix: str, trigger: str, before: str, existing: ExistingText
) -> None:
    file = CaptionFile(prefix=prefix, suffix=suffix, trigger_word=trigger, existing=existing)
    once = finished(caption, file, before)
    assert finished(caption, file, f"{once}\n") == once
    assert finished(caption, file, f"{once},") == once


@given(
    caption=WORDS, prefix=WORDS, suffix=WORDS, trigger=WORDS, before=WORDS, existing=st.sampled_from([APPEND, PREPEND])
)
def test_nothing_of_a_text_that_was_there_is_lost_but_commas_and_space_at_its_ends(
    caption: str, prefix: str, suffix: str, trigger: str, before: str, existing: ExistingText
) -> None:
    file = CaptionFile(prefix=prefix, suffix=suffix, trigger_word=trigger, existing=existing)
    text = finished(caption, file, before)
    assert all(part.strip() in text for part in before.split(","))


@given(caption=WORDS, prefix=WORDS, suffix=WORDS, trigger=WORDS)
def test_a_new_file_is_one_line_without_space_at_its_ends(caption: str, prefix: str, suffix: str, trigger: str) -> None:
    text = finished(caption, CaptionFile(prefix=prefix, suffix=suffix, trigger_word=trigger))
    assert text == text.strip()
    assert len(text.splitlines()) <= 1
