"""Reads YAML as people write it. In: the bytes of a file. Out: documents with their lines, or what is wrong.

`yaml_scalars` gives scalars their meaning; `yaml_signs` knows what YAML reads otherwise than meant; `yaml_limits`
refuses tags, aliases that expand and files that hold too much; `yaml_hints` explains the parser's errors. Merge keys
are refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from aura_daemon.errors import Problem
from aura_daemon.formats.plain_text import text_of
from aura_daemon.formats.yaml_hints import syntax_problem
from aura_daemon.formats.yaml_limits import LOADER, YamlScan
from aura_daemon.formats.yaml_scalars import resolved
from aura_daemon.formats.yaml_signs import comment_behind, joined_surrogates, without_separators
from aura_daemon.formats.yaml_writer import to_yaml
from aura_daemon.problems import cut, invisible_in


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


def parse(
    content: bytes, *, file: str, text_keys: frozenset[str], prose: frozenset[str] = frozenset(), list_of: str = ""
) -> Iterator[Document | Unreadable]:
    """The documents of a file that are not empty, one by one, so that a caller can stop early.

    Scalars under `text_keys` at the top level of a document are kept as they are written; `key.inner` means one in a
    mapping, `key.*` a list's scalars. Where YAML cuts a value of a key of `prose` at ` #`, the document says it. With
    `list_of` a list at the top is several documents; a text in it is the value of that key.
    """
    text = text_of(content, file=file)
    if isinstance(text, Problem):
        yield Unreadable(problems=(text,))
        return
    text = without_separators(text)
    try:
        try:
            scan = YamlScan(file)
            problems = scan.problems_in(text)
        except yaml.YAMLError as error:
            joined = joined_surrogates(text) if "invalid Unicode character escape" in str(error) else text
            if joined == text:
                raise
            text, scan = joined, YamlScan(file)
            problems = scan.problems_in(text)
        if problems:
            yield Unreadable(problems=problems)
        else:
            yield from _Reader(file, text, text_keys, prose, list_of, scan).read()
    except yaml.YAMLError as error:
        yield Unreadable(problems=(syntax_problem(error, file, text),))


class _Reader:
    """Builds documents from YAML nodes, and collects what is wrong with them."""

    def __init__(
        self, file: str, text: str, text_keys: frozenset[str], prose: frozenset[str], list_of: str, scan: YamlScan
    ) -> None:
        self._file = file
        self._text = text
        self._text_keys = text_keys
        self._prose = prose
        self._list_of = list_of
        self._starts = scan.starts
        self._anchors = scan.kept_anchors
        self._warnings: list[str] = []
        self._problems: list[Problem] = []
        self._lines: dict[str, int] = {}
        self._written: dict[str, str] = {}

    def read(self) -> Iterator[Document | Unreadable]:
        """The documents in their order."""
        number = 0
        for index, node in enumerate(yaml.compose_all(self._text, Loader=LOADER)):
            if isinstance(node, yaml.MappingNode):
                number += 1
                mapping = self._document(node)
                if not self._problems:
                    yield self._made(number, mapping, self._own_text(index))
            elif isinstance(node, yaml.SequenceNode) and self._list_of:
                for item in node.value:
                    number += 1
                    mapping = self._item(item)
                    if not self._problems:
                        yield self._made(number, mapping, to_yaml(mapping))
            elif isinstance(node, yaml.SequenceNode):
                self._add(node, "", "`key: value` lines are needed; this is a list")
            elif node.value or not _is_plain(node):
                invisible = invisible_in(str(node.value)[:_MOST_SOURCE])
                hint = f"; this holds {invisible} where a plain space belongs" if invisible else ""
                source = self._source(node)
                message = f"`key: value` lines are needed, with a space after the colon; this is: {source}{hint}"
                self._add(node, "", message)
            if self._problems:
                yield Unreadable(problems=tuple(self._problems))
                self._problems = []

    def _made(self, number: int, mapping: dict[str, object], text: str) -> Document:
        warnings = tuple(self._warnings)
        return Document(
            number=number, mapping=mapping, lines=self._lines, written=self._written, text=text, warnings=warnings
        )

    def _document(self, node: yaml.MappingNode) -> dict[str, object]:
        """The keys of a document, and nothing that another one left behind."""
        self._lines, self._written, self._warnings = {"": node.start_mark.line + 1}, {}, []
        return self._mapping(node, "")

    def _item(self, node: yaml.Node) -> dict[str, object]:
        """The keys of one document in a list."""
        if isinstance(node, yaml.MappingNode):
            return self._document(node)
        line = node.start_mark.line + 1
        self._lines, self._written, self._warnings = {"": line, self._list_of: line}, {}, []
        text = self._as_written(node, self._list_of)
        if not isinstance(text, str):
            self._add(node, "", f"every item of the list is a job (`{self._list_of}: …`) or a text")
            return {}
        return {self._list_of: text}

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
            as_written = _key_of(inner) in self._text_keys
            mapping[key] = self._as_written(value_node, inner) if as_written else self._value(value_node, inner)
        return mapping

    def _value(self, node: yaml.Node, path: str) -> object:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            as_written = f"{path}.*" in self._text_keys
            return [
                self._as_written(item, f"{path}.{index}") if as_written else self._value(item, f"{path}.{index}")
                for index, item in enumerate(node.value)
            ]
        return resolved(str(node.value)) if _is_plain(node) else str(node.value)

    def _as_written(self, node: yaml.Node, path: str) -> object:
        """The value of a text key: the text as it is written; None for an empty one, for `null` and for `~`.

        An anchor that no alias uses, and braces around a choice, are text that YAML takes for its own signs.
        """
        source = self._text[node.start_mark.index : node.end_mark.index]
        if isinstance(node, yaml.MappingNode) and _is_choice(node) and len(source.splitlines()) == 1:
            return source
        if not isinstance(node, yaml.ScalarNode):
            return self._value(node, path)
        value = str(node.value)
        if not _is_plain(node):
            return value
        anchor = self._anchors.get(node.start_mark.index)
        comment = comment_behind(self._text, node.end_mark.index)
        if comment and _key_of(path) in self._prose:
            self._remark_on_comment(path, comment)
            self._written[path] = self._written.get(path) or cut(comment)
        if anchor is not None:
            return f"&{anchor} {value}".rstrip()
        return None if resolved(value) is None else value

    def _remark_on_comment(self, path: str, comment: str) -> None:
        is_plain = path == "notes" or path.startswith("caption.")
        is_comment_in_prompts = comment[1:2] in (" ", "") and not is_plain  # also where it is in quotes
        mend = (
            "put the text in single quotes and write `\\#` to keep it"
            if is_comment_in_prompts
            else "quote the text to keep it"
        )
        what = f"what follows ` #` is a comment to YAML: `{cut(comment)}` was left out; {mend}"
        self._warnings.append(f"{path}: {what}")

    def _source(self, node: yaml.Node) -> str:
        return cut(" ".join(self._text[node.start_mark.index : node.end_mark.index][:_MOST_SOURCE].split()))

    def _add(self, node: yaml.Node, key: str, message: str) -> None:
        self._problems.append(Problem(file=self._file, line=node.start_mark.line + 1, key=cut(key), message=message))


_REST_OF_MARKER: Final = re.compile(r"\A[ \t]*(\r\n|\r|\n)?")
"""What may follow `---` on its line and is not part of the document."""

_MOST_SOURCE: Final = 1000
"""Characters of a value that are read to show it."""


def _is_choice(node: yaml.MappingNode) -> bool:
    """Whether a mapping is words in braces, without a value to any of them: `{red|green}`."""
    pairs = [node for pair in node.value for node in pair]
    return (
        bool(pairs)
        and all(isinstance(one, yaml.ScalarNode) and _is_plain(one) for one in pairs)
        and not any(value.value for _, value in node.value)
    )


def _key_of(path: str) -> str:
    """A path without the numbers of items in lists: `matrix.prompt.1` is `matrix.prompt.*`."""
    return ".".join("*" if part.isdecimal() else part for part in path.split("."))


def _is_plain(node: Any) -> bool:
    """Whether a scalar was written without quotes; libyaml and the pure Python parser mark that differently."""
    return not node.style
