"""Every bad input of the corpus ends as a job or as a refusal that a person can act on: no exception, little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import PurePosixPath

import pytest

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.decode import ReadPicture, read_picture
from aura_daemon.errors import Problem
from aura_daemon.file_names import escaped
from aura_daemon.jobfile import from_sidecar
from aura_daemon.jobfile.parser import RejectedFile
from aura_daemon.jobfile.prompt_lists import reading
from aura_daemon.jobs.results import Failure
from aura_daemon.jobs.sources import Accept, SourceKind
from aura_daemon.watch import file_kinds
from aura_daemon.watch.file_kinds import HEAD_BYTES
from tests.corpus import inputs

MOST_MEMORY_BYTES = 50_000_000
TEXTS = {".yaml", ".yml", ".txt", ".json"}
LEAST = 200


def problems_of(name: str, content: bytes) -> tuple[Problem, ...]:
    """The problems that intake finds in a text; none where the text is a job, or no known kind of file."""
    match file_kinds.route(name, content[:HEAD_BYTES], frozenset(Accept)):
        case SourceKind.JOB_FILE | SourceKind.PROMPT_TEXT | SourceKind.PROMPT_TABLE as kind:
            parsed = reading.parse(kind, content, file=name)
        case SourceKind.SIDECAR:
            document = from_sidecar.parse(content, file=name)
            return document if isinstance(document, tuple) else ()
        case _:
            return ()
    return parsed.problems if isinstance(parsed, RejectedFile) else ()


def names(*, texts: bool) -> list[str]:
    return [name for name in inputs() if (PurePosixPath(name).suffix in TEXTS) is texts]


def test_the_corpus_is_whole() -> None:
    stems = [PurePosixPath(name).stem for name in inputs()]
    assert len(set(stems)) == len(stems) >= LEAST


@pytest.mark.parametrize("name", names(texts=True))
def test_a_bad_text_is_a_job_or_is_refused_in_words(name: str) -> None:
    tracemalloc.start()
    try:
        problems = problems_of(name, inputs()[name])
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY_BYTES
    finally:
        tracemalloc.stop()
    for problem in problems:
        text = str(problem)
        assert problem.message
        assert text == escaped(text)
        assert len(text) < 1000
    assert not problems or any(problem.file == name for problem in problems)


def test_sloppy_exif_spoils_no_picture() -> None:
    found = [name for name in inputs() if name.startswith("found-image-exif-of")]
    assert len(found) == 4
    for name in found:
        picture = read_picture(inputs()[name], name, EngineSettings())
        assert isinstance(picture, ReadPicture)
        assert picture.image.height > picture.image.width  # turned by 90 degrees, as it says


@pytest.mark.parametrize("name", names(texts=False))
def test_a_bad_image_is_a_picture_or_is_refused_in_words(name: str) -> None:
    content = inputs()[name]
    if file_kinds.route(name, content[:HEAD_BYTES], frozenset(Accept)) is not SourceKind.IMAGE:
        return
    picture = read_picture(content, name, EngineSettings())
    if isinstance(picture, Failure):
        assert name in picture.message
        assert picture.mend
        assert picture.message == escaped(picture.message)
    else:
        assert picture.image.mode == "RGB"
        assert picture.image.width * picture.image.height <= EngineSettings().max_image_pixels
