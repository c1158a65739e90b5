"""YAML as people write it -> mappings, or every problem. In: bytes of a file. Out: documents with their lines.

Scalars are resolved as YAML 1.2's core schema does: `16:9` is text and not 969, `no` is text and not false, a date is
text. Tags and merge keys are refused, and so are aliases of anything but a single value: nothing can expand. All limits
are checked on the stream of events, before anything is built, so that a bomb costs milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from aura_daemon.core.problems import cut
from aura_daemon.errors import Problem

MOST_BYTES: Final = 1 << 20
MOST_ALIASES: Final = 50
MOST_DEPTH: Final = 20
MOST_DOCUMENTS: Final = 500
MOST_VALUES: Final = 20_000
"""Keys and values of a whole file; 500 documents with every key there is have 11,000."""

NOT_TEXT: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no text holds: controls, halves of surrogate pairs (YAML 1.2, section 5.1)."""

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL: Final = re.compile(r"~|null|Null|NULL|")
_BOOL: Final = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT: Final = re.compile(r"[-+]?[0-9]+")
_OCTAL: Final = re.compile(r"0o[0-7]+")
_HEX: Final = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MOST_DIGITS: Final = 400
"""Longer numbers are kept as text: nothing here takes them, and converting them is slow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One document of a YAML file."""

    number: int
    """From 1, counting documents that hold something."""
    mapping: Mapping[str, object]
    lines: Mapping[str, int]
    """Dotted key -> line in the file, from 1; the document itself under the empty key."""
    written: Mapping[str, str]
    """Dotted key -> its value as it stands in the file, on one line, cut short."""
    text: str
    """The document alone, able to stand as a file of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Documents:
    """All documents of a file that hold something."""

    documents: tuple[Document, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """Everything that is wrong with a file as YAML."""

    problems: tuple[Problem, ...]


def parse(content: bytes, *, file: str, text_keys: frozenset[str]) -> Documents | Unreadable:
    """The documents of a file. Scalars under `text_keys` of a document's top level are kept as they are written."""
    if len(content) > MOST_BYTES:
        message = f"the file is {len(content):,} bytes long; at most {MOST_BYTES:,} are read as YAML"
        return Unreadable(problems=(Problem(file=file, message=message),))
    text = decoded(content)
    if text is None:
        return Unreadable(problems=(Problem(file=file, message="the file is no text: save it as UTF-8"),))
    strange = NOT_TEXT.search(text)
    if strange is not None:
        line = text.count("\n", 0, strange.start()) + 1
        message = f"the file holds the control character U+{ord(strange[0]):04X}: is it text, saved as UTF-8?"
        return Unreadable(problems=(Problem(file=file, line=line, message=message),))
    try:
        survey = _Survey(file)
        problems = survey.problems_in(text)
        return Unreadable(problems=problems) if problems else _Reader(file, text, text_keys, survey).read()
    except yaml.YAMLError as error:
        return Unreadable(problems=(_syntax_problem(error, file),))


def decoded(content: bytes) -> str | None:
    """UTF-8, or UTF-16 with its mark; None for anything else."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


class _Survey:
    """Reads the stream of events: what must not be built, and where the documents lie. Nothing is built."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._collections: set[str] = set()
        self._aliases = self._depth = self._values = 0
        self.starts: list[tuple[int, int]] = []
        """Of every document: where its `---` begins and where it ends; the same where it has none."""

    def problems_in(self, text: str) -> tuple[Problem, ...]:
        """Every tag; or the first limit that is broken, which ends the reading. Raises yaml.YAMLError."""
        tags: list[Problem] = []
        event: Any  # every event has its marks, whatever the stubs say
        for event in yaml.parse(text, Loader=_Loader):
            self._count(event)
            broken = self._broken_limit(event)
            if broken:
                return (Problem(file=self._file, line=event.start_mark.line + 1, message=broken),)
            tag = getattr(event, "tag", None)
            if tag is not None:
                name = cut(tag.replace("tag:yaml.org,2002:", "!!"))
                message = f"tags are not read: {name} (a value that begins with `!` needs quotes around it)"
                tags.append(Problem(file=self._file, line=event.start_mark.line + 1, message=message))
        return tuple(tags)

    def _count(self, event: Any) -> None:
        start, end = event.start_mark, event.end_mark
        match event:
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._depth += 1
                self._values += 1
                if event.anchor is not None:
                    self._collections.add(event.anchor)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._depth -= 1
            case yaml.ScalarEvent():
                self._values += 1
            case yaml.AliasEvent():
                self._aliases += 1
            case yaml.DocumentStartEvent():
                self.starts.append((start.index, end.index))
                self._collections.clear()
            case _:
                pass

    def _broken_limit(self, event: Any) -> str:
        """What is too much by now; empty while nothing is."""
        if isinstance(event, yaml.AliasEvent) and event.anchor in self._collections:
            return f"`*{cut(event.anchor)}` stands for a list or a mapping; an alias may stand for a single value only"
        if self._aliases > MOST_ALIASES:
            return f"more than {MOST_ALIASES} aliases (`*name`) are not read"
        if self._depth > MOST_DEPTH:
            return f"values are nested more than {MOST_DEPTH} deep"
        if len(self.starts) > MOST_DOCUMENTS:
            return f"more than {MOST_DOCUMENTS} documents (`---`) in one file: split it"
        if self._values > MOST_VALUES:
            return f"more than {MOST_VALUES:,} keys and values in one file: split it"
        return ""


