"""How freely a LoRA may be named. In: a name, the names that there are. Out: the names that are meant.

ControlNets, adapters and upscalers are named as freely.

Names hold the folders of their files, with `/`. A1111 names a LoRA by its file name alone, wherever the file lies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

EXTENSION: Final = ".safetensors"


def names_meant(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Those that a name may mean: one, none, or several that it does not tell apart.

    The whole name counts for more than the file name alone, and the same letters for more than another case.
    """
    names = tuple(known)
    if name in names:
        return (name,)
    written = name.removesuffix(EXTENSION)
    ways: tuple[tuple[Callable[[str], str], str], ...] = (
        (str, written),
        (_file_name, written),
        (str.casefold, written.casefold()),
        (lambda one: _file_name(one).casefold(), written.casefold()),
    )
    found = (tuple(one for one in names if said(one) == meant) for said, meant in ways)
    return next((meant for meant in found if meant), ())


def _file_name(name: str) -> str:
    return name.rpartition("/")[2]
