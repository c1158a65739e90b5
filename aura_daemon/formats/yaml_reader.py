"""YAML as people write it -> mappings, or what is wrong. In: bytes of a file. Out: documents with their lines.

What a scalar means is in `yamlscalars`; tags, aliases that expand and files that hold too much are refused by
`yamllimits`; `yamlmistakes` says what usually lies behind a complaint of the parser. Merge keys are refused here.
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
"""Characters that no text holds: controls, halves of surrogate pairs (YAML 1.2, section 5.1)."""


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
class Unreadable:
    """Everything that is wrong, as YAML, with one document, or with the file."""

    problems: tuple[Problem, ...]


def parse(content: bytes, *, file: str, text_keys: frozenset[str]) -> Iterator[Document | Unreadable]:
    """The documents of a file that hold something, one by one: whoever has seen enough need not pay for the rest.

    Scalars under `text_keys` of a document's top level are kept as they are written; `key.*` means a list's scalars.
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
        survey = YamlScan(file)
        problems = survey.problems_in(text)
        if problems:
            yield Unreadable(problems=problems)
        else:
            yield from _Reader(file, text, text_keys, survey).read()
    except yaml.YAMLError as error:
        yield Unreadable(problems=(syntax_problem(error, file),))


def decoded(content: bytes) -> str | None:
    """UTF-8, or UTF-16 with its mark; None for anything else."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


class _Reader:
    """Builds documents from nodes, or says what is wrong with them."""

    def __init__(self, file: str, text: str, text_keys: frozenset[str], survey: YamlScan) -> None:
        self._file = file
        self._text = text
        self._text_keys = text_keys
        self._starts = survey.starts
        self._problems: list[Problem] = []
        self._lines: dict[str, int] = {}
        self._written: dict[str, str] = {}

    def read(self) -> Iterator[Document | Unreadable]:
        """One document after the other."""
        number = 0
        for index, node in enumerate(yaml.compose_all(self._text, Loader=LOADER)):
            if isinstance(node, yaml.MappingNode):
                number += 1
                self._lines, self._written = {"": node.start_mark.line + 1}, {}
                mapping = self._mapping(node, "")
                if not self._problems:
                    yield Document(
                        number=number,
                        mapping=mapping,
                        lines=self._lines,
                        written=self._written,
                        text=self._own_text(index),
                    )
            elif isinstance(node, yaml.SequenceNode):
                self._add(node, "", "`key: value` lines are needed; this is a list")
            elif node.value or not _is_plain(node):
                message = f"`key: value` lines are needed, with a space after the colon; this is: {self._source(node)}"
                self._add(node, "", message)
            if self._problems:
                yield Unreadable(problems=tuple(self._problems))
                self._problems = []

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
            as_written = f"{path}.*" in self._text_keys
            return [
                _as_written(item)
                if as_written and isinstance(item, yaml.ScalarNode)
                else self._value(item, f"{path}.{index}")
                for index, item in enumerate(node.value)
            ]
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
    """A scalar as it stands; None where nothing does, or the `null` or `~` that programs write for nothing."""
    is_nothing = _is_plain(node) and resolved(str(node.value)) is None
    return None if is_nothing else str(node.value)


def _is_plain(node: Any) -> bool:
    """Whether a scalar was written without quotes; libyaml and the pure parser say so differently."""
    return not node.style
