"""Explains the YAML parser's errors. In: its exception. Out: a problem with a hint that a user can act on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import yaml

from aura_daemon.errors import Problem
from aura_daemon.formats import yaml_signs as signs

_HINTS: Final = (
    ("tab character", "indent with spaces, not tabs"),
    ("mapping values are not allowed", "a value that holds `: ` needs quotes around it; keys stand below each other"),
    ("alias", "a value that begins with `*` needs quotes around it"),
    ("anchor", "a value that begins with `&` needs quotes around it"),
    ("cannot start any token", "a value that begins with @, % or ` needs quotes; indent with spaces, not tabs"),
    ("expected key", "is there text behind a closing quote, or a line indented unlike its neighbours?"),
    ("unexpected end of stream", "a quote is opened and never closed; a text that begins with ' needs \" around it"),
    (
        "could not find expected ':'",
        "every line is `key: value`, a space behind the colon; indent the further lines of a longer text",
    ),
    ("unknown escape character", "in double quotes a backslash is written twice; single quotes take it as it is"),
    ("expected <document start>", "is a line indented unlike its neighbours, or text left behind the end?"),
    ("expected ',' or", "a bracket is opened and never closed; a value that begins with [ or { needs quotes around it"),
    ("expected comment or line break", "a value that begins with | or > needs quotes around it"),
)
"""Part of the parser's message -> the usual cause."""


def syntax_problem(error: yaml.YAMLError, file: str, text: str) -> Problem:
    """The parser's message with its line, where there is one, and the usual cause; `text` is that of the file."""
    words = f"{getattr(error, 'problem', None) or error}"
    context = f"{getattr(error, 'context', None) or ''}"
    # A missing colon or closing quote belongs to the line where the parser began, not to the one where it gave up.
    began = "could not find expected ':'" in words or "quoted scalar" in context
    ended = getattr(error, "problem_mark", None)
    mark = getattr(error, "context_mark", None) if began else ended
    lines = text.splitlines()
    hint = _cause_in(lines, words, context, ended.line) if ended is not None else ""
    hint = hint or next((hint for part, hint in _HINTS if part in f"{words} {context}"), "")
    message = f"this is no valid YAML: {words}" + (f" ({hint})" if hint else "")
    return Problem(file=file, line=mark.line + 1 if mark is not None else None, message=message)


def _cause_in(lines: Sequence[str], words: str, context: str, number: int) -> str:
    """The sign around the line where the parser gave up that is likely the cause, and the mend."""
    before, line = (lines[at][:_MOST_LOOKED_AT] if 0 <= at < len(lines) else "" for at in (number - 1, number))
    for at, one in ((number, line), (number - 1, before)):
        invisible = signs.invisible_where_a_space_belongs(one)
        if invisible:
            return f"line {at + 1} holds {invisible} where a plain space belongs"
    if "invalid Unicode character escape" in words:
        half = signs.half_a_pair(line)
        return f"`{half}` is half of a pair of surrogates, and no character alone" if half else "no character has it"
    if "<document start>" in words and lines[0].lstrip()[:1] == "{":
        return "several JSON objects stand in one list `[…, …]`, or have a line `---` between them"
    if "quoted scalar" in context or "tab character" in words or "'\\t'" in words:
        return ""
    sign = signs.sign_that_begins(line)
    if sign:
        example = signs.quoted_example(line)
        return f"a value that begins with `{sign}` needs quotes around it" + (f": {example}" if example else "")
    if signs.cut_by_comment(before) and (line[:1].isspace() or "expected ','" in words):
        return "what follows ` #` is a comment to YAML and ends a text: put the text in quotes"
    return ""


_MOST_LOOKED_AT: Final = 1000
"""Characters of a line that are looked at for a cause."""
