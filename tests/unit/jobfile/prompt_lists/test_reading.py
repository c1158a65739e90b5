"""Which parser reads a file."""

from __future__ import annotations

import tracemalloc

import pytest

from aura_daemon.formats.plain_text import MOST_BYTES
from aura_daemon.jobfile.parser import ParsedFile, RejectedFile
from aura_daemon.jobfile.prompt_lists import reading
from aura_daemon.jobs.requests import GenerateRequest
from aura_daemon.jobs.sources import PromptLines, SourceKind


@pytest.mark.parametrize(
    ("kind", "file", "content"),
    [
        (SourceKind.JOB_FILE, "cat.yaml", b"prompt: one\n---\nprompt: two\n"),
        (SourceKind.PROMPT_TEXT, "cat.txt", b"one\ntwo\n"),
        (SourceKind.PROMPT_TABLE, "cat.csv", b"prompt\none\ntwo\n"),
    ],
)
def test_a_file_of_jobs_is_read_by_its_kind(kind: SourceKind, file: str, content: bytes) -> None:
    found = reading.parse(kind, content, file=file)  # type: ignore[arg-type]
    assert isinstance(found, ParsedFile)
    prompts = [job.spec.request.prompt for job in found.jobs if isinstance(job.spec.request, GenerateRequest)]
    assert prompts == ["one", "two"]
    assert isinstance(reading.parse(kind, b"\xff\xff", file=file), RejectedFile)  # type: ignore[arg-type]


def test_a_text_is_cut_as_it_is_said() -> None:
    found = reading.parse(SourceKind.PROMPT_TEXT, b"one\ntwo\n", file="cat.txt", prompt_lines=PromptLines.WHOLE)
    assert isinstance(found, ParsedFile)
    assert len(found.jobs) == 1


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("kind", "file", "begin", "rest"),
    [
        (SourceKind.PROMPT_TEXT, "cat.txt", b"", b"- a cat at night, in the rain\n"),
        (SourceKind.PROMPT_TEXT, "cat.txt", b"", b'--a "x" '),
        (SourceKind.PROMPT_TEXT, "cat.txt", b"", b'Steps: 1, Sampler: Euler a, Size: "\n'),
        (SourceKind.PROMPT_TABLE, "cat.csv", b"prompt,steps\n", b",,,,,,,,,,,,,,,,,,,,,,,\n"),
        (SourceKind.PROMPT_TABLE, "cat.json", b'[{"prompt": "a b"}', b",{}"),
        (SourceKind.PROMPT_TABLE, "cat.jsonl", b"", b'"a b"\n\n'),
    ],
)
def test_a_megabyte_of_anything_is_refused_in_little_memory(
    kind: SourceKind, file: str, begin: bytes, rest: bytes
) -> None:
    content = (begin + rest * (MOST_BYTES // len(rest)))[:MOST_BYTES]
    tracemalloc.start()
    try:
        assert isinstance(reading.parse(kind, content, file=file), RejectedFile)  # type: ignore[arg-type]
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
