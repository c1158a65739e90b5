"""The regions of a picture as a setting in it, which is our own: A1111 has none. In: regions. Out: text; and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from aura_daemon.jobs.guidance.regions import Region

REGIONS: Final = "Regions"
"""The name of the setting."""

_BOX: Final = "box"


def written_regions(regions: Sequence[Region]) -> str:
    """A JSON list; of a mask, which the picture does not hold, only that there is one. Empty without regions."""
    if not regions:
        return ""
    places = ({_BOX: region.box} if region.box is not None else {"mask": True} for region in regions)
    listed = [
        {"prompt": region.prompt, "weight": region.weight, **place}
        for region, place in zip(regions, places, strict=True)
    ]
    return json.dumps(listed, ensure_ascii=False)


def read_regions(text: str) -> list[dict[str, object]] | None:
    """The regions as in a job file, not checked yet; None where the text is no such list.

    One that has no box has a mask that is not to be had.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        return None
    return found


def have_boxes(regions: Sequence[dict[str, object]]) -> bool:
    """Whether all of them say where they are."""
    return all(_BOX in region for region in regions)
