"""Limits of a YAML file, and what is refused. In: its text. Out: the broken limit or the tags; where its documents lie.

Everything is counted on the stream of parser events, before any object is built: a YAML bomb costs milliseconds.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from aura_daemon.errors import Problem
from aura_daemon.problems import cut

LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MOST_ALIASES: Final = 50
MOST_DEPTH: Final = 20
MOST_DOCUMENTS: Final = 500
MOST_VALUES: Final = 20_000
"""Keys and values of a whole file; 500 documents with every known key have 11,000."""
MOST_VALUES_OF_A_DOCUMENT: Final = 2_000

_MARKER: Final = re.compile(r"(?<![^\n\r])---(?=[ \t\n\r]|\Z)")
"""Begins a document; no other YAML can look like this at the start of a line."""


class YamlScan:
    """Reads the stream of parser events for broken limits, tags and the places of documents."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._collections: set[str] = set()
        self._aliases = self._depth = self._values = self._before = 0
        self._is_list = False
        """Whether the document at hand is a list, whose values count as documents of their own."""
        self._anchors: dict[str, int] = {}
        self.kept_anchors: dict[int, str] = {}
        """Where the anchors of plain texts stand that no alias uses: place -> name."""
        self.starts: list[tuple[int, int]] = []
        """For every document, where its `---` begins and ends; both are the same for a document without one."""

    def problems_in(self, text: str) -> tuple[Problem, ...]:
        """A problem for every tag, or only the first broken limit, which ends the reading. Raises yaml.YAMLError."""
        tags: list[Problem] = []
        event: Any  # every event has marks, which the stubs do not say
        for event in yaml.parse(text, Loader=LOADER):
            self._count(event)
            broken = self._broken_limit(event, text)
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
        if self._depth == 1 and self._is_list:
            self._before = self._values
        match event:
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                if self._depth == 0:
                    self._is_list = isinstance(event, yaml.SequenceStartEvent)
                self._depth += 1
                self._values += 1
                if event.anchor is not None:
                    self._collections.add(event.anchor)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._depth -= 1
            case yaml.ScalarEvent():
                self._values += 1
                if event.anchor is not None and not event.style and event.anchor not in self._anchors:
                    self._anchors[event.anchor] = start.index
                    self.kept_anchors[start.index] = event.anchor
            case yaml.AliasEvent():
                self._aliases += 1
                self.kept_anchors.pop(self._anchors.get(str(event.anchor), -1), None)
            case yaml.DocumentStartEvent():
                self.starts.append((start.index, end.index))
                self._collections.clear()
                self._anchors.clear()
                self._before = self._values

    def _broken_limit(self, event: Any, text: str) -> str:
        """The limit that is broken by now, in words; empty if none is."""
        if isinstance(event, yaml.AliasEvent) and event.anchor in self._collections:
            return f"`*{cut(event.anchor)}` stands for a list or a mapping; an alias may stand for a single value only"
        if self._aliases > MOST_ALIASES:
            return f"more than {MOST_ALIASES} aliases (`*name`) are not read"
        if self._depth > MOST_DEPTH:
            return f"values are nested more than {MOST_DEPTH} deep"
        if len(self.starts) > MOST_DOCUMENTS:
            documents = sum(1 for _ in _MARKER.finditer(text)) + (self.starts[0][0] == self.starts[0][1])
            return f"more than {MOST_DOCUMENTS} documents (`---`) in one file, {documents:,} in all: split it"
        if self._values > MOST_VALUES:
            return f"more than {MOST_VALUES:,} keys and values in one file: split it"
        if self._values - self._before > MOST_VALUES_OF_A_DOCUMENT:
            return f"more than {MOST_VALUES_OF_A_DOCUMENT:,} keys and values in one document"
        return ""
