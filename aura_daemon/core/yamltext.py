"""YAML as people write it -> mappings, or every problem. In: bytes of a file. Out: documents with their lines.

Scalars are resolved as YAML 1.2's core schema does: `16:9` is text and not 969, `no` is text and not false, a date is
text. Tags are refused. The limits are checked on the stream of events, before anything is built, so that a bomb of
aliases costs milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from aura_daemon.errors import Problem

MOST_BYTES: Final = 1 << 20
MOST_ALIASES: Final = 50
MOST_DEPTH: Final = 20
MOST_DOCUMENTS: Final = 500

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

_STANDARD_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "map", "seq", "int", "float", "bool", "null")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One document of a YAML file."""

    number: int
    """From 1, counting documents that hold something."""
    mapping: Mapping[str, object]
    lines: Mapping[str, int]
    """Dotted key -> line in the file, from 1."""
    text: str
    """The document alone, able to stand as a file of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Documents:
    """All documents of a file, at least one."""

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
    text = _decoded(content)
    if text is None:
        message = "the file is no text: save it as UTF-8"
        return Unreadable(problems=(Problem(file=file, message=message),))
    try:
        problem = _beyond_limits(text, file)
        if problem is not None:
            return Unreadable(problems=(problem,))
        reader = _Reader(file, text, text_keys)
        return reader.read()
    except yaml.YAMLError as error:
        return Unreadable(problems=(_syntax_problem(error, file),))


def _decoded(content: bytes) -> str | None:
    """UTF-8, or UTF-16 with its mark; None for anything else."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _beyond_limits(text: str, file: str) -> Problem | None:
    """The first limit that the stream of events breaks; nothing is built."""
    aliases = depth = documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        match event:
            case yaml.AliasEvent():
                aliases += 1
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                depth += 1
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                depth -= 1
            case yaml.DocumentStartEvent():
                documents += 1
            case _:
                pass
        line = event.start_mark.line + 1 if event.start_mark is not None else None
        if aliases > MOST_ALIASES:
            return Problem(file=file, line=line, message=f"more than {MOST_ALIASES} aliases (`*name`) are not read")
        if depth > MOST_DEPTH:
            return Problem(file=file, line=line, message=f"values are nested more than {MOST_DEPTH} deep")
        if documents > MOST_DOCUMENTS:
            message = f"more than {MOST_DOCUMENTS} documents (`---`) in one file: split it"
            return Problem(file=file, line=line, message=message)
    return None


class _Reader:
    """Builds documents from nodes and collects what is wrong with them."""

    def __init__(self, file: str, text: str, text_keys: frozenset[str]) -> None:
        self._file = file
        self._text = text
        self._text_keys = text_keys
        self._problems: list[Problem] = []
        self._lines: dict[str, int] = {}

    def read(self) -> Documents | Unreadable:
        """All documents, or all problems."""
        documents: list[Document] = []
        for node in yaml.compose_all(self._text, Loader=_Loader):
            if node is None or (isinstance(node, yaml.ScalarNode) and not node.value and _is_plain(node)):
                continue  # nothing between two `---`
            if not isinstance(node, yaml.MappingNode):
                self._add(node, "", "a job is a list of `key: value` lines, such as `prompt: a red circle`")
                continue
            self._lines = {}
            mapping = self._mapping(node, "")
            documents.append(
                Document(number=len(documents) + 1, mapping=mapping, lines=self._lines, text=self._own_text(node))
            )
        if not documents and not self._problems:
            self._problems.append(
                Problem(file=self._file, message="the file holds nothing; it needs at least `prompt: …`")
            )
        if self._problems:
            return Unreadable(problems=tuple(self._problems))
        return Documents(documents=tuple(documents))

    def _own_text(self, node: yaml.Node) -> str:
        """The lines of a document: from its first key to its last value."""
        lines = self._text.splitlines(keepends=True)
        last = node.end_mark.line + (1 if node.end_mark.column else 0)
        own = "".join(lines[node.start_mark.line : last])
        if own.startswith("---"):  # `--- {prompt: …}` on one line
            own = own[3:].lstrip()
        return own if own.endswith("\n") else own + "\n"

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, object]:
        self._check_tag(node, path)
        mapping: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._add(key_node, path, "a key must be a word")
                continue
            key = str(key_node.value)
            inner = f"{path}.{key}" if path else key
            if key in mapping:
                self._add(key_node, inner, "the key is given twice")
                continue
            self._lines[inner] = key_node.start_mark.line + 1
            as_written = not path and key in self._text_keys and isinstance(value_node, yaml.ScalarNode)
            mapping[key] = self._written(value_node, inner) if as_written else self._value(value_node, inner)
        return mapping

    def _written(self, node: yaml.ScalarNode, path: str) -> object:
        """A scalar as it stands; None where nothing does."""
        self._check_tag(node, path)
        return str(node.value) if node.value or not _is_plain(node) else None

    def _value(self, node: yaml.Node, path: str) -> object:
        match node:
            case yaml.MappingNode():
                return self._mapping(node, path)
            case yaml.SequenceNode():
                self._check_tag(node, path)
                return [self._value(item, f"{path}.{index}") for index, item in enumerate(node.value)]
            case yaml.ScalarNode():
                self._check_tag(node, path)
                return resolved(str(node.value)) if _is_plain(node) else str(node.value)
            case _:  # pragma: no cover - there are no other nodes
                raise AssertionError(node)

    def _check_tag(self, node: yaml.Node, path: str) -> None:
        """PyYAML resolves plain scalars by YAML 1.1, so standard tags say nothing; any other was written out."""
        if node.tag not in _STANDARD_TAGS and not _is_implied(node):
            self._add(node, path, f"tags are not allowed: {node.tag}")

    def _add(self, node: yaml.Node, key: str, message: str) -> None:
        self._problems.append(Problem(file=self._file, line=node.start_mark.line + 1, key=key, message=message))


_IMPLIED_TAGS: Final = frozenset(f"tag:yaml.org,2002:{name}" for name in ("timestamp", "merge", "value"))


def _is_implied(node: yaml.Node) -> bool:
    """Whether PyYAML's YAML 1.1 rules gave the tag to a plain scalar (`2026-01-01`, `<<`, `=`)."""
    return node.tag in _IMPLIED_TAGS and isinstance(node, yaml.ScalarNode)


def _is_plain(node: yaml.ScalarNode) -> bool:
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


def _syntax_problem(error: yaml.YAMLError, file: str) -> Problem:
    """The parser's complaint, with its line where it has one."""
    mark = getattr(error, "problem_mark", None)
    words = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    hint = " (indent with spaces, not tabs)" if "\\t" in str(words) else ""
    message = f"this is no valid YAML: {words}{hint}"
    return Problem(file=file, line=mark.line + 1 if mark is not None else None, message=message)
