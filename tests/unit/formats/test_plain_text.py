"""Which bytes are text, and what the others are."""

from __future__ import annotations

import io
import zipfile

import pytest

from aura_daemon.errors import Problem
from aura_daemon.formats.plain_text import MOST_BYTES, MOST_LINES, text_of


@pytest.mark.parametrize(
    "content",
    ["ein Bär".encode(), "\ufeffein Bär".encode(), "ein Bär".encode("utf-16"), b"", b"a\tcat\r\n"],
)
def test_utf_8_and_utf_16_with_its_mark_are_text(content: bytes) -> None:
    found = text_of(content, file="a.txt")
    assert isinstance(found, str)
    assert "\ufeff" not in found


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        for name in names:
            written.writestr(name, "x")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "ein Bär am Fluß".encode("cp1252"),
            "no text in UTF-8, it looks like Windows-1252 (Latin-1, ANSI): save it as UTF-8",
        ),
        ("un caf\u00e9 \u201cparisien\u201d".encode("cp1252"), "Windows-1252"),
        ("赤い丸と青い背景".encode("shift_jis"), "no text in UTF-8: save it as UTF-8"),
        (b"\xff\xfa", "no text in UTF-8: save it as UTF-8"),
        ("a red circle".encode("utf-16-le"), "U+0000: is it text, saved as UTF-8?"),
        (b"a\0b", "U+0000"),
        (b"\0\0\0\0", "U+0000"),
        (archive("[Content_Types].xml", "word/document.xml"), "a Word or Writer document: save it as plain text"),
        (archive("a.txt"), "a zip archive: unpack it first"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Microsoft Office"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x89PNG\r\n\x1a\n", "an image: give it the ending of its format"),
        (b"a\n" * MOST_LINES, "more than 50,000 lines: split it"),
        (b"a\r" * MOST_LINES, "more than 50,000 lines: split it"),
        (b"x" * (MOST_BYTES + 1), "longer than 1,048,576 bytes"),
    ],
)
def test_what_is_no_text_is_named(content: bytes, words: str) -> None:
    found = text_of(content, file="a.txt")
    assert isinstance(found, Problem)
    assert words in found.message


def test_a_control_character_has_its_line() -> None:
    assert text_of(b"a\nb\x07\n", file="a.txt") == Problem(
        file="a.txt", line=2, message="the file holds the control character U+0007: is it text, saved as UTF-8?"
    )
