"""`images`: which pictures a job names by patterns. In: text, paths below the inbox. Out: checked patterns, matches.

A pattern counts from a folder. `*` and `?` stand for any signs of one name, `[ab]` for one of these, and `**` for
folders, as many as there are; at the end it stands for everything below. A pattern without a sign of these is a picture
by its extension, else a folder with everything below. Case and composed characters are forgiven, as for `image`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from aura_daemon.file_names import collision_key
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS, extension_of
from aura_daemon.jobfile.keys.types import MOST_NAME_CHARACTERS
from aura_daemon.jobs.text_patterns import CONTROL, SPACE

MOST_PATTERNS: Final = 1000
"""Of one job."""

MOST_PICTURES: Final = 10_000
"""Pictures that the patterns of one file match."""

EVERYTHING: Final = "**"
"""Everything below a folder."""

_NAME: Final = rf"[^./\\{CONTROL}][^/\\{CONTROL}]*"
_HERE: Final = r"(?:[.][/\\]+)*"
_PATTERN: Final = rf"^[{SPACE}]*(?![{SPACE}]){_HERE}(?![A-Za-z]:[/\\]){_NAME}(?:[/\\]+{_HERE}{_NAME})*[/\\]*[{SPACE}]*$"
"""No part is hidden, none leads up, and no drive stands before them; backslashes are slashes."""

_DESCRIPTION: Final = (
    "a pattern such as `set/**` or `*.jpg`, or a list of patterns and names: pictures below the job file's folder,"
    " else below the inbox; each gets a caption, and all of them a `metadata.jsonl`"
)


def _patterns(value: object) -> object:
    """One pattern, or a list of them, as a tuple without repetitions; raises ValueError."""
    listed: list[Any] = value if isinstance(value, list) else [value]
    if value is None:
        return ()
    if not listed or len(listed) > MOST_PATTERNS:
        raise ValueError(f"must be a pattern, or a list of 1 to {MOST_PATTERNS} of them")
    for one in listed:
        if not isinstance(one, str) or len(one) > MOST_NAME_CHARACTERS or re.match(_PATTERN, one) is None:
            raise ValueError(
                "must name pictures or folders below the inbox by patterns such as `set/**`: no `..`, hidden or"
                f" absolute path, no drive, and at most {MOST_NAME_CHARACTERS} characters"
            )
    return tuple(dict.fromkeys(normalized(one) for one in listed))


_TEXT: Final[dict[str, Any]] = {"type": "string", "pattern": _PATTERN, "maxLength": MOST_NAME_CHARACTERS}

ImagePatterns = Annotated[
    tuple[str, ...],
    BeforeValidator(_patterns),
    WithJsonSchema(
        {
            "anyOf": [
                _TEXT,
                {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": MOST_PATTERNS},
                {"type": "null"},
            ]
        }
    ),
]


def patterns_field() -> Any:
    """The key `images`."""
    return Field((), description=_DESCRIPTION)


def normalized(pattern: str) -> str:
    """A pattern with one slash between its parts; a folder's has `**` behind it."""
    parts = [part for part in re.split(r"[/\\]+", pattern.strip()) if part not in ("", ".")]
    path = "/".join(parts)
    is_folder = not any(sign in path for sign in "*?[") and extension_of(parts[-1]) not in IMAGE_EXTENSIONS
    return f"{path}/{EVERYTHING}" if is_folder else path


def folder_of(pattern: str) -> str:
    """The folder below which everything lies that a pattern matches: its parts before the first sign, but the last."""
    parts = pattern.split("/")
    plain = next((index for index, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts))
    return "/".join(parts[: min(plain, len(parts) - 1)])


def begins_with_a_name(pattern: str) -> bool:
    """Whether a pattern may count from the top of the inbox too: `**` in a folder never means the whole inbox."""
    return not any(sign in pattern.split("/")[0] for sign in "*?[")


