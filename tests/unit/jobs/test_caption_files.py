"""What a job says of the file of a caption counts before what is configured; the file is called as trainers look."""

from __future__ import annotations

import pytest

from aura_daemon.jobs.caption_files import (
    AskedCaptionFile,
    CaptionExtension,
    CaptionFile,
    CaptionPlace,
    ExistingText,
    asked,
    text_beside,
)
from aura_daemon.jobs.queueing import batch_key
from aura_daemon.jobs.requests import CaptionRequest

CONFIGURED = CaptionFile(extension=CaptionExtension.CAPTION, trigger_word="sks", prefix="photo of")


def test_what_a_job_says_counts_before_what_is_configured_even_where_it_says_nothing_at_all() -> None:
    assert AskedCaptionFile().over(CONFIGURED) == CONFIGURED
    said = AskedCaptionFile(place=CaptionPlace.BESIDE, prefix="").over(CONFIGURED)
    assert said == CaptionFile(
        extension=CaptionExtension.CAPTION, place=CaptionPlace.BESIDE, trigger_word="sks", prefix=""
    )


def test_a_file_that_is_asked_for_in_full_is_that_file() -> None:
    file = CaptionFile(existing=ExistingText.APPEND, suffix="x")
    assert asked(file).over(CONFIGURED) == file
    assert CaptionRequest(caption=asked(file)).file == file
    assert CaptionRequest().file == CaptionFile()


@pytest.mark.parametrize(
    ("picture", "text"),
    [("set/cat.v2.png", "set/cat.v2.caption"), ("cat.JPG", "cat.caption"), ("caf\udce9.png", "caf\udce9.caption")],
)
def test_a_text_lies_beside_its_picture_under_its_stem(picture: str, text: str) -> None:
    assert text_beside(picture, CaptionExtension.CAPTION) == text
    file = AskedCaptionFile(extension=CaptionExtension.CAPTION)
    assert CaptionRequest(caption=file, picture=picture).text_path == text
    assert CaptionRequest(caption=file).text_path == ""


def test_captions_that_go_to_different_files_are_written_together() -> None:
    one = CaptionRequest(picture="a.png", caption=AskedCaptionFile(prefix="a"))
    assert batch_key(one) == batch_key(CaptionRequest(picture="b.png"))
    assert batch_key(one) != batch_key(CaptionRequest(max_new_tokens=5))
