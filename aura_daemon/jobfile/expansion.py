"""Expands one document of a job file into its jobs: seeds, `count`, choices in texts, `matrix`. In: keys. Out: keys.

In the order of the jobs the choices vary fastest, then the seeds, then the matrix. With `count` or several seeds, each
seed draws its own texts; otherwise every combination is a job. A document without a seed has one for all its jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Final, TypeAlias

from aura_daemon.errors import Problem
from aura_daemon.formats.yaml_writer import to_yaml
from aura_daemon.jobfile.folder_defaults import FolderDefaults, with_folder_defaults
from aura_daemon.jobfile.keys.generate import GenerateJob
from aura_daemon.jobfile.keys.guidance.guidance_keys import with_region_prompts
from aura_daemon.jobfile.keys.guidance.region_prompts import regions_as_drawn
from aura_daemon.jobfile.keys.matrix import ABOUT_ALL, lists_of
from aura_daemon.jobfile.keys.seeds import seeds_of
from aura_daemon.jobfile.keys.types import MOST_PROMPT_CHARACTERS
from aura_daemon.jobfile.recipes.filling import Filled, escaped_prompt
from aura_daemon.jobfile.recipes.pictures import Pictures
from aura_daemon.jobfile.remarks import remarks_on_texts
from aura_daemon.jobfile.templates import Template, all_texts, draw_text
from aura_daemon.jobfile.wildcards import WildcardParser
from aura_daemon.jobs.requests import JobKind
from aura_daemon.jobs.sampling import SEED_END
from aura_daemon.problems import shown

MOST_JOBS: Final = 500
"""Jobs of one file."""

_TEXTS: Final = ("prompt", "negative_prompt")

CAN_VARY: Final = tuple(key for key in GenerateJob.model_fields if key not in ABOUT_ALL)
"""Keys that a matrix may list."""

Keys: TypeAlias = Mapping[str, object]

Fill: TypeAlias = Callable[[Keys], Filled]


@dataclass(frozen=True, kw_only=True, slots=True)
class Expanded:
    """One job."""

    keys: Keys
    text: str | None
    """YAML that asks for this job alone; None where the document itself asks for one job only."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpansionPlan:
    """What a document asks for, before the jobs are made, so that they can be counted."""

    keys: Keys
    """The keys that are the same for every job."""
    lists: Mapping[str, Sequence[object]]
    """The lists of the matrix."""
    texts: Mapping[str, Sequence[Template]]
    """Templates of `prompt` and, if given, of `negative_prompt`: one, or one for each value of the matrix's list."""
    seeds: tuple[int, ...]
    """Empty where the document gives no seed, or its matrix lists the seeds."""
    count: int | None
    is_counted_by_folder: bool
    remarks: tuple[str, ...] = ()
    """What the texts hold that is read otherwise than meant, maybe."""
    is_varied_by_folder: bool = False
    """Whether the matrix is a folder's."""
    pictures: Pictures | None = None
    """What the jobs take their images from, each one of them."""

    @property
    def has_choices(self) -> bool:
        """Whether any text holds a choice."""
        return any(not template.is_plain for templates in self.texts.values() for template in templates)

    @property
    def is_drawn(self) -> bool:
        """Whether each seed draws its texts, instead of every combination being a job."""
        return self.count is not None or len(self.seeds) > 1

    @property
    def jobs(self) -> int:
        """The number of jobs, computed without making them."""
        lists = prod(len(values) for key, values in self.lists.items() if key not in self.texts)
        texts = (
            len(templates) if self.is_drawn else sum(template.combinations for template in templates)
            for templates in self.texts.values()
        )
        return lists * prod(texts) * (self.count or len(self.seeds) or 1)

    @property
    def in_a_row(self) -> int:
        """The number of values in the part that varies fastest: the choices, the seeds, else the matrix's last list."""
        texts = 1 if self.is_drawn else prod(t.combinations for templates in self.texts.values() for t in templates[:1])
        lists = [len(values) for values in self.lists.values()]
        varying = [size for size in (*lists, self.count or len(self.seeds) or 1, texts) if size > 1]
        return varying[-1] if varying else 1

    def expanded(self, draw: Callable[[], int], fill: Fill) -> Iterator[Expanded]:
        """The jobs in their order; `draw` gives the seed of a document without one, `fill` fills placeholders in."""
        if self.jobs == 1 and not self.has_choices and not self.lists and self.pictures is None:
            first_seed = {"seed": self.seeds[0]} if self.seeds else {}
            only_texts = {key: next(all_texts(template)).strip() for key, (template,) in self.texts.items()}
            filled = fill({**self.keys, **first_seed, **only_texts})
            yield Expanded(keys=filled.keys, text=None, warnings=filled.warnings)
            return
        seeds = self.seeds or (draw(),)
        if self.count is not None:
            seeds = tuple(range(seeds[0], seeds[0] + self.count))
        for cell, templates in self._cells():
            own = cell.get("seed")
            for seed in seeds if own is None else (seeds_of(own),):
                assert isinstance(seed, int)
                for texts in self._texts_of(templates, seed):
                    image = {"image": self.pictures.taken(seed)} if self.pictures is not None else {}
                    yield self._job({**self.keys, **cell, "seed": seed, **image, **texts}, fill)

    def _cells(self) -> Iterator[tuple[Keys, Mapping[str, Template]]]:
        """Every combination of the matrix with the templates of its texts."""
        for numbers in product(*(range(len(values)) for values in self.lists.values())):
            indices = dict(zip(self.lists, numbers, strict=True))
            cell = {key: self.lists[key][index] for key, index in indices.items()}
            yield cell, {key: templates[indices.get(key, 0)] for key, templates in self.texts.items()}

    def _texts_of(self, templates: Mapping[str, Template], seed: int) -> Iterator[Mapping[str, str]]:
        if self.is_drawn:
            yield {key: draw_text(template, seed, key).strip() for key, template in templates.items()}
        else:
            for texts in product(*map(all_texts, templates.values())):
                yield {key: text.strip() for key, text in zip(templates, texts, strict=True)}

    def _job(self, keys: Keys, fill: Fill) -> Expanded:
        filled = fill(keys)
        own = {key: value for key, value in filled.keys.items() if key != "grid" and value is not None}
        own |= {key: escaped_prompt(str(own[key])) for key in self.texts}
        own |= with_region_prompts(own, escaped_prompt)
        if self.is_counted_by_folder:
            own["count"] = 1
        if self.is_varied_by_folder:
            own["matrix"] = {}
        return Expanded(keys=filled.keys, text=to_yaml(own), warnings=filled.warnings)


