r"""Which text a prompt is at which step, as in A1111's web UI. In: a prompt, the steps of a pass. Out: texts in turn.

`[from:to:when]` is `from` up to the step `when`, then `to`; `[to:when]` and `[from::when]` lack one side. A `when` with
a dot is a share of the steps, without a dot a number of steps. In a second pass, which begins at 1.0, it counts on.
`[one|other]` takes turns, step by step. Both may stand in each other; `\[`, `\:` and `\|` are no signs. A bracket that
is neither, or that is not closed, stays as it is: `formats.prompt_syntax` reads it as a weight or as text.

Unlike in A1111, a `|` that separates nothing is text, and the brackets beside or around it are read all the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, TypeAlias, assert_never

_SIGNS: Final = re.compile(r"\\.|[^\\\[\]():|]+|.", re.DOTALL)
_NUMBER: Final = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")


@dataclass(frozen=True, kw_only=True, slots=True)
class PassSteps:
    """How a pass over a picture is counted: in evaluations of the model, of which some samplers take two a step."""

    steps: int
    """As many as were asked for; a share in a prompt is one of these."""
    taken: int
    """Those that are done; from an image they are fewer."""
    before: int | None = None
    """Steps of the first pass, where this is the second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """A text of a schedule, up to and with a step, counted from 1."""

    last: int
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Edit:
    """`[from:to:when]`."""

    before: _Pieces
    after: _Pieces
    when: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Alternation:
    """`[one|other]`."""

    options: tuple[_Pieces, ...]


_Piece: TypeAlias = str | _Edit | _Alternation
_Pieces: TypeAlias = tuple[_Piece, ...]


@dataclass(kw_only=True, slots=True)
class _Opened:
    """A bracket that is not closed yet."""

    bracket: str
    place: int
    """Of the bracket among the pieces."""
    separators: list[int] = field(default_factory=list)
    """Places of the colons and bars that belong to this bracket."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """A prompt whose brackets are understood."""

    pieces: _Pieces
    edits: tuple[_Edit, ...]
    """At any depth."""
    alternates: bool


def schedule(prompt: str, steps: PassSteps) -> tuple[Phase, ...]:
    """The texts of a pass in turn, at least one; the last holds up to the last of `steps.steps`."""
    read = _read(prompt)
    ends = {steps.steps}
    if read.alternates:
        ends |= set(range(1, steps.steps + 1))
    ends |= {_step_of(edit, steps) for edit in read.edits}
    return tuple(Phase(last=end, text=_at(end, read.pieces, steps)) for end in sorted(ends) if end)


def never_reached(prompt: str, passes: Sequence[PassSteps]) -> tuple[str, ...]:
    """One remark for each `when` that lies behind the last step of every pass."""
    late = [edit.when for edit in _read(prompt).edits if all(_step_of(edit, one) >= one.taken for one in passes)]
    taken = " and ".join(str(one.taken) for one in passes)
    return tuple(
        f"prompt editing: `:{when}]` lies behind the last step ({taken} are taken): the change never comes"
        for when in dict.fromkeys(late)
    )


def _read(prompt: str) -> _Read:
    """Understands the brackets that are balanced; no bracket around a stray sign is understood."""
    pieces: list[_Piece] = []
    opened: list[_Opened] = []
    edits: list[_Edit] = []
    alternates = False
    for sign in _SIGNS.findall(prompt):
        pieces.append(sign)
        if sign in "([":
            opened.append(_Opened(bracket=sign, place=len(pieces) - 1))
        elif sign in ":|" and opened:
            opened[-1].separators.append(len(pieces) - 1)
        elif sign in ")]" and opened:
            inner = opened.pop()
            if _is_weight(inner, sign, pieces):
                continue
            meant = _meant(inner, pieces) if inner.bracket + sign == "[]" else None
            if meant is None:
                opened.clear()
                continue
            pieces[inner.place :] = [meant]
            alternates = alternates or isinstance(meant, _Alternation)
            edits += [meant] if isinstance(meant, _Edit) else []
    return _Read(pieces=tuple(pieces), edits=tuple(edits), alternates=alternates)


def _is_weight(opened: _Opened, closing: str, pieces: Sequence[_Piece]) -> bool:
    """Whether a bracket is `(word)`, `(word:1.3)` or `[word]`."""
    match opened.bracket + closing:
        case "()":
            return sum(pieces[place] == ":" for place in opened.separators) <= 1
        case "[]":
            return not opened.separators
        case _:
            return False


def _meant(opened: _Opened, pieces: Sequence[_Piece]) -> _Edit | _Alternation | None:
    """What square brackets with separators, closed by the last piece, are; None where they are text."""
    colons = [place for place in opened.separators if pieces[place] == ":"]
    bounds = [opened.place, *(colons or opened.separators), len(pieces) - 1]
    segments = [tuple(pieces[start + 1 : end]) for start, end in pairwise(bounds)]
    if not colons:
        return _Alternation(options=tuple(segments))
    *texts, last = segments
    number = _NUMBER.fullmatch(last[0]) if len(last) == 1 and isinstance(last[0], str) else None
    if len(texts) > 2 or number is None:
        return None
    return _Edit(before=texts[0] if len(texts) == 2 else (), after=texts[-1], when=number[1])


def _step_of(edit: _Edit, steps: PassSteps) -> int:
    """The last step before a change, from 0 to all steps."""
    if "." in edit.when:
        step = (float(edit.when) - (0 if steps.before is None else 1)) * steps.steps
    else:
        step = float(edit.when) - (steps.before or 0)
    return int(max(0, min(steps.steps, step)))


def _at(step: int, prompt: _Pieces, steps: PassSteps) -> str:
    """The text at a step, from 1."""
    texts: list[str] = []
    waiting = list(reversed(prompt))
    while waiting:
        match waiting.pop():
            case str() as text:
                texts.append(text)
            case _Edit() as edit:
                waiting += reversed(edit.before if step <= _step_of(edit, steps) else edit.after)
            case _Alternation(options=options):
                waiting += reversed(options[(step - 1) % len(options)])
            case never:  # pragma: no cover
                assert_never(never)
    return "".join(texts)
