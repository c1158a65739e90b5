"""Names of results from a job's template, such as `{date}/{stem}-{seed}`. In: a template, values. Out: folder and stem.

A name is relative to the job's own folder in the outbox. It never leads out of that folder, into `failed/` or to a
hidden name, whatever the values are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, Field

from aura_daemon.file_names import FAILED_FOLDER, not_ours, output_stem, portable
from aura_daemon.jobfile.keys import types
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

OF_DRAWINGS: Final = ("seed", "prompt")
"""Fields that a picture has none of which is enlarged alone."""


def _field(names: Iterable[str]) -> str:
    return rf"\{{(?:(?:{'|'.join(names)})(?::0?[1-9])?|{NAMES})\}}"


def _pattern(names: Iterable[str]) -> str:
    field = _field(names)
    part = rf"(?:{field}|(?![.])[^{{}}/\\{CONTROL}])(?:{field}|[^{{}}/\\{CONTROL}])*"
    return rf"^[{SPACE}]*(?![{SPACE}]){part}(?:/{part})*[{SPACE}]*$"


_FIELD: Final = _field(FIELDS)
TEMPLATE: Final = _pattern(FIELDS)
"""The pattern of a valid template; published in the schema."""

_FIELDS_OF_ENLARGED: Final = tuple(name for name in FIELDS if name not in OF_DRAWINGS)
_TEMPLATE_OF_ENLARGED: Final = _pattern(_FIELDS_OF_ENLARGED)

MOST_WORDS_CHARACTERS: Final = 60
"""Characters of a field that holds text."""

_UNFIT: Final = re.compile(r"[\s/\\:*?\"<>|{}]+")
"""Characters that some file system or shell cannot use in a name."""

_UNFIT_IN_TEMPLATE: Final = re.compile(r"[:*?\"<>|]+")
"""The same for the text of a template itself, where spaces are kept."""


def _described(names: Iterable[str]) -> str:
    return f"a name in its folder of the outbox, of text, `/`, placeholders and the fields {{{'}, {'.join(names)}}}"


def _checked(names: Iterable[str], pattern: str) -> Callable[[str], str]:
    """What checks a template: it must not lead out of the outbox."""

    def check(value: str) -> str:
        if not re.match(pattern, value):
            raise ValueError(f"must be {_described(names)}; no `..`, hidden or absolute path")
        return value

    return check


OutputName: TypeAlias = Annotated[types.Name, AfterValidator(_checked(FIELDS, TEMPLATE))]
OutputNameOfEnlarged: TypeAlias = Annotated[
    types.Name, AfterValidator(_checked(_FIELDS_OF_ENLARGED, _TEMPLATE_OF_ENLARGED))
]


def output_field(*, is_enlarged: bool = False) -> Any:
    """The key for the name of a result; of a picture that is enlarged alone fewer fields are known."""
    names, pattern = (_FIELDS_OF_ENLARGED, _TEMPLATE_OF_ENLARGED) if is_enlarged else (FIELDS, TEMPLATE)
    return Field(None, description=_described(names), json_schema_extra={"pattern": pattern})


def is_for_drawings(template: object) -> bool:
    """Whether a name holds what only a picture that is drawn has."""
    return isinstance(template, str) and any(
        field[0].strip("{}").partition(":")[0] in OF_DRAWINGS for field in re.finditer(_FIELD, template)
    )


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
