"""Readers of the structure of pictures."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import Final

from aura_daemon.formats.image_ends import ends_properly
from aura_daemon.formats.image_signatures import format_of
from aura_daemon.gallery.webp_size import webp_size
from aura_daemon.jobs.sources import Accept
from aura_daemon.watch import file_kinds
from aura_daemon.watch.file_kinds import HEAD_BYTES
from tests.fuzzing.limits import must
from tests.fuzzing.targets.fuzz_target import IMAGES, FuzzTarget, files


def _look_at_image(content: bytes) -> None:
    format_of(content[:HEAD_BYTES])
    ends_properly(BytesIO(content))
    size = webp_size(content)
    must(size is None or min(size) > 0, "a WebP without a size")
    for name in ("a.png", "a.jpg", "a.webp"):
        file_kinds.route(name, content[:HEAD_BYTES], frozenset(Accept))


TARGETS: Final = {
    "image-head": FuzzTarget(
        read=_look_at_image,
        seeds=partial(files, *IMAGES),
        words=(
            b"\x89PNG\r\n\x1a\n",
            b"IEND",
            b"\xff\xd8\xff",
            b"\xff\xda",
            b"\xff\xd9",
            b"GIF89a",
            b"RIFF",
            b"WEBP",
            b"ftypavif",
            b"ftypheic",
            b"mdat",
            b"P6\n1 1\n",
            b"II*\0",
            b"MM\0*",
            b"BM",
        ),
    ),
}
"""Name -> reader."""
