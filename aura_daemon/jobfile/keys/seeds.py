"""The seeds of a job: one, a list or a range. In: a raw value. Out: the seeds, or an error with what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import PlainValidator, WithJsonSchema

from aura_daemon.jobs.sampling import SEED_END
from aura_daemon.jobs.text_patterns import alone
from aura_daemon.problems import shown

MOST_SEEDS: Final = 500
"""Seeds of one job file: every seed is a job."""

RANDOM: Final = -1
"""As in A1111: a seed that is drawn, as without the key; unlike that, it wins over the folder's seed."""

ONE_SEED: Final = "a whole number from 0 to 2**63 - 1"
SEEDS: Final = f"{ONE_SEED}, a list of at most {MOST_SEEDS} of them, or a range as `1-4`; -1 draws one"
_RANGE: Final = r"([0-9]{1,19})[ \t]*(?:-|\.\.)[ \t]*([0-9]{1,19})"


def seeds_of(value: object) -> int | tuple[int, ...] | None:
    """One seed, or several in their order; None for a random one. Raises ValueError with what is allowed."""
    if value is None or is_random(value):
        return None
    if isinstance(value, str):
        return _range(value)
    if not isinstance(value, list | tuple):
        return _one(value, f"must be {SEEDS}")
    if not 1 <= len(value) <= MOST_SEEDS:
        raise ValueError(f"holds {len(value):,} seeds; it must be {SEEDS}")
    alone = "; `-1` stands alone, and `count` makes several pictures of it" if any(map(is_random, value)) else ""
    return tuple(_one(item, f"holds {shown(item)}, which is no seed; a seed is {ONE_SEED}{alone}") for item in value)


def is_random(value: object) -> bool:
    """Whether a value asks for a random seed."""
    return isinstance(value, int | float) and value == RANDOM


def one_seed_of(value: object) -> int | None:
    """The seed of a single picture; raises ValueError with what is allowed."""
    return _one(value, f"must be {ONE_SEED}: it is one picture") if value is not None and not is_random(value) else None


def _one(value: object, message: str) -> int:
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if not isinstance(whole, int) or isinstance(whole, bool) or not 0 <= whole < SEED_END:
        raise ValueError(message)
    return whole


def _range(value: str) -> tuple[int, ...]:
    match = re.match(alone(_RANGE), value)
    if match is None:
        hint = ", without quotes" if value.strip().removeprefix("-").isdecimal() else ""
        raise ValueError(f"must be {SEEDS}{hint}")
    first, last = int(match[1]), int(match[2])
    if last >= SEED_END:
        raise ValueError(f"must be {SEEDS}")
    if last < first:
        raise ValueError(f"is a range that counts down: write {last}-{first}")
    if last - first >= MOST_SEEDS:
        raise ValueError(f"is a range of {last - first + 1:,} seeds; at most {MOST_SEEDS} are allowed")
    return tuple(range(first, last + 1))


def step_of(seeds: Iterable[int]) -> int:
    """The least step by which pictures that begin with these seeds can be drawn anew, so that no seed comes twice."""
    different = set(seeds)
    step = max(1, len(different))
    while len({seed % step for seed in different}) < len(different):
        step += 1
    return step


_WHOLE_SCHEMA: Final = {"type": "integer", "minimum": 0, "exclusiveMaximum": SEED_END}

_RANDOM_SCHEMA: Final = {"const": RANDOM}

ONE_SEED_SCHEMA: Final = {"anyOf": [_WHOLE_SCHEMA, {"type": "null"}]}

Seeds = Annotated[
    int | tuple[int, ...] | None,
    PlainValidator(seeds_of),
    WithJsonSchema(
        {
            "anyOf": [
                _WHOLE_SCHEMA,
                _RANDOM_SCHEMA,
                {"type": "array", "minItems": 1, "maxItems": MOST_SEEDS, "items": _WHOLE_SCHEMA},
                {"type": "string", "pattern": alone(_RANGE)},
                {"type": "null"},
            ]
        }
    ),
]

_ONE_OR_RANDOM: Final = {"anyOf": [_WHOLE_SCHEMA, _RANDOM_SCHEMA, {"type": "null"}]}

OneSeed = Annotated[int | None, PlainValidator(one_seed_of), WithJsonSchema(_ONE_OR_RANDOM)]
