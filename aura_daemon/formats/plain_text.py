"""Bytes of a text that a person wrote -> the text, or what the file is instead. In: bytes. Out: text, or a reason.

UTF-8 is read, and UTF-16 with its byte order mark, as for YAML. Everything else is named, so that nobody has to guess
which program saved it.
"""

from __future__ import annotations

import re
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.formats import image_signatures

MOST_BYTES: Final = 1 << 20

NOT_TEXT: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that are not allowed in text: controls, halves of surrogate pairs (YAML 1.2, section 5.1)."""

MOST_LINES: Final = 50_000
"""Of a file, the blank ones included. 500 prompts with all their settings have fewer."""

_SAVE_AS_UTF8: Final = "save it as UTF-8"
_PLAIN: Final = "save it as plain text (UTF-8)"

_BINARY: Final = (
    (
        re.compile(rb"PK\x03\x04.{0,4000}(?:word/|opendocument\.text)", re.DOTALL),
        f"a Word or Writer document: {_PLAIN}",
    ),
    (re.compile(rb"PK\x03\x04"), "a zip archive: unpack it first"),
    (re.compile(rb"\xd0\xcf\x11\xe0"), f"a document of Microsoft Office: {_PLAIN}"),
    (re.compile(rb"%PDF"), f"a PDF: {_PLAIN}"),
    (re.compile(rb"\x1f\x8b"), "a gzip archive: unpack it first"),
)
"""How files of other programs begin, and what they are."""

_WINDOWS_1252: Final = re.compile(rb"[\t\n\r\x20-\x7e\x80\x82-\x8c\x8e\x91-\x9c\x9e-\xff]+")
"""Bytes that stand for characters in Windows-1252."""

_LEAST_ASCII: Final = 0.7
"""The share of ASCII in a text of a European language in Windows-1252; other old encodings have hardly any."""


def text_of(content: bytes, *, file: str) -> str | Problem:
    """The text of a file, without its byte order mark and without control characters; or why there is none."""
    found = next((what for pattern, what in _BINARY if pattern.match(content)), "")
    if not found and image_signatures.format_of(content) is not None:
        found = "an image: give it the ending of its format"
    if found:
        return Problem(file=file, message=f"the file is no text but {found}")
    if len(content) > MOST_BYTES:
        return Problem(file=file, message=f"the file is longer than {MOST_BYTES:,} bytes: split it")
    text = decoded(content)
    if text is None:
        return Problem(file=file, message=f"the file is no text in UTF-8{_encoding(content)}: {_SAVE_AS_UTF8}")
    if max(text.count("\n"), text.count("\r")) >= MOST_LINES:
        return Problem(file=file, message=f"the file has more than {MOST_LINES:,} lines: split it")
    strange = NOT_TEXT.search(text)
    if strange is None:
        return text
    line = text.count("\n", 0, strange.start()) + 1
    message = f"the file holds the control character U+{ord(strange[0]):04X}: is it text, saved as UTF-8?"
    return Problem(file=file, line=line, message=message)


def decoded(content: bytes) -> str | None:
    """Decodes UTF-8, or UTF-16 with a byte order mark; None for anything else."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _encoding(content: bytes) -> str:
    """What the bytes seem to be instead of UTF-8; empty where nothing speaks for anything."""
    ascii_bytes = sum(byte < 0x80 for byte in content)
    if _WINDOWS_1252.fullmatch(content) and ascii_bytes >= _LEAST_ASCII * len(content):
        return ", it looks like Windows-1252 (Latin-1, ANSI)"
    return ""