def rows(keys: Keys) -> Iterator[tuple[int, Keys]]:
    """The document's keys with the n-th value of each list of its matrix, so that every value can be checked."""
    lists = lists_of(keys, CAN_VARY) if keys.get("task") != JobKind.CAPTION else {}
    is_small = prod(map(len, lists.values())) <= MOST_JOBS  # else the document is refused, whatever the values are
    for index in range(max(map(len, lists.values()), default=1) if is_small else 1):
        yield index, {**keys, **{key: values[min(index, len(values) - 1)] for key, values in lists.items()}}


def problem_in_document(problem: Problem, keys: Keys, index: int, *, lines: Mapping[str, int]) -> Problem | None:
    """A problem of a row at its place in the document; None where an earlier row reported the problem already."""
    key, _, rest = problem.key.partition(".")
    values = lists_of(keys, CAN_VARY).get(key)
    if values is None:
        matrix = keys.get("matrix")
        is_in_matrix = isinstance(matrix, Mapping) and matrix.get(key) is not None  # `problems_of_matrix` reports it
        return problem if index == 0 and not is_in_matrix else None
    path = f"matrix.{key}"
    place = f"{path}.{index}.{rest}".rstrip(".")
    return replace(problem, key=place, line=lines.get(path)) if index < len(values) else None


