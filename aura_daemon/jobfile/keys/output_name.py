"""Names of results from a job's template, such as `{date}/{stem}-{seed}`. In: a template, values. Out: folder and stem.

A name is relative to the job's own folder in the outbox. It never leads out of that folder, into `failed/` or to a
hidden name, whatever the values are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from aura_daemon.file_names import FAILED_FOLDER, not_ours, output_stem, portable
from aura_daemon.jobs.prompts.placeholders import NAMES
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
"""Name of a field -> its meaning."""

_FIELD: Final = rf"\{{(?:(?:{'|'.join(FIELDS)})(?::0?[1-9])?|{NAMES})\}}"
_PART: Final = rf"(?:{_FIELD}|(?![.])[^{{}}/\\{CONTROL}])(?:{_FIELD}|[^{{}}/\\{CONTROL}])*"
TEMPLATE: Final = rf"^[{SPACE}]*(?![{SPACE}]){_PART}(?:/{_PART})*[{SPACE}]*$"
"""The pattern of a valid template; published in the schema."""

MOST_WORDS_CHARACTERS: Final = 60
"""Characters of a field that holds text."""

_UNFIT: Final = re.compile(r"[\s/\\:*?\"<>|{}]+")
"""Characters that some file system or shell cannot use in a name."""

_UNFIT_IN_TEMPLATE: Final = re.compile(r"[:*?\"<>|]+")
"""The same for the text of a template itself, where spaces are kept."""


def filled(template: str, values: Mapping[str, str | int]) -> tuple[str, str]:
    """Folder (empty for the job's own) and stem, both valid names on any file system."""

    def value(field: re.Match[str]) -> str:
        name, _, width = field[0].strip("{}").partition(":")
        given = values.get(name, "")
        return f"{given:{width}d}" if isinstance(given, int) and width else fit(str(given))

    parts = [not_ours(_name(re.sub(_FIELD, value, part))) for part in template.strip().split("/")]
    if len(parts) > 1 and parts[0].casefold() == FAILED_FOLDER:
        parts[0] += "-"
    return "/".join(parts[:-1]), parts[-1]


def fit(text: str) -> str:
    """Makes text valid as a part of a name."""
    return _UNFIT.sub("-", _printable(text))[:MOST_WORDS_CHARACTERS].strip("-. ")


def _name(part: str) -> str:
    """Makes a name that is not hidden, empty or too long. Dots and spaces at its end, which some systems drop, go."""
    fit = _UNFIT_IN_TEMPLATE.sub("-", _printable(part)).lstrip(". ")
    return portable(output_stem(fit, None).rstrip(". ")) or "-"


def _printable(text: str) -> str:
    """Removes invisible characters: controls and marks that reverse text; several spaces become one."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())
