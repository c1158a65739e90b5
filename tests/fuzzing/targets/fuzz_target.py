"""What every reader is fuzzed by. In: nothing. Out: the type of a reader, and what several of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.file_names import escaped
from tests import corpus
from tests.fuzzing.limits import must


@dataclass(frozen=True, kw_only=True, slots=True)
class FuzzTarget:
    """One reader."""

    read: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    """What it begins with: good inputs and bad ones."""
    words: Sequence[bytes] = ()
    """What its language is made of, for a fuzzer's dictionary."""


MOST_PROBLEM_CHARACTERS: Final = 1000
"""Of a problem as a person reads it; the corpus is held to the same."""


IMAGES: Final = (".png", ".jpg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic")


def well_told(problems: Sequence[Problem]) -> None:
    must(bool(problems), "a refusal without a reason")
    for problem in problems:
        text = str(problem)
        must(bool(problem.message), "a problem without a message")
        must(text == escaped(text), f"a problem that is no plain line: {text!r}")
        must(len(text) < MOST_PROBLEM_CHARACTERS, f"a problem of {len(text)} characters")


def files(*extensions: str) -> Iterator[bytes]:
    """Of the corpus."""
    for name, content in corpus.inputs().items():
        if PurePosixPath(name).suffix in extensions:
            yield content


def written_prompts() -> Iterator[bytes]:
    yield from (
        b"a (red:1.3) circle, [[dim]] AND a square :0.5",
        b"[cat:dog:0.5] and [a|b] <lora:x:0.5>",
        b"# comment\n{2$$a|b|c} __list__ \\(x\\)",
    )
    yield from files(".txt")