class _Reader:
    """Builds documents from nodes and collects what is wrong with them."""

    def __init__(self, file: str, text: str, text_keys: frozenset[str], survey: _Survey) -> None:
        self._file = file
        self._text = text
        self._text_keys = text_keys
        self._starts = survey.starts
        self._problems: list[Problem] = []
        self._lines: dict[str, int] = {}
        self._written: dict[str, str] = {}

    def read(self) -> Documents | Unreadable:
        """All documents, or all problems."""
        documents: list[Document] = []
        for index, node in enumerate(yaml.compose_all(self._text, Loader=_Loader)):
            if isinstance(node, yaml.MappingNode):
                self._lines, self._written = {"": node.start_mark.line + 1}, {}
                mapping = self._mapping(node, "")
                document = Document(
                    number=len(documents) + 1,
                    mapping=mapping,
                    lines=self._lines,
                    written=self._written,
                    text=self._own_text(index),
                )
                documents.append(document)
            elif isinstance(node, yaml.SequenceNode):
                self._add(node, "", "`key: value` lines are needed; this is a list")
            elif node.value or not _is_plain(node):
                message = f"`key: value` lines are needed, with a space after the colon; this is: {self._source(node)}"
                self._add(node, "", message)
        if self._problems:
            return Unreadable(problems=tuple(self._problems))
        return Documents(documents=tuple(documents))

    def _own_text(self, index: int) -> str:
        """What lies between a document's `---` and the next one's; of the first also the comments before it."""
        before, start = self._starts[index]
        end = self._starts[index + 1][0] if index + 1 < len(self._starts) else len(self._text)
        preface = self._text[:before] if index == 0 else ""
        own = preface + _REST_OF_MARKER.sub("", self._text[start:end], count=1)
        return own if own.endswith(("\n", "\r")) else own + "\n"

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, object]:
        mapping: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._add(key_node, path, "a key must be a word")
                continue
            key = str(key_node.value)
            inner = f"{path}.{key}" if path else key
            if key == "<<" and _is_plain(key_node):
                self._add(key_node, inner, "merge keys are not part of YAML 1.2: write the keys out")
                continue
            if key in mapping:
                self._add(key_node, inner, f"is given twice, first in line {self._lines[inner]}")
                continue
            self._lines[inner] = key_node.start_mark.line + 1
            self._written[inner] = self._source(value_node)
            as_written = not path and key in self._text_keys and isinstance(value_node, yaml.ScalarNode)
            mapping[key] = _as_written(value_node) if as_written else self._value(value_node, inner)
        return mapping

    def _value(self, node: yaml.Node, path: str) -> object:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, f"{path}.{index}") for index, item in enumerate(node.value)]
        return resolved(str(node.value)) if _is_plain(node) else str(node.value)

    def _source(self, node: yaml.Node) -> str:
        """A node as the user wrote it."""
        return cut(" ".join(self._text[node.start_mark.index : node.end_mark.index][:_MOST_SOURCE].split()))

    def _add(self, node: yaml.Node, key: str, message: str) -> None:
        self._problems.append(Problem(file=self._file, line=node.start_mark.line + 1, key=cut(key), message=message))


_REST_OF_MARKER: Final = re.compile(r"\A[ \t]*(\r\n|\r|\n)?")
"""What may follow `---` on its line without being part of the document."""

_MOST_SOURCE: Final = 1000
"""Characters of a value that are looked at to show it."""


def _as_written(node: yaml.ScalarNode) -> str | None:
    """A scalar as it stands; None where nothing does, or the `null` that programs write for nothing."""
    is_nothing = _is_plain(node) and str(node.value) in ("", "null", "Null", "NULL")
    return None if is_nothing else str(node.value)


def _is_plain(node: Any) -> bool:
    """Whether a scalar was written without quotes; libyaml and the pure parser say so differently."""
    return not node.style


def resolved(text: str) -> object:
    """A plain scalar by YAML 1.2's core schema (section 10.3.2 of its specification)."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if len(text) > _MOST_DIGITS:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEX.fullmatch(text):
        return int(text[2:], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITY.fullmatch(text):
        return float(text.replace(".", ""))
    return text


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


def _syntax_problem(error: yaml.YAMLError, file: str) -> Problem:
    """The parser's complaint, with its line where it has one, and what usually is the matter."""
    words = f"{getattr(error, 'problem', None) or error}"
    context = f"{getattr(error, 'context', None) or ''}"
    hint = next((hint for part, hint in _HINTS if part in f"{words} {context}"), "")
    # What lacks its colon or its closing quote stands where the parser began, not where it gave up.
    began = "could not find expected ':'" in words or "quoted scalar" in context
    mark = getattr(error, "context_mark" if began else "problem_mark", None)
    message = f"this is no valid YAML: {words}" + (f" ({hint})" if hint else "")
    return Problem(file=file, line=mark.line + 1 if mark is not None else None, message=message)
