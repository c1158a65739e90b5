"""What usually lies behind a complaint of the YAML parser. In: its exception. Out: a problem a person can act on."""

from __future__ import annotations

from typing import Final

import yaml

from aura_daemon.errors import Problem

_HINTS: Final = (
    ("tab character", "indent with spaces, not tabs"),
    (
        "mapping values are not allowed",
        "a value that holds `: ` needs quotes around it; keys stand below each other",
    ),
    ("alias", "a value that begins with `*` needs quotes around it"),
    ("anchor", "a value that begins with `&` needs quotes around it"),
    (
        "cannot start any token",
        "a value that begins with @, % or ` needs quotes; indent with spaces, not tabs",
    ),
    ("expected key", "is there text behind a closing quote, or a line indented unlike its neighbours?"),
    ("unexpected end of stream", "a quote is opened and never closed"),
    ("could not find expected ':'", "every line is `key: value`; indent the further lines of a longer text"),
    ("unknown escape character", "in double quotes a backslash is written twice; single quotes take it as it is"),
    ("expected <document start>", "is a line indented unlike its neighbours, or text left behind the end?"),
    ("expected ',' or", "a bracket is opened and never closed; a value that begins with [ or { needs quotes around it"),
    ("expected comment or line break", "a value that begins with | or > needs quotes around it"),
)
"""What usually lies behind a complaint of the parser."""


def syntax_problem(error: yaml.YAMLError, file: str) -> Problem:
    """The parser's complaint, with its line where it has one, and what usually is the matter."""
    words = f"{getattr(error, 'problem', None) or error}"
    context = f"{getattr(error, 'context', None) or ''}"
    hint = next((hint for part, hint in _HINTS if part in f"{words} {context}"), "")
    # What lacks its colon or its closing quote stands where the parser began, not where it gave up.
    began = "could not find expected ':'" in words or "quoted scalar" in context
    mark = getattr(error, "context_mark" if began else "problem_mark", None)
    message = f"this is no valid YAML: {words}" + (f" ({hint})" if hint else "")
    return Problem(file=file, line=mark.line + 1 if mark is not None else None, message=message)
