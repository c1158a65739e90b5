"""Which IP-Adapters jobs may name. In: the configured folder. Out: names, and where each and its image encoder lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aura_daemon.jobs.guidance.picture_prompts import ADAPTER_ON_HUB
from aura_daemon.jobs.prompts.lora_names import EXTENSION

ENCODER: Final = "image_encoder"
"""Name of the folder with the model that looks at pictures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AdapterPlace:
    """An adapter in the configured folder."""

    name: str
    """Its path below the folder, without the ending."""
    file: Path
    encoder: Path | None
    """The folder of its image encoder: beside it, or beside a folder that it is in; None: there is none."""


def adapters_named(folder: Path | None) -> tuple[str, ...]:
    """The names that jobs may write: of the folder first, then the short name of the one on the hub."""
    own = (place.name for place in adapters_below(folder)) if folder is not None else ()
    return tuple(dict.fromkeys((*own, ADAPTER_ON_HUB.name)))


def adapters_below(folder: Path) -> Iterator[AdapterPlace]:
    """Each adapter below a folder.

    A folder that does not exist holds none; what begins with a dot is none, and links to folders are not followed.
    """
    for place, folders, files in os.walk(folder):
        here = Path(place)
        encoder = _encoder(here, folder)
        folders[:] = sorted(name for name in folders if name != ENCODER and not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(EXTENSION) and not name.startswith("."):
                file = here / name
                said = file.relative_to(folder).as_posix()[: -len(EXTENSION)]
                yield AdapterPlace(name=said, file=file, encoder=encoder)


def adapter_meant(name: str | None, configured: str | None, folder: Path | None) -> str | None:
    """The adapter of a job that may name one: the configured one, else the only one there is.

    None: there are several, and nothing says which.
    """
    if name is not None or configured is not None:
        return name or configured
    own = [place.name for place in adapters_below(folder)] if folder is not None else []
    if not own:
        return ADAPTER_ON_HUB.name
    return own[0] if len(own) == 1 else None


def _encoder(here: Path, folder: Path) -> Path | None:
    places = (here, *(above for above in here.parents if above.is_relative_to(folder)))
    return next((found for place in places if (found := place / ENCODER).is_dir()), None)
