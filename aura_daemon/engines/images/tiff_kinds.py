"""Names the kind of a TIFF that Pillow does not read. In: bytes. Out: words."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any, Final

from PIL import TiffImagePlugin

from aura_daemon.engines.images.decoders import BROKEN

CHANNELS, BITS, NUMBERS = 277, 258, 339
"""Tags (TIFF 6.0)."""

NUMBER_KINDS: Final = {1: "whole numbers", 2: "whole numbers with a sign", 3: "floating-point numbers"}


def described_tiff(content: bytes) -> str:
    """What the first page of a TIFF holds; empty where its header cannot be read."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return _described(BytesIO(content), 8 if content[2:4] in (b"*\0", b"\0*") else 16)
    except BROKEN:
        return ""


def _described(file: BytesIO, header_bytes: int) -> str:
    tags: Any = TiffImagePlugin.ImageFileDirectory_v2(file.read(header_bytes))
    file.seek(tags.next)
    tags.load(file)
    if not tags:
        return ""
    bits = tags.get(BITS, (1,))[0]
    channels = tags.get(CHANNELS, 1)
    kind = NUMBER_KINDS.get(tags.get(NUMBERS, (1,))[0], "numbers of an unknown kind")
    plural = "s" if channels != 1 else ""
    return f"a TIFF of {channels} channel{plural} of {bits}-bit {kind}"
