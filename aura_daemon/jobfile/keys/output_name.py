"""Names of results as a job wants them: `{date}/{stem}-{seed}`. In: a template, what is known. Out: folder and stem.

They count from the job's own folder in the outbox, and never lead out of it, into `failed/` or to a hidden name,
whatever stands in a template's fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aura_daemon.file_names import FAILED_FOLDER, output_stem
from aura_daemon.jobs.text_patterns import CONTROL, SPACE

FIELDS: Final = {
    "stem": "the job file's name without its extension",
    "number": "which job of its file it is, from 1; `{number:03}` has leading zeros",
    "seed": "the seed",
    "prompt": "the first words of the prompt",
    "model": "the model's name",
    "date": "the day it was admitted, UTC: 2026-11-24",
    "time": "the time of day, UTC: 173005",
}
"""Name -> what it stands for."""

_FIELD: Final = r"\{(?:" + "|".join(FIELDS) + r")(?::0?[1-9])?\}"
_PART: Final = rf"(?:{_FIELD}|(?![.])[^{{}}/\\{CONTROL}])(?:{_FIELD}|[^{{}}/\\{CONTROL}])*"
TEMPLATE: Final = rf"^[{SPACE}]*(?![{SPACE}]){_PART}(?:/{_PART})*[{SPACE}]*$"
"""What is understood as a template; published in the schema."""

MOST_WORDS_CHARACTERS: Final = 60
"""Of a field that holds text."""

_UNFIT: Final = re.compile(r"[\s/\\:*?\"<>|{}]+")
"""What some file system or shell has no use for in a name."""

_UNFIT_IN_TEMPLATE: Final = re.compile(r"[:*?\"<>|]+")
"""The same, where it is meant: spaces stay."""


def filled(template: str, values: Mapping[str, str | int]) -> tuple[str, str]:
    """Folder (empty: the job's own) and stem, both fit to be names on any file system."""

    def value(field: re.Match[str]) -> str:
        name, _, width = field[0].strip("{}").partition(":")
        found = values[name]
        return f"{found:{width}d}" if isinstance(found, int) and width else _fit(str(found))

    parts = [_name(re.sub(_FIELD, value, part)) for part in template.strip().split("/")]
    if len(parts) > 1 and parts[0].casefold() == FAILED_FOLDER:
        parts[0] += "-"
    return "/".join(parts[:-1]), parts[-1]


def _fit(text: str) -> str:
    """Text as a part of a name."""
    return _UNFIT.sub("-", _printable(text))[:MOST_WORDS_CHARACTERS].strip("-. ")


def _name(part: str) -> str:
    """A name that is not hidden, not empty and not too long; some file systems drop dots and spaces at its end."""
    fit = _UNFIT_IN_TEMPLATE.sub("-", _printable(part)).lstrip(". ")
    return output_stem(fit, None).rstrip(". ") or "-"


def _printable(text: str) -> str:
    """Without what nobody sees in a name: control characters, marks that turn text round; other spaces become one."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())
