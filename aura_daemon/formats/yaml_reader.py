"""Reads YAML as people write it. In: the bytes of a file. Out: documents with their lines, or what is wrong.

`yaml_scalars` gives scalars their meaning. `yaml_limits` refuses tags, aliases that expand and files that hold too
much. `yaml_hints` explains the parser's errors. Merge keys are refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from aura_daemon.errors import Problem
from aura_daemon.formats.yaml_hints import syntax_problem
from aura_daemon.formats.yaml_limits import LOADER, YamlScan
from aura_daemon.formats.yaml_scalars import resolved
from aura_daemon.problems import cut

MOST_BYTES: Final = 1 << 20

NOT_TEXT: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that are not allowed in text: controls, halves of surrogate pairs (YAML 1.2, section 5.1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One document of a YAML file."""

    number: int
    """From 1; empty documents do not count."""
    mapping: Mapping[str, object]
    lines: Mapping[str, int]
    """Dotted key -> line in the file, from 1; the empty key stands for the document itself."""
    written: Mapping[str, str]
    """Dotted key -> its value as written in the file, on one line, cut short."""
    text: str
    """The text of the document, valid as a file of its own."""
    warnings: tuple[str, ...] = ()
    """What YAML reads otherwise than the writer may have meant."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unreadable:
    """Everything that is wrong with the YAML of one document, or of the whole file."""

    problems: tuple[Problem, ...]


def parse(content: bytes, *, file: str, text_keys: frozenset[str]) -> Iterator[Document | Unreadable]:
    """The documents of a file that are not empty, one by one, so that a caller can stop early.

    Scalars under `text_keys` at the top level of a document are kept as they are written; `key.*` means a list's
    scalars.
    """
    if len(content) > MOST_BYTES:
        message = f"the file is too long: at most {MOST_BYTES:,} bytes are read as YAML"
        yield Unreadable(problems=(Problem(file=file, message=message),))
        return
    text = decoded(content)
    if text is None:
        yield Unreadable(problems=(Problem(file=file, message="the file is no text: save it as UTF-8"),))
        return
    strange = NOT_TEXT.search(text)
    if strange is not None:
        line = text.count("\n", 0, strange.start()) + 1
        message = f"the file holds the control character U+{ord(strange[0]):04X}: is it text, saved as UTF-8?"
        yield Unreadable(problems=(Problem(file=file, line=line, message=message),))
        return
    try:
        scan = YamlScan(file)
        problems = scan.problems_in(text)
        if problems:
            yield Unreadable(problems=problems)
        else:
            yield from _Reader(file, text, text_keys, scan).read()
    except yaml.YAMLError as error:
        yield Unreadable(problems=(syntax_problem(error, file),))


def decoded(content: bytes) -> str | None:
    """Decodes UTF-8, or UTF-16 with a byte order mark; None for anything else."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


class _Reader:
    """Builds documents from YAML nodes, and collects what is wrong with them."""

    def __init__(self, file: str, text: str, text_keys: frozenset[str], scan: YamlScan) -> None:
        self._file = file
        self._text = text
        self._text_keys = text_keys
        self._starts = scan.starts
        self._problems: list[Problem] = []
        self._lines: dict[str, int] = {}
        self._written: dict[str, str] = {}

    def read(self) -> Iterator[Document | Unreadable]:
        """The documents in their order."""
        number = 0
        for index, node in enumerate(yaml.compose_all(self._text, Loader=LOADER)):
            if isinstance(node, yaml.MappingNode):
                number += 1
                self._lines, self._written = {"": node.start_mark.line + 1}, {}
                mapping = self._mapping(node, "")
                if not self._problems:
                    text = self._own_text(index)
                    yield Document(number=number, mapping=mapping, lines=self._lines, written=self._written, text=text)
            elif isinstance(node, yaml.SequenceNode):
                self._add(node, "", "`key: value` lines are needed; this is a list")
            elif node.value or not _is_plain(node):
                message = f"`key: value` lines are needed, with a space after the colon; this is: {self._source(node)}"
                self._add(node, "", message)
            if self._problems:
                yield Unreadable(problems=tuple(self._problems))
                self._problems = []

    def _own_text(self, index: int) -> str:
        """The text between a document's `---` and the next one; for the first document, the comments before it too."""
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
            as_written = f"{path}.*" in self._text_keys
            return [
                _as_written(item)
                if as_written and isinstance(item, yaml.ScalarNode)
                else self._value(item, f"{path}.{index}")
                for index, item in enumerate(node.value)
            ]
        return resolved(str(node.value)) if _is_plain(node) else str(node.value)

    def _source(self, node: yaml.Node) -> str:
        return cut(" ".join(self._text[node.start_mark.index : node.end_mark.index][:_MOST_SOURCE].split()))

    def _add(self, node: yaml.Node, key: str, message: str) -> None:
        self._problems.append(Problem(file=self._file, line=node.start_mark.line + 1, key=cut(key), message=message))


_REST_OF_MARKER: Final = re.compile(r"\A[ \t]*(\r\n|\r|\n)?")
"""What may follow `---` on its line and is not part of the document."""

_MOST_SOURCE: Final = 1000
"""Characters of a value that are read to show it."""


def _as_written(node: yaml.ScalarNode) -> str | None:
    """The text of a scalar; None for an empty one, and for the `null` or `~` that programs write for no value."""
    is_null = _is_plain(node) and resolved(str(node.value)) is None
    return None if is_null else str(node.value)


def _is_plain(node: Any) -> bool:
    """Whether a scalar was written without quotes; libyaml and the pure Python parser mark that differently."""
    return not node.style
