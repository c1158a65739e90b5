from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from aura_daemon.gallery.webp_size import HEAD_BYTES, webp_size


@pytest.mark.parametrize("size", [(1, 1), (480, 270), (333, 480)])
@pytest.mark.parametrize("options", [{}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}], ids=["plain", "extended"])
def test_the_size_is_that_which_pillow_wrote(size: tuple[int, int], options: dict[str, bytes]) -> None:
    file = BytesIO()
    Image.new("RGB", size).save(file, "WEBP", **options)  # type: ignore[arg-type]
    assert webp_size(file.getvalue()[:HEAD_BYTES]) == size


@pytest.mark.parametrize(
    "head",
    [
        b"",
        bytes(HEAD_BYTES),
        b"RIFF0000WAVEVP8 ".ljust(HEAD_BYTES, b"\0"),
        b"RIFF0000WEBPVP8L".ljust(HEAD_BYTES, b"\0"),
        b"RIFF0000WEBPVP8 ".ljust(HEAD_BYTES, b"\0"),
        b"RIFF0000WEBPVP8 0000000\x9d\x01\x2a\0\0\0\0",
    ],
)
def test_what_is_no_picture_has_no_size(head: bytes) -> None:
    assert webp_size(head) is None
