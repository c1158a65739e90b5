r"""Signs in a text that YAML reads otherwise than their writer means. In: a file's text. Out: a mended text, or hints.

Line separators that browsers paste (U+2028, U+2029, U+0085) are line breaks to YAML 1.1 and would end a text: here they
are spaces. Python's `json.dumps` writes an emoji as a pair of surrogates, `\ud83d\ude00`, which libyaml refuses.
"""

from __future__ import annotations

import re
from typing import Final

from aura_daemon.problems import cut, invisible_in

_SEPARATORS: Final = str.maketrans(dict.fromkeys("\x85\u2028\u2029", " "))
_PAIR: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_HALF: Final = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_COMMENT: Final = re.compile(r"[ \t]+(#[^\n\r]*)")
_VALUE: Final = re.compile(r"^\s*(?:- +)*(?:[^\s:#'\"{}\[\],][^:#\n]*:[ \t]+|- +)(?P<value>\S.*)")
_BEGINS: Final = re.compile(r"[{\[&*!%@`|>,\]}]|[?-](?=\s|$)")
_IN_STRUCTURE: Final = re.compile(
    r"^(?P<before>[\s\u200b-\u200f\u2060\ufeff]+)|(?<=[\w'\"]):(?P<behind>[^ \t\n\w'\"]{1,3})"
)


def without_separators(text: str) -> str:
    """The text with spaces for line separators; every other character keeps its place."""
    return text.translate(_SEPARATORS)


def joined_surrogates(text: str) -> str:
    """The text with the characters that pairs of surrogates stand for; half a pair stays as it is."""

    def character(match: re.Match[str]) -> str:
        high, low = int(match[2], 16), int(match[3], 16)
        return match[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))

    return _PAIR.sub(character, text)


def half_a_pair(line: str) -> str:
    """The first half of a pair of surrogates in a line; empty where there is none."""
    found = _HALF.search(_PAIR.sub("", line))
    return found[0] if found is not None else ""


def comment_behind(text: str, end: int) -> str:
    """The comment on the line where a value ends; empty where there is none."""
    found = _COMMENT.match(text, end)
    return found[1].rstrip() if found is not None else ""


def cut_by_comment(line: str) -> bool:
    """Whether a line's value, which has no quotes, ends at a comment."""
    value = _VALUE.match(line)
    return value is not None and " #" in value["value"] and value["value"][0] not in "'\""


def sign_that_begins(line: str) -> str:
    """The sign that begins the value of a line and that YAML does not read as text; empty where there is none."""
    value = _VALUE.match(line)
    sign = _BEGINS.match(value["value"]) if value is not None else None
    return sign[0] if sign is not None else ""


def invisible_where_a_space_belongs(line: str) -> str:
    """The invisible character before a line's key or behind its colon, by its name; empty where there is none."""
    for match in _IN_STRUCTURE.finditer(line):
        name = invisible_in(match["before"] or match["behind"] or "")
        if name:
            return name
    return ""


def quoted_example(line: str) -> str:
    """The line of a text in quotes, as it should be written; empty where it cannot be shown on one line."""
    value = _VALUE.match(line)
    if value is None or len(line) > _MOST_SHOWN or "'" in value["value"]:
        return ""
    return cut(f"{line[: value.start('value')].strip()} '{value['value'].rstrip()}'", _MOST_SHOWN)


_MOST_SHOWN: Final = 80
"""Characters of a line that is shown as an example."""
