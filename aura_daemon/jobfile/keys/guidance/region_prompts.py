"""The prompts of regions as they are drawn. In: keys as written. Out: keys without comments and escapes, or problems.

They hold no choices: which of a region's texts goes with which of the prompt's, no order of the jobs could say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aura_daemon.errors import Problem
from aura_daemon.jobfile.keys.guidance.guidance_keys import with_region_prompts
from aura_daemon.jobfile.templates import all_texts
from aura_daemon.jobfile.wildcards import WildcardParser
from aura_daemon.problems import shown

REGIONS: Final = "regions"

CHOICE: Final = (
    "the prompt of a region holds a choice or a word list: these are for `prompt`, and `matrix` may list several"
    r" `regions`; `\{` is a brace that stands as it is"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnRegions:
    """What takes the place of the regions in a job's keys, and of those in its matrix; nothing where there are none."""

    own: Mapping[str, object]
    lists: Mapping[str, list[object]]


def regions_as_drawn(
    keys: Mapping[str, object],
    lists: Mapping[str, Sequence[object]],
    parser: WildcardParser,
    *,
    file: str,
    lines: Mapping[str, int],
) -> DrawnRegions | tuple[Problem, ...]:
    """`lists`: of the matrix."""
    problems: list[Problem] = []

    def drawn(text: str, place: str) -> str:
        read = parser.read(text)
        if not isinstance(read, Problem) and read.is_plain:
            return next(all_texts(read)).strip()
        problem = read if isinstance(read, Problem) else Problem(message=CHOICE)
        problems.append(replace(problem, file=file, line=lines.get(place), key=place, given=shown(text)))
        return text

    own = with_region_prompts(keys, lambda text: drawn(text, REGIONS))
    of_matrix = [
        with_region_prompts({REGIONS: value}, lambda text: drawn(text, f"matrix.{REGIONS}"))[REGIONS]
        for value in lists.get(REGIONS, ())
    ]
    return tuple(problems) or DrawnRegions(own=own, lists={REGIONS: of_matrix} if of_matrix else {})
