"""Reads a table of prompts, CSV, JSON or JSON Lines, as jobs. In: its bytes. Out: its jobs, or every problem.

Each row is a job. Its columns are the keys of a job file, or what AUTOMATIC1111, kohya and InvokeAI call them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.formats.plain_text import text_of
from aura_daemon.formats.prompt_lists.foreign_settings import Setting, Translation, translated
from aura_daemon.formats.prompt_lists.setting_names import TEXTS, canonical, is_known, meaning
from aura_daemon.formats.prompt_lists.table_rows import Row
from aura_daemon.formats.prompt_lists.tables import rows_of
from aura_daemon.formats.yaml_scalars import resolved
from aura_daemon.formats.yaml_writer import to_yaml
from aura_daemon.jobfile.expansion import MOST_JOBS
from aura_daemon.jobfile.keys.caption import CaptionJob
from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobfile.parser import JobPlans
from aura_daemon.jobfile.prompt_lists.prompt_texts import keys_of_line
from aura_daemon.jobfile.schema import TEXT_KEYS
from aura_daemon.problems import cut, shown

_OVERRIDES: Final = "override_settings"
"""Under this key A1111's API has settings that count for one picture."""

_OWN_KEYS: Final = GenerateJob.model_fields.keys() | CaptionJob.model_fields.keys()
_LISTS: Final = frozenset({"tags"})
"""Keys whose cell in a CSV is a list with commas."""


def added_rows(jobs: JobPlans, content: bytes) -> Iterator[Sequence[Problem]]:
    """Adds the rows of a table to the jobs; what is wrong with each."""
    read = _rows(content, jobs.file)
    if isinstance(read, Problem):
        yield [read]
    elif len(read) > MOST_JOBS:
        message = f"the file holds more than {MOST_JOBS} jobs, the most that a file may have: split it"
        yield [Problem(file=jobs.file, message=message)]
    else:
        own_text = content if len(read) == 1 else None
        yield _of_many_rows([problem for row in read for problem in _added(jobs, row, own_text)])


def _of_many_rows(problems: Sequence[Problem]) -> list[Problem]:
    """Each problem once, with the line of its first row: a wrong name of a column is wrong in every row."""
    found: dict[Problem, list[Problem]] = {}
    for problem in problems:
        found.setdefault(replace(problem, line=None), []).append(problem)
    return [
        replace(alike[0], message=f"in {len(alike)} rows: {alike[0].message}") if len(alike) > 1 else alike[0]
        for alike in found.values()
    ]


def keys_of_rows(content: bytes, *, file: str) -> Iterator[Mapping[str, object]]:
    """The keys of each row, not checked; none where the table cannot be read."""
    read = _rows(content, file)
    if not isinstance(read, Problem):
        yield from (_keys_of_row(row.value).keys for row in read)


def _rows(content: bytes, file: str) -> tuple[Row, ...] | Problem:
    text = text_of(content, file=file)
    return text if isinstance(text, Problem) else rows_of(file, text, most=MOST_JOBS + 1)


def _added(jobs: JobPlans, row: Row, content: bytes | None) -> tuple[Problem, ...]:
    """Adds one row to the jobs, or returns everything that is wrong with it. `content`: of a file with one row."""
    found = _keys_of_row(row.value)
    if found.faults:
        return tuple(replace(fault, file=jobs.file, line=row.line) for fault in found.faults)
    text = content if content is not None else to_yaml(found.keys).encode()
    lines = dict.fromkeys(("", *found.keys), row.line)
    return jobs.add(found.keys, text, lines=lines, written=found.written, warnings=found.warnings)


def _keys_of_row(value: Mapping[str, object] | str) -> Translation:
    if isinstance(value, str):
        return keys_of_line(value)
    own: dict[str, object] = {}
    settings: list[Setting] = []
    for name, cell in _flat(value):
        key = canonical(name)
        if is_known(key):
            settings.append(Setting(name=key, label=cut(name), value=cell, written=_written(cell)))
        elif key == "images" and isinstance(number := _cell(key, cell), int | str) and str(number).isdecimal():
            own["count"] = int(number)  # InvokeAI and services count pictures so
        else:
            own[key if key in _OWN_KEYS else name] = _cell(key, cell)
    found = translated(_without_first_sampler(settings))
    return replace(found, keys={**found.keys, **own})


def _flat(value: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """The settings of a row, with those of A1111's API that stand one level below."""
    for name, cell in value.items():
        if canonical(name) == _OVERRIDES and isinstance(cell, Mapping):
            yield from ((str(inner), below) for inner, below in cell.items())
        elif cell is not None:
            yield name, cell


def _without_first_sampler(settings: Sequence[Setting]) -> Iterator[Setting]:
    """Settings without `sampler_index` where there is a sampler's name: A1111's API writes both."""
    has_name = any(meaning(setting.name) == "sampler" for setting in settings)
    hires = next((setting.value for setting in settings if setting.name == "enable_hr"), None)
    for setting in settings:
        is_idle = hires is False and setting.name.startswith("hr_")
        if not is_idle and not (has_name and setting.name == "sampler_index"):
            yield setting


def _cell(key: str, cell: object) -> object:
    """The value of one of our own keys; a cell of a CSV is text that may stand for a number or a list."""
    if not isinstance(cell, str) or key in TEXT_KEYS or key in TEXTS:
        return str(cell) if key in TEXT_KEYS and isinstance(cell, int | float) else cell
    if key in _LISTS:
        return [word.strip() for word in cell.split(",")]
    return resolved(cell.strip())


def _written(cell: object) -> str:
    return cut(cell) if isinstance(cell, str) else shown(cell)
