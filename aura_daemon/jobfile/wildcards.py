r"""Choices and word lists in texts: `a {red|{dark|pale} blue} __animals__`. In: text, lists. Out: template or problem.

`{2::red|blue}` draws red twice as often. An alternative may be empty. `{word}` without `|` is plain text, and so are
`\{`, `\|`, `\}` and `\__`. The lines of a word list are its alternatives, and may hold choices and word lists too.

As in sd-dynamic-prompts `{2$$a|b|c}` takes two of them, `{1-2$$ and $$a|b|c}` one or two with ` and ` between,
`{2$$__list__}` two lines, and `__folder/*__` stands for every list whose name fits. Its variables are not known here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.formats.prompts.prompt_tags import lora_spans, without_comments
from aura_daemon.jobfile.catalogue import Catalogue, listed
from aura_daemon.jobfile.dynamic_prompts import LIST_NAME, header_at, unknown_syntax
from aura_daemon.jobfile.templates import Alternatives, Several, Template, choice_of, template_of
from aura_daemon.problems import cut, nearest

MOST_DEPTH: Final = 20
"""Levels of nesting, choices and word lists counted together."""

MOST_LINES: Final = 2_000_000
"""Lines of word lists that the patterns (`__colours*__`) and numbers of lines (`2$$`) of one file go through."""

_TOKEN: Final = re.compile(rf"\\(?P<escaped>[{{|}}]|__)|(?P<sign>[{{|}}])|__(?P<name>{LIST_NAME})__")
_WEIGHT: Final = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})\s*::")
_NEEDS_PARSING: Final = re.compile(r"[{\\]|__|::")


class _Wrong(Exception):
    """Carries a problem out of nested calls."""

    def __init__(self, message: str, suggestion: str = "", place: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(message=place + message, suggestion=suggestion)
        self.has_place = bool(place)


class _Open:
    """A brace that has not been closed yet."""

    def __init__(self, several: Several | None = None) -> None:
        self.alternatives: list[list[str | Alternatives]] = [[]]
        self.several = several

    @property
    def is_choice(self) -> bool:
        """Whether the brace is a choice by now: without `|` and `2$$` it is plain text."""
        return len(self.alternatives) > 1 or self.several is not None

    def add(self, part: str | Alternatives) -> None:
        """Adds a part; adjacent texts become one."""
        parts = self.alternatives[-1]
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        elif part != "":
            parts.append(part)


class WildcardParser:
    """Parses texts; each word list is parsed once."""

    def __init__(self, catalogue: Catalogue | None) -> None:
        """Without a catalogue the names of word lists stay in the text as they are written."""
        self._catalogue = catalogue
        self._lists: dict[str, Alternatives] = {}
        self._ids: set[int] = set()
        """Of the choices in `_lists`."""
        self._several: dict[tuple[int, Several], Alternatives] = {}
        self._lines = 0

    def read(self, text: str) -> Template | Problem:
        """The choices of a text without its comments, with those of all lists that it names, directly or not."""
        try:
            return self._template(without_comments(text).text, ())
        except _Wrong as wrong:
            return wrong.problem

    def _template(self, text: str, above: tuple[str, ...]) -> Template:
        if (unknown := unknown_syntax(text)) is not None:
            raise _Wrong(unknown)
        opened, end = [_Open()], 0
        tags = list(lora_spans(text))
        while (token := _TOKEN.search(text, end)) is not None:
            opened[-1].add(text[end : token.start()])
            end = token.end()
            if token["escaped"]:
                opened[-1].add(token["escaped"])
            elif token["name"]:
                opened[-1].add(self._named(token["name"], _tag_around(tags, token.start()), above))
            elif token["sign"] == "{":
                header = header_at(text, end)
                if isinstance(header, str):
                    raise _Wrong(header)
                several, end = header or (None, end)
                opened.append(_Open(several))
                if len(opened) > MOST_DEPTH + 1:
                    raise _Wrong(_TOO_DEEP)
            elif len(opened) == 1:
                opened[-1].add(token[0])
            elif token["sign"] == "|":
                opened[-1].alternatives.append([])
            else:
                self._close(opened)
        opened[-1].add(text[end:])
        while len(opened) > 1:
            if opened[-1].is_choice:
                raise _Wrong(r"a choice is opened with `{` and never closed; `\{` is a brace that stands as it is")
            _keep(opened, "")
        return template_of(opened[0].alternatives[0])

    def _close(self, opened: list[_Open]) -> None:
        """Closes the innermost brace: it becomes a choice, or plain text where it holds neither `|` nor `2$$`."""
        if not opened[-1].is_choice:
            _keep(opened, "}")
            return
        brace = opened.pop()
        several, alternatives = brace.several, brace.alternatives
        if several is not None:
            alternatives = [_stripped(parts) for parts in alternatives]
            match alternatives:
                case [[Alternatives() as only]] if id(only) in self._ids:
                    opened[-1].add(self._several_lines(only, several))
                    return
        opened[-1].add(_checked_choice([_weighed(template_of(parts)) for parts in alternatives], several))

    def _several_lines(self, lines: Alternatives, several: Several) -> Alternatives:
        """Several lines of a word list; counted once, since a list may be long."""
        key = (id(lines), several)
        if key not in self._several:
            self._count(lines.alternatives)
            weights = lines.weights or (1.0,) * len(lines.alternatives)
            self._several[key] = choice_of(lines.alternatives, weights, several)
        return self._several[key]

    def _count(self, lines: Sequence[object]) -> None:
        """Refuses a bomb: for each pattern, and for each number of lines, all lines of its lists are gone through."""
        self._lines += len(lines)
        if self._lines > MOST_LINES:
            raise _Wrong(
                f"its patterns of word lists, and `2$$`, go through more than {MOST_LINES:,} lines: split the file"
            )

    def _named(self, name: str, tag: str | None, above: tuple[str, ...]) -> str | Alternatives:
        """A word list, or plain text: without a catalogue, and in the tag of a LoRA that is called so."""
        catalogue, path = self._catalogue, name.replace("\\", "/")
        if catalogue is None or (tag is not None and (catalogue.is_lora(tag) or not catalogue.lists_named(path))):
            return f"__{name}__"
        return self._list(path, above)

    def _list(self, name: str, above: tuple[str, ...]) -> Alternatives:
        assert self._catalogue is not None
        if name in self._lists:
            return self._lists[name]
        if name in above:
            circle = " leads to ".join(f"`__{cut(one)}__`" for one in (*above[above.index(name) :], name))
            raise _Wrong(f"word lists lead back to themselves: {circle}")
        if len(above) == MOST_DEPTH:
            raise _Wrong(_TOO_DEEP)
        lines = _lines_of(name, self._catalogue)
        if "*" in name:
            self._count(lines)
        alternatives: list[tuple[str | Template, float]] = []
        try:
            for line in lines:
                is_plain = not _NEEDS_PARSING.search(line)
                alternatives.append((line, 1.0) if is_plain else _weighed(self._template(line, (*above, name))))
            self._lists[name] = _checked_choice(alternatives, None)
            self._ids.add(id(self._lists[name]))
        except _Wrong as wrong:
            if wrong.has_place:
                raise
            place = f"in the word list `{cut(name)}`: "
            raise _Wrong(wrong.problem.message, wrong.problem.suggestion, place) from None
        return self._lists[name]


_TOO_DEEP: Final = f"choices and word lists are nested more than {MOST_DEPTH} deep"


def _tag_around(tags: Sequence[tuple[int, int, str]], place: int) -> str | None:
    """What the tag of a LoRA around a place names; None where there is none."""
    return next((name for start, end, name in tags if start < place < end), None)


def _keep(opened: list[_Open], end: str) -> None:
    """Adds a brace that is no choice as plain text."""
    (parts,) = opened.pop().alternatives
    for part in ("{", *parts, end):
        opened[-1].add(part)


def _stripped(parts: list[str | Alternatives]) -> list[str | Alternatives]:
    """An alternative without the space around it: the separator stands there."""
    stripped = list(parts)
    for index, strip in ((0, str.lstrip), (-1, str.rstrip)):
        edge = stripped[index] if stripped else None
        if isinstance(edge, str):
            stripped[index] = strip(edge)
    return [part for part in stripped if part != ""]


def _weighed(template: Template) -> tuple[str | Template, float]:
    """Splits an alternative into its text without the weight, and the weight."""
    parts = list(template.parts)
    weight = 1.0
    first = parts[0] if parts else ""
    match = _WEIGHT.match(first) if isinstance(first, str) else None
    if match is not None:
        weight = float(match[1])
        parts[0] = match.string[match.end() :]
        template = template_of(parts)
    return (str(template.parts[0]) if parts else "") if len(parts) < 2 and template.is_plain else template, weight


def _checked_choice(weighed: list[tuple[str | Template, float]], several: Several | None) -> Alternatives:
    weights = [weight for _, weight in weighed]
    if not any(weights):
        raise _Wrong("the weights of a choice are all 0: nothing could be drawn")
    choice = choice_of([alternative for alternative, _ in weighed], weights, several)
    if choice.depth > MOST_DEPTH:
        raise _Wrong(_TOO_DEEP)
    return choice


def _lines_of(name: str, catalogue: Catalogue) -> Sequence[str]:
    """The lines of a list, or of all lists whose names fit a pattern, each line once."""
    names = catalogue.lists_named(name)
    for one in names:
        if one in catalogue.unusable:
            raise _Wrong(f"the word list `__{cut(one)}__` cannot be used: {catalogue.unusable[one]}")
    if len(names) == 1:
        lines: Sequence[str] = catalogue.wildcards[names[0]]
    else:
        lines = tuple(dict.fromkeys(line for one in names for line in catalogue.wildcards[one]))
    if lines:
        return lines
    if names:
        raise _Wrong(f"the word list `__{cut(name)}__` cannot be used: it holds no line")
    known = listed(catalogue.wildcards)
    allowed = f"known are {known}" if known else "no folder of them is configured, or it holds none"
    near = nearest(name, catalogue.wildcards)
    message = f"`__{cut(name)}__` is no word list ({allowed}); `\\__{cut(name)}__` is text that stands as it is"
    raise _Wrong(message, f"__{near}__" if near and "*" not in name else "")