@dataclass(frozen=True, kw_only=True, slots=True)
class PatternsBelow:
    """Patterns that count from a folder below the inbox; empty for the inbox itself."""

    folder: str
    patterns: tuple[str, ...]

    @property
    def base(self) -> str:
        """The nearest folder below which every match lies."""
        folders = [f"{self.folder}/{folder_of(pattern)}".strip("/").split("/") for pattern in self.patterns]
        common: list[str] = []
        for parts in zip(*folders, strict=False):
            if len(set(parts)) > 1:
                break
            common.append(parts[0])
        return "/".join(filter(None, common))

    @property
    def starts(self) -> tuple[str, ...]:
        """The folders in which matches are to be looked for, each once and none within another."""
        folders = sorted({f"{self.folder}/{folder_of(pattern)}".strip("/") for pattern in self.patterns})
        return tuple(
            folder for folder in folders if not any(folder != outer and is_below(folder, outer) for outer in folders)
        )

    def matched_by(self, path: str) -> Iterable[str]:
        """The patterns that a path below the inbox matches."""
        if not is_below(path, self.folder):
            return ()
        key = collision_key(path[len(self.folder) :].lstrip("/"))
        names, expressions = _compiled(self.patterns)
        matched = (pattern for pattern, expression in expressions if expression.fullmatch(key))
        return [*names.get(key, ()), *matched]


def is_below(path: str, folder: str) -> bool:
    """Whether a path lies below a folder; everything lies below the inbox."""
    return not folder or path.startswith(f"{folder}/")


@lru_cache(maxsize=64)
def _compiled(patterns: tuple[str, ...]) -> tuple[Mapping[str, Sequence[str]], Sequence[tuple[str, re.Pattern[str]]]]:
    """The patterns that are names, by what a key of a path must be; of the others, what it must match."""
    names: dict[str, list[str]] = {}
    expressions: list[tuple[str, re.Pattern[str]]] = []
    for pattern in patterns:
        if any(sign in pattern for sign in "*?["):
            expressions.append((pattern, _expression(pattern)))
        else:
            names.setdefault(collision_key(pattern), []).append(pattern)
    return names, expressions


def _expression(pattern: str) -> re.Pattern[str]:
    """What a key of a path must match.

    What follows `*` or `**`, up to the next one, is looked for once: where it comes first. So `fnmatch` does it, and
    no pattern takes longer than the name is long.
    """
    *folders, last = collision_key(pattern).split("/")
    runs = [""]
    for part in folders:
        if part == EVERYTHING:
            runs.append("")
        else:
            runs[-1] += f"{_translated(part)}/"
    runs[-1] += "(?:[^/]+/)*[^/]+" if last == EVERYTHING else _translated(last)
    return re.compile(_looked_for_once(runs, "(?:[^/]+/)*"), re.DOTALL)


def _translated(part: str) -> str:
    """One part of a pattern as an expression; a `[` without its `]` stands for itself."""
    pieces: Sequence[str] = re.findall(r"\*+|\?|\[!?\]?[^\]]*\]|.", part, re.DOTALL)
    runs = [""]
    for piece in pieces:
        if piece.startswith("*"):
            runs.append("")
        else:
            runs[-1] += _piece(piece)
    return _looked_for_once(runs, "[^/]*")


def _looked_for_once(runs: Sequence[str], gap: str) -> str:
    """Expressions with a gap between each two; every gap but the last is the shortest one, and stays so."""
    if len(runs) == 1:
        return runs[0]
    first, *further, last = runs
    return first + "".join(f"(?>{gap}?{run})" for run in further) + gap + last


def _piece(piece: str) -> str:
    if piece == "?":
        return "[^/]"
    if len(piece) > 2:  # a class: a single sign is never longer
        signs = piece[1:-1]
        negated, signs = signs.startswith("!"), signs.removeprefix("!")
        inner = "".join("-" if sign == "-" else re.escape(sign) for sign in signs)
        try:
            return re.compile(f"(?!/)[{'^' if negated else ''}{inner}]").pattern
        except re.error:  # `[z-a]` is no range
            return re.escape(piece)
    return re.escape(piece)
