"""Explains the YAML parser's errors. In: its exception. Out: a problem with a hint that a user can act on."""

from __future__ import annotations

from typing import Final

import yaml

from aura_daemon.errors import Problem

_HINTS: Final = (
    ("tab character", "indent with spaces, not tabs"),
    ("mapping values are not allowed", "a value that holds `: ` needs quotes around it; keys stand below each other"),
    ("alias", "a value that begins with `*` needs quotes around it"),
    ("anchor", "a value that begins with `&` needs quotes around it"),
    ("cannot start any token", "a value that begins with @, % or ` needs quotes; indent with spaces, not tabs"),
    ("expected key", "is there text behind a closing quote, or a line indented unlike its neighbours?"),
    ("unexpected end of stream", "a quote is opened and never closed"),
    ("could not find expected ':'", "every line is `key: value`; indent the further lines of a longer text"),
    ("unknown escape character", "in double quotes a backslash is written twice; single quotes take it as it is"),
    ("expected <document start>", "is a line indented unlike its neighbours, or text left behind the end?"),
    ("expected ',' or", "a bracket is opened and never closed; a value that begins with [ or { needs quotes around it"),
    ("expected comment or line break", "a value that begins with | or > needs quotes around it"),
)
"""Part of the parser's message -> the usual cause."""


def syntax_problem(error: yaml.YAMLError, file: str) -> Problem:
    """The parser's message with its line, where there is one, and the usual cause."""
    words = f"{getattr(error, 'problem', None) or error}"
    context = f"{getattr(error, 'context', None) or ''}"
    hint = next((hint for part, hint in _HINTS if part in f"{words} {context}"), "")
    # A missing colon or closing quote belongs to the line where the parser began, not to the one where it gave up.
    began = "could not find expected ':'" in words or "quoted scalar" in context
    mark = getattr(error, "context_mark" if began else "problem_mark", None)
    message = f"this is no valid YAML: {words}" + (f" ({hint})" if hint else "")
    return Problem(file=file, line=mark.line + 1 if mark is not None else None, message=message)
