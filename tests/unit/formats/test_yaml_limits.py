"""What is too much for a YAML file."""

import sys
import tracemalloc

import pytest

from aura_daemon.formats import yaml_limits
from tests.unit.formats.test_yaml_reader import complaint, documents

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 24))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BOMB, "stands for a list"),
        ("a: &a x\nb: [" + "*a, " * 51 + "x]\n", "more than 50 aliases"),
        ("a: " + "[" * 200_000, "nested more than 20 deep"),
        ("{a: " * 100_000, "nested more than 20 deep"),
        ("- " * 200_000, "nested more than 20 deep"),
        ("---\nprompt: x\n" * 501, "a.yaml:1001: more than 500 documents (`---`) in one file, 501 in all: split it"),
        ("prompt: x\r\n---\r\n" * 2000 + "prompt: -----", "more than 500 documents (`---`) in one file, 2,001 in all"),
        ("---\r" * 2000, "more than 500 documents (`---`) in one file, 2,000 in all"),
        ("---\n" * (1 << 18), "more than 50,000 lines: split it"),
        ("{" + "a, " * 25_000 + "}", "more than 2,000 keys and values in one document"),
        (("{" + "a, " * 900 + "}\n---\n") * 30, "more than 20,000 keys and values in one file"),
        ("prompt: " + "x" * (1 << 20), "longer than 1,048,576 bytes: split it"),
    ],
)
def test_bombs_are_refused_before_anything_is_built(content: str, words: str) -> None:
    raw = content.encode()
    tracemalloc.start()
    try:
        assert words in complaint(raw)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_what_is_within_the_limits_is_read() -> None:
    assert len(documents("---\nprompt: x\n" * 500)) == 500
    assert documents("a: " + "[" * 19 + "]" * 19)
    assert documents("a: &a x\nb: [" + "*a, " * 50 + "x]\n")


@pytest.mark.parametrize(
    ("content", "most_calls"), [("---\nprompt: x\n" * 2000, 30_000), ("---\n" * (1 << 18), 300_000)]
)
def test_too_many_documents_are_counted_without_being_read(content: str, most_calls: int) -> None:
    assert 0 < _calls(content) < most_calls  # to read one and make its job takes 400


def _calls(content: str) -> int:
    """Of functions, Python's own included, while a file is refused."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        complaint(content)
    finally:
        sys.setprofile(before)
    return calls


def test_the_limit_on_values_leaves_room_for_the_largest_honest_file() -> None:
    assert yaml_limits.MOST_DOCUMENTS * (1 + 2 * 10) < yaml_limits.MOST_VALUES