def plan_document(
    keys: Keys,
    parser: WildcardParser,
    *,
    file: str,
    lines: Mapping[str, int],
    folders: Sequence[FolderDefaults] = (),
    is_varied_by_folder: bool = False,
    pictures: Pictures | None = None,
    are_filled: bool = False,
) -> ExpansionPlan | tuple[Problem, ...]:
    """The plan of a job that draws, whose rows and lists are valid; or what is wrong with its texts and seeds.

    `are_filled`: placeholders in its texts have values.
    """
    lists = lists_of(keys, CAN_VARY)
    own = {key: value for key, value in keys.items() if value is not None}
    effective = with_folder_defaults(own, JobKind.GENERATE, folders)
    seeds = () if "seed" in lists else _as_tuple(effective.get("seed"))
    counted = effective.get("count")
    count = int(counted) if isinstance(counted, int | float) and "seed" not in lists else None
    texts = _texts(lists, effective, parser, file=file, lines=lines)
    if isinstance(texts, tuple):
        return texts
    if isinstance(regions := regions_as_drawn(own, lists, parser, file=file, lines=lines), tuple):
        return regions
    own |= regions.own
    lists |= regions.lists
    if count is not None and seeds and seeds[0] + count > SEED_END:
        message = f"so many seeds do not fit between {seeds[0]} and 2**63, where seeds end"
        return (Problem(file=file, line=lines.get("count"), key="count", message=message, given=shown(count)),)
    plain = {key: value for key, value in own.items() if key not in ("matrix", "count")}
    by_folder = any(folder.keys.get("count") is not None for folder in folders)
    written = {key: [value for value in (effective.get(key), *lists.get(key, ())) if value] for key in texts}
    return ExpansionPlan(
        keys=plain,
        lists=lists,
        texts=texts,
        seeds=seeds,
        count=count,
        is_counted_by_folder=by_folder,
        is_varied_by_folder=is_varied_by_folder,
        pictures=pictures,
        remarks=tuple(
            remark
            for key, values in written.items()
            for remark in remarks_on_texts(key, map(str, values), are_filled=are_filled)
        ),
    )


def problem_of_number(plans: Sequence[ExpansionPlan], *, file: str, others: int) -> Problem | None:
    """Why a file asks for too many jobs, and what to do about it; `others`: how many jobs do not draw."""
    jobs = others + sum(plan.jobs for plan in plans)
    if jobs <= MOST_JOBS:
        return None
    mend = "take values out of its lists, or split it"
    not_drawn = [plan for plan in plans if plan.has_choices and not plan.is_drawn]
    if any(20 * prod(map(len, plan.lists.values())) <= MOST_JOBS for plan in not_drawn):
        mend = "`count: 20` draws 20 of the combinations of choices"
    return Problem(file=file, message=f"this would be {_number(jobs)} jobs; a file has at most {MOST_JOBS}: {mend}")


def _texts(
    lists: dict[str, list[object]], effective: Keys, parser: WildcardParser, *, file: str, lines: Mapping[str, int]
) -> dict[str, list[Template]] | tuple[Problem, ...]:
    """The templates of the texts, or what is wrong with them; for a null in a list the folder's text is taken."""
    templates: dict[str, list[Template]] = {}
    problems: list[Problem] = []
    for key in _TEXTS:
        if key not in lists and effective.get(key) is None:
            continue
        for index, value in enumerate(lists.get(key, [None])):
            text = value if value is not None else effective.get(key)
            read = parser.read(str(text or ""))
            if isinstance(read, Template) and read.longest > MOST_PROMPT_CHARACTERS and not read.is_plain:
                length = f"{_number(read.longest)} characters long; at most {MOST_PROMPT_CHARACTERS:,} are allowed"
                read = Problem(message=f"can become {length}")
            is_blank = isinstance(read, Template) and read.is_plain and not next(all_texts(read)).strip()
            if is_blank and key == "prompt":
                read = Problem(message="holds nothing but a comment: what should be drawn?")
            if isinstance(read, Problem):
                path = f"matrix.{key}" if key in lists else key
                place = f"{path}.{index}" if key in lists else key
                problems.append(replace(read, file=file, line=lines.get(path), key=place, given=shown(text)))
            else:
                templates.setdefault(key, []).append(read)
    return tuple(problems) or templates


def _number(number: int) -> str:
    """A number in words, however large: choices multiply."""
    return f"{number:,}" if number < 10**15 else "more than 10**15"


def _as_tuple(seed: object) -> tuple[int, ...]:
    seeds = seeds_of(seed)
    return (seeds,) if isinstance(seeds, int) else seeds or ()
