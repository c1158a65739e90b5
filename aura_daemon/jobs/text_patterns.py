"""How freely words may be written. In: a word. Out: one pattern, read by the parser and published in the schemas.

Both must take the same text, so a pattern keeps to what Python's `re` and ECMA 262 (which JSON Schema asks for)
understand alike: no `\\s`, no flags.
"""

from __future__ import annotations

import re
from typing import Final

SPACE: Final = r"\t\n\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""For use in brackets: what `str.strip` takes away and text may hold."""

CONTROL: Final = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff"
"""For use in brackets: what no text holds (YAML 1.2, section 5.1), save halves of surrogate pairs: no file has them."""


def in_any_case(word: str) -> str:
    """The word in capitals, small letters or a mixture."""
    return "".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else re.escape(letter) for letter in word.lower())


def alone(pattern: str) -> str:
    """The pattern with nothing but blanks around it."""
    return rf"^[ \t\r\n]*(?:{pattern})[ \t\r\n]*$"
