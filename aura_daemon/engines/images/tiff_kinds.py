"""Names the kind of a TIFF that Pillow does not read. In: bytes. Out: words."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any, Final

from PIL import TiffImagePlugin

from aura_daemon.engines.images.damage import BROKEN

CHANNELS, BITS, NUMBERS = 277, 258, 339
"""Tags (TIFF 6.0)."""

NUMBER_KINDS: Final = {1: "whole numbers", 2: "whole numbers with a sign", 3: "floating-point numbers"}


def described_tiff(content: bytes) -> str:
    """What the first page of a TIFF holds; empty where its header cannot be read."""
    tags = tags_of(content)
    if not tags:
        return ""
    bits = tags.get(BITS, (1,))[0]
    channels = tags.get(CHANNELS, 1)
    kind = NUMBER_KINDS.get(tags.get(NUMBERS, (1,))[0], "numbers of an unknown kind")
    plural = "s" if channels != 1 else ""
    return f"a TIFF of {channels} channel{plural} of {bits}-bit {kind}"


def tags_of(content: bytes) -> dict[int, Any]:
    """The tags of the first page; empty where they cannot be read, or name no lists where there should be lists."""
    file = BytesIO(content)
    try:
        with warnings.catch_warnings(action="ignore"):
            directory: Any = TiffImagePlugin.ImageFileDirectory_v2(
                file.read(8 if content[2:4] in (b"*\0", b"\0*") else 16)
            )
            file.seek(directory.next)
            directory.load(file)
            tags = dict(directory)
    except BROKEN:
        return {}
    return tags if all(isinstance(tags.get(tag, ()), tuple) for tag in (BITS, NUMBERS)) else {}
