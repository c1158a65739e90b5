r"""The signs of sd-dynamic-prompts beyond `{a|b}` and `__list__`. In: a text. Out: how many are taken, or a fault.

`{2$$a|b|c}` takes two alternatives, `{1-2$$…}` one or two, `{-2$$…}` up to two, `{2-$$…}` two or more; a text between
this and a second `$$` stands between them. `$$` elsewhere is text.
"""

from __future__ import annotations

import re
from typing import Final

from aura_daemon.jobfile.templates import Several
from aura_daemon.problems import cut

LIST_NAME: Final = r"(?:[^\W_]|\*)(?:(?:[\w./ *-]|\\(?=[^\W_])){0,98}?(?:[^\W_]|\*))?"
"""The pattern of the name of a word list; `*` stands for any characters, and `\\` is Windows' way to write `/`."""

SEPARATOR: Final = ", "
"""Stands between several alternatives where the text names nothing else."""

_SEVERAL: Final = re.compile(
    r"\s*(?:(?P<mark>[@~!])\s*)?"
    r"(?:(?P<least>[0-9]{1,9})\s*-\s*(?P<most>[0-9]{1,9})|(?P<only>[0-9]{1,9})"
    r"|(?P<from>[0-9]{1,9})\s*-|-\s*(?P<upto>[0-9]{1,9}))\s*\$\$(?:(?P<separator>[^${}]*)\$\$)?"
)
_NOT_KNOWN: Final = (
    (re.compile(r"(?<!\$)\$\{\s*[A-Za-z_-][\w-]*\s*(?:[?!]?=[^{}]*\}?|:[^{}]*\}?|\})"), "variables (`${name=…}`)"),
    (re.compile(r"%\{[^{}]*\$\$"), "wrapping (`%{…$$…}`)"),
    (re.compile(rf"(?<!\\)__[@~!]{LIST_NAME}__"), "a mark before the name of a word list (`@`, `~`, `!`)"),
    (re.compile(rf"(?<!\\)__{LIST_NAME}\([^()=]*=[^()]*\)__"), "a word list with parameters (`__name(key=value)__`)"),
)
_MAY_BE_UNKNOWN: Final = re.compile(r"[$%]\{|__[@~!]|\)__")

_ALL: Final = 10**9
"""More than any choice has alternatives."""


def header_at(text: str, place: int) -> tuple[Several, int] | str | None:
    """How many alternatives the head behind a brace takes, and where the first begins; None where one is taken.

    Text says why the head is not known here.
    """
    header = _SEVERAL.match(text, place)
    if header is None:
        return None
    if header["mark"]:
        mark = header["mark"]
        return f"`{{{mark}`: how alternatives are drawn cannot be chosen for one choice; leave the `{mark}` out"
    least = int(header["least"] or header["only"] or header["from"] or 1)
    most = int(header["most"] or header["only"] or header["upto"] or _ALL)
    least, most = sorted((least, most))
    separator = SEPARATOR if header["separator"] is None else header["separator"]
    return Several(least=least, most=most, separator=separator), header.end()


def unknown_syntax(text: str) -> str | None:
    """Why a text cannot be read: it holds what only sd-dynamic-prompts knows, and would be drawn as no one meant."""
    if not _MAY_BE_UNKNOWN.search(text):
        return None
    for syntax, what in _NOT_KNOWN:
        match = syntax.search(text)
        if match is not None:
            return (
                rf"`{cut(match[0])}`: {what} of sd-dynamic-prompts are not known here: write the words or a choice"
                r" `{a|b}` instead; with `\{` and `\__` the signs are text"
            )
    return None
