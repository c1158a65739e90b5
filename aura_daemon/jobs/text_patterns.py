"""Patterns for words that may be spelled freely. In: a word. Out: one pattern, for the parser and the schemas.

Parser and schema must accept the same text, so a pattern contains only what Python's `re` and ECMA 262 (the dialect of
JSON Schema) understand alike: no `\\s`, no flags.
"""

from __future__ import annotations

import re
from typing import Final

SPACE: Final = r"\t\n\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""For use in brackets: the characters that text may hold and `str.strip` removes."""

CONTROL: Final = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff"
"""For use in brackets: the characters that no text holds (YAML 1.2, section 5.1).

Halves of surrogate pairs are left out: no file can hold them.
"""


def in_any_case(word: str) -> str:
    """The pattern of a word in upper, lower or mixed case."""
    return "".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else re.escape(letter) for letter in word.lower())


def alone(pattern: str) -> str:
    """A pattern that allows nothing but blanks around the text."""
    return rf"^[ \t\r\n]*(?:{pattern})[ \t\r\n]*$"
