"""The keys of a caption: its file, as training tools want it."""

from __future__ import annotations

import pytest

from aura_daemon.jobfile.parser import RejectedFile
from aura_daemon.jobfile.prompt_lists.reading import parse
from aura_daemon.jobs.caption_files import CaptionExtension, CaptionFile, CaptionPlace, ExistingText
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.sources import SourceKind


def file_of(caption: str) -> CaptionFile:
    found = parse(SourceKind.JOB_FILE, f"image: a.png\ncaption: {caption}\n".encode(), file="cat.yaml")
    assert not isinstance(found, RejectedFile), found.problems
    request = found.jobs[0].spec.request
    assert isinstance(request, CaptionRequest)
    return request.file


@pytest.mark.parametrize(
    ("caption", "file"),
    [
        ("{}", CaptionFile()),
        ("{extension: CAPTION}", CaptionFile(extension=CaptionExtension.CAPTION)),
        ("{extension: .Txt, place: beside}", CaptionFile(place=CaptionPlace.BESIDE)),
        (
            "{prefix: no, suffix: 1984, trigger_word: ' sks '}",
            CaptionFile(prefix="no", suffix="1984", trigger_word="sks"),
        ),
        ("{existing: append, prefix: ~}", CaptionFile(existing=ExistingText.APPEND)),
    ],
)
def test_the_file_of_a_caption_is_said_under_one_key(caption: str, file: CaptionFile) -> None:
    assert file_of(caption) == file


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("{extension: .md}", "caption.extension: must be one of .txt, .caption (given: .md)"),
        ("{place: besides}", "did you mean `beside`?"),
        ("{existing: overwrite}", "must be one of keep, append, prepend, replace, skip"),
        ("{triggerword: sks}", "caption.triggerword: unknown key; did you mean `trigger_word`?"),
        ("beside", "caption: must be keys of the file that the caption is written to: extension, place,"),
        ("{prefix: [a]}", "caption.prefix: must be text of at most 500 characters: what comes before the caption"),
    ],
)
def test_what_is_wrong_with_it_is_said_with_what_is_allowed(caption: str, words: str) -> None:
    found = parse(SourceKind.JOB_FILE, f"image: a.png\ncaption: {caption}\n".encode(), file="cat.yaml")
    assert isinstance(found, RejectedFile)
    assert words in str(found.problems[0])


def test_a_picture_that_is_drawn_has_no_such_file() -> None:
    found = parse(SourceKind.JOB_FILE, b"prompt: a cat\ncaption: {place: beside}\n", file="cat.yaml")
    assert isinstance(found, RejectedFile)
    assert "`caption` does not go with `task: generate`" in str(found.problems[0])
